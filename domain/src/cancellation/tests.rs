//! Who may cancel until when, and the one order of every undo (specification 1.5).

mod parts;

use super::asking::{Ask, Cancelling};
use super::*;
use crate::payment::ATTEMPTS_MAX;
use crate::refusal::Refusal;
use crate::reservation::tests::{
    NOW, STARTS_SECS, at, brought_to, kinds, pay, reserved, send, tickets,
};
use crate::reservation::{Deadlines, Declined, LatestAttempt, OpenCall, PlanSeats};
use crate::words::Method;
use std::time::Duration;

fn id() -> CancellationId {
    CancellationId::parse("c1").unwrap()
}

/// Asks for all that is left.
fn cancel(row: &mut Reservation, now: Time, actor: Actor) -> Result<Cancelling, Refusal> {
    row.cancel(now, id(), Ask { actor, tickets: None }, &[])
}

/// A row of this status whose undo has just been accepted.
fn undone(status: ReservationStatus) -> (Reservation, Cancellation, Vec<EventType>) {
    let mut row = brought_to(status, None);
    let (cancellation, events) =
        row.undo(NOW, id(), StatusReason::CustomerRequest, Actor::Customer);
    (row, cancellation, kinds(&events))
}

fn answered(mut row: Reservation) -> Reservation {
    row.open_call = None;
    row
}

/// The cancel answers of the window: accepted with everything given back, or too late.
fn check_window(secs_before_start: i64, actor: Actor, is_open: bool) {
    let now = Time::from_millis(at(STARTS_SECS).as_millis() - secs_before_start * 1_000);
    for status in [ReservationStatus::SeatSelected, ReservationStatus::Ticketed] {
        let row = brought_to(status, None);
        let mut after = row.clone();
        match cancel(&mut after, now, actor) {
            Ok(Cancelling::Accepted(cancellation, _)) => {
                assert!(is_open, "{status}, {actor}, {secs_before_start} s before the start");
                assert_eq!(cancellation.percent, Percent::ALL);
                assert_eq!(cancellation.amount, row.amount);
                assert_eq!(cancellation.requested_at, now);
            }
            Err(Refusal::CancelWindowClosed { closed_at }) => {
                assert!(!is_open, "{status}, {actor}, {secs_before_start} s before the start");
                let late = if actor == Actor::Customer { 20 * 60 } else { 0 };
                assert_eq!(closed_at, row.showtime.starts_at.minus(Duration::from_secs(late)));
                assert_eq!(after, row, "a refusal changes nothing");
            }
            other => panic!("{status}, {actor}, {secs_before_start} s before: {other:?}"),
        }
    }
}

#[test]
fn customers_cancel_seats_until_twenty_minutes_before_the_start() {
    check_window(21 * 60, Actor::Customer, true);
    check_window(20 * 60 + 1, Actor::Customer, true);
    check_window(20 * 60, Actor::Customer, false);
    check_window(19 * 60, Actor::Customer, false);
    check_window(0, Actor::Customer, false);
    check_window(-60, Actor::Customer, false);
}

#[test]
fn staff_cancels_seats_until_the_start() {
    check_window(21 * 60, Actor::Staff, true);
    check_window(20 * 60, Actor::Staff, true);
    check_window(19 * 60, Actor::Staff, true);
    check_window(1, Actor::Staff, true);
    check_window(0, Actor::Staff, false);
    check_window(-60, Actor::Staff, false);
}

#[test]
fn before_seats_are_chosen_the_window_does_not_matter() {
    let check = |status, sent: Option<Operation>, is_ended: bool| {
        for actor in [Actor::Customer, Actor::Staff] {
            for secs in [0, STARTS_SECS - 60, STARTS_SECS + 60] {
                let mut row = brought_to(status, None);
                if let Some(operation) = sent {
                    send(&mut row, operation);
                }
                match cancel(&mut row, at(secs), actor).unwrap() {
                    Cancelling::Ended(_) => assert!(is_ended, "{status} {sent:?}"),
                    Cancelling::Accepted(..) => assert!(!is_ended, "{status} {sent:?}"),
                    Cancelling::Already => panic!("{status} was not cancelled before"),
                    Cancelling::PartAccepted(..) => panic!("{status} was cancelled in part"),
                }
            }
        }
    };
    check(ReservationStatus::Reserved, None, true);
    check(ReservationStatus::PaymentPending, None, true);
    check(ReservationStatus::PaymentDeferred, None, true);
    check(ReservationStatus::PaymentPending, Some(Operation::Approve), false);
    check(ReservationStatus::PaymentDeferred, Some(Operation::Approve), false);
    check(ReservationStatus::PaymentApproved, None, false);
}

#[test]
fn what_was_never_sent_is_cancelled_at_once() {
    let check = |mut row: Reservation, actor, reason, attempt: Option<AttemptStatus>| {
        let Ok(Cancelling::Ended(events)) = cancel(&mut row, NOW, actor) else { panic!() };
        assert_eq!(
            kinds(&events),
            [EventType::CancellationRequested, EventType::ReservationCancelled]
        );
        assert_eq!(row.status, ReservationStatus::Cancelled);
        assert_eq!(row.reason, Some(reason));
        assert_eq!(row.capacity, Capacity::Released);
        assert_eq!(row.attempt.map(|attempt| attempt.status), attempt);
        assert_eq!(row.open_cancellation, None);
        assert_eq!(row.deadline_at, None);
    };
    let (customer, staff) = (StatusReason::CustomerRequest, StatusReason::StaffRequest);
    check(reserved(None), Actor::Customer, customer, None);
    check(reserved(Some(PlanSeats::Best)), Actor::Staff, staff, None);
    let abandoned = Some(AttemptStatus::Abandoned);
    let pending = brought_to(ReservationStatus::PaymentPending, None);
    check(pending.clone(), Actor::Customer, customer, abandoned);
    let mut declined = pending;
    let again = declined.decline(NOW, "LIMIT", &Deadlines::default());
    assert!(matches!(again, Declined::PayAgain(_)));
    assert!(declined.attempts_left < ATTEMPTS_MAX);
    check(declined, Actor::Customer, customer, Some(AttemptStatus::Declined));
}

#[test]
fn who_cancels_again_is_answered_by_the_first_time() {
    for status in [ReservationStatus::Cancelling, ReservationStatus::Cancelled] {
        for secs in [0, STARTS_SECS] {
            let mut row = brought_to(status, None);
            let before = row.clone();
            assert_eq!(cancel(&mut row, at(secs), Actor::Customer), Ok(Cancelling::Already));
            assert_eq!(row, before);
        }
    }
}

#[test]
fn what_has_ended_otherwise_cannot_be_cancelled() {
    for status in [ReservationStatus::Expired, ReservationStatus::Completed] {
        for actor in [Actor::Customer, Actor::Staff] {
            let mut row = brought_to(status, None);
            let before = row.clone();
            assert_eq!(cancel(&mut row, NOW, actor), Err(Refusal::WrongState));
            assert_eq!(row, before);
        }
    }
}

#[test]
fn what_is_wanted_is_said_in_the_reports_order_and_what_never_was_is_skipped() {
    use EventType::{
        CancellationRequested as Asked, PaymentCancellationRequested as Payment,
        SeatCancellationRequested as Seat, TicketCancellationRequested as Ticket,
    };
    let check = |status, expected: &[EventType]| {
        let (row, cancellation, events) = undone(status);
        assert_eq!(events, expected, "{status}");
        assert_eq!(row.status, ReservationStatus::Cancelling);
        assert_eq!(row.open_cancellation, Some(cancellation.id.clone()));
        assert_eq!(row.deadline_at, None);
        assert_eq!(cancellation.state, CancellationState::Running);
        assert_eq!(cancellation.attend_at, Some(NOW), "the pump starts it at once");
    };
    check(ReservationStatus::Reserved, &[Asked]);
    check(ReservationStatus::PaymentPending, &[Asked]);
    check(ReservationStatus::PaymentApproved, &[Asked, Payment]);
    check(ReservationStatus::SeatSelected, &[Asked, Payment, Seat]);
    check(ReservationStatus::Ticketed, &[Asked, Payment, Seat, Ticket]);

    let mut sent = brought_to(ReservationStatus::PaymentPending, None);
    send(&mut sent, Operation::Approve);
    let (_, events) = sent.undo(NOW, id(), StatusReason::CustomerRequest, Actor::Customer);
    assert_eq!(kinds(&events), [Asked, Payment], "money may have moved");
}

#[test]
fn one_step_is_owed_at_a_time() {
    let check = |row: &Reservation, cancellation: &Cancellation, expected| {
        assert_eq!(cancellation.owes(row), expected, "{row:?}");
        assert_eq!(cancellation.owes(row), expected, "asked again");
    };
    let (mut row, mut cancellation, _) = undone(ReservationStatus::Ticketed);
    for (sent, owed) in [
        (Operation::Approve, OwesUndo::Settle),
        (Operation::Capture, OwesUndo::Settle),
        (Operation::Void, OwesUndo::Money),
        (Operation::Refund, OwesUndo::Money),
    ] {
        send(&mut row, sent);
        check(&row, &cancellation, owed);
    }
    let mut row = answered(row);
    check(&row, &cancellation, OwesUndo::Tickets);
    let events = row.revoke_tickets(at(1), &mut cancellation, tickets());
    assert_eq!(kinds(&events), [EventType::TicketCancelled; 2]);
    check(&row, &cancellation, OwesUndo::Seats);
    let events = row.free_seats(at(2), &mut cancellation, &[]);
    assert_eq!(kinds(&events), [EventType::SeatCancelled]);
    check(&row, &cancellation, OwesUndo::Money);
    let events = row.return_money(at(3), &mut cancellation, Operation::Refund);
    assert_eq!(kinds(&events), [EventType::PaymentCancelled]);
    assert_eq!(events[0].detail.amount, Some(cancellation.amount));
    assert_eq!(row.refunded, row.amount);
    check(&row, &cancellation, OwesUndo::Close);
    let events = row.close_cancellation(&mut cancellation);
    assert_eq!(kinds(&events), [EventType::ReservationCancelled]);
    check(&row, &cancellation, OwesUndo::Nothing);
    let done = [at(1), at(2), at(3)].map(Some);
    let Cancellation { tickets_revoked_at, seats_freed_at, money_returned_at, .. } = cancellation;
    assert_eq!([tickets_revoked_at, seats_freed_at, money_returned_at], done);
    assert_eq!(cancellation.state, CancellationState::Done);
    assert_eq!(cancellation.attend_at, None);
}

#[test]
fn parts_that_never_were_are_not_undone() {
    let (mut row, mut cancellation, _) = undone(ReservationStatus::PaymentApproved);
    assert_eq!(cancellation.owes(&row), OwesUndo::Seats, "capacity is held");
    assert_eq!(row.free_seats(NOW, &mut cancellation, &[]), [], "but no seats were");
    assert_eq!(row.capacity, Capacity::Released);
    assert_eq!(row.seats, SeatStatus::None);
    assert_eq!(cancellation.owes(&row), OwesUndo::Money);
    row.return_money(NOW, &mut cancellation, Operation::Void);
    assert_eq!(row.refunded, Won::ZERO, "a void returns nothing that was taken");
    assert_eq!(row.attempt.map(|attempt| attempt.status), Some(AttemptStatus::Voided));
    assert_eq!(cancellation.owes(&row), OwesUndo::Close);
}

#[test]
fn how_money_is_returned() {
    let check = |status, expected| {
        let mut row = brought_to(ReservationStatus::Cancelling, None);
        row.attempt = Some(LatestAttempt { n: 1, method: Method::Card, status });
        assert_eq!(row.money_to_return(), expected, "{status}");
    };
    assert_eq!(reserved(None).money_to_return(), None);
    check(AttemptStatus::Pending, None);
    check(AttemptStatus::Approved, Some(Operation::Void));
    check(AttemptStatus::Captured, Some(Operation::Refund));
    check(AttemptStatus::Declined, None);
    check(AttemptStatus::Abandoned, None);
    check(AttemptStatus::Lapsed, None);
    check(AttemptStatus::Voided, None);
    check(AttemptStatus::Refunded, None);
    check(AttemptStatus::PartiallyRefunded, Some(Operation::Refund));
}

#[test]
fn what_was_sent_is_settled_first_and_what_it_finds_is_undone() {
    let sent = || {
        let mut row = brought_to(ReservationStatus::PaymentPending, None);
        let key = crate::ids::CallKey::parse("k1").unwrap();
        row.open(OpenCall::sent(key, Operation::Approve));
        let Ok(Cancelling::Accepted(cancellation, _)) = cancel(&mut row, NOW, Actor::Customer)
        else {
            panic!("the call was sent")
        };
        assert_eq!(cancellation.owes(&row), OwesUndo::Settle);
        (answered(row), cancellation)
    };
    let (mut approved, mut cancellation) = sent();
    assert_eq!(kinds(&approved.approve_in_vain()), [EventType::PaymentApproved]);
    assert_eq!(approved.status, ReservationStatus::Cancelling);
    approved.free_seats(NOW, &mut cancellation, &[]);
    assert_eq!(cancellation.owes(&approved), OwesUndo::Money);

    let (mut declined, mut cancellation) = sent();
    let left = declined.attempts_left;
    assert_eq!(kinds(&declined.decline_in_vain("LIMIT")), [EventType::PaymentDeclined]);
    assert_eq!(declined.status, ReservationStatus::Cancelling);
    assert_eq!(declined.attempts_left, left);
    declined.free_seats(NOW, &mut cancellation, &[]);
    assert_eq!(cancellation.owes(&declined), OwesUndo::Close);
}

#[test]
fn a_refund_refused_for_good_waits_for_staff_and_never_closes_unpaid() {
    let (mut row, mut cancellation, _) = undone(ReservationStatus::Ticketed);
    row.revoke_tickets(NOW, &mut cancellation, tickets());
    row.free_seats(NOW, &mut cancellation, &[]);
    let events = row.block_refund(&mut cancellation, "CARD_CLOSED");
    assert_eq!(kinds(&events), [EventType::RefundDelayed]);
    assert_eq!(events[0].detail.code.as_deref(), Some("CARD_CLOSED"));
    assert_eq!(cancellation.state, CancellationState::Blocked);
    assert_eq!(cancellation.owes(&row), OwesUndo::Nothing);
    assert_eq!(cancellation.attend_at, None);
    assert_eq!(row.status, ReservationStatus::Cancelling);
    assert_eq!(row.open_cancellation, Some(id()));
    assert_eq!(row.refunded, Won::ZERO);
}

#[test]
fn who_asked_for_the_end_decides_its_name() {
    let check = |reason, expected, event| {
        let mut row = brought_to(ReservationStatus::Ticketed, None);
        let (mut cancellation, _) = row.undo(NOW, id(), reason, Actor::System);
        let events = row.close_cancellation(&mut cancellation);
        assert_eq!(row.status, expected, "{reason}");
        assert_eq!(row.reason, Some(reason));
        assert_eq!(row.open_cancellation, None);
        assert_eq!(kinds(&events), [event], "{reason}");
        assert_eq!(events[0].detail.reason, Some(reason));
    };
    let (cancelled, expired) = (ReservationStatus::Cancelled, ReservationStatus::Expired);
    check(StatusReason::CustomerRequest, cancelled, EventType::ReservationCancelled);
    check(StatusReason::StaffRequest, cancelled, EventType::ReservationCancelled);
    check(StatusReason::ShowtimeCancelled, cancelled, EventType::ReservationCancelled);
    check(StatusReason::PaymentTimeout, expired, EventType::ReservationExpired);
    check(StatusReason::SeatTimeout, expired, EventType::ReservationExpired);
    check(StatusReason::PaymentDeclined, expired, EventType::ReservationExpired);
    check(StatusReason::LateApproval, expired, EventType::ReservationExpired);
}

#[test]
fn an_unsent_attempt_is_abandoned_when_the_undo_closes() {
    let mut row = reserved(None);
    pay(&mut row).unwrap();
    let (mut cancellation, _) = row.undo(NOW, id(), StatusReason::ShowtimeCancelled, Actor::Staff);
    row.close_cancellation(&mut cancellation);
    assert_eq!(row.attempt.map(|attempt| attempt.status), Some(AttemptStatus::Abandoned));
}
