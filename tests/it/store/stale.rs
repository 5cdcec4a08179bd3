//! Naive twins of the store's statements: read, then write without the condition. Each does, in an
//! interleaving written out by hand, the harm that the store's own call does not do.

use super::fixture::Fixture;
use super::fixture::catalogue::{EVENING, LAST_TWO};
use super::fixture::steps::{approval, done, pay_command, refusal};
use domain::audit::Invariant;
use domain::cancellation::asking::{Ask, Cancelling};
use domain::ids::CancellationId;
use domain::refusal::Refusal;
use domain::reservation::Reservation;
use domain::words::{Actor, Operation};
use std::time::Duration;
use store::Decision;

on_both!(damaged:
    a_claim_without_its_condition_oversells,
    a_cancel_of_a_stale_copy_opens_a_second_cancellation,
    a_payment_of_a_stale_copy_is_a_second_one,
    a_write_without_the_version_forgets_the_other,
    a_free_without_the_fence_takes_another_buyers_seat,
    an_answer_recorded_without_its_condition_counts_twice,
);

/// R1. Both have read that two places are left.
async fn a_claim_without_its_condition_oversells(f: &Fixture) {
    assert_eq!(f.held_and_sold(LAST_TWO).await, (0, 0));
    f.reserved(LAST_TWO, 2).await;
    let conditional = "update capacity_pool set held = held + 2 where showtime_id = 'last-two' \
                       and grade = 'STANDARD' and open = 1 and held + sold + 2 <= sellable";
    assert_eq!(f.run(conditional).await, 0, "the condition sees the first claim");
    let late = f.store.reserve(&f.wish(LAST_TWO, 2).await, None).await.expect("it answers");
    assert_eq!(refusal(&late), &Refusal::SoldOut);
    let naive = "update capacity_pool set held = held + 2 where showtime_id = 'last-two' \
                 and grade = 'STANDARD'";
    assert!(f.refuses(naive).await, "the check constraint stands behind the condition");
    f.without_pool_check(naive).await;
    assert_eq!(f.held_and_sold(LAST_TWO).await, (4, 0));
    assert!(f.is_broken(Invariant::I2).await);
}

/// R9.
async fn a_cancel_of_a_stale_copy_opens_a_second_cancellation(f: &Fixture) {
    let row = f.approved(EVENING, 1).await;
    let answers = behind_one_lock(f, &row, Command::Cancel).await;
    let [one, two] = answers.map(done);
    assert_eq!(one.open_cancellation, two.open_cancellation, "the store's own calls");
    assert_eq!(f.cancellations(&row).await.len(), 1);

    let row = f.approved(EVENING, 1).await;
    f.run("drop index cancellation_open").await;
    let (mut one, mut two) = (row.clone(), row.clone());
    let all = Ask { actor: Actor::Customer, tickets: None };
    for (copy, id) in [(&mut one, "c-one"), (&mut two, "c-two")] {
        let cancellation = CancellationId::parse(id).expect("plain");
        let judged = copy.cancel(f.store.now(), cancellation, all, &[]);
        assert!(matches!(judged, Ok(Cancelling::Accepted(..))), "each copy may be cancelled");
        let written = f.run(format!(
            "insert into cancellation (cancellation_id, reservation_id, scope, reason, actor, \
             percent, price, amount, state, requested_at, wakes) \
             values ('{id}', '{}', 'WHOLE', 'CUSTOMER_REQUEST', 'customer', 100, {amount}, \
             {amount}, 'RUNNING', 0, 0)",
            row.id,
            amount = row.amount.get(),
        ));
        assert_eq!(written.await, 1);
        naive_save(f, copy, &row).await;
    }
    assert_eq!(f.cancellations(&row).await.len(), 2);
    assert!(f.is_broken(Invariant::I8).await);
}

/// R10.
async fn a_payment_of_a_stale_copy_is_a_second_one(f: &Fixture) {
    let row = f.reserved(EVENING, 1).await;
    let answers = behind_one_lock(f, &row, Command::Pay).await;
    let refused = answers.iter().filter(|answer| matches!(answer, Decision::Refused(..)));
    assert_eq!(refused.map(refusal).collect::<Vec<_>>(), [&Refusal::PaymentInProgress]);
    assert_eq!(f.attempts(&row).await, ["PENDING"]);

    let row = f.reserved(EVENING, 1).await;
    f.run("drop index payment_attempt_live").await;
    let (mut one, mut two) = (row.clone(), row.clone());
    for (copy, id) in [(&mut one, "p-one"), (&mut two, "p-two")] {
        let judged =
            copy.pay(f.store.now(), pay_command(&row).pay, Duration::ZERO, f.store.deadlines());
        assert!(judged.is_ok(), "each copy may be paid");
        let written = f.run(format!(
            "insert into payment_attempt (payment_attempt_id, reservation_id, customer_id, n, \
             method, amount, status, refunded, created_at) \
             values ('{id}', '{}', '{}', 1, 'CARD', {}, 'PENDING', 0, 0)",
            row.id,
            row.customer_id,
            row.amount.get(),
        ));
        assert_eq!(written.await, 1);
        naive_save(f, copy, &row).await;
    }
    assert_eq!(f.attempts(&row).await, ["PENDING", "PENDING"]);
    assert!(f.is_broken(Invariant::I8).await);
}

/// The version is the condition of every save: of two copies of one version one is written.
async fn a_write_without_the_version_forgets_the_other(f: &Fixture) {
    let row = f.reserved(EVENING, 1).await;
    let paid = f.paid(&row).await;
    let conditional = format!(
        "update reservation set status = 'CANCELLED', version = {} \
         where reservation_id = '{}' and version = {}",
        row.version + 1,
        row.id,
        row.version,
    );
    assert_eq!(f.run(conditional).await, 0, "the copy is stale");
    assert_eq!(f.row(&row.id).await, paid);
    let mut stale = row.clone();
    let id = CancellationId::parse("c-one").expect("plain");
    let all = Ask { actor: Actor::Customer, tickets: None };
    let judged = stale.cancel(f.store.now(), id, all, &[]);
    assert!(matches!(judged, Ok(Cancelling::Ended(_))), "the copy knows of no payment");
    naive_save(f, &stale, &row).await;
    assert_eq!(f.attempts(&row).await, ["PENDING"], "of a cancelled reservation");
    assert!(f.is_broken(Invariant::I7).await);
}

/// R16; the store's own repeat is in `cancellations::a_freed_seat_bought_by_another_stays_theirs`.
async fn a_free_without_the_fence_takes_another_buyers_seat(f: &Fixture) {
    let a = f.seated(EVENING, &["A1"]).await;
    let fences = f.store.assigned_seats(&a.id).await.expect("it reads");
    f.undone(&f.cancelled(&a).await).await;
    let b = f.seated(EVENING, &["A1"]).await;
    let fenced = format!(
        "update seat_assignment set live = 0 where assignment_id = '{}' and live = 1",
        fences[0].assignment_id
    );
    assert_eq!(f.run(fenced).await, 0, "A's fence is down already");
    let naive = "update seat_assignment set live = 0 \
                 where showtime_id = 'evening' and seat_id = 'A1' and live = 1";
    assert_eq!(f.run(naive).await, 1);
    let kept = f.store.assigned_seats(&b.id).await.expect("it reads");
    assert!(!kept[0].live, "B has paid and has no seat");
    assert!(f.is_broken(Invariant::I2).await);
}

/// R12: the callback and the inquiry have both read that the capture is SENT.
async fn an_answer_recorded_without_its_condition_counts_twice(f: &Fixture) {
    let row = f.seated(EVENING, &["A1"]).await;
    let call = f.opened(&row, Operation::Capture).await;
    let (mut one, mut two) = (f.row(&row.id).await, f.row(&row.id).await);
    f.store.record_answer(&call.key, &approval()).await.expect("it is sent");
    let recorded = f.row(&row.id).await;
    f.store.record_answer(&call.key, &approval()).await.expect("it is known");
    assert_eq!(f.row(&row.id).await, recorded);
    let conditional = format!(
        "update gateway_call set state = 'KNOWN' where key = '{}' and state = 'SENT'",
        call.key
    );
    assert_eq!(f.run(conditional).await, 0, "it is known already");
    for copy in [&mut one, &mut two] {
        let events = copy.capture();
        assert_eq!(events.len(), 1, "each copy takes the money");
        f.run(format!(
            "insert into timeline (reservation_id, seq, type, actor, status, detail, at) \
             select reservation_id, \
             (select max(seq) + 1 from timeline where reservation_id = '{0}'), \
             'PaymentCaptured', 'gateway', status, detail, at from timeline \
             where reservation_id = '{0}' and seq = 1",
            row.id
        ))
        .await;
    }
    let told = f.story(&row).await.into_iter().filter(|kind| *kind == "PaymentCaptured");
    assert_eq!(told.count(), 3);
    assert!(f.is_broken(Invariant::I10).await);
}

/// Saves a copy as nobody may: without asking whether the row is still what was copied.
async fn naive_save(f: &Fixture, copy: &Reservation, was: &Reservation) {
    let saved = f.run(format!(
        "update reservation set status = '{}', capacity = '{}', version = {} \
         where reservation_id = '{}'",
        copy.status,
        copy.capacity,
        was.version + 1,
        was.id,
    ));
    assert_eq!(saved.await, 1);
}

#[derive(Clone, Copy)]
enum Command {
    Cancel,
    Pay,
}

/// The store's own command twice, both behind one lock.
async fn behind_one_lock(f: &Fixture, row: &Reservation, command: Command) -> [Decision; 2] {
    let held = f.hold("reservation").await;
    let running = [(); 2].map(|()| {
        let (store, row) = (f.store.clone(), row.clone());
        tokio::spawn(async move {
            match command {
                Command::Cancel => store.cancel(&row.customer_id, &row.id, None).await,
                Command::Pay => store.pay(&row.customer_id, &pay_command(&row), None).await,
            }
        })
    });
    held.until_blocked(2).await;
    held.release().await;
    let [one, two] = running;
    let one = one.await.expect("it does not panic").expect("the database answers");
    let two = two.await.expect("it does not panic").expect("the database answers");
    [one, two]
}
