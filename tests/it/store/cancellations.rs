//! Asking to cancel: what is accepted, and what happens at the same moment (T18, T19, R6–R9, R16).

use super::fixture::catalogue::EVENING;
use super::fixture::steps::{approval, declined, done, key, refusal, seats};
use super::fixture::{Fixture, together};
use domain::cancellation::OwesUndo;
use domain::refusal::Refusal;
use domain::reservation::Reservation;
use domain::words::{Capacity, Operation, ReservationStatus, StatusReason, TicketStatus};
use std::collections::BTreeSet;
use std::time::Duration;
use store::{Decision, Store};

on_both!(
    twenty_cancels_are_one_cancellation,
    a_cancel_is_repeated_under_its_key,
    a_cancel_before_anything_was_sent_ends_it_at_once,
    a_cancel_while_the_payment_is_sent_waits_for_it,
    a_cancel_while_the_payment_is_declined_returns_nothing,
    a_cancel_races_the_opening_of_the_payment,
    a_cancel_races_the_selection,
    a_cancel_races_the_tickets,
    after_a_cancel_no_ticket_appears,
    a_freed_seat_bought_by_another_stays_theirs,
    the_window_closes_for_what_is_seated,
    cancelling_is_judged,
);

/// R9.
async fn twenty_cancels_are_one_cancellation(f: &Fixture) {
    let row = f.ticketed(EVENING, &["A1", "A2"]).await;
    let answers = together((0..20).map(|_| {
        let (store, row) = (f.store.clone(), row.clone());
        async move {
            let answer = store.cancel(&row.customer_id, &row.id, None).await;
            let row = done(answer.expect("the database answers"));
            // What is answered is committed: whoever asks for the cancellation finds it.
            let shown = store.latest_cancellation(&row.id).await.expect("it reads");
            (row, shown.map(|cancellation| cancellation.id))
        }
    }));
    let (mut told, mut shown) = (BTreeSet::new(), BTreeSet::new());
    for (row, latest) in answers.await {
        assert_eq!(row.status, ReservationStatus::Cancelling);
        told.insert(row.open_cancellation);
        shown.insert(latest);
    }
    assert_eq!((told.len(), &told), (1, &shown));
    let row = f.row(&row.id).await;
    assert_eq!(f.cancellations(&row).await.len(), 1);
    let asked = f.story(&row).await.into_iter().filter(|kind| *kind == "CancellationRequested");
    assert_eq!(asked.count(), 1);
    let row = f.undone(&row).await;
    assert_eq!(done(f.cancel(&row).await), row, "asked once more, when it is done");
}

async fn a_cancel_is_repeated_under_its_key(f: &Fixture) {
    let row = f.ticketed(EVENING, &["A1"]).await;
    let key = key(&row.customer_id, "k", "body");
    let answers = together((0..8).map(|_| {
        let (store, row, key) = (f.store.clone(), row.clone(), key.clone());
        async move {
            let answer = store.cancel(&row.customer_id, &row.id, Some(&key)).await;
            answer.expect("the database answers")
        }
    }));
    let answers = answers.await;
    let first = answers.iter().filter(|answer| matches!(answer, Decision::Done(_)));
    assert_eq!(first.count(), 1);
    let again = answers.iter().filter(|answer| matches!(answer, Decision::Replayed(_)));
    assert_eq!(again.count(), 7);
    assert_eq!(f.cancellations(&row).await.len(), 1);
}

/// T18, R6 unsent.
async fn a_cancel_before_anything_was_sent_ends_it_at_once(f: &Fixture) {
    let unpaid = f.reserved(EVENING, 1).await;
    let unsent = f.paid(&f.reserved(EVENING, 1).await).await;
    assert_eq!(f.held_and_sold(EVENING).await, (2, 0));
    for row in [&unpaid, &unsent] {
        let row = f.cancelled(row).await;
        assert_eq!((row.status, row.capacity), (ReservationStatus::Cancelled, Capacity::Released));
        assert_eq!(row.reason, Some(StatusReason::CustomerRequest));
        assert_eq!(f.cancellations(&row).await.len(), 0);
        let story = f.story(&row).await;
        assert_eq!(story[story.len() - 2..], ["CancellationRequested", "ReservationCancelled"]);
    }
    assert_eq!(f.attempts(&unsent).await, ["ABANDONED"]);
    assert_eq!(f.held_and_sold(EVENING).await, (0, 0));
    let late = f.store.open_call(&unsent.id, Operation::Approve).await.expect("it answers");
    assert_eq!(late, store::gateway_calls::Opened::NotOwed);
}

/// R6 sent: awaited, then voided (T25).
async fn a_cancel_while_the_payment_is_sent_waits_for_it(f: &Fixture) {
    let row = f.paid(&f.reserved(EVENING, 1).await).await;
    let call = f.opened(&row, Operation::Approve).await;
    let row = f.cancelled(&row).await;
    assert_eq!(row.status, ReservationStatus::Cancelling);
    let id = row.open_cancellation.clone().expect("it is being undone");
    assert_eq!(owed(f, &row).await, OwesUndo::Settle);
    f.store.free_seats(&id).await.expect("it answers");
    f.store.close_cancellation(&id).await.expect("it answers");
    assert_eq!(f.row(&row.id).await, row, "nothing is undone before the answer is known");
    f.store.record_answer(&call.key, &approval()).await.expect("it is sent");
    let row = f.row(&row.id).await;
    assert_eq!((row.status, row.open_call.as_ref()), (ReservationStatus::Cancelling, None));
    let row = f.undone(&row).await;
    assert_eq!(row.status, ReservationStatus::Cancelled);
    assert_eq!(f.attempts(&row).await, ["VOIDED"]);
}

async fn a_cancel_while_the_payment_is_declined_returns_nothing(f: &Fixture) {
    let row = f.paid(&f.reserved(EVENING, 1).await).await;
    let call = f.opened(&row, Operation::Approve).await;
    let row = f.cancelled(&row).await;
    f.store.record_answer(&call.key, &declined()).await.expect("it is sent");
    let row = f.undone(&row).await;
    assert_eq!((row.status, row.refunded.get()), (ReservationStatus::Cancelled, 0));
    assert_eq!(f.attempts(&row).await, ["DECLINED"]);
    assert_eq!(f.number("select count(*) from gateway_call").await, 1);
    assert!(!f.story(&row).await.contains(&"PaymentCancelled"));
}

/// R6 at once: whatever comes first, a call that was opened is settled before the end.
async fn a_cancel_races_the_opening_of_the_payment(f: &Fixture) {
    for _ in 0..10 {
        let row = f.paid(&f.reserved(EVENING, 1).await).await;
        race(f, &row, |store, row| async move {
            store.open_call(&row.id, Operation::Approve).await.expect("it answers");
        })
        .await;
        let now = f.row(&row.id).await;
        let opened = f.number(format!(
            "select count(*) from gateway_call where reservation_id = '{}'",
            row.id
        ));
        let ended = match now.status {
            ReservationStatus::Cancelled => now,
            _ => f.undone(&now).await,
        };
        let last = if opened.await == 0 { "ABANDONED" } else { "VOIDED" };
        assert_eq!(f.attempts(&ended).await, [last]);
    }
}

/// R7.
async fn a_cancel_races_the_selection(f: &Fixture) {
    for _ in 0..10 {
        let row = f.approved(EVENING, 2).await;
        race(f, &row, |store, row| async move {
            let chosen = seats(&["D1", "D2"]);
            let answer = store.select_seats(&row.customer_id, &row.id, &chosen, None).await;
            match answer.expect("it answers") {
                Decision::Done(_) => {}
                late => assert_eq!(refusal(&late), &Refusal::WrongState),
            }
        })
        .await;
        let row = f.undone(&f.row(&row.id).await).await;
        assert_eq!(row.status, ReservationStatus::Cancelled);
        assert_eq!(f.held_and_sold(EVENING).await, (0, 0));
    }
}

/// R8.
async fn a_cancel_races_the_tickets(f: &Fixture) {
    for _ in 0..10 {
        let row = f.captured(EVENING, &["D1", "D2"]).await;
        race(f, &row, |store, row| async move {
            store.issue_tickets(&row.id).await.expect("it answers");
        })
        .await;
        let row = f.undone(&f.row(&row.id).await).await;
        assert_eq!((row.status, row.refunded), (ReservationStatus::Cancelled, row.amount));
        let tickets = f.store.tickets(&row.id).await.expect("it reads");
        assert!(tickets.len() == 2 || tickets.is_empty());
        assert!(tickets.iter().all(|ticket| ticket.status == TicketStatus::Cancelled));
    }
}

async fn after_a_cancel_no_ticket_appears(f: &Fixture) {
    let row = f.cancelled(&f.captured(EVENING, &["A1"]).await).await;
    f.store.issue_tickets(&row.id).await.expect("it answers");
    assert_eq!(f.row(&row.id).await, row);
    assert_eq!(f.number("select count(*) from ticket").await, 0);
}

/// R16: the fence makes a late repeat of A's free a no-op.
async fn a_freed_seat_bought_by_another_stays_theirs(f: &Fixture) {
    let a = f.cancelled(&f.ticketed(EVENING, &["A1", "A2"]).await).await;
    let id = a.open_cancellation.clone().expect("it is being undone");
    f.store.revoke_tickets(&id).await.expect("it is owed");
    f.store.free_seats(&id).await.expect("it is owed");
    let b = f.ticketed(EVENING, &["A1", "A2"]).await;
    f.store.free_seats(&id).await.expect("it answers");
    f.undone(&f.row(&a.id).await).await;
    f.store.free_seats(&id).await.expect("it answers");
    assert_eq!(f.row(&b.id).await, b);
    let kept = f.store.assigned_seats(&b.id).await.expect("it reads");
    assert!(kept.iter().all(|seat| seat.live));
    assert_eq!(f.held_and_sold(EVENING).await, (0, 2));
}

/// T18, T19: the window binds only where a deal exists.
async fn the_window_closes_for_what_is_seated(f: &Fixture) {
    let open = f.approved(EVENING, 1).await;
    let seated = f.seated(EVENING, &["A1"]).await;
    let ticketed = f.ticketed(EVENING, &["B1"]).await;
    let closed_at = ticketed.showtime.starts_at.minus(Duration::from_secs(20 * 60));
    f.set_time(closed_at);
    for row in [&seated, &ticketed] {
        let answer = f.cancel(row).await;
        assert_eq!(refusal(&answer), &Refusal::CancelWindowClosed { closed_at });
        assert_eq!(&f.row(&row.id).await, row);
    }
    f.cancelled(&open).await;
    f.set_time(closed_at.minus(Duration::from_millis(1)));
    f.cancelled(&seated).await;
    f.cancelled(&ticketed).await;
}

async fn cancelling_is_judged(f: &Fixture) {
    let row = f.reserved(EVENING, 1).await;
    let stranger = f.store.cancel(&f.customer(), &row.id, None).await.expect("it answers");
    assert!(matches!(stranger, Decision::NotFound), "{stranger:?}");
    f.set_time(row.deadline_at.expect("it is to be paid"));
    f.store.look(&row.id).await.expect("it answers");
    assert_eq!(refusal(&f.cancel(&row).await), &Refusal::WrongState, "it has expired");
}

async fn owed(f: &Fixture, row: &Reservation) -> OwesUndo {
    let id = row.open_cancellation.as_ref().expect("a cancellation is open");
    f.store.undo_owed(id).await.expect("it reads").expect("it exists").1
}

/// The customer cancels while something else is done to the row; the cancel succeeds.
async fn race<F>(f: &Fixture, row: &Reservation, other: fn(Store, Reservation) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let tasks = [true, false].map(|cancels| {
        let (store, row) = (f.store.clone(), row.clone());
        async move {
            if cancels {
                let answer = store.cancel(&row.customer_id, &row.id, None).await;
                done(answer.expect("the database answers"));
            } else {
                other(store, row).await;
            }
        }
    });
    together(tasks).await;
}
