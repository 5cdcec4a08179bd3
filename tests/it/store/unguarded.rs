//! With its index gone each race happens: the tests of the races would notice.

use super::fixture::catalogue::EVENING;
use super::fixture::steps::{approval, declined, done, key, pay_command, seats};
use super::fixture::{Ending, Fixture, on_postgres, together};
use super::seats::behind_one_lock;
use domain::audit::Invariant;
use domain::cancellation::late::LateApproval;
use domain::words::{Operation, ReservationStatus};
use store::Decision;

on_both!(damaged:
    without_its_index_a_seat_has_many_owners,
    without_the_index_overlapping_sets_both_win,
    without_its_index_a_key_reserves_many_times,
    without_its_index_a_key_serves_two_bodies,
    without_its_index_a_repeated_payment_is_a_second_one,
    without_its_row_a_relay_gives_places_twice,
    with_the_indexes_the_database_itself_refuses,
);

/// R2; with the index see `seats::selections_behind_one_lock_have_one_winner`.
async fn without_its_index_a_seat_has_many_owners(f: &Fixture) {
    let mut parties = Vec::new();
    for _ in 0..8 {
        parties.push(f.approved(EVENING, 1).await);
    }
    f.run("drop index seat_assignment_live").await;
    let answers = behind_one_lock(f, &parties, &["A1"]).await;
    let owners = answers.iter().filter(|answer| matches!(answer, Decision::Done(_))).count();
    assert!(owners > 1, "{owners} owners");
    assert!(f.is_broken(Invariant::I1).await);
}

/// R3; with the index see `seats::overlapping_sets_have_one_full_winner`.
async fn without_the_index_overlapping_sets_both_win(f: &Fixture) {
    let (left, right) = (f.approved(EVENING, 3).await, f.approved(EVENING, 3).await);
    f.run("drop index seat_assignment_live").await;
    let held = f.hold("seat_assignment").await;
    let wishes = [(&left, ["A1", "A2", "A3"]), (&right, ["A3", "A4", "A5"])];
    let running = wishes.map(|(row, numbers)| {
        let (store, row, chosen) = (f.store.clone(), row.clone(), seats(&numbers));
        tokio::spawn(
            async move { store.select_seats(&row.customer_id, &row.id, &chosen, None).await },
        )
    });
    held.until_blocked(2).await;
    held.release().await;
    for task in running {
        done(task.await.expect("it does not panic").expect("the database answers"));
    }
    let owners = "select count(*) from seat_assignment where seat_id = 'A3' and live = 1";
    assert_eq!(f.number(owners).await, 2);
    assert!(f.is_broken(Invariant::I1).await);
}

/// With the index see `capacity::one_customer_holds_four_unpaid`. On SQLite nobody looks while
/// another writes: there the look alone is enough.
#[test]
fn one_customer_holds_many_unpaid_without_the_index() {
    on_postgres(Ending::damaged(), without_its_index_one_customer_holds_many_unpaid);
}

async fn without_its_index_one_customer_holds_many_unpaid(f: &Fixture) {
    let wish = f.wish(EVENING, 1).await;
    for _ in 0..3 {
        f.reserve(&wish).await;
    }
    f.run("drop index reservation_unpaid").await;
    let held = f.hold("reservation").await;
    let running: Vec<_> = (0..4)
        .map(|_| {
            let (store, wish) = (f.store.clone(), wish.clone());
            tokio::spawn(async move { store.reserve(&wish, None).await })
        })
        .collect();
    held.until_blocked(4).await;
    held.release().await;
    let mut more = 0;
    for task in running {
        let answer = task.await.expect("it does not panic").expect("the database answers");
        more += usize::from(matches!(answer, Decision::Done(_)));
    }
    assert!(more > 1, "{more}");
}

/// R18; with the index see `keys::one_key_reserves_once_for_twenty_at_once`.
async fn without_its_index_a_key_reserves_many_times(f: &Fixture) {
    f.run("drop index idempotency_key_once").await;
    let wish = f.wish_of_many(EVENING).await;
    let key = key(&wish.customer_id, "k", "body");
    together((0..20).map(|_| {
        let (store, wish, key) = (f.store.clone(), wish.clone(), key.clone());
        async move { done(store.reserve(&wish, Some(&key)).await.expect("it answers")) }
    }))
    .await;
    assert_eq!(f.number("select count(*) from reservation").await, 20);
}

/// R19; with the index see `keys::one_key_with_two_bodies_takes_effect_once`.
async fn without_its_index_a_key_serves_two_bodies(f: &Fixture) {
    f.run("drop index idempotency_key_once").await;
    let wish = f.wish(EVENING, 1).await;
    for body in ["one", "two"] {
        let key = key(&wish.customer_id, "k", body);
        done(f.store.reserve(&wish, Some(&key)).await.expect("it answers"));
    }
    assert_eq!(f.number("select count(*) from reservation").await, 2);
}

/// The row `feed` elects one relay and says where it is to go on; see
/// `feed::relays_at_the_same_time_give_each_place_once`. The index would refuse what comes of it.
async fn without_its_row_a_relay_gives_places_twice(f: &Fixture) {
    f.run("drop index timeline_feed").await;
    for _ in 0..2 {
        f.reserved(EVENING, 1).await;
        assert_eq!(f.store.relay().await.expect("it answers").len(), 1);
        f.run("update reading set position = 0 where name = 'feed'").await;
    }
    assert_eq!(f.number("select count(*) from timeline where position = 1").await, 2);
}

/// R10; with the index see
/// `payments::a_repeated_payment_is_not_a_second_one_after_a_decline`.
async fn without_its_index_a_repeated_payment_is_a_second_one(f: &Fixture) {
    f.run("drop index idempotency_key_once").await;
    let row = f.reserved(EVENING, 1).await;
    let (command, key) = (pay_command(&row), key(&row.customer_id, "k", "body"));
    let row = done(f.store.pay(&row.customer_id, &command, Some(&key)).await.expect("it answers"));
    let again = f.store.pay(&row.customer_id, &command, Some(&key)).await.expect("it answers");
    assert!(matches!(again, Decision::Refused(..)), "not the same answer: {again:?}");
    let row = f.answered(&row, Operation::Approve, &declined()).await;
    let row = done(f.store.pay(&row.customer_id, &command, Some(&key)).await.expect("it answers"));
    let row = f.answered(&row, Operation::Approve, &approval()).await;
    assert_eq!(row.status, ReservationStatus::PaymentApproved);
    assert_eq!(f.attempts(&row).await, ["DECLINED", "APPROVED"], "one click, two attempts");
}

/// The indexes and the check stand behind the store's own conditions. Each has a statement that it
/// stops, and that runs once it is gone.
async fn with_the_indexes_the_database_itself_refuses(f: &Fixture) {
    let row = f.ticketed(EVENING, &["A1"]).await;
    f.cancelled(&row).await;
    let paid = f.paid(&f.reserved(EVENING, 1).await).await;
    f.opened(&paid, Operation::Approve).await;
    let over = f.paid(&f.reserved(EVENING, 1).await).await;
    let over = f.answered(&over, Operation::Approve, &declined()).await;
    let late = LateApproval {
        attempt_id: over.attempt_id().expect("it was paid"),
        amount: over.amount,
        back: Operation::Void,
    };
    f.store.approval_found(&late).await.expect("it answers");
    for (index, table, which, columns) in COPIES {
        let (id, others) = columns.split_once(", ").expect("the id stands first");
        let copied = others.replace("code", "'x' || code");
        let select = format!("select 'x' || {id}, {copied} from {table} where {which}");
        let copy = format!("insert into {table} ({columns}) {select}");
        assert!(f.refuses(copy.clone()).await, "{index} is on guard");
        f.run(format!("drop index {index}")).await;
        assert_eq!(f.run(copy).await, 1, "nothing but {index} was on guard");
    }
    assert!(f.is_broken(Invariant::I1).await);
    assert!(f.is_broken(Invariant::I8).await);
    assert!(f.is_broken(Invariant::I8).await);
}

/// Each index, and which row of its table it keeps from being there twice.
const COPIES: &[(&str, &str, &str, &str)] = &[
    (
        "seat_assignment_live",
        "seat_assignment",
        "live = 1",
        "assignment_id, showtime_id, seat_id, reservation_id, live, assigned_at",
    ),
    (
        "ticket_live",
        "ticket",
        "status = 'CANCEL_REQUESTED'",
        "ticket_id, reservation_id, assignment_id, seat_number, code, audience, price, status, \
         issued_at",
    ),
    (
        "cancellation_open",
        "cancellation",
        "state = 'RUNNING' and late_attempt_id is null",
        "cancellation_id, reservation_id, scope, reason, actor, percent, price, amount, state, \
         requested_at, wakes",
    ),
    (
        "cancellation_late",
        "cancellation",
        "late_attempt_id is not null",
        "cancellation_id, reservation_id, scope, reason, actor, percent, price, amount, state, \
         requested_at, late_attempt_id, late_operation, wakes",
    ),
    (
        "payment_attempt_live",
        "payment_attempt",
        "status = 'PENDING'",
        "payment_attempt_id, reservation_id, customer_id, n, method, amount, status, refunded, \
         created_at",
    ),
    (
        "gateway_call_sent",
        "gateway_call",
        "state = 'SENT'",
        "key, reservation_id, attempt_id, operation, body, state, opened_at",
    ),
];
