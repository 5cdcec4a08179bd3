//! Processes on one PostgreSQL tell each other what they have changed.

use super::fixture::catalogue::EVENING;
use super::fixture::{Ending, Fixture, on_postgres};
use crate::app::SOON;
use tokio::time::timeout;

#[test]
fn another_process_hears_of_what_is_committed() {
    on_postgres(Ending::audited(), heard_by_another);
}

async fn heard_by_another(f: &Fixture) {
    let other = f.reopened().await;
    let mut changes = other.changes().watch();
    timeout(SOON, other.changes().owed()).await.expect("it says when it begins to listen");
    let row = f.reserved(EVENING, 1).await;
    let heard = timeout(SOON, changes.recv()).await.expect("a word").expect("it listens");
    assert_eq!(heard, (row.id.clone(), row.version));
    timeout(SOON, other.changes().owed()).await.expect("the row is due");
    // Its own words come back to it, and are not told twice.
    let paid = f.paid(&row).await;
    for version in row.version + 1..=paid.version {
        let heard = timeout(SOON, changes.recv()).await.expect("a word").expect("it listens");
        assert_eq!(heard, (row.id.clone(), version));
    }
    let mut own = f.store.changes().watch();
    let next = f.reserved(EVENING, 1).await;
    let heard = timeout(SOON, changes.recv()).await.expect("a word").expect("it listens");
    assert_eq!(heard, (next.id.clone(), next.version));
    assert_eq!(own.try_recv().expect("told at once"), (next.id, next.version));
    assert!(own.try_recv().is_err());
}
