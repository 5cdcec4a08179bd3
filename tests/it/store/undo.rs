//! The steps of an undo: in order, each once, and never money before tickets (1.5, R-ORDER).

use super::fixture::catalogue::EVENING;
use super::fixture::steps::{approval, declined, seats};
use super::fixture::{Fixture, together};
use domain::cancellation::OwesUndo;
use domain::ids::CancellationId;
use domain::reservation::{Owes, Reservation};
use domain::words::{CancellationState, Capacity, Operation, ReservationStatus, TicketStatus};
use std::time::Duration;
use store::gateway_calls::Opened;

on_both!(
    no_money_is_returned_while_a_ticket_lives,
    steps_out_of_order_change_nothing,
    steps_done_twice_change_nothing,
    eight_carry_out_one_undo,
    a_capture_known_during_the_undo_is_refunded,
    a_capture_refused_during_the_undo_is_voided,
    a_refused_refund_blocks_the_cancellation,
    a_blocked_refund_is_not_sent_again,
    a_late_answer_to_a_returned_payment_changes_nothing,
);

/// R-ORDER.
async fn no_money_is_returned_while_a_ticket_lives(f: &Fixture) {
    let (row, id) = being_undone(f, &["A1", "A2"]).await;
    for operation in [Operation::Refund, Operation::Void] {
        let opened = f.store.open_call(&row.id, operation).await.expect("it answers");
        assert_eq!(opened, Opened::NotOwed);
    }
    assert_eq!(f.row(&row.id).await, row);
    f.store.revoke_tickets(&id).await.expect("it is owed");
    f.store.free_seats(&id).await.expect("it is owed");
    let call = f.opened(&row, Operation::Refund).await;
    assert_eq!((call.cancellation_id, call.body.amount), (Some(id), row.amount));
}

async fn steps_out_of_order_change_nothing(f: &Fixture) {
    let (row, id) = being_undone(f, &["A1", "A2"]).await;
    f.store.free_seats(&id).await.expect("it answers");
    f.store.close_cancellation(&id).await.expect("it answers");
    assert_eq!((f.row(&row.id).await, owes(f, &id).await), (row.clone(), OwesUndo::Tickets));
    f.store.revoke_tickets(&id).await.expect("it is owed");
    let row = f.row(&row.id).await;
    assert_eq!(row.tickets, TicketStatus::Cancelled);
    f.store.close_cancellation(&id).await.expect("it answers");
    assert_eq!((f.row(&row.id).await, owes(f, &id).await), (row.clone(), OwesUndo::Seats));
    f.store.free_seats(&id).await.expect("it is owed");
    let row = f.row(&row.id).await;
    f.store.close_cancellation(&id).await.expect("it answers");
    assert_eq!((f.row(&row.id).await, owes(f, &id).await), (row.clone(), OwesUndo::Money));
    let row = f.answered(&row, Operation::Refund, &approval()).await;
    assert_eq!((row.status, owes(f, &id).await), (ReservationStatus::Cancelling, OwesUndo::Close));
    f.store.close_cancellation(&id).await.expect("it is owed");
    let row = f.row(&row.id).await;
    assert_eq!((row.status, owes(f, &id).await), (ReservationStatus::Cancelled, OwesUndo::Nothing));
    let done = f.store.cancellation(&id).await.expect("it reads").expect("it exists");
    assert_eq!((done.state, done.attend_at), (CancellationState::Done, None));
    assert!(done.tickets_revoked_at.is_some());
    assert!(done.seats_freed_at.is_some());
    assert!(done.money_returned_at.is_some());
}

async fn steps_done_twice_change_nothing(f: &Fixture) {
    let (row, id) = being_undone(f, &["A1"]).await;
    for _ in 0..2 {
        f.store.revoke_tickets(&id).await.expect("it answers");
    }
    assert_eq!(f.row(&row.id).await.version, row.version + 1);
    for _ in 0..2 {
        f.store.free_seats(&id).await.expect("it answers");
    }
    assert_eq!(f.row(&row.id).await.version, row.version + 2);
    let ended = f.undone(&row).await;
    f.store.revoke_tickets(&id).await.expect("it answers");
    f.store.free_seats(&id).await.expect("it answers");
    f.store.close_cancellation(&id).await.expect("it answers");
    let opened = f.store.open_call(&row.id, Operation::Refund).await.expect("it answers");
    assert_eq!((f.row(&row.id).await, opened), (ended, Opened::NotOwed));
    assert_eq!(f.held_and_sold(EVENING).await, (0, 0));
}

/// R25: several runs of one undo do what one does.
async fn eight_carry_out_one_undo(f: &Fixture) {
    let (row, id) = being_undone(f, &["A1", "A2"]).await;
    let before = f.story(&row).await.len();
    together((0..8).map(|_| {
        let (store, id, row) = (f.store.clone(), id.clone(), row.clone());
        async move {
            store.revoke_tickets(&id).await.expect("it answers");
            store.free_seats(&id).await.expect("it answers");
            let opened = store.open_call(&row.id, Operation::Refund).await.expect("it answers");
            if let Opened::Fresh(call) | Opened::Sent(call) = opened {
                store.record_answer(&call.key, &approval()).await.expect("it answers");
            }
            store.close_cancellation(&id).await.expect("it answers");
        }
    }))
    .await;
    let row = f.row(&row.id).await;
    assert_eq!((row.status, row.refunded), (ReservationStatus::Cancelled, row.amount));
    let told = [
        "TicketCancelled",
        "TicketCancelled",
        "SeatCancelled",
        "PaymentCancelled",
        "ReservationCancelled",
    ];
    assert_eq!(f.story(&row).await[before..], told);
}

/// T25.
async fn a_capture_known_during_the_undo_is_refunded(f: &Fixture) {
    let row = f.seated(EVENING, &["A1"]).await;
    let call = f.opened(&row, Operation::Capture).await;
    let row = f.cancelled(&row).await;
    let id = row.open_cancellation.clone().expect("it is being undone");
    assert_eq!(owes(f, &id).await, OwesUndo::Settle);
    f.store.record_answer(&call.key, &approval()).await.expect("it is sent");
    let row = f.row(&row.id).await;
    assert_eq!((row.owes(), row.money_to_return()), (Owes::Nothing, Some(Operation::Refund)));
    let row = f.undone(&row).await;
    assert_eq!((row.status, row.refunded), (ReservationStatus::Cancelled, row.amount));
}

/// T25.
async fn a_capture_refused_during_the_undo_is_voided(f: &Fixture) {
    let row = f.seated(EVENING, &["A1"]).await;
    let call = f.opened(&row, Operation::Capture).await;
    let row = f.cancelled(&row).await;
    f.store.record_answer(&call.key, &declined()).await.expect("it is sent");
    assert_eq!(f.cancellations(&row).await.len(), 1);
    let row = f.undone(&f.row(&row.id).await).await;
    assert_eq!((row.status, row.refunded.get()), (ReservationStatus::Cancelled, 0));
    assert_eq!(f.attempts(&row).await, ["VOIDED"]);
}

/// 1.5 d: it never closes unpaid, and waits for staff.
async fn a_refused_refund_blocks_the_cancellation(f: &Fixture) {
    let (row, id) = blocked(f).await;
    assert_eq!((row.status, row.capacity), (ReservationStatus::Cancelling, Capacity::Released));
    assert_eq!(owes(f, &id).await, OwesUndo::Nothing);
    let blocked = f.store.cancellation(&id).await.expect("it reads").expect("it exists");
    assert_eq!((blocked.state, blocked.attend_at), (CancellationState::Blocked, None));
    assert_eq!(f.story(&row).await.last(), Some(&"RefundDelayed"));
    f.store.close_cancellation(&id).await.expect("it answers");
    f.advance(Duration::from_secs(3_600));
    assert!(f.store.take_due_cancellations(10).await.expect("it answers").is_empty());
    assert_eq!(f.row(&row.id).await, row);
    assert_eq!(f.cancelled(&row).await, row, "asked again, it is the same cancellation");
}

/// A late run asks for a refund that was refused for good: nothing is owed, nothing is sent.
async fn a_blocked_refund_is_not_sent_again(f: &Fixture) {
    let (row, _) = blocked(f).await;
    let opened = f.store.open_call(&row.id, Operation::Refund).await;
    assert_eq!(opened.expect("no statement is expected to fail"), Opened::NotOwed);
    assert_eq!(f.row(&row.id).await, row);
}

/// R28.
async fn a_late_answer_to_a_returned_payment_changes_nothing(f: &Fixture) {
    let row = f.paid(&f.reserved(EVENING, 1).await).await;
    let call = f.opened(&row, Operation::Approve).await;
    f.store.record_answer(&call.key, &approval()).await.expect("it is sent");
    let ended = f.undone(&f.cancelled(&row).await).await;
    f.store.record_answer(&call.key, &approval()).await.expect("it is known");
    assert_eq!(f.row(&row.id).await, ended);
    assert_eq!(f.attempts(&row).await, ["VOIDED"]);
}

/// A reservation with tickets whose cancellation has just been accepted.
async fn being_undone(f: &Fixture, numbers: &[&str]) -> (Reservation, CancellationId) {
    let row = f.cancelled(&f.ticketed(EVENING, numbers).await).await;
    assert_eq!(row.seat_numbers.len(), seats(numbers).len());
    let id = row.open_cancellation.clone().expect("it is being undone");
    (row, id)
}

/// An undo whose refund the gateway has refused for good.
async fn blocked(f: &Fixture) -> (Reservation, CancellationId) {
    let (row, id) = being_undone(f, &["A1"]).await;
    f.store.revoke_tickets(&id).await.expect("it is owed");
    f.store.free_seats(&id).await.expect("it is owed");
    let row = f.answered(&row, Operation::Refund, &declined()).await;
    (row, id)
}

async fn owes(f: &Fixture, id: &CancellationId) -> OwesUndo {
    f.store.undo_owed(id).await.expect("it reads").expect("it exists").1
}
