//! The gateway is busy: who is told to wait, and what they may do meanwhile (T4, T8, R6, R27).

use super::*;
use crate::cancellation::asking::Cancelling;
use crate::payment::ATTEMPTS_EVER_MAX;

const MINUTE: Duration = Duration::from_secs(60);
const ALL: Ask<'_> = Ask { actor: Actor::Customer, tickets: None };

fn again(row: &mut Reservation, now: Time, wait: Duration) -> Result<Vec<Event>, Refusal> {
    let method = match row.attempt.map(|attempt| attempt.method) {
        Some(Method::KakaoPay) => Method::Card,
        _ => Method::KakaoPay,
    };
    let pay = Pay { method, amount: row.amount, actor: Actor::Customer };
    row.pay(now, pay, wait, &Deadlines::default())
}

#[test]
fn a_payment_that_would_wait_for_more_than_two_seconds_is_deferred() {
    let check = |wait: Duration, status, kind, estimated_at: Option<Time>| {
        let mut row = reserved(None);
        let events = again(&mut row, NOW, wait).unwrap();
        assert_eq!((row.status, row.estimated_at), (status, estimated_at), "{wait:?}");
        assert_eq!(kinds(&events), [kind]);
        let secs = estimated_at.map(|_| wait.as_secs());
        assert_eq!(events[0].detail.wait_secs, secs);
        assert_eq!(row.owes(), Owes::Payment(PaymentStep::Approve));
        assert_eq!(row.deadline_at, Some(at(600 + 1_800)));
    };
    let (pending, deferred) =
        (ReservationStatus::PaymentPending, ReservationStatus::PaymentDeferred);
    check(Duration::ZERO, pending, EventType::PaymentRequested, None);
    check(DEFERRED_AFTER, pending, EventType::PaymentRequested, None);
    check(
        Duration::from_millis(2_001),
        deferred,
        EventType::PaymentDeferred,
        Some(NOW.plus(Duration::from_millis(2_001))),
    );
    check(MINUTE, deferred, EventType::PaymentDeferred, Some(at(60)));
}

#[test]
fn a_plan_that_would_wait_is_told_so_with_its_reservation() {
    let check = |plan: Option<PlanSeats>, wait, expected: &[EventType]| {
        let mut row = reserved(plan);
        row.status = ReservationStatus::Reserved;
        assert_eq!(kinds(&row.reserve(wait, &Deadlines::default())), expected, "{wait:?}");
        let deferred = expected.len() == 2;
        assert_eq!(row.status == ReservationStatus::PaymentDeferred, deferred);
        assert_eq!(row.attempt.is_some(), deferred);
        assert_eq!(row.payment_status() == PaymentStatus::Deferred, deferred);
        row.deadline_at
    };
    let (reserved, deferred) = (EventType::Reserved, EventType::PaymentDeferred);
    assert_eq!(check(Some(PlanSeats::Best), MINUTE, &[reserved, deferred]), Some(at(STARTS_SECS)));
    assert_eq!(check(Some(PlanSeats::Best), DEFERRED_AFTER, &[reserved]), Some(at(STARTS_SECS)));
    assert_eq!(check(None, MINUTE, &[reserved]), Some(at(600)), "they have not paid yet");
}

#[test]
fn who_is_unsent_for_two_seconds_is_deferred_once() {
    let check = |mut row: Reservation, now: Time, expected: &[EventType]| {
        let before = row.clone();
        let events = row.defer(now, MINUTE, &Deadlines::default());
        assert_eq!(kinds(&events), expected, "{} at {now:?}", before.status);
        if expected.is_empty() {
            assert_eq!(row, before);
        } else {
            assert_eq!(row.status, ReservationStatus::PaymentDeferred);
            assert_eq!(row.estimated_at, Some(now.plus(MINUTE)));
            assert_eq!(row.attempt.map(|attempt| attempt.n), Some(1));
            assert_eq!(
                row.deadline_at,
                brought_to(ReservationStatus::PaymentPending, row.plan.map(|plan| plan.seats))
                    .deadline_at
            );
        }
    };
    let early = at(2).minus(Duration::from_millis(1));
    let told = [EventType::PaymentDeferred];
    for plan in [None, Some(PlanSeats::Best), Some(PlanSeats::Dropped)] {
        check(brought_to(ReservationStatus::PaymentPending, plan.clone()), early, &[]);
        check(brought_to(ReservationStatus::PaymentPending, plan.clone()), at(2), &told);
        check(brought_to(ReservationStatus::PaymentDeferred, plan.clone()), at(99), &[]);
        let mut sent = brought_to(ReservationStatus::PaymentPending, plan);
        send(&mut sent, Operation::Approve);
        check(sent, at(99), &[]);
    }
    check(reserved(Some(PlanSeats::Best)), early, &[]);
    check(reserved(Some(PlanSeats::Best)), at(2), &told);
    check(reserved(None), at(99), &[]);
    for status in [
        ReservationStatus::PaymentApproved,
        ReservationStatus::SeatSelected,
        ReservationStatus::Ticketed,
        ReservationStatus::Cancelling,
        ReservationStatus::Expired,
    ] {
        check(brought_to(status, None), at(99), &[]);
    }
}

#[test]
fn who_has_waited_is_never_told_that_there_is_no_wait() {
    let mut row = brought_to(ReservationStatus::PaymentPending, None);
    row.defer(at(2), Duration::ZERO, &Deadlines::default());
    assert_eq!(row.estimated_at, Some(at(5)));
}

/// R27.
#[test]
fn another_card_takes_the_place_of_one_that_waits_unsent() {
    let deferred = brought_to(ReservationStatus::PaymentDeferred, None);
    let same = Pay { method: Method::Card, amount: deferred.amount, actor: Actor::Customer };
    let clicked = deferred.clone().pay(at(10), same, MINUTE, &Deadlines::default());
    assert_eq!(clicked, Err(Refusal::PaymentInProgress), "a second click (R11)");
    let mut still_busy = deferred.clone();
    let events = again(&mut still_busy, at(10), MINUTE).unwrap();
    assert_eq!(kinds(&events), [EventType::PaymentDeferred]);
    assert_eq!(
        (still_busy.estimated_at, still_busy.deadline_at),
        (Some(at(70)), deferred.deadline_at)
    );
    let second = LatestAttempt { n: 2, method: Method::KakaoPay, status: AttemptStatus::Pending };
    assert_eq!(still_busy.attempt, Some(second));

    let mut free_again = deferred.clone();
    let events = again(&mut free_again, at(10), Duration::ZERO).unwrap();
    assert_eq!(kinds(&events), [EventType::PaymentRequested]);
    assert_eq!(free_again.status, ReservationStatus::PaymentPending);
    assert_eq!((free_again.estimated_at, free_again.attempts_left), (None, 3));
    assert_eq!(again(&mut free_again, at(10), MINUTE), Err(Refusal::PaymentInProgress));

    let mut sent = deferred.clone();
    send(&mut sent, Operation::Approve);
    assert_eq!(again(&mut sent, at(10), MINUTE), Err(Refusal::PaymentInProgress));
    assert_eq!(sent.allowed_actions(at(10)), [Action::Cancel]);

    let mut changes_cards = deferred;
    for _ in 1..ATTEMPTS_EVER_MAX {
        again(&mut changes_cards, at(10), MINUTE).unwrap();
    }
    assert_eq!(again(&mut changes_cards, at(10), MINUTE), Err(Refusal::PaymentInProgress));
    assert_eq!(changes_cards.allowed_actions(at(10)), [Action::Cancel]);
}

/// A run that looked before the pump deferred it comes late.
#[test]
fn a_plan_pays_once() {
    let mut row = brought_to(ReservationStatus::PaymentDeferred, Some(PlanSeats::Best));
    assert_eq!(pay(&mut row), Err(Refusal::PaymentInProgress));
    assert_eq!(again(&mut row, at(10), MINUTE), Err(Refusal::PaymentInProgress));
    assert_eq!(row.allowed_actions(at(10)), [Action::Cancel]);
}

#[test]
fn a_spared_deadline_gives_another_card_its_full_time() {
    let mut row = brought_to(ReservationStatus::PaymentDeferred, None);
    again(&mut row, at(3_000), MINUTE).unwrap();
    assert_eq!(row.deadline_at, Some(at(3_000 + 1_800)));
}

#[test]
fn the_estimate_ends_with_the_wait() {
    let ended = |end: &dyn Fn(&mut Reservation)| {
        let mut row = brought_to(ReservationStatus::PaymentDeferred, None);
        end(&mut row);
        assert_eq!(row.estimated_at, None, "{}", row.status);
    };
    let id = || CancellationId::parse("c1").unwrap();
    ended(&|row| drop(row.approve(at(99), None, &Deadlines::default())));
    ended(&|row| drop(row.decline(at(99), "LIMIT", &Deadlines::default())));
    ended(&|row| drop(row.pass_deadline(at(2_400))));
    ended(&|row| drop(row.cancel(at(99), id(), ALL, &[])));
    ended(&|row| drop(row.undo(at(99), id(), StatusReason::LateApproval, Actor::System)));
}

/// R6.
#[test]
fn cancelling_what_waits_ends_it_at_once_and_what_was_sent_is_awaited() {
    let id = || CancellationId::parse("c1").unwrap();
    let mut unsent = brought_to(ReservationStatus::PaymentDeferred, None);
    let ended = unsent.cancel(at(10), id(), ALL, &[]).unwrap();
    assert!(matches!(ended, Cancelling::Ended(_)), "{ended:?}");
    assert_eq!(unsent.attempt.map(|attempt| attempt.status), Some(AttemptStatus::Abandoned));
    let mut sent = brought_to(ReservationStatus::PaymentDeferred, None);
    send(&mut sent, Operation::Approve);
    let accepted = sent.cancel(at(10), id(), ALL, &[]).unwrap();
    assert!(matches!(accepted, Cancelling::Accepted(..)), "{accepted:?}");
    assert_eq!(sent.status, ReservationStatus::Cancelling);
}
