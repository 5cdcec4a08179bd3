//! The feed: every committed event gets one position, in order, whatever commits when; and a sink
//! is sent by one process at a time.

use super::fixture::catalogue::EVENING;
use super::fixture::steps::{approval, done, pay_command};
use super::fixture::{Ending, Fixture, on_postgres, together};
use domain::feed::Entry;
use domain::words::Operation;
use std::collections::BTreeMap;
use std::time::Duration;
use store::feed::Hold;

on_both!(
    every_event_has_one_place_in_order,
    relays_at_the_same_time_give_each_place_once,
    one_process_at_a_time_sends,
    a_cursor_goes_forward_only,
);

async fn relayed(f: &Fixture) -> Vec<Entry> {
    while !f.store.relay().await.expect("the database answers").is_empty() {}
    f.store.feed(0, 1_000).await.expect("the database answers")
}

/// Gap-free from 1 on, and each reservation's events in their own order.
fn expect_in_order(feed: &[Entry]) {
    let mut seen = BTreeMap::<_, i64>::new();
    for (position, entry) in (1..).zip(feed) {
        assert_eq!(entry.position, position);
        let seq = seen.entry(&entry.reservation_id).or_default();
        *seq += 1;
        assert_eq!(entry.event.seq, *seq, "{}", entry.reservation_id);
    }
}

async fn every_event_has_one_place_in_order(f: &Fixture) {
    assert!(relayed(f).await.is_empty());
    let (one, two) = (f.reserved(EVENING, 1).await, f.ticketed(EVENING, &["B1", "B2"]).await);
    let first = relayed(f).await;
    // Two nodes write the next events of one reservation, the first by a clock that is fast.
    let ahead = f.node_ahead(Duration::from_secs(3_600)).await;
    let paid = ahead.pay(&one.customer_id, &pay_command(&one), None).await;
    let paid = done(paid.expect("the database answers"));
    f.answered(&paid, Operation::Approve, &approval()).await;
    f.reserved(EVENING, 1).await;
    let feed = relayed(f).await;
    expect_in_order(&feed);
    assert_eq!(i64::try_from(feed.len()), Ok(f.number("select count(*) from timeline").await));
    assert_eq!(f.store.feed_end().await.expect("it answers"), feed[feed.len() - 1].position);
    for (before, after) in first.iter().zip(&feed) {
        assert_eq!(
            (before.position, &before.reservation_id),
            (after.position, &after.reservation_id)
        );
    }
    let of_two = feed.iter().find(|entry| entry.reservation_id == two.id).expect("it was told");
    assert_eq!(of_two.customer_id, two.customer_id);
    assert_eq!(of_two.movie_title, two.showtime.movie_title);
    let rest = f.store.feed(feed[2].position, 2).await.expect("it answers");
    assert_eq!(rest.iter().map(|entry| entry.position).collect::<Vec<_>>(), [4, 5]);
}

async fn relays_at_the_same_time_give_each_place_once(f: &Fixture) {
    for _ in 0..5 {
        for _ in 0..4 {
            f.reserved(EVENING, 1).await;
        }
        together((0..8).map(|_| {
            let store = f.store.clone();
            async move { store.relay().await.expect("it answers") }
        }))
        .await;
    }
    expect_in_order(&relayed(f).await);
}

/// What a serial number as cursor would skip.
#[test]
fn what_is_committed_late_is_not_skipped() {
    on_postgres(Ending::audited(), a_late_commit);
}

async fn a_late_commit(f: &Fixture) {
    let late = f.reserved(EVENING, 1).await;
    let before = relayed(f).await.len();
    let open = f.uncommitted_event(&late.id).await;
    let early = f.reserved(EVENING, 1).await;
    let feed = relayed(f).await;
    assert_eq!(feed.len(), before + 1);
    assert_eq!(feed[before].reservation_id, early.id, "it waits for nobody");
    open.release().await;
    let feed = relayed(f).await;
    assert_eq!(feed.len(), before + 2);
    assert_eq!(feed[before + 1].reservation_id, late.id);
    assert!(feed[before + 1].event.at < feed[before].event.at, "it was written before");
    expect_in_order(&feed);
    // The auditor knows of no reason for that event: it goes, and its place with it.
    f.run(format!("delete from timeline where reservation_id = '{}' and seq = 2", late.id)).await;
    f.run("update reading set position = position - 1 where name = 'feed'").await;
}

fn hold(holder: &str) -> Hold {
    Hold { sink: "kafka", holder: holder.to_owned(), lease: Duration::from_secs(10) }
}

async fn one_process_at_a_time_sends(f: &Fixture) {
    let store = &f.store;
    let (one, two) = (hold("one"), hold("two"));
    let held = async |hold: &Hold| store.hold_sink(hold).await.expect("it answers");
    assert_eq!(held(&one).await, Some(0));
    assert_eq!(held(&two).await, None);
    f.advance(Duration::from_secs(9));
    assert_eq!(held(&one).await, Some(0), "it goes on");
    f.advance(Duration::from_secs(9));
    assert!(store.sink_sent(&one, 7).await.expect("it answers"), "so it does by sending");
    f.advance(Duration::from_secs(9));
    assert_eq!(held(&two).await, None);
    f.advance(Duration::from_secs(1));
    assert_eq!(held(&two).await, Some(7), "nobody heard of it for ten seconds");
    assert!(!store.sink_sent(&one, 8).await.expect("it answers"), "it has lost the sink");
    assert_eq!(held(&one).await, None);
    store.release_sink(&one).await.expect("it answers");
    assert_eq!(held(&one).await, None, "nobody gives back what is another's");
    store.release_sink(&two).await.expect("it answers");
    assert_eq!(held(&one).await, Some(7));
}

async fn a_cursor_goes_forward_only(f: &Fixture) {
    let one = hold("one");
    f.store.hold_sink(&one).await.expect("it answers");
    assert!(f.store.sink_sent(&one, 7).await.expect("it answers"));
    assert!(!f.store.sink_sent(&one, 6).await.expect("it answers"));
    assert_eq!(f.store.hold_sink(&one).await.expect("it answers"), Some(7));
}
