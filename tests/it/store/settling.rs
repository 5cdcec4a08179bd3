//! A call whose answer never came: after 14 days nothing is sent under its key again, and staff
//! says what became of it. And what else needs people.

use super::fixture::catalogue::EVENING;
use super::fixture::steps::{approval, declined, done, refusal};
use super::fixture::{Fixture, together};
use domain::attention::Worry;
use domain::cancellation::OwesUndo;
use domain::ids::{CallKey, CancellationId, CustomerId};
use domain::payment::{Answer, KEY_LIVES_FOR};
use domain::person::Person;
use domain::refund_account::Reference;
use domain::refusal::Refusal;
use domain::reservation::Owes;
use domain::words::{Operation, ReservationStatus, Role, StaffAction, StatusReason};
use std::time::Duration;
use store::Decision;
use store::gateway_calls::Opened;
use store::settling::Settlement;

on_both!(
    after_14_days_nothing_is_sent_and_staff_is_asked,
    an_approval_that_staff_confirms_too_late_is_undone,
    a_refund_that_staff_confirms_closes_the_undo,
    a_known_answer_is_not_settled_again,
    eight_of_staff_settle_one_call,
    each_worry_is_told_at_its_time,
    a_slow_undo_is_told_to_the_customer_once,
);

async fn after_14_days_nothing_is_sent_and_staff_is_asked(f: &Fixture) {
    let row = f.paid(&f.reserved(EVENING, 1).await).await;
    let call = f.opened(&row, Operation::Approve).await;
    f.advance(KEY_LIVES_FOR - Duration::from_millis(1));
    let opened = f.store.open_call(&row.id, Operation::Approve).await.expect("it answers");
    assert_eq!(opened, Opened::Sent(call.clone()));
    f.advance(Duration::from_millis(1));
    for _ in 0..2 {
        let opened = f.store.open_call(&row.id, Operation::Approve).await.expect("it answers");
        assert_eq!(opened, Opened::NotOwed);
    }
    let left = f.row(&row.id).await;
    assert_eq!((left.owes(), left.attend_at), (Owes::Nothing, None), "the run waits, and no pump");
    assert_eq!(left.status, ReservationStatus::PaymentPending);
    assert_eq!(subjects(f, Worry::CallLeftToStaff).await, [call.key.to_string()]);
    let row = done(settle(f, &call.key, declined()).await);
    assert_eq!((row.status, row.open_call), (ReservationStatus::Reserved, None));
    assert_eq!(row.attend_at, Some(f.store.now()), "its run has to be woken");
    assert_eq!(subjects(f, Worry::CallLeftToStaff).await, Vec::<String>::new());
    let entry = &f.store.audit_entries(None, 10).await.expect("it reads")[0];
    assert_eq!(entry.action, StaffAction::SettleCall);
    assert_eq!(entry.after["outcome"], "REFUSED");
    assert_eq!(entry.after["reference"], "R-1");
}

async fn an_approval_that_staff_confirms_too_late_is_undone(f: &Fixture) {
    let row = f.paid(&f.reserved(EVENING, 1).await).await;
    let call = f.opened(&row, Operation::Approve).await;
    f.advance(KEY_LIVES_FOR);
    f.store.open_call(&row.id, Operation::Approve).await.expect("it answers");
    let row = done(settle(f, &call.key, approval()).await);
    assert_eq!(row.status, ReservationStatus::Cancelling);
    assert_eq!(row.reason, Some(StatusReason::LateApproval));
    assert_eq!(f.undone(&row).await.status, ReservationStatus::Expired);
}

async fn a_refund_that_staff_confirms_closes_the_undo(f: &Fixture) {
    let row = f.cancelled(&f.ticketed(EVENING, &["A1"]).await).await;
    let id = row.open_cancellation.clone().expect("it is being undone");
    f.store.revoke_tickets(&id).await.expect("it is owed");
    f.store.free_seats(&id).await.expect("it is owed");
    let call = f.opened(&row, Operation::Refund).await;
    f.store.take_due_cancellations(10).await.expect("it answers");
    f.advance(KEY_LIVES_FOR);
    f.store.open_call(&row.id, Operation::Refund).await.expect("it answers");
    assert_eq!(owes(f, &id).await, OwesUndo::Nothing);
    f.store.take_due_cancellations(10).await.expect("it answers");
    done(settle(f, &call.key, approval()).await);
    assert_eq!(owes(f, &id).await, OwesUndo::Close);
    let due = f.store.take_due_cancellations(10).await.expect("it answers");
    assert_eq!(due.len(), 1, "its run is started now");
    let ended = f.undone(&f.row(&row.id).await).await;
    assert_eq!((ended.status, ended.refunded), (ReservationStatus::Cancelled, row.amount));
}

async fn a_known_answer_is_not_settled_again(f: &Fixture) {
    let row = f.paid(&f.reserved(EVENING, 1).await).await;
    let call = f.opened(&row, Operation::Approve).await;
    f.store.record_answer(&call.key, &approval()).await.expect("it was sent");
    let row = f.row(&row.id).await;
    for answer in [approval(), declined()] {
        assert_eq!(refusal(&settle(f, &call.key, answer).await), &Refusal::WrongState);
    }
    assert_eq!(f.row(&row.id).await, row);
    let nobody = CallKey::parse("no-such-key").expect("plain");
    assert!(matches!(settle(f, &nobody, approval()).await, Decision::NotFound));
    assert_eq!(f.number("select count(*) from audit_entry").await, 0);
}

/// R12, with people.
async fn eight_of_staff_settle_one_call(f: &Fixture) {
    let row = f.paid(&f.reserved(EVENING, 1).await).await;
    let call = f.opened(&row, Operation::Approve).await;
    let answers = together((0..8).map(|n| {
        let (store, key) = (f.store.clone(), call.key.clone());
        let settlement = settlement(if n % 2 == 0 { approval() } else { declined() });
        async move { store.settle_call(&staff(), &key, &settlement).await.expect("it answers") }
    }))
    .await;
    let made = answers.iter().filter(|answer| matches!(answer, Decision::Done(_))).count();
    assert_eq!(made, 1, "{answers:?}");
    assert_eq!(f.number("select count(*) from audit_entry").await, 1);
}

async fn each_worry_is_told_at_its_time(f: &Fixture) {
    let sent = f.paid(&f.reserved(EVENING, 1).await).await;
    let call = f.opened(&sent, Operation::Approve).await;
    let owed = f.captured(EVENING, &["A1"]).await;
    let undone = f.cancelled(&f.ticketed(EVENING, &["A2"]).await).await;
    let undo = undone.open_cancellation.expect("it is being undone").to_string();
    let told = async |worry| subjects(f, worry).await;
    f.advance(Duration::from_secs(31));
    assert!(told(Worry::NotAttended).await.contains(&undone.id.to_string()));
    for worry in [Worry::TicketsOwed, Worry::CallUnanswered, Worry::UndoSlow] {
        assert_eq!(told(worry).await, Vec::<String>::new(), "{worry}");
    }
    f.advance(Duration::from_secs(90));
    assert_eq!(told(Worry::TicketsOwed).await, [owed.id.to_string()]);
    assert_eq!(told(Worry::CallUnanswered).await, Vec::<String>::new());
    f.advance(Duration::from_secs(180));
    assert_eq!(told(Worry::CallUnanswered).await, [call.key.to_string()]);
    assert_eq!(told(Worry::UndoSlow).await, std::slice::from_ref(&undo));
    // Page by page.
    let again = f.cancelled(&f.ticketed(EVENING, &["A3"]).await).await;
    f.advance(Duration::from_secs(301));
    let first = f.store.concerns(Worry::UndoSlow, None, 1).await.expect("it reads");
    let place = (first[0].since, first[0].subject.clone());
    let second = f.store.concerns(Worry::UndoSlow, Some(&place), 1).await.expect("it reads");
    assert_eq!(first[0].subject, undo);
    assert_eq!(second[0].reservation_id.as_ref(), Some(&again.id));
    let place = (second[0].since, second[0].subject.clone());
    let none = f.store.concerns(Worry::UndoSlow, Some(&place), 1).await.expect("it reads");
    assert_eq!(none, []);
}

/// Specification 1.3, "undo".
async fn a_slow_undo_is_told_to_the_customer_once(f: &Fixture) {
    let row = f.cancelled(&f.ticketed(EVENING, &["A1"]).await).await;
    let id = row.open_cancellation.clone().expect("it is being undone");
    let told = async || {
        f.store.tell_delay(&id).await.expect("it answers");
        f.story(&row).await.iter().filter(|kind| **kind == "RefundDelayed").count()
    };
    f.advance(Duration::from_secs(3_599));
    assert_eq!(told().await, 0);
    f.advance(Duration::from_secs(1));
    assert_eq!(told().await, 1);
    assert_eq!(told().await, 1);
    assert_eq!(owes(f, &id).await, OwesUndo::Tickets, "it goes on as before");
    let ended = f.undone(&f.row(&row.id).await).await;
    assert_eq!(ended.status, ReservationStatus::Cancelled);
    assert_eq!(told().await, 1);
}

fn settlement(answer: Answer) -> Settlement {
    Settlement { answer, reference: Reference::parse("R-1").expect("plain") }
}

async fn settle(f: &Fixture, key: &CallKey, answer: Answer) -> Decision {
    let settled = f.store.settle_call(&staff(), key, &settlement(answer)).await;
    settled.expect("the database answers")
}

fn staff() -> Person {
    Person { id: CustomerId::parse("staff-1").expect("plain"), role: Role::Staff }
}

async fn owes(f: &Fixture, id: &CancellationId) -> OwesUndo {
    f.store.undo_owed(id).await.expect("it reads").expect("it exists").1
}

async fn subjects(f: &Fixture, worry: Worry) -> Vec<String> {
    let found = f.store.concerns(worry, None, 100).await.expect("it reads");
    found.into_iter().map(|concern| concern.subject).collect()
}
