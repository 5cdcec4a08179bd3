//! A refund refused for good: it waits for staff, runs again to another account under a key of its
//! own, or was paid outside. It is never closed unpaid, and never paid twice.

use super::fixture::catalogue::EVENING;
use super::fixture::steps::{approval, declined, done, refusal};
use super::fixture::{Fixture, together};
use domain::ids::{CancellationId, CustomerId};
use domain::payment::GatewayCall;
use domain::person::Person;
use domain::refund_account::{Reference, RefundAccount};
use domain::refusal::Refusal;
use domain::reservation::Reservation;
use domain::won::Won;
use domain::words::{Actor, CancellationState, Operation, ReservationStatus, Role, StaffAction};
use store::Decision;
use store::blocked_refunds::WayOut;
use store::gateway_calls::Opened;

on_both!(
    another_account_is_paid_under_a_new_key,
    an_account_that_is_refused_too_blocks_again,
    paid_outside_closes_with_an_entry,
    a_refused_void_has_no_account_but_a_way_outside,
    only_a_blocked_refund_has_a_way_out,
    eight_of_staff_supply_one_account,
);

async fn another_account_is_paid_under_a_new_key(f: &Fixture) {
    let (row, id) = blocked(f).await;
    let first = GatewayCall::key_of(&row.attempt_id().expect("paid"), Operation::Refund, Some(&id));
    let row = done(unblock(f, &id, account()).await);
    assert_eq!(state(f, &id).await, CancellationState::Running);
    let due = f.store.take_due_cancellations(10).await.expect("it answers");
    assert_eq!(due.len(), 1, "the pump runs it again");
    let call = f.opened(&row, Operation::Refund).await;
    assert_eq!(call.key.as_str(), format!("{first}-2"));
    assert_eq!(call.body.account, Some(an_account()));
    // A sender that joins has the same frozen body.
    let joined = f.store.open_call(&row.id, Operation::Refund).await.expect("it answers");
    assert_eq!(joined, Opened::Sent(call.clone()));
    f.store.record_answer(&call.key, &approval()).await.expect("it was opened");
    let ended = f.undone(&f.row(&row.id).await).await;
    assert_eq!(ended.status, ReservationStatus::Cancelled);
    assert_eq!(ended.refunded, ended.amount);
    let entry = &f.store.audit_entries(None, 10).await.expect("it reads")[0];
    assert_eq!(entry.action, StaffAction::RefundToAccount);
    assert_eq!(entry.target, format!("/admin/cancellations/{id}"));
    nothing_personal_but_in_its_table(f).await;
}

/// Every table is searched for the account's number.
async fn nothing_personal_but_in_its_table(f: &Fixture) {
    for (table, columns) in [
        ("timeline", "detail"),
        ("gateway_call", "body || coalesce(answer, '')"),
        ("audit_entry", "before || after || target"),
        ("mypage", "document"),
        ("payment_attempt", "coalesce(payer_grant, '')"),
        ("cancellation", "coalesce(returned_outside, '')"),
    ] {
        let found = format!("select count(*) from {table} where {columns} like '%{NUMBER}%'");
        assert_eq!(f.number(found).await, 0, "{table}");
    }
    let kept = format!("select count(*) from refund_account where account_number = '{NUMBER}'");
    assert_eq!(f.number(kept).await, 1);
}

async fn an_account_that_is_refused_too_blocks_again(f: &Fixture) {
    let (row, id) = blocked(f).await;
    for n in 2..=3 {
        let row = done(unblock(f, &id, account()).await);
        let call = f.opened(&row, Operation::Refund).await;
        assert!(call.key.as_str().ends_with(&format!("-{n}")), "{}", call.key);
        f.store.record_answer(&call.key, &declined()).await.expect("it was opened");
        assert_eq!(state(f, &id).await, CancellationState::Blocked);
        let opened = f.store.open_call(&row.id, Operation::Refund).await.expect("it answers");
        assert_eq!(opened, Opened::NotOwed, "it waits for staff");
    }
    let told = f.story(&row).await.iter().filter(|kind| **kind == "RefundDelayed").count();
    assert_eq!(told, 3);
    done(unblock(f, &id, account()).await);
    let ended = f.undone(&f.row(&row.id).await).await;
    assert_eq!(ended.refunded, ended.amount);
}

async fn paid_outside_closes_with_an_entry(f: &Fixture) {
    let (_, id) = blocked(f).await;
    let row = done(unblock(f, &id, outside()).await);
    let opened = f.store.open_call(&row.id, Operation::Refund).await.expect("it answers");
    assert_eq!(opened, Opened::NotOwed, "nothing is paid twice");
    let ended = f.undone(&row).await;
    assert_eq!(ended.status, ReservationStatus::Cancelled);
    assert_eq!(ended.refunded, ended.amount);
    let events = f.store.timeline(&row.id, 0, 100).await.expect("it reads");
    let returned = events.iter().find(|event| event.kind.as_str() == "PaymentCancelled");
    assert_eq!(returned.expect("the customer is told").actor, Actor::Staff);
    let entry = &f.store.audit_entries(None, 10).await.expect("it reads")[0];
    assert_eq!(entry.action, StaffAction::ReturnOutside);
    assert_eq!(entry.after["reference"], "T-77");
}

async fn a_refused_void_has_no_account_but_a_way_outside(f: &Fixture) {
    let row = f.cancelled(&f.approved(EVENING, 1).await).await;
    let id = row.open_cancellation.clone().expect("it is being undone");
    f.store.free_seats(&id).await.expect("it is owed");
    f.answered(&row, Operation::Void, &declined()).await;
    assert_eq!(refusal(&unblock(f, &id, account()).await), &Refusal::WrongState);
    let row = done(unblock(f, &id, outside()).await);
    let ended = f.undone(&row).await;
    assert_eq!((ended.status, ended.refunded), (ReservationStatus::Cancelled, Won::ZERO));
    assert_eq!(f.attempts(&row).await, ["VOIDED"]);
}

async fn only_a_blocked_refund_has_a_way_out(f: &Fixture) {
    let row = f.cancelled(&f.ticketed(EVENING, &["A1"]).await).await;
    let id = row.open_cancellation.clone().expect("it is being undone");
    for way in [account(), outside()] {
        assert_eq!(refusal(&unblock(f, &id, way).await), &Refusal::WrongState);
    }
    assert_eq!(f.row(&row.id).await, row);
    f.undone(&row).await;
    for way in [account(), outside()] {
        assert_eq!(refusal(&unblock(f, &id, way).await), &Refusal::WrongState);
    }
    let nobody = CancellationId::parse("c-none").expect("plain");
    assert!(matches!(unblock(f, &nobody, account()).await, Decision::NotFound));
    assert_eq!(f.number("select count(*) from audit_entry").await, 0);
}

async fn eight_of_staff_supply_one_account(f: &Fixture) {
    let (row, id) = blocked(f).await;
    let answers = together((0..8).map(|n| {
        let (store, id) = (f.store.clone(), id.clone());
        let way = if n % 2 == 0 { account() } else { outside() };
        async move { store.unblock_refund(&staff(), &id, &way, None).await.expect("it answers") }
    }))
    .await;
    let made = answers.iter().filter(|answer| matches!(answer, Decision::Done(_))).count();
    assert_eq!(made, 1, "{answers:?}");
    assert_eq!(f.number("select count(*) from audit_entry").await, 1);
    let ended = f.undone(&f.row(&row.id).await).await;
    assert_eq!(ended.refunded, ended.amount);
}

const NUMBER: &str = "110987654321";

fn an_account() -> RefundAccount {
    RefundAccount::parse("088", NUMBER, "홍길동").expect("an account")
}

fn account() -> WayOut {
    WayOut::Account(an_account())
}

fn outside() -> WayOut {
    WayOut::Outside(Reference::parse("T-77").expect("plain"))
}

fn staff() -> Person {
    Person { id: CustomerId::parse("staff-1").expect("plain"), role: Role::Staff }
}

async fn unblock(f: &Fixture, id: &CancellationId, way: WayOut) -> Decision {
    f.store.unblock_refund(&staff(), id, &way, None).await.expect("the database answers")
}

async fn state(f: &Fixture, id: &CancellationId) -> CancellationState {
    f.store.cancellation(id).await.expect("it reads").expect("it exists").state
}

/// An undo whose refund the gateway has refused for good.
async fn blocked(f: &Fixture) -> (Reservation, CancellationId) {
    let row = f.cancelled(&f.ticketed(EVENING, &["A1"]).await).await;
    let id = row.open_cancellation.clone().expect("it is being undone");
    f.store.revoke_tickets(&id).await.expect("it is owed");
    f.store.free_seats(&id).await.expect("it is owed");
    let row = f.answered(&row, Operation::Refund, &declined()).await;
    (row, id)
}
