//! What is answered stays, and what is dropped leaves nothing half done (group commit).

use super::fixture::catalogue::EVENING;
use super::fixture::steps::{key, pay_command};
use super::fixture::{Fixture, together};
use domain::ids::ReservationId;
use domain::reservation::Reservation;
use domain::words::ReservationStatus;
use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use store::reserve::NewReservation;
use store::{Decision, Store, StoreError};

on_both!(
    dropped_futures_leave_no_torn_rows,
    an_acknowledged_reservation_is_found_after_a_restart,
    watchers_hear_of_what_is_committed,
);

const TASKS: u64 = 64;
const ROUNDS: u64 = 50;
/// Few futures of the store are polled more often than this before they are ready.
const POLLS_MAX: u64 = 40;

/// 64 × 50 futures, each dropped after a random number of polls if it is not ready by then.
async fn dropped_futures_leave_no_torn_rows(f: &Fixture) {
    f.run("update capacity_pool set sellable = 10000 where showtime_id = 'evening'").await;
    let wish = f.wish_of_many(EVENING).await;
    let acknowledged: Vec<Reservation> = together((0..TASKS).map(|task| {
        let (store, wish) = (f.store.clone(), wish.clone());
        async move { drop_and_repeat(&store, &wish, task).await }
    }))
    .await
    .into_iter()
    .flatten()
    .collect();
    assert!(!acknowledged.is_empty());
    let all = usize::try_from(TASKS * ROUNDS).expect("it is small");
    assert!(acknowledged.len() < all, "nothing was dropped");
    let reopened = f.reopened().await;
    let found = reopened.reservations_of(&wish.customer_id, None, None, 100_000).await;
    let found: BTreeMap<_, _> =
        found.expect("it reads").into_iter().map(|row| (row.id.clone(), row.version)).collect();
    for row in acknowledged {
        let version = found.get(&row.id).copied().unwrap_or(0);
        assert!(version >= row.version, "version {version} is left of {row:?}");
    }
    let keys = f.number("select count(*) from idempotency_key").await;
    assert_eq!(f.number("select count(*) from reservation").await, keys);
    f.reserved(EVENING, 1).await;
}

/// Reserves, pays and cancels, and returns what was acknowledged.
async fn drop_and_repeat(store: &Store, wish: &NewReservation, seed: u64) -> Vec<Reservation> {
    let mut random = Lcg(seed);
    let mut acknowledged = BTreeMap::<ReservationId, Reservation>::new();
    for round in 0..ROUNDS {
        let key = key(&wish.customer_id, &format!("{seed}-{round}"), "body");
        let polls = random.below(POLLS_MAX);
        let Some(row) = answered(polls, store.reserve(wish, Some(&key))).await else { continue };
        acknowledged.insert(row.id.clone(), row.clone());
        let (owner, command) = (&row.customer_id, pay_command(&row));
        let step = match random.below(3) {
            0 => answered(random.below(POLLS_MAX), store.pay(owner, &command, None)).await,
            1 => answered(random.below(POLLS_MAX), store.cancel(owner, &row.id, None)).await,
            _ => None,
        };
        if let Some(row) = step {
            acknowledged.insert(row.id.clone(), row);
        }
    }
    acknowledged.into_values().collect()
}

/// The row of a command that was answered within so many polls.
async fn answered(
    polls: u64,
    command: impl Future<Output = Result<Decision, StoreError>>,
) -> Option<Reservation> {
    let answer = dropped_after(polls, pin!(command)).await?;
    match answer.expect("the database answers") {
        Decision::Done(row) => Some(row),
        other => panic!("nobody is in the way: {other:?}"),
    }
}

/// Polls a future so many times; nothing when it is not ready by then.
async fn dropped_after<F: Future>(polls: u64, mut future: Pin<&mut F>) -> Option<F::Output> {
    let mut left = polls;
    std::future::poll_fn(|context: &mut Context<'_>| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

async fn an_acknowledged_reservation_is_found_after_a_restart(f: &Fixture) {
    let wish = f.wish_of_many(EVENING).await;
    let rows = together((0..50).map(|_| {
        let (store, wish) = (f.store.clone(), wish.clone());
        async move { store.reserve(&wish, None).await.expect("the database answers") }
    }));
    let rows: Vec<Reservation> = rows.await.into_iter().map(super::fixture::steps::done).collect();
    let reopened = f.reopened().await;
    for row in rows {
        assert_eq!(reopened.reservation(&row.id).await.expect("it reads"), Some(row));
    }
    let row = reopened.reserve(&wish, None).await.expect("the new store writes");
    assert!(matches!(row, Decision::Done(_)));
}

/// In the order of versions, and never before it can be read.
async fn watchers_hear_of_what_is_committed(f: &Fixture) {
    let mut changes = f.store.changes().watch();
    let row = f.cancelled(&f.paid(&f.reserved(EVENING, 1).await).await).await;
    assert_eq!(row.status, ReservationStatus::Cancelled);
    for version in 1..=row.version {
        assert_eq!(changes.try_recv().expect("it was told"), (row.id.clone(), version));
    }
    assert!(changes.try_recv().is_err());
}

/// Numbers that look random and are the same in every run.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}
