//! The auditor's rules: what must hold of all that is stored of one reservation (specification
//! 1.6), and of what the gateway has in its own ledger.
//!
//! They judge what one snapshot shows, so they hold at every moment, also while a booking is under
//! way; the few that hold at rest only say when.

mod attendance;
mod holding;
mod ledger;
mod money;
pub mod story;
mod undo;

use crate::cancellation::Cancellation;
use crate::ids::{AssignmentId, CallKey, PaymentAttemptId, ReservationId, SeatId, ShowtimeId};
use crate::mypage::MyPage;
use crate::payment::{Answer, GatewayCall, Payment};
use crate::reservation::Reservation;
use crate::ticket::Ticket;
use crate::time::Time;
use crate::timeline::Recorded;
use crate::won::Won;
use crate::words::{AttemptStatus, EventType, Grade, Operation, words};

words!(
    /// What must hold; ids as in specification 1.6.
    Invariant {
        /// A seat of a showtime has one owner at most.
        I1 = "I1",
        /// The pools count what is held and sold, and never too much.
        I2 = "I2",
        /// Who has paid has the seats.
        I3 = "I3",
        /// The money taken is the price of what is had: by the rows, the calls and the ledger.
        I4 = "I4",
        /// A ticket stands on a seat and on money.
        I5 = "I5",
        /// An undo keeps its order: tickets, seats, money.
        I6 = "I6",
        /// What has ended holds nothing.
        I7 = "I7",
        /// One live attempt, one sent call, one capture, one open cancellation; one key, one effect.
        I8 = "I8",
        /// A key belongs to what it made, once.
        I9 = "I9",
        /// The timeline is whole and follows specification 1.4; the row and mypage say the same.
        I10 = "I10",
        /// Nobody waits past a deadline.
        I11 = "I11",
        /// Work that is owed is attended.
        I12 = "I12",
        /// What was acknowledged is there.
        Lost = "LOST",
    }
);

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub invariant: Invariant,
    /// None: it is of a pool, a seat, a key, or of nobody.
    pub reservation_id: Option<ReservationId>,
    pub detail: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: ", self.invariant)?;
        if let Some(id) = &self.reservation_id {
            write!(f, "{id} ")?;
        }
        f.write_str(&self.detail)
    }
}

/// All that is stored of one reservation, as of one moment.
#[derive(Debug, Clone)]
pub struct Dossier {
    pub row: Reservation,
    /// In order.
    pub events: Vec<Recorded>,
    /// In order of their numbers.
    pub payments: Vec<Payment>,
    pub calls: Vec<CallRecord>,
    pub seats: Vec<Assignment>,
    pub tickets: Vec<Ticket>,
    /// Oldest first.
    pub cancellations: Vec<Cancellation>,
    pub shown: Option<MyPage>,
}

/// Attempts for which the customer's authorisation was read, and what was found.
struct ReadAuthorizations {
    approved: usize,
    declined: usize,
}

impl Dossier {
    /// Whether the customer authorised this attempt and nobody called the gateway to approve it.
    fn is_read(&self, payment: &Payment) -> bool {
        let approves = |record: &&CallRecord| {
            let call = &record.call;
            call.operation == Operation::Approve && call.attempt_id == payment.attempt.id
        };
        payment.attempt.authorization.is_some() && !self.calls.iter().any(|call| approves(&call))
    }

    fn read_authorizations(&self) -> ReadAuthorizations {
        let read = || self.payments.iter().filter(|payment| self.is_read(payment));
        let declined = |payment: &&Payment| payment.attempt.status == AttemptStatus::Declined;
        ReadAuthorizations {
            approved: read().filter(|payment| payment.attempt.approved_at.is_some()).count(),
            declined: read().filter(declined).count(),
        }
    }

    /// Cancellations of the deal itself, oldest first.
    fn undos(&self) -> impl DoubleEndedIterator<Item = &Cancellation> {
        self.cancellations.iter().filter(|undo| undo.late.is_none())
    }

    /// The cancellation that returns this attempt's money, where it is no part of the deal (T26).
    fn late_undo(&self, attempt: &PaymentAttemptId) -> Option<&Cancellation> {
        let of = |undo: &&Cancellation| {
            undo.late.as_ref().is_some_and(|late| late.attempt_id == *attempt)
        };
        self.cancellations.iter().find(of)
    }

    fn is_late(&self, attempt: &PaymentAttemptId) -> bool {
        self.late_undo(attempt).is_some()
    }

    /// Whether this event tells of money that is no part of the deal.
    fn tells_of_late(&self, event: &Recorded) -> bool {
        let money = matches!(
            event.kind,
            EventType::CancellationRequested
                | EventType::PaymentCancellationRequested
                | EventType::PaymentCancelled
                | EventType::RefundDelayed
        );
        money && event.detail.payment_id.as_ref().is_some_and(|id| self.is_late(id))
    }
}

/// A gateway call with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRecord {
    pub call: GatewayCall,
    pub answer: Option<Answer>,
}

impl CallRecord {
    fn is_done(&self) -> bool {
        matches!(self.answer, Some(Answer::Done { .. }))
    }

    fn is_refused(&self) -> bool {
        let lapsed = self.answer == Some(Answer::Lapsed);
        matches!(self.answer, Some(Answer::Refused { .. }))
            || (lapsed && self.call.operation != Operation::Approve)
    }
}

/// A seat that a reservation has or had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    pub id: AssignmentId,
    pub showtime_id: ShowtimeId,
    pub seat_id: SeatId,
    pub number: String,
    pub grade: Grade,
    pub live: bool,
    pub freed_at: Option<Time>,
}

/// One definitive answer in the gateway's own ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Its place in the ledger.
    pub seq: u64,
    pub key: CallKey,
    /// The order id that the gateway was given.
    pub attempt_id: PaymentAttemptId,
    pub operation: Operation,
    pub amount: Won,
    /// False: refused, and no money was moved.
    pub done: bool,
    pub at: Time,
}

/// What does not hold of this reservation, by the store alone; `now` is when it was read.
pub fn judge(dossier: &Dossier, now: Time) -> Vec<Violation> {
    let mut findings = Findings::of(&dossier.row.id);
    story::judge(dossier, &mut findings);
    holding::judge(dossier, &mut findings);
    money::judge(dossier, &mut findings);
    undo::judge(dossier, &mut findings);
    attendance::judge(&dossier.row, &dossier.cancellations, now, &mut findings);
    findings.found
}

/// What of this reservation does not agree with the gateway's ledger. The entries have to be read
/// while the row did not change.
pub fn compare(dossier: &Dossier, entries: &[LedgerEntry]) -> Vec<Violation> {
    let mut findings = Findings::of(&dossier.row.id);
    ledger::compare(dossier, entries, &mut findings);
    findings.found
}

/// What the ledger has of no reservation of ours: nothing that holds money.
pub fn of_nobody(entries: &[LedgerEntry]) -> Vec<Violation> {
    ledger::of_nobody(entries)
}

/// What was found of one reservation.
struct Findings<'a> {
    id: &'a ReservationId,
    found: Vec<Violation>,
}

impl<'a> Findings<'a> {
    fn of(id: &'a ReservationId) -> Self {
        Self { id, found: Vec::new() }
    }

    fn add(&mut self, invariant: Invariant, detail: String) {
        let reservation_id = Some(self.id.clone());
        self.found.push(Violation { invariant, reservation_id, detail });
    }

    /// Adds a violation unless it holds.
    fn must(&mut self, holds: bool, invariant: Invariant, detail: impl FnOnce() -> String) {
        if !holds {
            self.add(invariant, detail());
        }
    }
}

#[cfg(test)]
mod tests;
