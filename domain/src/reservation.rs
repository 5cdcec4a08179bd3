//! The reservation as stored, what it owes, and when it has to be attended.

mod exchange;
mod steps;

use crate::cancellation::window::{Window, window_at};
use crate::check_in::CheckIn;
use crate::ids::{
    CallKey, CancellationId, CustomerId, PaymentAttemptId, ReservationId, SeatId, ShowtimeId,
};
use crate::party::Party;
use crate::time::Time;
use crate::won::Won;
use crate::words::{
    Actor, AttemptStatus, Audience, CancelPolicy, Capacity, Grade, Method, Operation,
    PaymentStatus, ReservationStatus, SeatStatus, Settler, StatusReason, TicketStatus,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

pub use exchange::Exchange;
pub use steps::{Declined, Expiry, Pay};

/// Customers' deadlines (specification 1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    pub pay_within: Duration,
    pub seat_within: Duration,
    pub defer_within: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            pay_within: Duration::from_secs(10 * 60),
            seat_within: Duration::from_secs(10 * 60),
            defer_within: Duration::from_secs(30 * 60),
        }
    }
}

/// A booking's own timer fires at the deadline; the pump looks this much later.
pub const PUMP_AFTER_DEADLINE: Duration = Duration::from_secs(5);
/// How long the pump lets a run work before it wakes it again, the first time.
pub const ATTEND_AGAIN: Duration = Duration::from_secs(30);
/// The longest pause between two wakes of work that stays owed.
pub const ATTEND_AGAIN_MAX: Duration = Duration::from_secs(10 * 60);
/// The pause before work that stays owed is attended again: doubling with each fruitless wake.
pub fn attend_again_after(wakes: u32) -> Duration {
    (ATTEND_AGAIN * 2u32.pow(wakes.min(8))).min(ATTEND_AGAIN_MAX)
}

/// An approval that is not sent after this long is deferred, and so is one that would wait longer:
/// its customer is told (T4, T8).
pub const DEFERRED_AFTER: Duration = Duration::from_secs(2);

/// A show is over this long after its end (specification 1.3, "end").
pub const CLOSE_AFTER_END: Duration = Duration::from_secs(30 * 60);

/// The showtime as it was when it was sold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoldShowtime {
    pub showtime_id: ShowtimeId,
    pub movie_title: String,
    pub theater_name: String,
    pub auditorium_name: String,
    pub starts_at: Time,
    pub ends_at: Time,
    pub cancel_policy: CancelPolicy,
}

/// How the service carries a reservation through on its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub method: Method,
    pub seats: PlanSeats,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PlanSeats {
    Best,
    Ids(Vec<SeatId>),
    /// They were taken by others: the customer chooses (T13).
    Dropped,
}

/// The newest payment attempt, as far as guards need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatestAttempt {
    pub n: u32,
    pub method: Method,
    pub status: AttemptStatus,
}

/// The gateway call that was sent and has no answer yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenCall {
    pub key: CallKey,
    pub operation: Operation,
    pub settler: Settler,
}

impl OpenCall {
    /// A call that has just been written.
    pub fn sent(key: CallKey, operation: Operation) -> Self {
        Self { key, operation, settler: Settler::Gateway }
    }
}

/// The aggregate. Everything that a guard reads stands here, on the row that the guard updates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    pub id: ReservationId,
    /// Eight characters for people.
    pub code: String,
    pub customer_id: CustomerId,
    pub showtime: SoldShowtime,
    pub grade: Grade,
    /// Those who come; who has cancelled their ticket is no longer of it.
    pub party: Party,
    /// What each of them was to pay, as it was sold.
    pub prices: BTreeMap<Audience, Won>,
    /// What all of them were to pay, whoever has cancelled since.
    pub amount: Won,
    pub status: ReservationStatus,
    pub reason: Option<StatusReason>,
    pub capacity: Capacity,
    pub plan: Option<Plan>,
    pub attempts_left: u32,
    pub attempt: Option<LatestAttempt>,
    /// When a deferred payment is likely to have its turn.
    pub estimated_at: Option<Time>,
    /// Until when the newest approval can be captured, where the gateway says so.
    pub approval_ends_at: Option<Time>,
    pub open_call: Option<OpenCall>,
    pub open_cancellation: Option<CancellationId>,
    pub refunded: Won,
    pub seats: SeatStatus,
    pub seat_numbers: Vec<String>,
    /// USED as soon as one of the party has come in.
    pub tickets: TicketStatus,
    /// The party came in by its code, without tickets.
    pub check_in: Option<CheckIn>,
    pub deadline_at: Option<Time>,
    pub attend_at: Option<Time>,
    pub created_at: Time,
    pub updated_at: Time,
    pub version: i64,
    /// The place of its last timeline event.
    pub last_seq: i64,
}

/// What a reservation needs done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owes {
    Payment(PaymentStep),
    Tickets,
    /// The customer is to act until then; when it has passed, the deadline is carried out.
    Await(Time),
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PaymentStep {
    /// The plan's payment is to be requested.
    Request,
    Approve,
    PlanSeats,
    Capture,
}

/// What the customer may do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Action {
    Pay,
    SelectSeats,
    ChangeSeats,
    Cancel,
    CancelTickets,
}

impl Reservation {
    /// What is owed now. Pure: the same row owes the same, whoever asks and however often.
    pub fn owes(&self) -> Owes {
        if self.waits_for_staff() {
            return Owes::Nothing;
        }
        match self.status {
            ReservationStatus::Reserved if self.plan.is_some() => {
                Owes::Payment(PaymentStep::Request)
            }
            ReservationStatus::Reserved => self.awaits_customer(),
            ReservationStatus::PaymentPending | ReservationStatus::PaymentDeferred => {
                Owes::Payment(PaymentStep::Approve)
            }
            ReservationStatus::PaymentApproved if self.plan_has_seats() => {
                Owes::Payment(PaymentStep::PlanSeats)
            }
            ReservationStatus::PaymentApproved => self.awaits_customer(),
            ReservationStatus::SeatSelected if self.is_captured() => Owes::Tickets,
            ReservationStatus::SeatSelected => Owes::Payment(PaymentStep::Capture),
            ReservationStatus::Ticketed
            | ReservationStatus::Cancelling
            | ReservationStatus::Cancelled
            | ReservationStatus::Expired
            | ReservationStatus::Completed => Owes::Nothing,
        }
    }

    fn awaits_customer(&self) -> Owes {
        // Whoever waits for the customer has set a deadline; without one it has passed.
        Owes::Await(self.deadline_at.unwrap_or(self.created_at))
    }

    /// When the pump has to look at this row, given that nobody needs to be woken right now and
    /// that it has been woken `wakes` times for what it owes.
    pub fn next_attend(&self, now: Time, wakes: u32) -> Option<Time> {
        if self.waits_for_staff() {
            return None;
        }
        let over = self.over_at();
        match self.owes() {
            Owes::Payment(_) | Owes::Tickets => {
                let again = self.attend_again_at(now, wakes);
                // A deadline that was spared is looked at again and again. A sent call has none.
                let deadline = self.deadline_at.filter(|_| self.open_call.is_none());
                let passes = match deadline {
                    Some(at) if at.plus(PUMP_AFTER_DEADLINE) > now => at.plus(PUMP_AFTER_DEADLINE),
                    Some(_) => now.plus(PUMP_AFTER_DEADLINE),
                    None if over > now => over,
                    None => again,
                };
                Some(again.min(passes))
            }
            Owes::Await(until) => Some(until.max(now).plus(PUMP_AFTER_DEADLINE)),
            Owes::Nothing if self.status == ReservationStatus::Ticketed && over > now => Some(over),
            // Past its end it waits for the cancellation of a part, which is attended itself.
            Owes::Nothing if self.status == ReservationStatus::Ticketed => {
                (!self.is_undone()).then(|| now.plus(PUMP_AFTER_DEADLINE))
            }
            Owes::Nothing => None,
        }
    }

    /// Work that is owed is attended later each time. Who has just joined the line is looked at
    /// when it would be deferred, and who is deferred not before its turn should have come.
    fn attend_again_at(&self, now: Time, wakes: u32) -> Time {
        let pause = attend_again_after(wakes);
        if !self.is_in_line() {
            return now.plus(pause);
        }
        match self.estimated_at {
            Some(at) => at.max(now).plus(pause),
            None if wakes == 0 => now.plus(DEFERRED_AFTER),
            None => now.plus(pause),
        }
    }

    /// An approval is owed and was not sent: it waits for its turn at the gateway.
    pub fn is_in_line(&self) -> bool {
        let approval = matches!(
            self.owes(),
            Owes::Payment(PaymentStep::Request) | Owes::Payment(PaymentStep::Approve)
        );
        approval && self.open_call.is_none()
    }

    /// It has been in line for so long that its customer is to know.
    pub fn waits_long(&self, now: Time) -> bool {
        self.is_in_line() && now.since(self.updated_at) >= DEFERRED_AFTER
    }

    pub fn allowed_actions(&self, now: Time) -> Vec<Action> {
        let may_cancel = match self.status {
            ReservationStatus::Reserved
            | ReservationStatus::PaymentPending
            | ReservationStatus::PaymentDeferred
            | ReservationStatus::PaymentApproved => true,
            ReservationStatus::SeatSelected | ReservationStatus::Ticketed => {
                let open = window_at(&self.showtime, Actor::Customer, now);
                matches!(open, Window::Open { .. }) && !self.is_undone() && !self.is_used()
            }
            ReservationStatus::Cancelling
            | ReservationStatus::Cancelled
            | ReservationStatus::Expired
            | ReservationStatus::Completed => false,
        };
        let mut actions = Vec::new();
        if self.may_pay().is_ok() && self.plan.is_none() {
            actions.push(Action::Pay);
        }
        if self.status == ReservationStatus::PaymentApproved && !self.plan_has_seats() {
            actions.push(Action::SelectSeats);
        }
        if self.may_change_seats(now, Actor::Customer).is_ok() {
            actions.push(Action::ChangeSeats);
        }
        if may_cancel {
            actions.push(Action::Cancel);
        }
        if may_cancel && self.status == ReservationStatus::Ticketed && self.party.size() > 1 {
            actions.push(Action::CancelTickets);
        }
        actions
    }

    /// What people read about the money.
    pub fn payment_status(&self) -> PaymentStatus {
        let Some(attempt) = self.attempt else { return PaymentStatus::None };
        match attempt.status {
            AttemptStatus::Pending if self.status == ReservationStatus::PaymentDeferred => {
                PaymentStatus::Deferred
            }
            AttemptStatus::Pending => PaymentStatus::Pending,
            AttemptStatus::Approved
            | AttemptStatus::Captured
            | AttemptStatus::PartiallyRefunded
                if self.status == ReservationStatus::Cancelling =>
            {
                PaymentStatus::CancelRequested
            }
            AttemptStatus::Approved => PaymentStatus::Approved,
            AttemptStatus::Captured => PaymentStatus::Captured,
            AttemptStatus::Declined => PaymentStatus::Declined,
            AttemptStatus::Abandoned | AttemptStatus::Lapsed => PaymentStatus::None,
            AttemptStatus::Voided | AttemptStatus::Refunded => PaymentStatus::Cancelled,
            AttemptStatus::PartiallyRefunded => PaymentStatus::PartiallyRefunded,
        }
    }

    pub fn attempt_id(&self) -> Option<PaymentAttemptId> {
        self.attempt.map(|attempt| PaymentAttemptId::nth(&self.id, attempt.n))
    }

    /// The attempt that the customer may make now.
    pub fn next_attempt_id(&self, now: Time) -> Option<PaymentAttemptId> {
        let n = self.attempt.map_or(0, |attempt| attempt.n) + 1;
        let may_pay = self.allowed_actions(now).contains(&Action::Pay);
        may_pay.then(|| PaymentAttemptId::nth(&self.id, n))
    }

    /// Money was taken, and not all of it was given back.
    pub fn is_captured(&self) -> bool {
        self.attempt.is_some_and(|attempt| {
            matches!(attempt.status, AttemptStatus::Captured | AttemptStatus::PartiallyRefunded)
        })
    }

    /// Something of it was cancelled, or is being.
    pub fn has_cancellation(&self) -> bool {
        self.reason.is_some() || self.is_undone() || self.refunded > Won::ZERO
    }

    /// When the showtime is over and the reservation is completed (T24).
    pub fn over_at(&self) -> Time {
        self.showtime.ends_at.plus(CLOSE_AFTER_END)
    }

    /// The plan names seats that are still to be assigned.
    pub fn plan_has_seats(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.seats != PlanSeats::Dropped)
    }

    /// A call has no answer that a gateway could still give: nothing goes on before staff says.
    pub fn waits_for_staff(&self) -> bool {
        self.open_call.as_ref().is_some_and(|call| call.settler == Settler::Staff)
    }

    fn is_undone(&self) -> bool {
        self.open_cancellation.is_some()
    }

    /// Somebody has gone in.
    pub(crate) fn is_used(&self) -> bool {
        self.tickets == TicketStatus::Used
    }
}

#[cfg(test)]
pub(crate) mod tests;
