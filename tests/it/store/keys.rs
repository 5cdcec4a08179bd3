//! Idempotency keys: one key, one effect (I9, T3, R18, R19).

use super::fixture::catalogue::{EVENING, LAST_TWO};
use super::fixture::steps::{done, key, refusal};
use super::fixture::{Fixture, together};
use domain::ids::CustomerId;
use domain::refusal::Refusal;
use domain::reservation::Reservation;
use domain::words::ReservationStatus;
use std::collections::BTreeSet;
use std::time::Duration;
use store::Decision;
use store::idempotency::{REMEMBERED, RequestKey};
use store::reserve::NewReservation;

on_both!(
    one_key_reserves_once_for_twenty_at_once,
    every_replay_is_already_durable,
    one_key_with_two_bodies_takes_effect_once,
    a_repeat_shows_the_row_as_it_is_now,
    a_repeat_is_answered_when_a_new_create_would_be_refused,
    a_refused_create_leaves_its_key_free,
    a_key_belongs_to_its_principal_and_route,
    a_key_of_one_reservation_is_refused_for_another,
    keys_are_forgotten_after_a_day,
);

/// R18.
async fn one_key_reserves_once_for_twenty_at_once(f: &Fixture) {
    let wish = f.wish(EVENING, 1).await;
    let key = key(&wish.customer_id, "k", "body");
    let answers = race(f, &wish, vec![key; 20]).await;
    let first: Vec<_> =
        answers.iter().filter(|answer| matches!(answer, Decision::Done(_))).collect();
    assert_eq!(first.len(), 1, "{answers:?}");
    let ids: BTreeSet<String> = answers.into_iter().map(|answer| same(answer).id.into()).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(f.held_and_sold(EVENING).await, (1, 0));
}

/// What a replay answers has been committed: it can be read by anybody, and so survives a crash.
async fn every_replay_is_already_durable(f: &Fixture) {
    for _ in 0..10 {
        let wish = f.wish(EVENING, 1).await;
        let key = key(&wish.customer_id, "k", "body");
        let read = together((0..8).map(|_| {
            let (store, wish, key) = (f.store.clone(), wish.clone(), key.clone());
            async move {
                let row = same(store.reserve(&wish, Some(&key)).await.expect("it answers"));
                store.reservation(&row.id).await.expect("it reads").is_some()
            }
        }));
        assert_eq!(read.await, [true; 8]);
    }
}

/// R19, at once and afterwards.
async fn one_key_with_two_bodies_takes_effect_once(f: &Fixture) {
    let wish = f.wish(EVENING, 1).await;
    let bodies = ["one", "two"].map(|body| key(&wish.customer_id, "k", body));
    let keys: Vec<_> = bodies.iter().cycle().take(20).cloned().collect();
    let answers = race(f, &wish, keys).await;
    assert_eq!(f.number("select count(*) from reservation").await, 1);
    let reused = answers
        .iter()
        .filter(|answer| matches!(answer, Decision::Refused(Refusal::IdempotencyKeyReused, _)));
    assert_eq!(reused.count(), 10, "{answers:?}");
    for body in &bodies {
        let answer = f.store.reserve(&wish, Some(body)).await.expect("it answers");
        assert!(
            matches!(
                &answer,
                Decision::Replayed(_) | Decision::Refused(Refusal::IdempotencyKeyReused, _)
            ),
            "{answer:?}"
        );
    }
    assert_eq!(f.number("select count(*) from reservation").await, 1);
}

/// T3.
async fn a_repeat_shows_the_row_as_it_is_now(f: &Fixture) {
    let wish = f.wish(EVENING, 1).await;
    let key = key(&wish.customer_id, "k", "body");
    let row = done(f.store.reserve(&wish, Some(&key)).await.expect("it answers"));
    let row = f.paid(&row).await;
    let again = f.store.reserve(&wish, Some(&key)).await.expect("it answers");
    let Decision::Replayed(again) = again else { panic!("it was a repeat: {again:?}") };
    assert_eq!(again, row);
    assert_eq!(again.status, ReservationStatus::PaymentPending);
}

async fn a_repeat_is_answered_when_a_new_create_would_be_refused(f: &Fixture) {
    let wish = f.wish(LAST_TWO, 2).await;
    let key = key(&wish.customer_id, "k", "body");
    let row = done(f.store.reserve(&wish, Some(&key)).await.expect("it answers"));
    let again = f.store.reserve(&wish, Some(&key)).await.expect("it answers");
    assert_eq!(same(again).id, row.id, "sold out today");
    f.set_time(wish.offer.showtime.sales_close_at);
    let again = f.store.reserve(&wish, Some(&key)).await.expect("it answers");
    assert_eq!(same(again).id, row.id, "sales are closed today");
    let other = RequestKey { request_hash: "other".to_owned(), ..key };
    let answer = f.store.reserve(&wish, Some(&other)).await.expect("it answers");
    assert_eq!(refusal(&answer), &Refusal::IdempotencyKeyReused);
}

/// A refusal is not remembered: the same key may succeed later.
async fn a_refused_create_leaves_its_key_free(f: &Fixture) {
    let holder = f.reserved(LAST_TWO, 2).await;
    let wish = f.wish(LAST_TWO, 2).await;
    let key = key(&wish.customer_id, "k", "body");
    let answer = f.store.reserve(&wish, Some(&key)).await.expect("it answers");
    assert_eq!(refusal(&answer), &Refusal::SoldOut);
    f.cancelled(&holder).await;
    let wish = NewReservation { customer_id: wish.customer_id, ..f.wish(LAST_TWO, 2).await };
    done(f.store.reserve(&wish, Some(&key)).await.expect("it answers"));
}

async fn a_key_belongs_to_its_principal_and_route(f: &Fixture) {
    let wish = f.wish(EVENING, 1).await;
    let mine = key(&wish.customer_id, "k", "body");
    let theirs = key(&f.customer(), "k", "body");
    let elsewhere = RequestKey { route: "POST /elsewhere", ..mine.clone() };
    let mut ids = BTreeSet::new();
    for key in [mine, theirs, elsewhere] {
        let customer_id = CustomerId::parse(key.principal.as_str()).expect("it is one");
        let wish = NewReservation { customer_id, ..wish.clone() };
        ids.insert(done(f.store.reserve(&wish, Some(&key)).await.expect("it answers")).id);
    }
    assert_eq!(ids.len(), 3);
}

async fn a_key_of_one_reservation_is_refused_for_another(f: &Fixture) {
    let wish = f.wish(EVENING, 1).await;
    let (one, two) = (f.reserve(&wish).await, f.reserve(&wish).await);
    let key = key(&wish.customer_id, "k", "body");
    done(f.store.cancel(&one.customer_id, &one.id, Some(&key)).await.expect("it answers"));
    let answer = f.store.cancel(&two.customer_id, &two.id, Some(&key)).await.expect("it answers");
    assert_eq!(refusal(&answer), &Refusal::IdempotencyKeyReused);
    assert_eq!(f.row(&two.id).await, two);
}

async fn keys_are_forgotten_after_a_day(f: &Fixture) {
    let wish = f.wish(EVENING, 1).await;
    let key = key(&wish.customer_id, "k", "body");
    let row = done(f.store.reserve(&wish, Some(&key)).await.expect("it answers"));
    f.advance(REMEMBERED);
    assert_eq!(f.store.forget_old_keys().await.expect("it deletes"), 0);
    let again = f.store.reserve(&wish, Some(&key)).await.expect("it answers");
    assert_eq!(same(again).id, row.id);
    f.advance(Duration::from_millis(1));
    assert_eq!(f.store.forget_old_keys().await.expect("it deletes"), 1);
}

async fn race(f: &Fixture, wish: &NewReservation, keys: Vec<RequestKey>) -> Vec<Decision> {
    together(keys.into_iter().map(|key| {
        let (store, wish) = (f.store.clone(), wish.clone());
        async move { store.reserve(&wish, Some(&key)).await.expect("the database answers") }
    }))
    .await
}

/// The row of a command that took effect, now or before.
fn same(answer: Decision) -> Reservation {
    match answer {
        Decision::Done(row) | Decision::Replayed(row) => row,
        other => panic!("one key has one effect: {other:?}"),
    }
}
