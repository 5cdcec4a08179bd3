//! The fault script: how fast the gateway is, how much it takes, and what goes wrong.
//!
//! One small language for everything that goes wrong: a list of rules, each of them a fault, for
//! how long it strikes, and whom.

mod script;

use crate::delivery::{ORDER_CHARS_MAX, OrderId};
use anyhow::ensure;
use serde::{Deserialize, Serialize};

pub(crate) use script::Script;

/// The longest latency that a script may ask for, in milliseconds.
pub const LATENCY_MILLIS_MAX: u64 = 600_000;
/// The most rules that a script may hold; the tests of one run stay far below.
pub const RULES_MAX: usize = 10_000;

/// The script as it is written. What it leaves out is as with a healthy company.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Faults {
    /// The shortest and the longest time that an approval takes, in milliseconds. Where customers
    /// approve in their browser, that is the time of a confirmation.
    pub approve_millis: [u64; 2],
    /// The shortest and the longest time that any other operation takes, in milliseconds.
    pub other_millis: [u64; 2],
    /// How many calls are worked on at a time; more are answered with 429.
    pub calls_max: Option<u64>,
    /// How many calls are taken in a second; more are answered with 429.
    pub calls_per_second_max: Option<u64>,
    /// How long what a customer authorised can be confirmed, in milliseconds.
    pub authorized_millis: u64,
    /// Of the rules that fit a call, the newest strikes.
    pub rules: Vec<Rule>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            approve_millis: [400, 620],
            other_millis: [20, 60],
            calls_max: None,
            calls_per_second_max: None,
            authorized_millis: 600_000,
            rules: Vec::new(),
        }
    }
}

/// One thing that goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rule {
    pub fault: Fault,
    #[serde(default, rename = "for")]
    pub span: Span,
    /// Only orders whose id begins with this. An inquiry by key is judged by the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orders: Option<String>,
    /// Only calls of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Verb>,
    /// The shortest and the longest time, in milliseconds, of a fault that takes time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub millis: Option<[u64; 2]>,
}

/// How long a rule strikes: while all that is given here still holds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Span {
    /// So many times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// So long after the rule was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub millis: Option<u64>,
    /// This share of the calls, from 0 to 1, drawn by `seed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Fault {
    /// The call takes `millis`.
    Slow,
    /// 429 with Retry-After, without any effect.
    Overload,
    /// 503 with Retry-After, without any effect.
    Down,
    /// 500, without any effect.
    Fail,
    /// The connection is closed, without any effect.
    Reset,
    /// Nothing is answered for `millis`, then the connection is closed, without any effect.
    Hang,
    /// The operation is refused for good.
    Decline,
    /// The effect is made and kept, and the connection is closed instead of an answer.
    LoseAnswer,
    /// The connection is closed, and the effect is made after somebody has looked it up in vain.
    Late,
    /// The call is carried out twice, and the second answer is given.
    Twice,
    /// The answer names another amount than was moved.
    WrongAmount,
    /// The answer says of itself what nobody has heard of.
    UnknownStatus,
    /// What the customer authorises ends at once.
    Lapse,
    /// A webhook is sent twice.
    WebhookTwice,
    /// A webhook comes before the answer that it belongs to.
    WebhookEarly,
    /// A webhook is not sent at all.
    WebhookNever,
}

/// What a call asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verb {
    /// By the customer, in the browser.
    Authorize,
    Approve,
    Capture,
    Void,
    Refund,
    Inquire,
}

impl Faults {
    /// Says what is wrong with a script that cannot be played.
    pub fn check(&self) -> anyhow::Result<()> {
        check_range(self.approve_millis)?;
        check_range(self.other_millis)?;
        ensure!(self.rules.len() <= RULES_MAX, "at most {RULES_MAX} rules are kept");
        self.rules.iter().try_for_each(Rule::check)
    }
}

impl Rule {
    /// Says what is wrong with a rule that cannot be played.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if let Some(prefix) = &self.orders {
            let fits = OrderId::parse(prefix.as_str()).is_ok();
            ensure!(fits, "a prefix is 1 to {ORDER_CHARS_MAX} letters, digits, '-' and '_'");
        }
        if let Some(range) = self.millis {
            check_range(range)?;
        }
        let takes_time = matches!(self.fault, Fault::Slow | Fault::Hang);
        ensure!(takes_time == self.millis.is_some(), "SLOW and HANG have `millis`, others do not");
        let share = self.span.share.unwrap_or(1.0);
        ensure!((0.0..=1.0).contains(&share), "a share is from 0 to 1");
        let seeded = self.span.share.is_some() == self.span.seed.is_some();
        ensure!(seeded, "a share has a seed, and nothing else has");
        Ok(())
    }
}

fn check_range([from, to]: [u64; 2]) -> anyhow::Result<()> {
    ensure!(from <= to, "a time goes from the shortest to the longest");
    ensure!(to <= LATENCY_MILLIS_MAX, "a time is at most {LATENCY_MILLIS_MAX} milliseconds");
    Ok(())
}
