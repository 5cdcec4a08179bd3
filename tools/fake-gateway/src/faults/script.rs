//! The script while it is played: which rules there are and how often each has struck.

use super::{Fault, Faults, RULES_MAX, Rule, Verb};
use anyhow::ensure;
use serde::Serialize;
use std::time::{Duration, Instant};

/// What is played. Gone with the process.
pub(crate) struct Script {
    /// Without rules: those are `cast`.
    settings: Faults,
    /// The oldest first.
    cast: Vec<Part>,
    next_id: u64,
}

/// A rule that is played.
struct Part {
    id: u64,
    rule: Rule,
    struck: u64,
    began: Instant,
    dice: fastrand::Rng,
}

/// A rule as it is shown: with how often it has struck.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown {
    id: u64,
    #[serde(flatten)]
    rule: Rule,
    struck: u64,
}

/// The script as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Playbill {
    approve_millis: [u64; 2],
    other_millis: [u64; 2],
    calls_max: Option<u64>,
    calls_per_second_max: Option<u64>,
    authorized_millis: u64,
    rules: Vec<Shown>,
}

/// A fault that strikes a call now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Struck {
    pub(crate) fault: Fault,
    /// How long it takes, where it takes time.
    pub(crate) lasts: Duration,
}

impl Script {
    pub(crate) fn new(mut faults: Faults) -> Self {
        let rules = std::mem::take(&mut faults.rules);
        let mut script = Self { settings: faults, cast: Vec::new(), next_id: 1 };
        for rule in rules {
            script.cast(rule);
        }
        script
    }

    pub(crate) fn settings(&self) -> &Faults {
        &self.settings
    }

    pub(crate) fn show(&self) -> Playbill {
        let Faults {
            approve_millis,
            other_millis,
            calls_max,
            calls_per_second_max,
            authorized_millis,
            rules: _,
        } = self.settings;
        let rules = self.cast.iter().map(Part::show).collect();
        Playbill {
            approve_millis,
            other_millis,
            calls_max,
            calls_per_second_max,
            authorized_millis,
            rules,
        }
    }

    /// Adds a rule to those that are played. Rules that can strike no more make room.
    pub(crate) fn add(&mut self, rule: Rule) -> anyhow::Result<Shown> {
        rule.check()?;
        if self.cast.len() >= RULES_MAX {
            self.cast.retain(|part| !part.is_over());
        }
        ensure!(self.cast.len() < RULES_MAX, "at most {RULES_MAX} rules are kept");
        Ok(self.cast(rule))
    }

    fn cast(&mut self, rule: Rule) -> Shown {
        let dice = fastrand::Rng::with_seed(rule.span.seed.unwrap_or_default());
        let part = Part { id: self.next_id, rule, struck: 0, began: Instant::now(), dice };
        self.next_id += 1;
        let shown = part.show();
        self.cast.push(part);
        shown
    }

    /// Takes a rule out of the play.
    pub(crate) fn remove(&mut self, id: u64) -> Option<Shown> {
        let place = self.cast.iter().position(|part| part.id == id)?;
        Some(self.cast.remove(place).show())
    }

    /// How long this call takes this time. What the customer authorised is a confirmation when it
    /// is captured, and takes as long as an approval.
    pub(crate) fn latency(&mut self, verb: Verb, order: &str, authorized: bool) -> Duration {
        if let Some(slow) = self.strike(verb, order, &[Fault::Slow]) {
            return slow.lasts;
        }
        drawn(match verb {
            Verb::Approve => self.settings.approve_millis,
            Verb::Capture if authorized => self.settings.approve_millis,
            Verb::Capture | Verb::Void | Verb::Refund => self.settings.other_millis,
            Verb::Authorize | Verb::Inquire => [0, 0],
        })
    }

    /// Which of these faults strikes this call, if any; then it is used up once.
    pub(crate) fn strike(&mut self, verb: Verb, order: &str, among: &[Fault]) -> Option<Struck> {
        let mut newest_first = self.cast.iter_mut().rev();
        let part = newest_first.find_map(|part| part.strikes(verb, order, among))?;
        part.struck += 1;
        let lasts = part.rule.millis.map_or(Duration::ZERO, drawn);
        Some(Struck { fault: part.rule.fault, lasts })
    }
}

impl Part {
    fn strikes(&mut self, verb: Verb, order: &str, among: &[Fault]) -> Option<&mut Self> {
        let fits = among.contains(&self.rule.fault)
            && self.rule.operation.is_none_or(|operation| operation == verb)
            && self.rule.orders.as_ref().is_none_or(|prefix| order.starts_with(prefix));
        if !fits || self.is_over() {
            return None;
        }
        let drawn = self.rule.span.share.is_none_or(|share| self.dice.f64() < share);
        drawn.then_some(self)
    }

    fn is_over(&self) -> bool {
        let span = self.rule.span;
        span.calls.is_some_and(|calls| self.struck >= calls)
            || span.millis.is_some_and(|m| self.began.elapsed() >= Duration::from_millis(m))
    }

    fn show(&self) -> Shown {
        Shown { id: self.id, rule: self.rule.clone(), struck: self.struck }
    }
}

fn drawn([from, to]: [u64; 2]) -> Duration {
    Duration::from_millis(fastrand::u64(from..=to))
}
