//! I11 and I12 as the process with the pump judges them.

use super::fixture::Fixture;
use super::fixture::catalogue::EVENING;
use domain::audit::Invariant;
use std::time::Duration;

on_both!(
    a_deadline_that_nobody_carries_out_is_told,
    work_that_nobody_takes_is_told,
    where_no_pump_runs_nothing_is_overdue,
);

async fn a_deadline_that_nobody_carries_out_is_told(f: &Fixture) {
    let row = f.reserved(EVENING, 1).await;
    f.store.take_due_reservations(1).await.expect("it answers");
    pump_for(f, f.store.deadlines().pay_within.as_secs() + 5).await;
    assert_eq!(overdue(f).await, []);
    pump_for(f, 2).await;
    assert_eq!(overdue(f).await, [Invariant::I11]);
    f.store.attend_time(&row).await.expect("it answers");
    assert_eq!(overdue(f).await, []);
}

async fn work_that_nobody_takes_is_told(f: &Fixture) {
    let row = f.reserved(EVENING, 1).await;
    f.store.take_due_reservations(1).await.expect("it answers");
    f.store.pump_passes(Duration::ZERO);
    f.paid(&row).await;
    pump_for(f, 30).await;
    assert_eq!(overdue(f).await, []);
    pump_for(f, 1).await;
    assert_eq!(overdue(f).await, [Invariant::I12]);
    f.store.take_due_reservations(1).await.expect("it answers");
    assert_eq!(overdue(f).await, []);
}

async fn where_no_pump_runs_nothing_is_overdue(f: &Fixture) {
    f.reserved(EVENING, 1).await;
    f.advance(Duration::from_secs(24 * 3600));
    assert_eq!(overdue(f).await, []);
}

/// The pump passes by every second and carries nothing out; it has nothing due before.
async fn pump_for(f: &Fixture, secs: u64) {
    for _ in 0..secs {
        f.advance(Duration::from_secs(1));
        f.store.pump_passes(Duration::ZERO);
        if !f.store.overdue().await.expect("it answers").is_empty() {
            return;
        }
    }
}

async fn overdue(f: &Fixture) -> Vec<Invariant> {
    let found = f.store.overdue().await.expect("it answers");
    found.into_iter().map(|violation| violation.invariant).collect()
}
