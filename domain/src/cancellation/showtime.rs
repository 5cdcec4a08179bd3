//! T22: the house gives a showtime up. Every reservation of it is undone and all is given back,
//! whatever the window, and also to those who are inside already: they see no film either.

use super::{Accepted, Cancellation};
use crate::ids::CancellationId;
use crate::reservation::Reservation;
use crate::time::Time;
use crate::timeline::Event;
use crate::won::{Percent, Won};
use crate::words::{
    Actor, CancellationState, EventType, Operation, ReservationStatus, Scope, StatusReason,
};

/// What giving up its showtime does to a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GivenUp {
    /// It has ended, or is being undone for this.
    Nothing,
    /// Nothing was sent: it has ended; its capacity is to be released.
    Ended(Vec<Event>),
    Opened(Cancellation, Vec<Event>),
    /// The undo that was under way gives all back now.
    Raised(Cancellation, Vec<Event>),
    /// Less than all is on its way back: the rest follows when that undo closes.
    Follows,
    /// Some tickets are being cancelled: the others are undone after them.
    Later,
}

impl Reservation {
    /// T22; `open` is the cancellation that is under way.
    pub fn give_up(
        &mut self,
        now: Time,
        id: CancellationId,
        open: Option<Cancellation>,
    ) -> GivenUp {
        let reason = StatusReason::ShowtimeCancelled;
        if self.status.is_terminal() || self.reason == Some(reason) {
            return GivenUp::Nothing;
        }
        if let Some(open) = open {
            return self.raise(open);
        }
        if self.open_call.is_none() && self.money_to_return().is_none() {
            let end = self.end(ReservationStatus::Cancelled, reason, Actor::Staff);
            let asked = Event::new(EventType::CancellationRequested, Actor::Staff);
            return GivenUp::Ended(vec![asked.reason(Some(reason)), end]);
        }
        let (cancellation, events) = self.undo(now, id, reason, Actor::Staff);
        GivenUp::Opened(cancellation, events)
    }

    fn raise(&mut self, mut undo: Cancellation) -> GivenUp {
        let sent = self.open_call.as_ref().map(|call| call.operation);
        let refund_opened = matches!(sent, Some(Operation::Void | Operation::Refund))
            || undo.money_returned_at.is_some()
            || undo.state == CancellationState::Blocked
            || undo.refund_try > 1;
        if undo.scope == Scope::Part {
            return GivenUp::Later;
        }
        self.reason = Some(StatusReason::ShowtimeCancelled);
        if refund_opened && undo.percent < Percent::ALL {
            return GivenUp::Follows;
        }
        undo.raise_to(Percent::ALL);
        undo.reason = StatusReason::ShowtimeCancelled;
        let asked = Event::new(EventType::CancellationRequested, Actor::Staff).reason(self.reason);
        let told = asked.cancellation(undo.id.clone(), undo.percent, undo.amount);
        GivenUp::Raised(undo, vec![told])
    }

    /// Step e of an undo that kept a fee when the showtime was given up: the fee goes back in an
    /// undo of its own, before the reservation ends. Nothing where nothing was kept.
    pub fn give_back_rest(
        &mut self,
        now: Time,
        id: CancellationId,
        closed: &mut Cancellation,
    ) -> Option<(Cancellation, Vec<Event>)> {
        let reason = StatusReason::ShowtimeCancelled;
        let rest = closed.price.get() - closed.amount.get();
        let whole = closed.scope == Scope::Whole && self.is_captured();
        if self.reason != Some(reason) || closed.reason == reason || rest == 0 || !whole {
            return None;
        }
        closed.state = CancellationState::Done;
        closed.attend_at = None;
        self.open_cancellation = Some(id.clone());
        let (percent, actor) = (Percent::ALL, Actor::Staff);
        let price = Won::parse(rest).expect("less than all of it cost");
        let accepted =
            Accepted { id: id.clone(), scope: Scope::Whole, reason, actor, percent, price };
        let undo = Cancellation::new(now, self, accepted);
        let asked = Event::new(EventType::CancellationRequested, actor).reason(Some(reason));
        let mut payment = self.payment_event(EventType::PaymentCancellationRequested, actor);
        payment.detail.amount = Some(price);
        Some((undo, vec![asked.cancellation(id, percent, price), payment]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancellation::OwesUndo;
    use crate::cancellation::asking::{Ask, Cancelling};
    use crate::reservation::tests::{NOW, STARTS_SECS, at, brought_to, kinds, send};
    use crate::words::{SeatStatus, TicketStatus};

    fn id(id: &str) -> CancellationId {
        CancellationId::parse(id).unwrap()
    }

    fn given_up(row: &mut Reservation) -> GivenUp {
        row.give_up(at(STARTS_SECS + 60), id("c2"), None)
    }

    #[test]
    fn what_has_paid_nothing_ends_at_once_and_the_rest_is_undone_in_full() {
        for status in ReservationStatus::EVERY.iter().filter(|status| !status.is_terminal()) {
            let mut row = brought_to(*status, None);
            row.reason = None;
            match given_up(&mut row) {
                GivenUp::Ended(events) => {
                    let told = [EventType::CancellationRequested, EventType::ReservationCancelled];
                    assert_eq!(kinds(&events), told, "{status}");
                    assert_eq!(row.status, ReservationStatus::Cancelled);
                }
                GivenUp::Opened(undo, _) => {
                    assert_eq!((undo.percent, undo.amount), (Percent::ALL, row.amount));
                    assert_eq!(row.status, ReservationStatus::Cancelling, "{status}");
                }
                other => panic!("{status}: {other:?}"),
            }
            assert_eq!(row.reason, Some(StatusReason::ShowtimeCancelled));
            let again = row.clone();
            assert_eq!(given_up(&mut row), GivenUp::Nothing);
            assert_eq!(row, again);
        }
    }

    #[test]
    fn what_has_ended_stays_as_it_is() {
        for status in ReservationStatus::EVERY.iter().filter(|status| status.is_terminal()) {
            let mut row = brought_to(*status, None);
            assert_eq!(given_up(&mut row), GivenUp::Nothing);
            assert_eq!(row, brought_to(*status, None));
        }
    }

    #[test]
    fn who_is_inside_gets_everything_back_too() {
        let mut row = brought_to(ReservationStatus::Ticketed, None);
        row.tickets = TicketStatus::Used;
        let GivenUp::Opened(undo, _) = given_up(&mut row) else { panic!() };
        assert_eq!(
            (row.tickets, undo.owes(&row)),
            (TicketStatus::CancelRequested, OwesUndo::Tickets)
        );
        let mut by_code = brought_to(ReservationStatus::SeatSelected, None);
        by_code.capture();
        by_code.tickets = TicketStatus::Used;
        let GivenUp::Opened(undo, _) = given_up(&mut by_code) else { panic!() };
        assert_eq!((by_code.tickets, undo.owes(&by_code)), (TicketStatus::None, OwesUndo::Seats));
        assert_eq!(by_code.seats, SeatStatus::CancelRequested);
    }

    #[test]
    fn an_undo_under_way_is_raised_until_its_refund_is_opened() {
        let begun = || {
            let mut row = brought_to(ReservationStatus::Ticketed, None);
            let all = Ask { actor: Actor::Customer, tickets: None };
            let Ok(Cancelling::Accepted(mut undo, _)) = row.cancel(NOW, id("c1"), all, &[]) else {
                panic!()
            };
            undo.percent = Percent::HALF;
            undo.amount = undo.price.percent_rounded_up(undo.percent);
            (row, undo)
        };
        let (mut row, undo) = begun();
        let GivenUp::Raised(raised, events) = row.give_up(NOW, id("c2"), Some(undo)) else {
            panic!()
        };
        assert_eq!((raised.id, raised.amount), (id("c1"), row.amount));
        assert_eq!(events[0].detail.amount, Some(row.amount));
        assert_eq!(row.reason, Some(StatusReason::ShowtimeCancelled));
        let (mut row, undo) = begun();
        send(&mut row, Operation::Refund);
        assert_eq!(row.give_up(NOW, id("c2"), Some(undo.clone())), GivenUp::Follows);
        row.open_call = None;
        let mut undo = undo;
        row.return_money(NOW, &mut undo, Operation::Refund);
        let rest = row.give_back_rest(NOW, id("c3"), &mut undo);
        let (mut rest, events) = rest.expect("a half is left");
        assert_eq!(undo.state, CancellationState::Done);
        let told = [EventType::CancellationRequested, EventType::PaymentCancellationRequested];
        assert_eq!(kinds(&events), told);
        assert_eq!(row.status, ReservationStatus::Cancelling);
        row.return_money(NOW, &mut rest, Operation::Refund);
        assert_eq!(row.refunded, row.amount);
        assert_eq!(row.give_back_rest(NOW, id("c4"), &mut rest), None);
    }
}
