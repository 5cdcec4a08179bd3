//! The line before the gateway: who is told to wait, who may change their mind, and what happens
//! when that meets the gateway's turn (T4, T8, T11, R6, R27).

use super::fixture::catalogue::EVENING;
use super::fixture::steps::{approval, done, pay_command, refusal};
use super::fixture::{Fixture, together};
use domain::refusal::Refusal;
use domain::reservation::{ATTEND_AGAIN, DEFERRED_AFTER, Pay, PlanSeats, Reservation};
use domain::words::{Capacity, Method, Operation, PaymentStatus, ReservationStatus, StatusReason};
use std::time::Duration;
use store::Decision;
use store::gateway_calls::Opened;
use store::payments::PayCommand;

on_both!(
    the_line_counts_who_waits_unsent,
    a_line_that_moves_is_no_long_wait,
    a_payment_behind_a_standing_line_is_deferred,
    a_plan_behind_a_standing_line_is_deferred_when_it_is_made,
    who_was_deferred_at_once_is_let_in_as_the_line_moves,
    the_pump_defers_who_is_unsent_for_two_seconds_once,
    the_pump_defers_a_plan_that_nobody_has_begun,
    a_deferral_races_the_opening_of_the_call,
    another_card_takes_the_place_of_an_unsent_attempt,
    another_card_races_the_opening_of_the_call,
    a_deferred_payment_is_cancelled_unsent,
    who_is_deferred_too_long_expires_uncharged,
);

const LONG: Duration = Duration::from_secs(30);

/// Somebody waits, and nobody has been served for this long.
async fn standing_line(f: &Fixture) -> Reservation {
    let first = f.paid(&f.reserved(EVENING, 1).await).await;
    assert_eq!(first.status, ReservationStatus::PaymentPending);
    f.advance(LONG);
    first
}

/// Who is deferred behind others.
async fn deferred(f: &Fixture) -> Reservation {
    standing_line(f).await;
    let row = f.paid(&f.reserved(EVENING, 1).await).await;
    assert_eq!(row.status, ReservationStatus::PaymentDeferred);
    row
}

fn another_card(row: &Reservation) -> PayCommand {
    let pay = Pay { method: Method::KakaoPay, ..pay_command(row).pay };
    PayCommand { pay, ..pay_command(row) }
}

async fn the_line_counts_who_waits_unsent(f: &Fixture) {
    let waiting = async || {
        f.advance(Duration::from_secs(1));
        f.store.waiting_in_line().await.expect("it answers")
    };
    assert_eq!(waiting().await, 0);
    f.reserved(EVENING, 1).await;
    f.approved(EVENING, 1).await;
    f.seated(EVENING, &["A1"]).await;
    assert_eq!(waiting().await, 0, "none of them waits for an approval");
    let planned = f.planned(1, PlanSeats::Best).await;
    let paid = f.paid(&f.reserved(EVENING, 1).await).await;
    assert_eq!(f.store.waiting_in_line().await.expect("it answers"), 2, "known without counting");
    assert_eq!(waiting().await, 2);
    f.opened(&paid, Operation::Approve).await;
    assert_eq!(waiting().await, 1, "what was sent does not wait");
    f.cancelled(&planned).await;
    assert_eq!(waiting().await, 0);
}

async fn a_line_that_moves_is_no_long_wait(f: &Fixture) {
    standing_line(f).await;
    assert_eq!(f.store.wait_ahead().await.expect("it answers"), LONG, "as long as it has stood");
    for _ in 0..5 {
        f.approved(EVENING, 1).await;
    }
    f.advance(Duration::from_secs(1));
    let wait = f.store.wait_ahead().await.expect("it answers");
    assert!(wait < DEFERRED_AFTER, "only one waits, and others are served: {wait:?}");
}

async fn a_payment_behind_a_standing_line_is_deferred(f: &Fixture) {
    let row = deferred(f).await;
    assert_eq!(row.estimated_at, Some(f.store.now().plus(LONG)));
    assert_eq!(row.payment_status(), PaymentStatus::Deferred);
    assert_eq!(f.row(&row.id).await, row, "the estimate is kept");
    assert_eq!(f.story(&row).await, ["Reserved", "PaymentDeferred"]);
    let row = f.answered(&row, Operation::Approve, &approval()).await;
    assert_eq!((row.status, row.estimated_at), (ReservationStatus::PaymentApproved, None));
}

async fn a_plan_behind_a_standing_line_is_deferred_when_it_is_made(f: &Fixture) {
    standing_line(f).await;
    let row = f.planned(2, PlanSeats::Best).await;
    assert_eq!((row.status, row.version), (ReservationStatus::PaymentDeferred, 1));
    assert_eq!(f.row(&row.id).await, row);
    assert_eq!(f.story(&row).await, ["Reserved", "PaymentDeferred"]);
    assert_eq!(f.attempts(&row).await, ["PENDING"]);
    f.store.pay_by_plan(&row.id).await.expect("it answers");
    assert_eq!(f.row(&row.id).await, row, "it is requested already");
    let row = f.answered(&row, Operation::Approve, &approval()).await;
    f.store.assign_plan_seats(&row.id).await.expect("it is owed");
    let row = f.answered(&f.row(&row.id).await, Operation::Capture, &approval()).await;
    assert_eq!(row.status, ReservationStatus::SeatSelected);
}

async fn who_was_deferred_at_once_is_let_in_as_the_line_moves(f: &Fixture) {
    standing_line(f).await;
    let mut outside = Vec::new();
    for _ in 0..6 {
        let row = f.planned(1, PlanSeats::Best).await;
        let turn = row.estimated_at.expect("it is told");
        assert_eq!(row.attend_at, Some(turn.plus(ATTEND_AGAIN)), "though nobody lets it in");
        outside.push(row.id);
        f.advance(Duration::from_millis(1));
    }
    let take = async || {
        let due = f.store.take_due_reservations(100).await.expect("it answers");
        let mut ids: Vec<_> = due.into_iter().map(|due| due.row.id).collect();
        ids.sort(); // as they came
        ids
    };
    let let_in = async |inside_max| {
        f.store.let_into_line(inside_max).await.expect("it answers");
        take().await
    };
    take().await; // who stands in line
    assert_eq!(take().await, [], "the others wait for their turn");
    assert_eq!(let_in(1).await, [], "it is full");
    assert_eq!(let_in(3).await, outside[..2], "first come, first served");
    assert_eq!(let_in(3).await, [], "full again");
    let served = f.row(&outside[0]).await;
    f.answered(&served, Operation::Approve, &approval()).await;
    assert_eq!(let_in(3).await, outside[2..3]);
    assert_eq!(let_in(100).await, outside[3..]);
    assert_eq!(let_in(100).await, []);
}

/// T8.
async fn the_pump_defers_who_is_unsent_for_two_seconds_once(f: &Fixture) {
    let row = f.paid(&f.reserved(EVENING, 1).await).await;
    let take = async || f.store.take_due_reservations(10).await.expect("it answers");
    assert_eq!(take().await.len(), 1);
    assert!(!f.store.defer(&row.id).await.expect("it answers"), "it may yet be sent in time");
    f.advance(DEFERRED_AFTER);
    let due = take().await.remove(0);
    assert!(due.row.waits_long(f.store.now()));
    assert!(f.store.defer(&row.id).await.expect("it answers"));
    assert!(!f.store.defer(&row.id).await.expect("it answers"), "once");
    let row = f.row(&row.id).await;
    assert_eq!(row.status, ReservationStatus::PaymentDeferred);
    assert_eq!(f.story(&row).await, ["Reserved", "PaymentRequested", "PaymentDeferred"]);
    let turn = row.estimated_at.expect("it is told");
    assert!(turn > f.store.now());
    assert_eq!(row.attend_at, Some(turn.plus(ATTEND_AGAIN)), "nobody is woken before its turn");
}

async fn the_pump_defers_a_plan_that_nobody_has_begun(f: &Fixture) {
    let row = f.planned(1, PlanSeats::Best).await;
    f.advance(DEFERRED_AFTER);
    assert!(f.store.defer(&row.id).await.expect("it answers"));
    let row = f.row(&row.id).await;
    assert_eq!(row.status, ReservationStatus::PaymentDeferred);
    assert_eq!(f.attempts(&row).await, ["PENDING"]);
    f.store.pay_by_plan(&row.id).await.expect("the run that looked before comes late");
    assert_eq!(f.attempts(&row).await, ["PENDING"]);
    f.answered(&row, Operation::Approve, &approval()).await;
}

/// Whoever is first: the call is opened once, and the customer is told or not.
async fn a_deferral_races_the_opening_of_the_call(f: &Fixture) {
    for _ in 0..10 {
        let row = f.paid(&f.reserved(EVENING, 1).await).await;
        f.advance(DEFERRED_AFTER);
        let tasks = [true, false].map(|defers| {
            let (store, id) = (f.store.clone(), row.id.clone());
            async move {
                if defers {
                    return store.defer(&id).await.map(|told| (told, None));
                }
                let opened = store.open_call(&id, Operation::Approve).await;
                opened.map(|opened| (false, Some(opened)))
            }
        });
        let answers = together(tasks).await;
        let [deferred, opened] = &answers[..] else { panic!("two") };
        let told = deferred.as_ref().expect("it answers").0;
        let opened = opened.as_ref().expect("it answers").1.clone();
        let Some(Opened::Fresh(call)) = opened else { panic!("{opened:?}") };
        let now = f.row(&row.id).await;
        assert_eq!(now.status == ReservationStatus::PaymentDeferred, told);
        assert_eq!(now.open_call.map(|open| open.key), Some(call.key.clone()));
        f.store.record_answer(&call.key, &approval()).await.expect("it is sent");
        assert_eq!(f.row(&row.id).await.status, ReservationStatus::PaymentApproved);
    }
}

/// R27.
async fn another_card_takes_the_place_of_an_unsent_attempt(f: &Fixture) {
    let row = deferred(f).await;
    let by_another = f.store.pay(&row.customer_id, &another_card(&row), None).await;
    let row = done(by_another.expect("it answers"));
    assert_eq!(row.status, ReservationStatus::PaymentDeferred, "the line stands");
    assert_eq!(f.attempts(&row).await, ["ABANDONED", "PENDING"]);
    let call = f.opened(&row, Operation::Approve).await;
    assert_eq!(call.attempt_id.as_str(), format!("{}-2", row.id));
    assert_eq!(call.body.method, Method::KakaoPay);
    let third = f.store.pay(&row.customer_id, &pay_command(&row), None).await;
    assert_eq!(refusal(&third.expect("it answers")), &Refusal::PaymentInProgress, "it is sent");
    f.store.record_answer(&call.key, &approval()).await.expect("it is sent");
    assert_eq!(f.attempts(&row).await, ["ABANDONED", "APPROVED"]);
    assert_eq!(f.number("select count(*) from gateway_call").await, 1);
}

/// R27, whoever is first; without the lock see `races::r27_another_card_meets_the_first_one`.
async fn another_card_races_the_opening_of_the_call(f: &Fixture) {
    standing_line(f).await;
    for _ in 0..10 {
        let row = f.paid(&f.reserved(EVENING, 1).await).await;
        assert_eq!(row.status, ReservationStatus::PaymentDeferred);
        let (store, paying) = (f.store.clone(), row.clone());
        let pays = tokio::spawn(async move {
            store.pay(&paying.customer_id, &another_card(&paying), None).await
        });
        let opened = f.store.open_call(&row.id, Operation::Approve).await.expect("it answers");
        let paid = pays.await.expect("it does not panic").expect("it answers");
        let Opened::Fresh(call) = opened else { panic!("{opened:?}") };
        f.store.record_answer(&call.key, &approval()).await.expect("it is sent");
        match paid {
            Decision::Done(_) => {
                assert_eq!(f.attempts(&row).await, ["ABANDONED", "APPROVED"]);
                assert_eq!(call.body.method, Method::KakaoPay);
            }
            refused => {
                let expected = [Refusal::PaymentInProgress, Refusal::WrongState];
                assert!(expected.contains(refusal(&refused)), "{refused:?}");
                assert_eq!(f.attempts(&row).await, ["APPROVED"]);
            }
        }
    }
}

/// R6.
async fn a_deferred_payment_is_cancelled_unsent(f: &Fixture) {
    let row = deferred(f).await;
    let row = f.cancelled(&row).await;
    assert_eq!((row.status, row.estimated_at), (ReservationStatus::Cancelled, None));
    assert_eq!(f.attempts(&row).await, ["ABANDONED"]);
    let late = f.store.open_call(&row.id, Operation::Approve).await.expect("it answers");
    assert_eq!(late, Opened::NotOwed);
    assert!(!f.store.defer(&row.id).await.expect("it answers"));

    let sent = f.paid(&f.reserved(EVENING, 1).await).await;
    let call = f.opened(&sent, Operation::Approve).await;
    let sent = f.cancelled(&sent).await;
    assert_eq!(sent.status, ReservationStatus::Cancelling, "the answer is awaited");
    f.store.record_answer(&call.key, &approval()).await.expect("it is sent");
    let sent = f.undone(&f.row(&sent.id).await).await;
    assert_eq!(f.attempts(&sent).await, ["VOIDED"]);
}

/// T11, scenario 10.
async fn who_is_deferred_too_long_expires_uncharged(f: &Fixture) {
    let row = deferred(f).await;
    f.set_time(row.deadline_at.expect("not for ever"));
    assert!(f.store.attend_time(&row).await.expect("it answers"));
    let row = f.row(&row.id).await;
    assert_eq!(
        (row.status, row.reason),
        (ReservationStatus::Expired, Some(StatusReason::PaymentTimeout))
    );
    assert_eq!((row.capacity, row.estimated_at), (Capacity::Released, None));
    assert_eq!(f.attempts(&row).await, ["ABANDONED"]);
    assert_eq!(f.number("select count(*) from gateway_call").await, 0);
}
