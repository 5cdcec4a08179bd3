//! The transitions of specification 1.4 as plain functions: each judges the row, changes it, and
//! says what happened. The store calls one inside one transaction and records what it returns.

use super::{DEFERRED_AFTER, Deadlines, LatestAttempt, OpenCall, Plan, PlanSeats, Reservation};
use crate::ids::TicketId;
use crate::payment::{ATTEMPTS_EVER_MAX, ATTEMPTS_MAX};
use crate::refusal::Refusal;
use crate::time::Time;
use crate::timeline::Event;
use crate::won::Won;
use crate::words::{
    Actor, AttemptStatus, Capacity, EventType, Method, Operation, ReservationStatus, SeatStatus,
    Settler, StatusReason, TicketStatus,
};
use std::time::Duration;

/// After a declined payment there is at least this much time to pay again (T6).
const PAY_AGAIN_WITHIN_MIN: Duration = Duration::from_secs(5 * 60);
/// Seats are chosen this much before the gateway lets an approval lapse.
const SEATS_BEFORE_LAPSE: Duration = Duration::from_secs(60);

/// The wish to pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pay {
    pub method: Method,
    pub amount: Won,
    pub actor: Actor,
}

/// What follows from a deadline that has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expiry {
    NotDue,
    /// Nothing was sent: the reservation has ended; its capacity is to be released (T11).
    Ended(Vec<Event>),
    /// Money was approved: it has to be undone (T15).
    Undo(StatusReason),
}

/// What follows from a declined payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declined {
    /// The customer may pay again (T6).
    PayAgain(Vec<Event>),
    /// The reservation has ended; its capacity is to be released (T7).
    Ended(Vec<Event>),
}

impl Reservation {
    /// T1, the last part: the new row's deadline and first event. A plan that will have to wait for
    /// the gateway says so at once (T4).
    pub fn reserve(&mut self, wait: Duration, deadlines: &Deadlines) -> Vec<Event> {
        let pay_by = self.created_at.plus(deadlines.pay_within);
        self.deadline_at = Some(if self.plan.is_some() { self.showtime.starts_at } else { pay_by });
        self.attempts_left = ATTEMPTS_MAX;
        let reserved = Event::new(EventType::Reserved, Actor::Customer).party(self.party.size());
        let mut events = vec![reserved];
        if wait > DEFERRED_AFTER
            && let Some(pay) = self.planned_pay()
        {
            events.push(self.request_payment(self.created_at, pay, wait, deadlines));
        }
        events
    }

    /// The wish to pay of a plan.
    pub fn planned_pay(&self) -> Option<Pay> {
        let method = self.plan.as_ref()?.method;
        Some(Pay { method, amount: self.amount, actor: Actor::System })
    }

    /// T4: a new attempt is to be carried out, after this wait for the gateway.
    pub fn pay(
        &mut self,
        now: Time,
        pay: Pay,
        wait: Duration,
        deadlines: &Deadlines,
    ) -> Result<Vec<Event>, Refusal> {
        self.may_pay()?;
        let deferred = self.status == ReservationStatus::PaymentDeferred;
        if self.plan.is_some() && (pay.actor == Actor::Customer || deferred) {
            return Err(Refusal::PaymentInProgress);
        }
        // A second click is no second card (R11).
        if deferred && self.attempt.is_some_and(|attempt| attempt.method == pay.method) {
            return Err(Refusal::PaymentInProgress);
        }
        if pay.amount != self.amount {
            return Err(Refusal::AmountMismatch { expected: self.amount });
        }
        Ok(vec![self.request_payment(now, pay, wait, deadlines)])
    }

    /// While RESERVED one may pay, whatever the clock says; while deferred with another card, as
    /// long as nothing was sent (R27).
    pub(super) fn may_pay(&self) -> Result<(), Refusal> {
        let tried = self.attempt.map_or(0, |attempt| attempt.n);
        match self.status {
            ReservationStatus::Reserved => Ok(()),
            ReservationStatus::PaymentDeferred
                if self.open_call.is_none() && tried < ATTEMPTS_EVER_MAX =>
            {
                Ok(())
            }
            ReservationStatus::PaymentPending | ReservationStatus::PaymentDeferred => {
                Err(Refusal::PaymentInProgress)
            }
            ReservationStatus::Expired if self.reason == Some(StatusReason::PaymentTimeout) => {
                Err(Refusal::DeadlinePassed)
            }
            ReservationStatus::PaymentApproved
            | ReservationStatus::SeatSelected
            | ReservationStatus::Ticketed
            | ReservationStatus::Cancelling
            | ReservationStatus::Cancelled
            | ReservationStatus::Expired
            | ReservationStatus::Completed => Err(Refusal::WrongState),
        }
    }

    /// The new attempt takes the place of one that was not sent, which the caller abandons.
    fn request_payment(
        &mut self,
        now: Time,
        pay: Pay,
        wait: Duration,
        deadlines: &Deadlines,
    ) -> Event {
        if self.plan.is_none() {
            // A deadline that was spared has passed already; what is accepted gets its full time.
            self.deadline_at = self.deadline_at.map(|at| match self.status {
                ReservationStatus::PaymentDeferred if at > now => at,
                _ => at.max(now).plus(deadlines.defer_within),
            });
        }
        let n = self.attempt.map_or(0, |attempt| attempt.n) + 1;
        self.attempt =
            Some(LatestAttempt { n, method: pay.method, status: AttemptStatus::Pending });
        if wait > DEFERRED_AFTER {
            return self.put_off(now, wait, pay.actor);
        }
        self.status = ReservationStatus::PaymentPending;
        self.estimated_at = None;
        self.payment_event(EventType::PaymentRequested, pay.actor)
    }

    /// T8, and T4 of a plan that nobody has begun to carry out: it waits long, and its customer is
    /// told. Nothing when it does not, or when they know. The caller writes a new attempt.
    pub fn defer(&mut self, now: Time, wait: Duration, deadlines: &Deadlines) -> Vec<Event> {
        if !self.waits_long(now) {
            return Vec::new();
        }
        // It has shown that it has to wait, whatever the estimate.
        let wait = wait.max(DEFERRED_AFTER + Duration::from_secs(1));
        match (self.status, self.planned_pay()) {
            (ReservationStatus::PaymentPending, _) => {
                vec![self.put_off(now, wait, Actor::System)]
            }
            (ReservationStatus::Reserved, Some(pay)) => {
                vec![self.request_payment(now, pay, wait, deadlines)]
            }
            _ => Vec::new(),
        }
    }

    fn put_off(&mut self, now: Time, wait: Duration, actor: Actor) -> Event {
        self.status = ReservationStatus::PaymentDeferred;
        self.estimated_at = Some(now.plus(wait));
        let mut event = self.payment_event(EventType::PaymentDeferred, actor);
        event.detail.wait_secs = Some(wait.as_secs());
        event
    }

    /// T5, in time: seats are to be chosen.
    pub fn approve(
        &mut self,
        now: Time,
        approval_ends_at: Option<Time>,
        deadlines: &Deadlines,
    ) -> Vec<Event> {
        self.set_attempt(AttemptStatus::Approved);
        self.status = ReservationStatus::PaymentApproved;
        self.estimated_at = None;
        self.approval_ends_at = approval_ends_at;
        self.deadline_at = (!self.plan_has_seats()).then(|| self.seat_by(now, deadlines));
        vec![self.payment_event(EventType::PaymentApproved, Actor::Gateway)]
    }

    /// Until when the customer chooses seats: before the gateway lets the approval lapse.
    fn seat_by(&self, now: Time, deadlines: &Deadlines) -> Time {
        let seat_by = now.plus(deadlines.seat_within);
        let lapse = self.approval_ends_at.map(|at| at.minus(SEATS_BEFORE_LAPSE));
        lapse.map_or(seat_by, |lapse| lapse.min(seat_by))
    }

    /// An approval that nobody waits for any more: after the start (T5) or during an undo (T25).
    pub fn approve_in_vain(&mut self) -> Vec<Event> {
        self.set_attempt(AttemptStatus::Approved);
        vec![self.payment_event(EventType::PaymentApproved, Actor::Gateway)]
    }

    /// A refusal that nobody waits for any more (T25).
    pub fn decline_in_vain(&mut self, code: &str) -> Vec<Event> {
        self.set_attempt(AttemptStatus::Declined);
        let mut declined = self.payment_event(EventType::PaymentDeclined, Actor::Gateway);
        declined.detail.code = Some(code.to_owned());
        vec![declined]
    }

    /// T6: the customer authorised too early or too late for us to capture; no decline is counted.
    /// A plan has nobody who could authorise again, and ends.
    pub fn lapse(&mut self, now: Time, deadlines: &Deadlines) -> Declined {
        self.set_attempt(AttemptStatus::Lapsed);
        let lapsed = self.payment_event(EventType::PaymentLapsed, Actor::Gateway);
        if self.plan.is_some() {
            let reason = StatusReason::PaymentDeclined;
            let end = self.end(ReservationStatus::Expired, reason, Actor::System);
            return Declined::Ended(vec![lapsed, end]);
        }
        self.pay_again(now, deadlines);
        Declined::PayAgain(vec![lapsed])
    }

    fn pay_again(&mut self, now: Time, deadlines: &Deadlines) {
        self.status = ReservationStatus::Reserved;
        self.estimated_at = None;
        let pay_by = self.deadline_at.map(|at| at.minus(deadlines.defer_within));
        self.deadline_at =
            pay_by.max(Some(now.plus(PAY_AGAIN_WITHIN_MIN.min(deadlines.pay_within))));
    }

    /// A lapse that nobody waits for any more (T25).
    pub fn lapse_in_vain(&mut self) -> Vec<Event> {
        self.set_attempt(AttemptStatus::Lapsed);
        vec![self.payment_event(EventType::PaymentLapsed, Actor::Gateway)]
    }

    /// T6, T7: the gateway declined.
    pub fn decline(&mut self, now: Time, code: &str, deadlines: &Deadlines) -> Declined {
        self.set_attempt(AttemptStatus::Declined);
        self.attempts_left = self.attempts_left.saturating_sub(1);
        let mut declined = self.payment_event(EventType::PaymentDeclined, Actor::Gateway);
        declined.detail.code = Some(code.to_owned());
        declined.detail.attempts_left = Some(self.attempts_left);
        if self.attempts_left == 0 || self.plan.is_some() {
            let mut events = vec![declined];
            events.push(self.end(
                ReservationStatus::Expired,
                StatusReason::PaymentDeclined,
                Actor::System,
            ));
            return Declined::Ended(events);
        }
        self.pay_again(now, deadlines);
        Declined::PayAgain(vec![declined])
    }

    /// T12: the seats are assigned, the deal stands. The caller has claimed them.
    pub fn select_seats(&mut self, numbers: Vec<String>, actor: Actor) -> Vec<Event> {
        self.seats = SeatStatus::Assigned;
        self.capacity = Capacity::Sold;
        self.status = ReservationStatus::SeatSelected;
        self.deadline_at = None;
        let event = Event::new(EventType::SeatAssigned, actor).seats(&numbers);
        self.seat_numbers = numbers;
        vec![event]
    }

    /// Whether seats may be chosen now.
    pub fn may_select_seats(&self) -> Result<(), Refusal> {
        match self.status {
            ReservationStatus::PaymentApproved => Ok(()),
            ReservationStatus::Expired | ReservationStatus::Cancelling
                if self.reason == Some(StatusReason::SeatTimeout) =>
            {
                Err(Refusal::DeadlinePassed)
            }
            ReservationStatus::Reserved
            | ReservationStatus::PaymentPending
            | ReservationStatus::PaymentDeferred
            | ReservationStatus::SeatSelected
            | ReservationStatus::Ticketed
            | ReservationStatus::Cancelling
            | ReservationStatus::Cancelled
            | ReservationStatus::Expired
            | ReservationStatus::Completed => Err(Refusal::WrongState),
        }
    }

    /// T13: the seats of the plan were taken by others; the customer chooses.
    pub fn drop_plan_seats(&mut self, now: Time, deadlines: &Deadlines) -> Vec<Event> {
        self.plan = self.plan.take().map(|plan| Plan { seats: PlanSeats::Dropped, ..plan });
        self.deadline_at = Some(self.seat_by(now, deadlines));
        vec![Event::new(EventType::PlanSeatsTaken, Actor::System)]
    }

    /// The money is taken. The status stays: seats are selected, tickets are owed.
    pub fn capture(&mut self) -> Vec<Event> {
        self.set_attempt(AttemptStatus::Captured);
        vec![self.payment_event(EventType::PaymentCaptured, Actor::Gateway)]
    }

    /// T14: the money cannot be taken after all. The approval stands and is to be undone.
    pub fn refuse_capture(&self, code: &str) -> Vec<Event> {
        let mut declined = self.payment_event(EventType::PaymentDeclined, Actor::Gateway);
        declined.detail.code = Some(code.to_owned());
        vec![declined]
    }

    /// With the tickets of a party that is inside already nobody else comes in.
    pub fn status_of_new_tickets(&self) -> TicketStatus {
        if self.check_in.is_some() { TicketStatus::Used } else { TicketStatus::Issued }
    }

    /// T16. The caller has written the tickets.
    pub fn issue_tickets(&mut self, tickets: Vec<(TicketId, String)>) -> Vec<Event> {
        self.tickets = self.status_of_new_tickets();
        self.status = ReservationStatus::Ticketed;
        let issued =
            |(id, number)| Event::new(EventType::TicketIssued, Actor::System).ticket(id, number);
        tickets.into_iter().map(issued).collect()
    }

    /// T11, T15: carries out the deadline if it has passed. A call that was sent never expires.
    pub fn pass_deadline(&mut self, now: Time) -> Expiry {
        let due = self.deadline_at.is_some_and(|at| at <= now) && self.open_call.is_none();
        if !due {
            return Expiry::NotDue;
        }
        match self.status {
            ReservationStatus::Reserved
            | ReservationStatus::PaymentPending
            | ReservationStatus::PaymentDeferred => {
                let reason = StatusReason::PaymentTimeout;
                Expiry::Ended(vec![self.end(ReservationStatus::Expired, reason, Actor::System)])
            }
            ReservationStatus::PaymentApproved => Expiry::Undo(StatusReason::SeatTimeout),
            ReservationStatus::SeatSelected
            | ReservationStatus::Ticketed
            | ReservationStatus::Cancelling
            | ReservationStatus::Cancelled
            | ReservationStatus::Expired
            | ReservationStatus::Completed => Expiry::NotDue,
        }
    }

    /// T24: the show is over, and who has not come in will not; the caller marks the tickets.
    /// Nothing when it is not over, or when something is still under way.
    pub fn complete(&mut self, now: Time) -> Vec<Event> {
        let seated =
            matches!(self.status, ReservationStatus::Ticketed | ReservationStatus::SeatSelected);
        let settled = self.open_call.is_none() && self.open_cancellation.is_none();
        let over = self.over_at() <= now;
        if !(seated && settled && over && self.is_captured()) {
            return Vec::new();
        }
        self.status = ReservationStatus::Completed;
        if self.tickets == TicketStatus::Issued {
            self.tickets = TicketStatus::NoShow;
        }
        vec![Event::new(EventType::ShowCompleted, Actor::System)]
    }

    /// Ends a reservation of which nothing was sent (T7, T11, T18). An unsent attempt is abandoned.
    pub(crate) fn end(
        &mut self,
        status: ReservationStatus,
        reason: StatusReason,
        actor: Actor,
    ) -> Event {
        if self.attempt.is_some_and(|attempt| attempt.status == AttemptStatus::Pending) {
            self.set_attempt(AttemptStatus::Abandoned);
        }
        self.capacity = Capacity::Released;
        self.close(status, Some(reason), actor)
    }

    /// The last change of a reservation's life but for late approvals.
    pub(crate) fn close(
        &mut self,
        status: ReservationStatus,
        reason: Option<StatusReason>,
        actor: Actor,
    ) -> Event {
        self.status = status;
        self.reason = reason;
        self.deadline_at = None;
        self.estimated_at = None;
        let kind = match status {
            ReservationStatus::Expired => EventType::ReservationExpired,
            _ => EventType::ReservationCancelled,
        };
        Event::new(kind, actor).reason(reason)
    }

    /// Whether this operation may be opened now (design 3, Money, step 2).
    pub fn may_open(&self, operation: Operation) -> bool {
        let attempt = self.attempt.map(|attempt| attempt.status);
        // Of a part, only its cancellation knows whether a ticket of the set lives.
        let no_live_ticket = match self.tickets {
            TicketStatus::Issued | TicketStatus::Used => self.status == ReservationStatus::Ticketed,
            TicketStatus::CancelRequested => false,
            TicketStatus::None | TicketStatus::Cancelled | TicketStatus::NoShow => true,
        };
        let undoing = self.open_cancellation.is_some() && no_live_ticket;
        self.open_call.is_none()
            && match operation {
                Operation::Approve => {
                    matches!(
                        self.status,
                        ReservationStatus::PaymentPending | ReservationStatus::PaymentDeferred
                    ) && attempt == Some(AttemptStatus::Pending)
                }
                Operation::Capture => {
                    self.status == ReservationStatus::SeatSelected
                        && attempt == Some(AttemptStatus::Approved)
                }
                Operation::Void => undoing && attempt == Some(AttemptStatus::Approved),
                Operation::Refund => undoing && self.is_captured(),
            }
    }

    pub fn open(&mut self, call: OpenCall) {
        self.open_call = Some(call);
    }

    /// Nobody but staff can say what became of the open call.
    pub fn leave_call_to_staff(&mut self) {
        if let Some(call) = &mut self.open_call {
            call.settler = Settler::Staff;
        }
    }

    pub(crate) fn set_attempt(&mut self, status: AttemptStatus) {
        if let Some(attempt) = &mut self.attempt {
            attempt.status = status;
        }
    }

    pub(crate) fn payment_event(&self, kind: EventType, actor: Actor) -> Event {
        let attempt = self.attempt_id().expect("money moves for an attempt");
        Event::new(kind, actor).payment(attempt, self.amount)
    }
}
