//! T26, T25: what the gateway says too late or against what is known. It is undone under a key of
//! its own, whoever finds it and however often, and moves nothing else (R12, R13).

use super::fixture::catalogue::EVENING;
use super::fixture::steps::{approval, declined, done};
use super::fixture::{Fixture, together};
use domain::attention::Worry;
use domain::audit::LedgerEntry;
use domain::cancellation::OwesUndo;
use domain::cancellation::late::LateApproval;
use domain::ids::{CallKey, CancellationId, CustomerId, PaymentAttemptId};
use domain::payment::Answer;
use domain::person::Person;
use domain::refund_account::Reference;
use domain::reservation::Reservation;
use domain::won::Won;
use domain::words::{CancellationState, Operation, ReservationStatus, Role};
use std::time::Duration;
use store::blocked_refunds::WayOut;
use store::gateway_calls::Opened;
use store::late_approvals::Found;
use store::settling::Settlement;

on_both!(
    an_approval_after_the_end_is_voided,
    eight_find_one_late_approval,
    an_approval_of_a_declined_attempt_leaves_the_deal_alone,
    an_answer_that_contradicts_a_decline_is_undone,
    a_contradicted_capture_is_put_before_people,
    what_is_known_or_strange_is_left_alone,
    the_books_are_compared_page_by_page,
    a_late_approval_that_cannot_be_voided_waits_for_staff,
    a_late_approval_whose_void_has_no_answer_waits_for_staff,
);

/// R13.
async fn an_approval_after_the_end_is_voided(f: &Fixture) {
    let row = abandoned(f).await;
    let had = f.held_and_sold(EVENING).await;
    assert_eq!(find(f, &row, 1).await, Found::Undone);
    let found = f.row(&row.id).await;
    assert_eq!((found.status, found.open_call.clone()), (ReservationStatus::Expired, None));
    assert_eq!(found.open_cancellation, None);
    let id = late_undo(f, &row).await;
    let due = f.store.take_due_cancellations(10).await.expect("it answers");
    assert_eq!(due.iter().map(|due| &due.id).collect::<Vec<_>>(), [&id], "the pump runs it");
    give_back(f, &id, &approval()).await;
    assert_eq!(f.attempts(&row).await, ["VOIDED"]);
    let ended = f.row(&row.id).await;
    assert_eq!((ended.status, ended.reason), (row.status, row.reason), "no resurrection");
    assert_eq!(f.held_and_sold(EVENING).await, had);
    assert_eq!(f.number("select count(*) from ticket").await, 0);
    let told = f.story(&row).await;
    let last = ["CancellationRequested", "PaymentCancellationRequested", "PaymentCancelled"];
    assert_eq!(told[told.len() - 3..], last);
    // Found once more, it is the same.
    assert_eq!(find(f, &row, 1).await, Found::Undone);
    assert_eq!(f.row(&row.id).await, ended);
}

async fn eight_find_one_late_approval(f: &Fixture) {
    let row = abandoned(f).await;
    let found = together((0..8).map(|_| {
        let (store, late) = (f.store.clone(), late(&row, 1));
        async move { store.approval_found(&late).await.expect("it answers") }
    }))
    .await;
    assert_eq!(found, [Found::Undone; 8]);
    let id = late_undo(f, &row).await;
    let runs = together((0..8).map(|_| {
        let (store, id) = (f.store.clone(), id.clone());
        async move {
            let opened = store.open_late_call(&id).await.expect("it answers");
            let (Opened::Fresh(call) | Opened::Sent(call)) = opened else { return false };
            store.record_answer(&call.key, &approval()).await.expect("it answers");
            true
        }
    }))
    .await;
    assert!(runs.contains(&true));
    f.store.close_cancellation(&id).await.expect("it is owed");
    let voids = "select count(*) from gateway_call where operation = 'VOID'";
    assert_eq!(f.number(voids).await, 1);
    let told = f.story(&row).await.iter().filter(|kind| **kind == "PaymentCancelled").count();
    assert_eq!(told, 1);
}

/// Another attempt is live: it is not touched, and nothing waits for the other money.
async fn an_approval_of_a_declined_attempt_leaves_the_deal_alone(f: &Fixture) {
    let row = f.paid(&f.reserved(EVENING, 1).await).await;
    let row = f.answered(&row, Operation::Approve, &declined()).await;
    let row = f.paid(&row).await;
    let row = f.answered(&row, Operation::Approve, &approval()).await;
    let row = f.choose(&row, &["A1"]).await;
    let capture = f.opened(&row, Operation::Capture).await;
    assert_eq!(find(f, &row, 1).await, Found::Undone);
    let id = late_undo(f, &row).await;
    // Both are on their way at once; each has its own key.
    let Opened::Fresh(void) = f.store.open_late_call(&id).await.expect("it answers") else {
        panic!("it is owed");
    };
    f.store.record_answer(&capture.key, &approval()).await.expect("it was sent");
    f.store.issue_tickets(&row.id).await.expect("it is owed");
    f.store.record_answer(&void.key, &approval()).await.expect("it was sent");
    f.store.close_cancellation(&id).await.expect("it is owed");
    let row = f.row(&row.id).await;
    assert_eq!((row.status, row.refunded), (ReservationStatus::Ticketed, Won::ZERO));
    assert_eq!(f.attempts(&row).await, ["VOIDED", "CAPTURED"]);
    // And the deal itself is undone as ever.
    let ended = f.undone(&f.cancelled(&row).await).await;
    assert_eq!((ended.status, ended.refunded), (ReservationStatus::Cancelled, row.amount));
}

/// R12, with two answers that differ.
async fn an_answer_that_contradicts_a_decline_is_undone(f: &Fixture) {
    let row = f.paid(&f.reserved(EVENING, 1).await).await;
    let call = f.opened(&row, Operation::Approve).await;
    f.store.record_answer(&call.key, &declined()).await.expect("it was sent");
    f.store.record_answer(&call.key, &declined()).await.expect("it answers");
    let before = f.row(&row.id).await;
    for _ in 0..2 {
        f.store.record_answer(&call.key, &approval()).await.expect("it answers");
    }
    let row = f.row(&row.id).await;
    assert_eq!(row.status, before.status, "what was known stays known");
    let id = late_undo(f, &row).await;
    give_back(f, &id, &approval()).await;
    assert_eq!(f.attempts(&row).await, ["VOIDED"]);
    // The customer pays again meanwhile or later, and it is a deal of its own.
    let row = f.paid(&row).await;
    let row = f.answered(&row, Operation::Approve, &approval()).await;
    assert_eq!(row.status, ReservationStatus::PaymentApproved);
}

async fn a_contradicted_capture_is_put_before_people(f: &Fixture) {
    let row = f.seated(EVENING, &["A1"]).await;
    let call = f.opened(&row, Operation::Capture).await;
    f.store.record_answer(&call.key, &declined()).await.expect("it was sent");
    let before = f.row(&row.id).await;
    f.store.record_answer(&call.key, &approval()).await.expect("it answers");
    f.store.record_answer(&call.key, &approval()).await.expect("it answers");
    assert_eq!(f.row(&row.id).await, before);
    assert_eq!(subjects(f, Worry::Contradiction).await, [call.key.to_string()]);
    let settlement =
        Settlement { answer: approval(), reference: Reference::parse("ok-1").expect("plain") };
    done(f.store.settle_call(&staff(), &call.key, &settlement).await.expect("it answers"));
    assert_eq!(subjects(f, Worry::Contradiction).await, Vec::<String>::new());
    assert_eq!(f.row(&row.id).await, before, "the answer that is known stays");
    assert_eq!(f.number("select count(*) from audit_entry").await, 1);
}

async fn what_is_known_or_strange_is_left_alone(f: &Fixture) {
    let pending = f.paid(&f.reserved(EVENING, 1).await).await;
    let approved = f.approved(EVENING, 1).await;
    let ticketed = f.ticketed(EVENING, &["A1"]).await;
    let undone = f.undone(&f.cancelled(&f.ticketed(EVENING, &["A2"]).await).await).await;
    for row in [&pending, &approved, &ticketed, &undone] {
        assert_eq!(find(f, row, 1).await, Found::Known);
        assert_eq!(find(f, row, 2).await, Found::Strange, "it has no such attempt");
        assert_eq!(f.row(&row.id).await, *row);
    }
    let nobody = PaymentAttemptId::parse("r-nobody-1").expect("plain");
    let late = LateApproval { attempt_id: nobody, ..late(&pending, 1) };
    assert_eq!(f.store.approval_found(&late).await.expect("it answers"), Found::Strange);
}

async fn the_books_are_compared_page_by_page(f: &Fixture) {
    let ticketed = f.ticketed(EVENING, &["A1"]).await;
    let sent = f.paid(&f.reserved(EVENING, 1).await).await;
    let sent_call = f.opened(&sent, Operation::Approve).await;
    let row = abandoned(f).await;
    let key_of = |row: &Reservation, verb| format!("{}-1-{verb}", row.id);
    let page = [
        entry(1, &key_of(&ticketed, "approve"), &ticketed, Operation::Approve),
        entry(2, &key_of(&ticketed, "capture"), &ticketed, Operation::Capture),
        entry(3, sent_call.key.as_str(), &sent, Operation::Approve),
        entry(4, "of-the-callback", &row, Operation::Approve),
        entry(5, "by-hand-over-there", &ticketed, Operation::Refund),
        LedgerEntry { done: false, ..entry(6, "refused-there", &ticketed, Operation::Refund) },
    ];
    let told = [f.row(&ticketed.id).await, f.row(&sent.id).await];
    for _ in 0..2 {
        f.store.reconcile(&page).await.expect("it answers");
        f.store.ledger_compared(6).await.expect("it answers");
    }
    f.store.ledger_compared(2).await.expect("it answers");
    assert_eq!(f.store.ledger_position().await.expect("it reads"), 6, "it only goes on");
    assert_eq!([f.row(&ticketed.id).await, f.row(&sent.id).await], told);
    assert_eq!(subjects(f, Worry::Contradiction).await, ["by-hand-over-there"]);
    let id = late_undo(f, &row).await;
    give_back(f, &id, &approval()).await;
    assert_eq!(f.attempts(&row).await, ["VOIDED"]);
    let settlement =
        Settlement { answer: approval(), reference: Reference::parse("ok-2").expect("plain") };
    let key = CallKey::parse("by-hand-over-there").expect("plain");
    for settled in [true, false] {
        let closed = f.store.settle_stranger(&staff(), &key, &settlement).await;
        assert_eq!(closed.expect("it answers"), settled);
    }
}

async fn a_late_approval_that_cannot_be_voided_waits_for_staff(f: &Fixture) {
    let row = abandoned(f).await;
    find(f, &row, 1).await;
    let id = late_undo(f, &row).await;
    let Opened::Fresh(void) = f.store.open_late_call(&id).await.expect("it answers") else {
        panic!("it is owed");
    };
    f.store.record_answer(&void.key, &declined()).await.expect("it was sent");
    assert_eq!(subjects(f, Worry::RefundBlocked).await, [id.to_string()]);
    assert_eq!(f.store.open_late_call(&id).await.expect("it answers"), Opened::NotOwed);
    let way = WayOut::Outside(Reference::parse("T-9").expect("plain"));
    done(f.store.unblock_refund(&staff(), &id, &way, None).await.expect("it answers"));
    f.store.close_cancellation(&id).await.expect("it is owed");
    assert_eq!(f.attempts(&row).await, ["VOIDED"]);
    assert_eq!(f.row(&row.id).await.status, ReservationStatus::Expired);
}

async fn a_late_approval_whose_void_has_no_answer_waits_for_staff(f: &Fixture) {
    let row = abandoned(f).await;
    find(f, &row, 1).await;
    let id = late_undo(f, &row).await;
    let Opened::Fresh(void) = f.store.open_late_call(&id).await.expect("it answers") else {
        panic!("it is owed");
    };
    f.advance(Duration::from_secs(14 * 24 * 3600));
    assert_eq!(f.store.open_late_call(&id).await.expect("it answers"), Opened::NotOwed);
    assert_eq!(subjects(f, Worry::RefundBlocked).await, [id.to_string()]);
    let settlement =
        Settlement { answer: approval(), reference: Reference::parse("T-10").expect("plain") };
    done(f.store.settle_call(&staff(), &void.key, &settlement).await.expect("it answers"));
    let undo = f.store.cancellation(&id).await.expect("it reads").expect("it exists");
    assert!(undo.money_returned_at.is_some());
}

/// Its attempt was never sent, and it has expired.
async fn abandoned(f: &Fixture) -> Reservation {
    let row = f.paid(&f.reserved(EVENING, 1).await).await;
    f.set_time(row.deadline_at.expect("it has a deadline"));
    f.store.attend_time(&row).await.expect("it is due");
    let row = f.row(&row.id).await;
    assert_eq!(row.status, ReservationStatus::Expired);
    row
}

fn late(row: &Reservation, n: u32) -> LateApproval {
    LateApproval {
        attempt_id: PaymentAttemptId::nth(&row.id, n),
        amount: row.amount,
        back: Operation::Void,
    }
}

async fn find(f: &Fixture, row: &Reservation, n: u32) -> Found {
    f.store.approval_found(&late(row, n)).await.expect("the database answers")
}

/// The one cancellation that returns a late approval of this reservation.
async fn late_undo(f: &Fixture, row: &Reservation) -> CancellationId {
    let found = f.late_undos(row).await;
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

/// Carries it through.
async fn give_back(f: &Fixture, id: &CancellationId, answer: &Answer) {
    let Opened::Fresh(call) = f.store.open_late_call(id).await.expect("it answers") else {
        panic!("it is owed");
    };
    assert_eq!(f.store.open_late_call(id).await.expect("it answers"), Opened::Sent(call.clone()));
    for _ in 0..2 {
        f.store.record_answer(&call.key, answer).await.expect("it was sent");
    }
    assert_eq!(f.store.undo_owed(id).await.expect("it reads").expect("is").1, OwesUndo::Close);
    f.store.close_cancellation(id).await.expect("it is owed");
    let undo = f.store.cancellation(id).await.expect("it reads").expect("it exists");
    assert_eq!((undo.state, undo.attend_at), (CancellationState::Done, None));
}

async fn subjects(f: &Fixture, worry: Worry) -> Vec<String> {
    let found = f.store.concerns(worry, None, 100).await.expect("it reads");
    found.into_iter().map(|concern| concern.subject).collect()
}

fn entry(seq: u64, key: &str, row: &Reservation, operation: Operation) -> LedgerEntry {
    LedgerEntry {
        seq,
        key: CallKey::parse(key).expect("plain"),
        attempt_id: PaymentAttemptId::nth(&row.id, 1),
        operation,
        amount: row.amount,
        done: true,
        at: row.created_at,
    }
}

fn staff() -> Person {
    Person { id: CustomerId::parse("staff-1").expect("plain"), role: Role::Staff }
}
