//! The fault script: a list of rules, of which the first that fits strikes.

use serde::{Deserialize, Serialize};

/// What goes wrong now.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    fault: Fault,
    /// Only messages by this channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    channel: Option<Channel>,
    /// Only messages to this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    /// So many times; for ever without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    calls: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Channel {
    AlimTalk,
    Sms,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Fault {
    /// 503, and nothing is taken.
    Down,
    /// 429 with Retry-After, and nothing is taken.
    Busy,
    /// It is taken, and the answer does not come through: 504.
    LoseAnswer,
    /// It is refused for good.
    Refuse,
    /// It is taken, and the number has no KakaoTalk.
    #[serde(rename = "NO_KAKAOTALK")]
    NoKakaoTalk,
}

impl Script {
    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The fault that strikes a message, if any; then it is used up once.
    pub(crate) fn strike(&mut self, channel: Channel, to: &str) -> Option<Fault> {
        let rule = self.rules.iter_mut().find(|rule| rule.fits(channel, to))?;
        if let Some(calls) = &mut rule.calls {
            *calls -= 1;
        }
        Some(rule.fault)
    }
}

impl Rule {
    fn fits(&self, channel: Channel, to: &str) -> bool {
        self.calls != Some(0)
            && self.channel.is_none_or(|only| only == channel)
            && self.to.as_ref().is_none_or(|only| only == to)
            && (self.fault != Fault::NoKakaoTalk || channel == Channel::AlimTalk)
    }
}
