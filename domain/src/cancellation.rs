//! Cancelling and every other undo: one path, one order (specification 1.5): settle what was sent,
//! revoke the tickets, free the seats, return the money, close.

use crate::ids::{CancellationId, ReservationId};
use crate::refusal::Refusal;
use crate::reservation::{Reservation, SoldShowtime};
use crate::time::Time;
use crate::timeline::Event;
use crate::won::{Percent, Won};
use crate::words::{
    Actor, AttemptStatus, CancelPolicy, CancellationState, Capacity, EventType, Operation,
    ReservationStatus, SeatStatus, StatusReason, TicketStatus,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Customers cancel a seated reservation until this long before the start (policy STANDARD).
pub const CUSTOMER_WINDOW: Duration = Duration::from_secs(20 * 60);

/// One undo of one reservation; percentage and amount are frozen when it is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancellation {
    pub id: CancellationId,
    pub reservation_id: ReservationId,
    pub reason: StatusReason,
    pub actor: Actor,
    pub percent: Percent,
    /// What the customer gets back, in won.
    pub amount: Won,
    pub state: CancellationState,
    pub requested_at: Time,
    pub tickets_revoked_at: Option<Time>,
    pub seats_freed_at: Option<Time>,
    pub money_returned_at: Option<Time>,
    pub attend_at: Option<Time>,
}

/// What a cancellation needs done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OwesUndo {
    /// A call of the booking was sent and has no answer yet.
    Settle,
    Tickets,
    Seats,
    Money,
    Close,
    /// It is done, or staff has to act.
    Nothing,
}

/// How a wish to cancel is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancelling {
    /// It has been cancelled before.
    Already,
    /// Nothing was sent: it has ended; its capacity is to be released (T18).
    Ended(Vec<Event>),
    /// The undo has been accepted; this cancellation carries it out.
    Accepted(Cancellation, Vec<Event>),
}

/// Until when this channel may cancel a seated reservation.
pub fn window_closes_at(showtime: &SoldShowtime, actor: Actor) -> Time {
    match (showtime.cancel_policy, actor) {
        (CancelPolicy::Standard, Actor::Customer) => showtime.starts_at.minus(CUSTOMER_WINDOW),
        (CancelPolicy::Standard, Actor::Staff | Actor::System | Actor::Gateway) => {
            showtime.starts_at
        }
    }
}

impl Cancellation {
    /// Pure, as [`Reservation::owes`] is.
    pub fn owes(&self, reservation: &Reservation) -> OwesUndo {
        if self.state != CancellationState::Running {
            return OwesUndo::Nothing;
        }
        let sent = reservation.open_call.as_ref().map(|call| call.operation);
        match sent {
            Some(Operation::Approve | Operation::Capture) => return OwesUndo::Settle,
            Some(Operation::Void | Operation::Refund) => return OwesUndo::Money,
            None => {}
        }
        if matches!(reservation.tickets, TicketStatus::CancelRequested) {
            OwesUndo::Tickets
        } else if reservation.capacity != Capacity::Released {
            OwesUndo::Seats
        } else if reservation.money_to_return().is_some() {
            OwesUndo::Money
        } else {
            OwesUndo::Close
        }
    }
}

impl Reservation {
    /// T18, T19: a person asks to end it.
    pub fn cancel(
        &mut self,
        now: Time,
        id: CancellationId,
        actor: Actor,
    ) -> Result<Cancelling, Refusal> {
        let reason = match actor {
            Actor::Staff => StatusReason::StaffRequest,
            Actor::Customer | Actor::System | Actor::Gateway => StatusReason::CustomerRequest,
        };
        match self.status {
            ReservationStatus::Cancelling | ReservationStatus::Cancelled => {
                return Ok(Cancelling::Already);
            }
            ReservationStatus::Expired | ReservationStatus::Completed => {
                return Err(Refusal::WrongState);
            }
            ReservationStatus::SeatSelected | ReservationStatus::Ticketed => {
                if self.tickets == TicketStatus::Used {
                    return Err(Refusal::TicketUsed);
                }
                let closed_at = window_closes_at(&self.showtime, actor);
                if now >= closed_at {
                    return Err(Refusal::CancelWindowClosed { closed_at });
                }
            }
            ReservationStatus::Reserved
            | ReservationStatus::PaymentPending
            | ReservationStatus::PaymentDeferred
            | ReservationStatus::PaymentApproved => {}
        }
        if self.open_call.is_none() && self.money_to_return().is_none() {
            let end = self.end(ReservationStatus::Cancelled, reason, actor);
            let asked = Event::new(EventType::CancellationRequested, actor).reason(Some(reason));
            return Ok(Cancelling::Ended(vec![asked, end]));
        }
        let (cancellation, events) = self.undo(now, id, reason, actor);
        Ok(Cancelling::Accepted(cancellation, events))
    }

    /// Opens an undo: from here it cannot be refused, and the booking does nothing more.
    pub fn undo(
        &mut self,
        now: Time,
        id: CancellationId,
        reason: StatusReason,
        actor: Actor,
    ) -> (Cancellation, Vec<Event>) {
        let percent = Percent::ALL;
        let cancellation = Cancellation {
            id: id.clone(),
            reservation_id: self.id.clone(),
            reason,
            actor,
            percent,
            amount: self.amount.percent_rounded_up(percent),
            state: CancellationState::Running,
            requested_at: now,
            tickets_revoked_at: None,
            seats_freed_at: None,
            money_returned_at: None,
            attend_at: Some(now),
        };
        self.status = ReservationStatus::Cancelling;
        self.reason = Some(reason);
        self.deadline_at = None;
        self.open_cancellation = Some(id.clone());
        let asked = Event::new(EventType::CancellationRequested, actor).reason(Some(reason));
        let mut events = vec![asked.cancellation(id, percent, cancellation.amount)];
        if self.open_call.is_some() || self.money_to_return().is_some() {
            events.push(self.payment_event(EventType::PaymentCancellationRequested, actor));
        }
        if self.seats == SeatStatus::Assigned {
            self.seats = SeatStatus::CancelRequested;
            let asked = Event::new(EventType::SeatCancellationRequested, actor);
            events.push(asked.seats(&self.seat_numbers));
        }
        if self.tickets == TicketStatus::Issued {
            self.tickets = TicketStatus::CancelRequested;
            events.push(Event::new(EventType::TicketCancellationRequested, actor));
        }
        (cancellation, events)
    }

    /// How the money that was taken is to be returned; nothing when none was.
    pub fn money_to_return(&self) -> Option<Operation> {
        match self.attempt?.status {
            AttemptStatus::Approved => Some(Operation::Void),
            AttemptStatus::Captured => Some(Operation::Refund),
            AttemptStatus::Pending
            | AttemptStatus::Declined
            | AttemptStatus::Abandoned
            | AttemptStatus::Lapsed
            | AttemptStatus::Voided
            | AttemptStatus::Refunded
            | AttemptStatus::PartiallyRefunded => None,
        }
    }

    /// Step b. The caller has revoked the tickets.
    pub fn revoke_tickets(
        &mut self,
        now: Time,
        cancellation: &mut Cancellation,
        tickets: Vec<(crate::ids::TicketId, String)>,
    ) -> Vec<Event> {
        self.tickets = TicketStatus::Cancelled;
        cancellation.tickets_revoked_at = Some(now);
        let revoked =
            |(id, number)| Event::new(EventType::TicketCancelled, Actor::System).ticket(id, number);
        tickets.into_iter().map(revoked).collect()
    }

    /// Step c. The caller has freed the seats and released the capacity.
    pub fn free_seats(&mut self, now: Time, cancellation: &mut Cancellation) -> Vec<Event> {
        self.capacity = Capacity::Released;
        cancellation.seats_freed_at = Some(now);
        if self.seats != SeatStatus::CancelRequested {
            return Vec::new();
        }
        self.seats = SeatStatus::Cancelled;
        vec![Event::new(EventType::SeatCancelled, Actor::System).seats(&self.seat_numbers)]
    }

    /// Step d: the gateway has accepted the void or refund.
    pub fn return_money(
        &mut self,
        now: Time,
        cancellation: &mut Cancellation,
        operation: Operation,
    ) -> Vec<Event> {
        if operation == Operation::Refund {
            self.refunded = cancellation.amount;
            self.set_attempt(AttemptStatus::Refunded);
        } else {
            self.set_attempt(AttemptStatus::Voided);
        }
        cancellation.money_returned_at = Some(now);
        let mut event = self.payment_event(EventType::PaymentCancelled, Actor::Gateway);
        event.detail.amount = Some(cancellation.amount);
        vec![event]
    }

    /// Step d, refused for good: staff has to find another way. Never closes unpaid.
    pub fn block_refund(&mut self, cancellation: &mut Cancellation, code: &str) -> Vec<Event> {
        cancellation.state = CancellationState::Blocked;
        cancellation.attend_at = None;
        let mut event = self.payment_event(EventType::RefundDelayed, Actor::Gateway);
        event.detail.code = Some(code.to_owned());
        vec![event]
    }

    /// Step e (T21).
    pub fn close_cancellation(&mut self, cancellation: &mut Cancellation) -> Vec<Event> {
        cancellation.state = CancellationState::Done;
        cancellation.attend_at = None;
        self.open_cancellation = None;
        if self.attempt.is_some_and(|attempt| attempt.status == AttemptStatus::Pending) {
            self.set_attempt(AttemptStatus::Abandoned);
        }
        let status = match cancellation.reason {
            StatusReason::CustomerRequest
            | StatusReason::StaffRequest
            | StatusReason::ShowtimeCancelled => ReservationStatus::Cancelled,
            StatusReason::PaymentTimeout
            | StatusReason::SeatTimeout
            | StatusReason::PaymentDeclined
            | StatusReason::LateApproval => ReservationStatus::Expired,
        };
        vec![self.close(status, Some(cancellation.reason), Actor::System)]
    }
}

#[cfg(test)]
mod tests;
