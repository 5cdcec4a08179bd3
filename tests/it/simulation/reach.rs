//! What the worlds have reached of specification 1.4 and 1.8, and by which faults.

use domain::reservation::Reservation;
use domain::timeline::Recorded;
use domain::words::{
    Actor, EventType, Operation, ReservationStatus as S, StatusReason, TicketStatus,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

#[derive(Debug, Default, Clone)]
pub(super) struct Reach {
    statuses: BTreeSet<&'static str>,
    cases: BTreeMap<&'static str, u64>,
    /// From, event, to.
    transitions: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    /// Fault, and how the reservations ended that it met.
    faults: BTreeMap<(&'static str, &'static str), u64>,
    runs: BTreeMap<String, u64>,
}

/// What every full run has to reach: the transitions and races that are built today. R16 and the ways
/// out of a refused refund are enumerated in `pauses.rs`: dice meet them, but too seldom to be relied
/// on.
const BUILT: &[&str] = &[
    "T1",
    "T2 sold out",
    "T2 closed",
    "T3",
    "T4",
    "T4 by plan",
    "T4 deferred",
    "T4 by plan deferred",
    "T1 deferred",
    "T5",
    "T5 late",
    "T6",
    "T6 lapsed",
    "T7 none left",
    "T7 plan",
    "T8",
    "T10",
    "T11 reserved",
    "T11 pending",
    "T11 deferred",
    "T12",
    "T12 by plan",
    "T13 taken",
    "T13 plan dropped",
    "T14",
    "T15",
    "T16",
    "T17",
    "T18 reserved",
    "T18 pending",
    "T18 sent",
    "T18 approved",
    "T19 seated",
    "T19 ticketed",
    "T20",
    "T21 cancelled",
    "T21 expired",
    "T22",
    "T22 at once",
    "T22 raised",
    "T23",
    "T23 by code",
    "T23 early",
    "T23 twice",
    "T24 ticketed",
    "T24 used",
    "T24 seated",
    "T25",
    "T26 after the end",
    "T26 beside the deal",
    "R4",
    "R5 the seats won",
    "R5 the time won",
    "R6 unsent",
    "R6 sent",
    "R6 deferred unsent",
    "R6 deferred sent",
    "R7 the cancel won",
    "R7 the seats won",
    "R8 before",
    "R8 after",
    "R9",
    "R10",
    "R11",
    "R12",
    "R14 the scan won",
    "R14 the cancel won",
    "R15",
    "R23",
    "R25",
    "R26",
    "R27",
    "R28",
    "refund blocked",
    "contradiction",
];

impl Reach {
    pub(super) fn case(&mut self, case: &'static str) {
        *self.cases.entry(case).or_insert(0) += 1;
    }

    pub(super) fn has(&self, case: &str) -> bool {
        self.cases.contains_key(case)
    }

    pub(super) fn run(&mut self, workflow: &str) {
        let runs = self.runs.entry(workflow.to_owned()).or_insert(0);
        *runs += 1;
        if *runs > 1 && workflow.starts_with("booking/") {
            self.case("R25");
        }
    }

    /// A delivery came long after its key's answer.
    pub(super) fn late_delivery(&mut self, row: Option<&Reservation>) {
        let undone = row.is_some_and(|row| row.status.is_terminal() || row.status == S::Cancelling);
        if undone {
            self.case("R28");
        }
    }

    pub(super) fn fault(&mut self, fault: &'static str, ended: &'static str) {
        *self.faults.entry((fault, ended)).or_insert(0) += 1;
    }

    /// Cases that a row shows before and after a step, and its timeline does not.
    pub(super) fn change(&mut self, before: Option<&Reservation>, after: &Reservation) {
        self.statuses.insert(after.status.as_str());
        let Some(before) = before else { return self.case("T1") };
        let now = after.updated_at;
        let overdue = before.deadline_at.is_some_and(|at| at <= now);
        let open = before.open_call.as_ref().map(|call| call.operation);
        if before.open_call.is_some() && after.open_call.is_none() && overdue {
            self.case("R4");
        }
        match (before.status, after.status) {
            (S::PaymentApproved, S::SeatSelected) if overdue => self.case("R5 the seats won"),
            (S::PaymentPending, S::Cancelled) => self.case("R6 unsent"),
            (S::PaymentDeferred, S::Cancelled) => self.case("R6 deferred unsent"),
            (S::PaymentDeferred, S::Cancelling) if open == Some(Operation::Approve) => {
                self.case("R6 deferred sent");
            }
            (S::PaymentDeferred, S::PaymentPending | S::PaymentDeferred)
                if before.attempt_id() != after.attempt_id() =>
            {
                self.case("R27");
            }
            (S::PaymentPending, S::Cancelling) if open == Some(Operation::Approve) => {
                self.case("R6 sent");
            }
            (S::SeatSelected, S::Cancelling) => {
                self.case("R7 the seats won");
                if before.is_captured() {
                    self.case("R8 before");
                }
                if open == Some(Operation::Capture) && after.open_call.is_some() {
                    self.case("R26");
                }
            }
            (S::Ticketed, S::Cancelling) => self.case("R8 after"),
            (S::Cancelling, S::Cancelling) => {
                let settles = matches!(open, Some(Operation::Approve | Operation::Capture));
                if settles && after.open_call.is_none() {
                    self.case("T25");
                }
            }
            _ => {}
        }
        let unanswered = before.open_call.is_some() && before.open_call == after.open_call;
        if unanswered {
            self.case("T10");
        }
    }

    /// The transitions of one timeline.
    pub(super) fn timeline(&mut self, events: &[Recorded], row: &Reservation) {
        let mut from = "-";
        for event in events {
            let to = event.status.as_str();
            *self.transitions.entry((from, event.kind.as_str(), to)).or_insert(0) += 1;
            if let Some(case) = named(from, event, row) {
                self.case(case);
            }
            from = to;
        }
    }

    pub(super) fn add(&mut self, other: Reach) {
        self.statuses.extend(other.statuses);
        sum(&mut self.cases, other.cases);
        sum(&mut self.transitions, other.transitions);
        sum(&mut self.faults, other.faults);
    }

    /// What is built and was not reached.
    pub(super) fn missed(&self) -> Vec<&'static str> {
        let cases = BUILT.iter().filter(|case| !self.cases.contains_key(**case));
        let statuses = S::EVERY.iter().map(|status| status.as_str());
        let missed = statuses.filter(|status| !self.statuses.contains(status));
        let seen: BTreeSet<&str> = self.transitions.keys().map(|(_, kind, _)| *kind).collect();
        let unseen =
            EventType::EVERY.iter().map(|kind| kind.as_str()).filter(|kind| !seen.contains(kind));
        cases.copied().chain(missed).chain(unseen).collect()
    }

    pub(super) fn table(&self) -> String {
        let mut table = String::new();
        let mut line = |text: String| writeln!(table, "{text}").expect("memory");
        line("cases of 1.4 and 1.8, how often:".to_owned());
        for (case, count) in &self.cases {
            line(format!("  {case:<20} {count}"));
        }
        line("transitions (from, event, to):".to_owned());
        for ((from, event, to), count) in &self.transitions {
            line(format!("  {from:<17} {event:<29} {to:<17} {count}"));
        }
        line("fault → how the reservations ended that it met:".to_owned());
        let kinds: BTreeSet<&str> = self.faults.keys().map(|(fault, _)| *fault).collect();
        for kind in kinds {
            let ended = self.faults.iter().filter(|((fault, _), _)| *fault == kind);
            let ended: Vec<String> =
                ended.map(|((_, status), count)| format!("{status} {count}")).collect();
            line(format!("  {kind:<26} {}", ended.join(", ")));
        }
        table
    }
}

fn sum<K: Ord>(into: &mut BTreeMap<K, u64>, from: BTreeMap<K, u64>) {
    for (key, count) in from {
        *into.entry(key).or_insert(0) += count;
    }
}

/// The row of specification 1.4 that an event is.
fn named(from: &str, event: &Recorded, row: &Reservation) -> Option<&'static str> {
    let to = event.status;
    let reason = event.detail.reason;
    match event.kind {
        EventType::PaymentRequested if event.actor == Actor::System => Some("T4 by plan"),
        EventType::PaymentRequested => Some("T4"),
        EventType::PaymentDeferred => match (from, event.actor) {
            ("PAYMENT_PENDING", _) => Some("T8"),
            ("RESERVED", Actor::System) => Some("T4 by plan deferred"),
            ("RESERVED", _) => Some("T4 deferred"),
            (_, Actor::System) => Some("T1 deferred"),
            _ => None,
        },
        EventType::PaymentApproved if to == S::PaymentApproved => Some("T5"),
        EventType::PaymentDeclined if to == S::Reserved => Some("T6"),
        EventType::PaymentLapsed if to == S::Reserved => Some("T6 lapsed"),
        EventType::PaymentDeclined if to == S::Expired && row.plan.is_some() => Some("T7 plan"),
        EventType::PaymentDeclined if to == S::Expired => Some("T7 none left"),
        EventType::PaymentDeclined if from == "SEAT_SELECTED" => Some("T14"),
        EventType::SeatAssigned if event.actor == Actor::System => Some("T12 by plan"),
        EventType::SeatAssigned => Some("T12"),
        EventType::SeatChanged => Some("T17"),
        EventType::PlanSeatsTaken => Some("T13 plan dropped"),
        EventType::TicketIssued if from == "SEAT_SELECTED" => Some("T16"),
        EventType::RefundDelayed if event.actor == Actor::System => Some("refund delayed"),
        EventType::RefundDelayed => Some("refund blocked"),
        EventType::TicketUsed if event.detail.ticket_id.is_none() => Some("T23 by code"),
        EventType::TicketUsed => Some("T23"),
        EventType::ShowCompleted if row.tickets == TicketStatus::Used => Some("T24 used"),
        EventType::ShowCompleted if from == "TICKETED" => Some("T24 ticketed"),
        EventType::ShowCompleted => Some("T24 seated"),
        EventType::ReservationExpired if reason == Some(StatusReason::PaymentTimeout) => match from
        {
            "RESERVED" => Some("T11 reserved"),
            "PAYMENT_DEFERRED" => Some("T11 deferred"),
            _ => Some("T11 pending"),
        },
        EventType::ReservationExpired if from == "CANCELLING" => Some("T21 expired"),
        EventType::ReservationCancelled if from == "CANCELLING" => Some("T21 cancelled"),
        EventType::CancellationRequested if event.detail.payment_id.is_some() => {
            Some(if to.is_terminal() { "T26 after the end" } else { "T26 beside the deal" })
        }
        EventType::CancellationRequested => match (reason, from) {
            (Some(StatusReason::LateApproval), _) => Some("T5 late"),
            (Some(StatusReason::ShowtimeCancelled), "CANCELLING") => Some("T22 raised"),
            (Some(StatusReason::ShowtimeCancelled), _) if to == S::Cancelled => Some("T22 at once"),
            (Some(StatusReason::ShowtimeCancelled), _) => Some("T22"),
            (Some(StatusReason::SeatTimeout), _) => Some("T15"),
            (Some(StatusReason::CustomerRequest), "RESERVED") => Some("T18 reserved"),
            (Some(StatusReason::CustomerRequest), "PAYMENT_PENDING") if to == S::Cancelled => {
                Some("T18 pending")
            }
            (Some(StatusReason::CustomerRequest), "PAYMENT_PENDING") => Some("T18 sent"),
            (Some(StatusReason::CustomerRequest), "PAYMENT_APPROVED") => Some("T18 approved"),
            (Some(StatusReason::CustomerRequest), "SEAT_SELECTED") => Some("T19 seated"),
            (Some(StatusReason::CustomerRequest), "TICKETED") if to == S::Ticketed => Some("T20"),
            (Some(StatusReason::CustomerRequest), "TICKETED") => Some("T19 ticketed"),
            _ => None,
        },
        _ => None,
    }
}
