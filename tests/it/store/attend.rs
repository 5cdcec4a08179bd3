//! Rows that are due: taken once, pushed on, given back.

use super::fixture::catalogue::EVENING;
use super::fixture::steps::approval;
use super::fixture::{Fixture, together};
use domain::reservation::{ATTEND_AGAIN, ATTEND_AGAIN_MAX, PUMP_AFTER_DEADLINE};
use domain::words::Operation;
use std::collections::BTreeSet;
use std::time::Duration;
use store::attend::{DueCancellation, DueReservation};

on_both!(
    eight_take_each_due_reservation_once,
    eight_take_each_due_cancellation_once,
    a_taken_reservation_is_due_again_later_each_time,
    a_change_makes_it_due_at_once,
    a_reservation_is_given_back,
    a_changed_reservation_is_not_given_back,
    a_cancellation_is_taken_and_given_back,
    who_waits_for_the_customer_is_due_after_the_deadline,
);

async fn eight_take_each_due_reservation_once(f: &Fixture) {
    for _ in 0..40 {
        f.reserved(EVENING, 1).await;
    }
    let taken = together((0..8).map(|_| {
        let store = f.store.clone();
        async move {
            let mut mine = Vec::new();
            loop {
                let due = store.take_due_reservations(3).await.expect("it answers");
                if due.is_empty() {
                    return mine;
                }
                mine.extend(due.into_iter().map(|due| due.row.id));
            }
        }
    }));
    let taken: Vec<_> = taken.await.into_iter().flatten().collect();
    let different: BTreeSet<_> = taken.iter().collect();
    assert_eq!((taken.len(), different.len()), (40, 40));
}

async fn eight_take_each_due_cancellation_once(f: &Fixture) {
    for _ in 0..20 {
        f.cancelled(&f.approved(EVENING, 1).await).await;
    }
    let taken = together((0..8).map(|_| {
        let store = f.store.clone();
        async move {
            let mut mine = Vec::new();
            loop {
                let due = store.take_due_cancellations(3).await.expect("it answers");
                if due.is_empty() {
                    return mine;
                }
                mine.extend(due.into_iter().map(|due| due.id));
            }
        }
    }));
    let taken: Vec<_> = taken.await.into_iter().flatten().collect();
    let different: BTreeSet<_> = taken.iter().collect();
    assert_eq!((taken.len(), different.len()), (20, 20));
}

async fn a_taken_reservation_is_due_again_later_each_time(f: &Fixture) {
    let row = f.seated(EVENING, &["A1"]).await;
    let mut pause = ATTEND_AGAIN;
    for wakes in 0..8 {
        let due = due_one(f).await;
        assert_eq!((&due.row.id, due.wakes), (&row.id, wakes));
        let again_at = f.store.now().plus(pause);
        assert_eq!(f.row(&row.id).await.attend_at, Some(again_at));
        f.set_time(again_at.minus(Duration::from_millis(1)));
        assert!(f.store.take_due_reservations(10).await.expect("it answers").is_empty());
        f.set_time(again_at);
        pause = (pause * 2).min(ATTEND_AGAIN_MAX);
    }
    assert_eq!(pause, ATTEND_AGAIN_MAX);
    assert_eq!(f.row(&row.id).await.version, row.version, "looking changes nothing");
}

async fn a_change_makes_it_due_at_once(f: &Fixture) {
    let row = f.reserved(EVENING, 1).await;
    due_one(f).await;
    assert!(f.store.take_due_reservations(10).await.expect("it answers").is_empty());
    f.paid(&row).await;
    assert_eq!(due_one(f).await.wakes, 0);
    f.set_time(f.row(&row.id).await.attend_at.expect("it owes a payment"));
    assert_eq!(due_one(f).await.wakes, 1);
    f.opened(&row, Operation::Approve).await;
    let row = f.row(&row.id).await;
    assert_eq!(row.attend_at, Some(f.store.now().plus(ATTEND_AGAIN)), "its own run goes on");
}

async fn a_reservation_is_given_back(f: &Fixture) {
    f.reserved(EVENING, 1).await;
    let due = due_one(f).await;
    let pause = Duration::from_secs(2);
    f.store.give_back_reservation(&due, pause).await.expect("it answers");
    assert_eq!(f.row(&due.row.id).await.attend_at, Some(f.store.now().plus(pause)));
    assert!(f.store.take_due_reservations(10).await.expect("it answers").is_empty());
    f.advance(pause);
    let again = due_one(f).await;
    assert_eq!(again.wakes, 0, "a wake that was not made does not count");
    f.set_time(f.row(&due.row.id).await.attend_at.expect("it is awaited"));
    let third = due_one(f).await;
    f.store.give_back_reservation(&again, pause).await.expect("it answers");
    let kept = f.row(&due.row.id).await.attend_at;
    assert!(kept > Some(f.store.now().plus(pause)), "somebody else has it: {third:?}");
}

async fn a_changed_reservation_is_not_given_back(f: &Fixture) {
    let row = f.reserved(EVENING, 1).await;
    let due = due_one(f).await;
    let row = f.paid(&row).await;
    f.store.give_back_reservation(&due, Duration::from_secs(2)).await.expect("it answers");
    assert_eq!(f.row(&row.id).await, row);
    assert_eq!(due_one(f).await.row, row);
}

async fn a_cancellation_is_taken_and_given_back(f: &Fixture) {
    let row = f.cancelled(&f.approved(EVENING, 1).await).await;
    let due = due_cancellation(f).await;
    assert_eq!((Some(&due.id), due.wakes), (row.open_cancellation.as_ref(), 0));
    assert!(f.store.take_due_cancellations(10).await.expect("it answers").is_empty());
    let pause = Duration::from_secs(2);
    f.store.give_back_cancellation(&due, pause).await.expect("it answers");
    f.advance(pause);
    assert_eq!(due_cancellation(f).await.wakes, 0);
    f.advance(ATTEND_AGAIN);
    assert_eq!(due_cancellation(f).await.wakes, 1);
    f.advance(ATTEND_AGAIN * 2);
    let last = due_cancellation(f).await;
    f.store.free_seats(&last.id).await.expect("it is owed");
    f.answered(&row, Operation::Void, &approval()).await;
    f.store.close_cancellation(&last.id).await.expect("it is owed");
    f.store.give_back_cancellation(&last, pause).await.expect("it answers");
    f.advance(ATTEND_AGAIN_MAX);
    assert!(f.store.take_due_cancellations(10).await.expect("it answers").is_empty());
}

async fn who_waits_for_the_customer_is_due_after_the_deadline(f: &Fixture) {
    let row = f.reserved(EVENING, 1).await;
    due_one(f).await;
    let pay_by = row.deadline_at.expect("it is to be paid");
    assert_eq!(f.row(&row.id).await.attend_at, Some(pay_by.plus(PUMP_AFTER_DEADLINE)));
    f.set_time(pay_by.plus(PUMP_AFTER_DEADLINE));
    let due = due_one(f).await;
    f.store.attend_time(&due.row).await.expect("it answers");
    assert_eq!(due_one(f).await.row.id, row.id, "its run is to learn of the end");
    assert_eq!(f.row(&row.id).await.attend_at, None);
}

async fn due_one(f: &Fixture) -> DueReservation {
    let mut due = f.store.take_due_reservations(10).await.expect("it answers");
    assert_eq!(due.len(), 1);
    due.remove(0)
}

async fn due_cancellation(f: &Fixture) -> DueCancellation {
    let mut due = f.store.take_due_cancellations(10).await.expect("it answers");
    assert_eq!(due.len(), 1);
    due.remove(0)
}
