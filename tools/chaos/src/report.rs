//! What a run showed: a line per seed, a table of faults, JSON, Markdown.

use crate::booking::Booking;
use crate::kind::{Kind, On};
use crate::mix::Mixed;
use crate::seed::QUIET_WITHIN;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// How bookings ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ends {
    pub ticketed: usize,
    pub cancelled: usize,
    pub expired: usize,
    /// The gateway refuses the refund for good: staff has to find another way.
    pub blocked: usize,
    /// Never made: no places left.
    pub refused: usize,
    pub not_ended: usize,
}

impl Ends {
    pub(crate) fn of<'a>(bookings: impl Iterator<Item = &'a Booking>) -> Self {
        let mut ends = Self::default();
        for booking in bookings {
            *match (booking.ended_at, booking.status()) {
                (Some(_), "TICKETED") => &mut ends.ticketed,
                (Some(_), "CANCELLED") => &mut ends.cancelled,
                (Some(_), "EXPIRED") => &mut ends.expired,
                (Some(_), _) if booking.is_blocked() => &mut ends.blocked,
                (Some(_), _) if booking.refused.is_some() => &mut ends.refused,
                _ => &mut ends.not_ended,
            } += 1;
        }
        ends
    }

    fn add(&mut self, other: Self) {
        self.ticketed += other.ticketed;
        self.cancelled += other.cancelled;
        self.expired += other.expired;
        self.blocked += other.blocked;
        self.refused += other.refused;
        self.not_ended += other.not_ended;
    }
}

/// One fault and what became of those whom it met.
#[derive(Debug, Serialize)]
pub struct Fault {
    #[serde(serialize_with = "shown")]
    pub kind: Kind,
    pub at_secs: f64,
    pub healed_secs: f64,
    /// How many times it struck: processes ended, calls spoilt, runs hit.
    pub struck: u64,
    /// Why it could not be done.
    pub failed: Option<String>,
    /// Bookings under way when it struck, and how these ended.
    pub under_way: usize,
    pub ends: Ends,
    pub violations: usize,
    /// From healing to the end of the last planned booking that was under way then.
    pub recovery_secs: f64,
}

/// One seed.
#[derive(Debug, Serialize)]
pub struct Outcome {
    pub seed: u64,
    pub faults: Vec<Fault>,
    /// The gateway's faults that were played all at once.
    pub mixed: Vec<Mixed>,
    pub ends: Ends,
    /// From the last heal, or the last customer, until the last booking had ended.
    pub quiet_secs: f64,
    pub violations: usize,
    /// Of each violation.
    pub stories: Vec<String>,
    /// Processes that ended by themselves.
    pub falls: Vec<String>,
    /// The data folder, where it was kept.
    pub folder: Option<PathBuf>,
}

impl Outcome {
    /// One line for people.
    pub fn line(&self) -> String {
        let Ends { ticketed, cancelled, expired, blocked, refused, not_ended } = self.ends;
        let faults = self.faults.iter().map(|fault| {
            let failed = fault.failed.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            format!("{}×{}{failed}", fault.kind, fault.struck)
        });
        let mixed = self.mixed.iter().map(|mixed| format!("{}×{}", mixed.fault, mixed.struck));
        let faults: Vec<String> = faults.chain(mixed).collect();
        let mut line = format!(
            "seed {}: {} | {ticketed} ticketed, {cancelled} cancelled, {expired} expired, \
             {blocked} blocked, {refused} refused, {not_ended} not ended | quiet after {:.1} s | \
             {} violations",
            self.seed,
            faults.join(" "),
            self.quiet_secs,
            self.violations
        );
        if !self.falls.is_empty() {
            let _ = write!(line, " | ended by themselves: {}", self.falls.join(", "));
        }
        if let Some(folder) = &self.folder {
            let _ = write!(line, " | {}", folder.display());
        }
        line
    }
}

/// All seeds of a run.
#[derive(Serialize)]
pub struct Report {
    #[serde(serialize_with = "debugged")]
    pub on: On,
    pub bookings_per_seed: usize,
    pub outcomes: Vec<Outcome>,
}

/// A row of the table: all faults of one kind.
#[derive(Default)]
struct Row {
    times: usize,
    struck: u64,
    under_way: usize,
    ends: Ends,
    violations: usize,
    recovery_secs: f64,
}

const HEADS: [&str; 10] = [
    "fault",
    "times",
    "struck",
    "under way",
    "ticketed",
    "cancelled",
    "expired",
    "blocked",
    "violations",
    "recovery s",
];

impl Report {
    pub fn new(on: On, bookings_per_seed: usize) -> Self {
        Self { on, bookings_per_seed, outcomes: Vec::new() }
    }

    pub fn violations(&self) -> usize {
        self.outcomes.iter().map(|outcome| outcome.violations).sum()
    }

    /// Fault × outcome, for a terminal.
    pub fn table(&self) -> String {
        let mut table = String::new();
        for cells in std::iter::once(HEADS.map(str::to_owned)).chain(self.cells()) {
            let [name, numbers @ ..] = cells;
            let _ = write!(table, "{name:<20}");
            for cell in numbers {
                let _ = write!(table, "{cell:>11}");
            }
            table.push('\n');
        }
        table + &self.summary()
    }

    /// The same for `docs/RELIABILITY.md`.
    pub fn markdown(&self) -> String {
        let mut table = format!("| {} |\n|---|{}\n", HEADS.join(" | "), "--:|".repeat(9));
        for cells in self.cells() {
            let _ = writeln!(table, "| {} |", cells.join(" | "));
        }
        format!("{}\n{table}{}", self.summary(), self.mixed())
    }

    /// What the gateway's faults met where all were played at once.
    fn mixed(&self) -> String {
        let mut struck: BTreeMap<&str, u64> = BTreeMap::new();
        for mixed in self.outcomes.iter().flat_map(|outcome| &outcome.mixed) {
            *struck.entry(&mixed.fault).or_default() += mixed.struck;
        }
        if struck.is_empty() {
            return String::new();
        }
        let rows = struck.iter().map(|(fault, struck)| format!("| {fault} | {struck} |\n"));
        format!("\n| gateway's fault | calls it met |\n|---|--:|\n{}", rows.collect::<String>())
    }

    fn summary(&self) -> String {
        let mut ends = Ends::default();
        self.outcomes.iter().for_each(|outcome| ends.add(outcome.ends));
        let Ends { ticketed, cancelled, expired, blocked, refused, not_ended } = ends;
        let quiet = self.outcomes.iter().map(|o| o.quiet_secs).fold(0.0, f64::max);
        format!(
            "{:?}: {} seeds × {} bookings: {ticketed} ticketed, {cancelled} cancelled, {expired} \
             expired, {blocked} blocked, {refused} refused, {not_ended} not ended; {} violations; \
             all quiet {quiet:.1} s after the last fault healed at the latest (limit {} s).\n",
            self.on,
            self.outcomes.len(),
            self.bookings_per_seed,
            self.violations(),
            QUIET_WITHIN.as_secs(),
        )
    }

    fn cells(&self) -> impl Iterator<Item = [String; 10]> {
        let mut rows: BTreeMap<Kind, Row> = BTreeMap::new();
        for fault in self.outcomes.iter().flat_map(|outcome| &outcome.faults) {
            let row = rows.entry(fault.kind).or_default();
            row.times += usize::from(fault.failed.is_none());
            row.struck += fault.struck;
            row.under_way += fault.under_way;
            row.ends.add(fault.ends);
            row.violations += fault.violations;
            row.recovery_secs = row.recovery_secs.max(fault.recovery_secs);
        }
        rows.into_iter().map(|(kind, row)| {
            let Ends { ticketed, cancelled, expired, blocked, .. } = row.ends;
            [
                kind.to_string(),
                row.times.to_string(),
                row.struck.to_string(),
                row.under_way.to_string(),
                ticketed.to_string(),
                cancelled.to_string(),
                expired.to_string(),
                blocked.to_string(),
                row.violations.to_string(),
                format!("{:.1}", row.recovery_secs),
            ]
        })
    }
}

fn shown<S: Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(kind)
}

fn debugged<S: Serializer>(on: &On, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{on:?}"))
}
