//! The kinds of faults, and which of them a seed draws.

use clap::ValueEnum;
use std::fmt;

/// What the faults are done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum On {
    /// `marquee up` with everything it starts, on SQLite.
    Embedded,
    /// PostgreSQL, Temporal, gateway, API and two workers, each a process of its own.
    Fleet,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal on $where:ident),+ $(,)?) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind { $($(#[$doc])* $kind),+ }

        impl Kind {
            /// All of them, in the order of the table.
            pub const EVERY: &'static [Kind] = &[$(Kind::$kind),+];

            fn name(self) -> &'static str {
                match self { $(Kind::$kind => $name),+ }
            }

            fn place(self) -> Place {
                match self { $(Kind::$kind => Place::$where),+ }
            }
        }
    };
}

enum Place {
    Anywhere,
    Embedded,
    Fleet,
}

kinds!(
    UpKilled = "up-killed" on Embedded,
    UpRestarted = "up-restarted" on Embedded,
    UpPaused = "up-paused" on Embedded,
    ApiKilled = "api-killed" on Fleet,
    WorkerKilled = "worker-killed" on Fleet,
    WorkerRestarted = "worker-restarted" on Fleet,
    WorkerPaused = "worker-paused" on Fleet,
    PostgresStopped = "postgres-stopped" on Fleet,
    ConnectionsCut = "connections-cut" on Fleet,
    /// Each connection is cut right after COMMIT went through.
    CommitsCut = "commits-cut" on Fleet,
    TemporalKilled = "temporal-killed" on Anywhere,
    TemporalDown = "temporal-down" on Anywhere,
    TemporalPaused = "temporal-paused" on Anywhere,
    TemporalSetBack = "temporal-set-back" on Anywhere,
    TemporalForgot = "temporal-forgot" on Anywhere,
    RunsTerminated = "runs-terminated" on Anywhere,
    RunsDeleted = "runs-deleted" on Anywhere,
    RunsCancelled = "runs-cancelled" on Anywhere,
    WakeStorm = "wake-storm" on Anywhere,
    GatewayKilled = "gateway-killed" on Anywhere,
    GatewayDown = "gateway-down" on Anywhere,
    GatewayPaused = "gateway-paused" on Anywhere,
    GatewaySlow = "gateway-slow" on Anywhere,
    AnswersLate = "answers-late" on Anywhere,
    AnswersLost = "answers-lost" on Anywhere,
    RequestsDropped = "requests-dropped" on Anywhere,
    GatewayUnavailable = "gateway-unavailable" on Anywhere,
    PaymentsDeclined = "payments-declined" on Anywhere,
    CapturesRefused = "captures-refused" on Anywhere,
    RefundsRefused = "refunds-refused" on Anywhere,
    TicketsDown = "tickets-down" on Embedded,
    BrokerKilled = "kafka-killed" on Anywhere,
    BrokerDown = "kafka-down" on Anywhere,
    BrokerPaused = "kafka-paused" on Anywhere,
    EndpointRefuses = "endpoint-refuses" on Anywhere,
    /// It takes each event, and does not say so in time.
    EndpointHangs = "endpoint-hangs" on Anywhere,
    MessagesDown = "messages-down" on Embedded,
    /// The message company takes each message, and its answer is lost.
    MessagesUnanswered = "messages-unanswered" on Embedded,
    /// Each command is sent three times at once under one key.
    CommandsTripled = "commands-tripled" on Anywhere,
    /// The customer's connection is cut after the command was sent.
    CustomersGone = "customers-gone" on Anywhere,
);

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Kind {
    /// The kinds that can be done to such a system.
    pub fn of(on: On) -> Vec<Self> {
        let fits = |kind: &&Self| match kind.place() {
            Place::Anywhere => true,
            Place::Embedded => on == On::Embedded,
            Place::Fleet => on == On::Fleet,
        };
        Self::EVERY.iter().filter(fits).copied().collect()
    }

    /// The kind of this name.
    pub fn parse(name: &str) -> Result<Self, String> {
        let found = Self::EVERY.iter().find(|kind| kind.name() == name);
        found.copied().ok_or_else(|| {
            let names: Vec<&str> = Self::EVERY.iter().map(|kind| kind.name()).collect();
            format!("one of: {}", names.join(", "))
        })
    }
}

/// So many seeds in a row draw from one order, then from another.
const SEEDS_PER_ORDER: u64 = 20;

/// The kinds of this seed: all are laid in a ring in a chance order, and each seed takes the next
/// few, so that each kind has its turn in any run of seeds, and a seed alone draws the same again.
pub(crate) fn dealt(kinds: &[Kind], seed: u64, each: usize) -> Vec<Kind> {
    let mut ring = kinds.to_vec();
    let order = seed.saturating_sub(1) / SEEDS_PER_ORDER;
    fastrand::Rng::with_seed(order).shuffle(&mut ring);
    let each = each.min(ring.len());
    ring.iter().cycle().skip(seed as usize * each % kinds.len()).take(each).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FAULTS_PER_SEED;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn twenty_seeds_draw_each_kind_four_times_and_no_kind_twice_in_one() {
        for on in [On::Embedded, On::Fleet] {
            let kinds = Kind::of(on);
            assert!(kinds.len() >= 20);
            let mut times: BTreeMap<Kind, u32> = BTreeMap::new();
            for seed in 1..=20 {
                let drawn = dealt(&kinds, seed, FAULTS_PER_SEED);
                let distinct = drawn.iter().collect::<BTreeSet<_>>().len();
                assert_eq!(distinct, FAULTS_PER_SEED, "{seed}: {drawn:?}");
                for kind in drawn {
                    *times.entry(kind).or_default() += 1;
                }
            }
            for kind in kinds {
                assert!(times[&kind] >= 4, "{kind}: {times:?}");
            }
        }
    }
}
