//! Cancelling and every other undo: one path, one order (specification 1.5): settle what was sent,
//! revoke the tickets, free the seats, return the money, close. The same for all of a reservation
//! and for some of its tickets.

pub mod asking;
pub mod blocked;
pub mod late;
pub mod showtime;
pub mod window;

use self::late::LateApproval;
use crate::ids::{CancellationId, ReservationId, TicketId};
use crate::refund_account::Reference;
use crate::reservation::Reservation;
use crate::ticket::Ticket;
use crate::time::Time;
use crate::timeline::Event;
use crate::won::{Percent, Won};
use crate::words::{
    Actor, AttemptStatus, CancellationState, Capacity, EventType, Operation, ReservationStatus,
    Scope, SeatStatus, StatusReason, TicketStatus,
};
use serde::{Deserialize, Serialize};

/// One undo of one reservation; percentage and amount are frozen when it is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancellation {
    pub id: CancellationId,
    pub reservation_id: ReservationId,
    pub scope: Scope,
    pub reason: StatusReason,
    pub actor: Actor,
    pub percent: Percent,
    /// What was to be paid for that which is undone.
    pub price: Won,
    /// What the customer gets back.
    pub amount: Won,
    pub state: CancellationState,
    pub requested_at: Time,
    pub tickets_revoked_at: Option<Time>,
    pub seats_freed_at: Option<Time>,
    pub money_returned_at: Option<Time>,
    /// From 1: each account that staff supplies after a refusal is a new try with a new key.
    pub refund_try: u32,
    /// Staff returned the money outside of the gateway.
    pub returned_outside: Option<Reference>,
    /// The customer was told that it takes long.
    pub delay_told_at: Option<Time>,
    /// It returns money that is no part of the deal, and nothing else (T26).
    pub late: Option<Box<LateApproval>>,
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

/// What an undo is of, as it is accepted.
struct Accepted {
    id: CancellationId,
    scope: Scope,
    reason: StatusReason,
    actor: Actor,
    percent: Percent,
    price: Won,
}

impl Cancellation {
    fn new(now: Time, reservation: &Reservation, accepted: Accepted) -> Self {
        let Accepted { id, scope, reason, actor, percent, price } = accepted;
        Self {
            id,
            reservation_id: reservation.id.clone(),
            scope,
            reason,
            actor,
            percent,
            price,
            amount: price.percent_rounded_up(percent),
            state: CancellationState::Running,
            requested_at: now,
            tickets_revoked_at: None,
            seats_freed_at: None,
            money_returned_at: None,
            refund_try: 1,
            returned_outside: None,
            delay_told_at: None,
            late: None,
            attend_at: Some(now),
        }
    }

    /// Pure, as [`Reservation::owes`] is. What was done stands in its own steps.
    pub fn owes(&self, reservation: &Reservation) -> OwesUndo {
        if self.state != CancellationState::Running {
            return OwesUndo::Nothing;
        }
        if self.late.is_some() {
            let returned = self.money_returned_at.is_some();
            return if returned { OwesUndo::Close } else { OwesUndo::Money };
        }
        if reservation.waits_for_staff() {
            return OwesUndo::Nothing;
        }
        let sent = reservation.open_call.as_ref().map(|call| call.operation);
        match sent {
            Some(Operation::Approve | Operation::Capture) => return OwesUndo::Settle,
            Some(Operation::Void | Operation::Refund) => return OwesUndo::Money,
            None => {}
        }
        let has_tickets = match self.scope {
            Scope::Whole => reservation.tickets == TicketStatus::CancelRequested,
            Scope::Part => true,
        };
        if has_tickets && self.tickets_revoked_at.is_none() {
            OwesUndo::Tickets
        } else if self.seats_freed_at.is_none() {
            OwesUndo::Seats
        } else if self.money_returned_at.is_none() && reservation.money_to_return().is_some() {
            OwesUndo::Money
        } else {
            OwesUndo::Close
        }
    }

    /// It is under way, or waits for staff.
    pub fn is_open(&self) -> bool {
        self.state != CancellationState::Done
    }

    /// More is given back than was agreed. Only while its refund is not opened: that call's body is
    /// frozen.
    pub fn raise_to(&mut self, percent: Percent) {
        self.percent = self.percent.max(percent);
        self.amount = self.price.percent_rounded_up(self.percent);
    }
}

impl Reservation {
    /// Opens an undo of all that is left: from here it cannot be refused, and the booking does
    /// nothing more. It ends by our doing or without our film, so all is given back.
    pub fn undo(
        &mut self,
        now: Time,
        id: CancellationId,
        reason: StatusReason,
        actor: Actor,
    ) -> (Cancellation, Vec<Event>) {
        self.undo_whole(now, id, (reason, actor), Percent::ALL)
    }

    fn undo_whole(
        &mut self,
        now: Time,
        id: CancellationId,
        (reason, actor): (StatusReason, Actor),
        percent: Percent,
    ) -> (Cancellation, Vec<Event>) {
        let (scope, price) = (Scope::Whole, self.worth());
        let accepted = Accepted { id: id.clone(), scope, reason, actor, percent, price };
        let cancellation = Cancellation::new(now, self, accepted);
        let ticketed = self.status == ReservationStatus::Ticketed;
        self.status = ReservationStatus::Cancelling;
        self.reason = Some(reason);
        self.deadline_at = None;
        self.estimated_at = None;
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
        match self.tickets {
            // Used ones, too: only the house itself undoes those (T22).
            TicketStatus::Issued | TicketStatus::Used if ticketed => {
                self.tickets = TicketStatus::CancelRequested;
                events.push(Event::new(EventType::TicketCancellationRequested, actor));
            }
            // The party came in by its code.
            TicketStatus::Used => self.tickets = TicketStatus::None,
            _ => {}
        }
        (cancellation, events)
    }

    /// T20: opens an undo of some tickets. The reservation stays as it is, less these.
    fn undo_part(
        &mut self,
        now: Time,
        id: CancellationId,
        (reason, actor): (StatusReason, Actor),
        (percent, set): (Percent, &[&Ticket]),
    ) -> (Cancellation, Vec<Event>) {
        let (scope, price) = (Scope::Part, price_of(set.iter().copied()));
        let accepted = Accepted { id: id.clone(), scope, reason, actor, percent, price };
        let cancellation = Cancellation::new(now, self, accepted);
        self.open_cancellation = Some(id.clone());
        let seats: Vec<String> = set.iter().map(|ticket| ticket.seat_number.clone()).collect();
        let asked = Event::new(EventType::CancellationRequested, actor).reason(Some(reason));
        let mut payment = self.payment_event(EventType::PaymentCancellationRequested, actor);
        payment.detail.amount = Some(cancellation.amount);
        let events = vec![
            asked.cancellation(id, percent, cancellation.amount).seats(&seats),
            payment,
            Event::new(EventType::SeatCancellationRequested, actor).seats(&seats),
            Event::new(EventType::TicketCancellationRequested, actor).seats(&seats),
        ];
        (cancellation, events)
    }

    /// What those who still come were to pay.
    pub fn worth(&self) -> Won {
        self.party.price_by(&self.prices).expect("it was sold at these prices")
    }

    /// How the money that was taken is to be returned; nothing when none was.
    pub fn money_to_return(&self) -> Option<Operation> {
        match self.attempt?.status {
            AttemptStatus::Approved => Some(Operation::Void),
            // What is left at the end is a fee.
            AttemptStatus::PartiallyRefunded if self.status.is_terminal() => None,
            AttemptStatus::Captured | AttemptStatus::PartiallyRefunded => Some(Operation::Refund),
            AttemptStatus::Pending
            | AttemptStatus::Declined
            | AttemptStatus::Abandoned
            | AttemptStatus::Lapsed
            | AttemptStatus::Voided
            | AttemptStatus::Refunded => None,
        }
    }

    /// Step b. The caller has revoked the tickets of the set.
    pub fn revoke_tickets(
        &mut self,
        now: Time,
        cancellation: &mut Cancellation,
        tickets: Vec<(TicketId, String)>,
    ) -> Vec<Event> {
        if cancellation.scope == Scope::Whole {
            self.tickets = TicketStatus::Cancelled;
        }
        cancellation.tickets_revoked_at = Some(now);
        let revoked =
            |(id, number)| Event::new(EventType::TicketCancelled, Actor::System).ticket(id, number);
        tickets.into_iter().map(revoked).collect()
    }

    /// Step c. The caller has freed the seats of this set and released their capacity; who sat
    /// there is no longer of the party.
    pub fn free_seats(
        &mut self,
        now: Time,
        cancellation: &mut Cancellation,
        set: &[Ticket],
    ) -> Vec<Event> {
        cancellation.seats_freed_at = Some(now);
        let freed = match cancellation.scope {
            Scope::Whole => {
                self.capacity = Capacity::Released;
                if self.seats != SeatStatus::CancelRequested {
                    return Vec::new();
                }
                self.seats = SeatStatus::Cancelled;
                self.seat_numbers.clone()
            }
            Scope::Part => {
                let left = self.party.without(set.iter().map(|ticket| ticket.audience));
                self.party = left.expect("a part leaves somebody");
                let freed: Vec<String> =
                    set.iter().map(|ticket| ticket.seat_number.clone()).collect();
                self.seat_numbers.retain(|number| !freed.contains(number));
                freed
            }
        };
        vec![Event::new(EventType::SeatCancelled, Actor::System).seats(&freed)]
    }

    /// Step d: the gateway has accepted the void or refund.
    pub fn return_money(
        &mut self,
        now: Time,
        cancellation: &mut Cancellation,
        operation: Operation,
    ) -> Vec<Event> {
        if cancellation.late.is_some() {
            return self.return_late_approval(now, cancellation);
        }
        if operation == Operation::Refund {
            self.refunded = self.refunded.plus(cancellation.amount).expect("it was taken before");
            let all = self.refunded >= self.amount;
            self.set_attempt(if all {
                AttemptStatus::Refunded
            } else {
                AttemptStatus::PartiallyRefunded
            });
        } else {
            // A fee is kept only from captured money.
            cancellation.raise_to(Percent::ALL);
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
        let mut event = cancellation.payment_event(self, EventType::RefundDelayed);
        event.detail.code = Some(code.to_owned());
        vec![event]
    }

    /// Step e (T21). After a part the reservation goes on, and nothing more happens to it.
    pub fn close_cancellation(&mut self, cancellation: &mut Cancellation) -> Vec<Event> {
        cancellation.state = CancellationState::Done;
        cancellation.attend_at = None;
        if cancellation.late.is_some() {
            return Vec::new();
        }
        self.open_cancellation = None;
        if cancellation.scope == Scope::Part {
            return Vec::new();
        }
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

/// What these tickets cost.
pub fn price_of<'a>(tickets: impl IntoIterator<Item = &'a Ticket>) -> Won {
    let won = tickets.into_iter().map(|ticket| ticket.price.get()).sum();
    Won::parse(won).expect("less than all of them cost")
}

#[cfg(test)]
mod tests;
