//! Events on a real Kafka broker, read by a client that nobody here wrote (kafka-python).

pub(crate) mod broker;
pub(crate) mod consumer;
mod policy_handler;

use crate::app::{App, Customer, SOON, id, text, together, until};
use broker::Broker;
use consumer::{Record, Topic, different};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Instant;

async fn booked_and_cancelled(customer: Customer) -> Value {
    let ticketed = customer.ticketed(1).await;
    customer.cancel(&ticketed).await;
    customer.until(&ticketed, "CANCELLED").await
}

/// Waits until all that has happened is on the topic.
async fn arrived(app: &App, topic: &Topic) -> Vec<Record> {
    let partner = app.customer("partner").as_role("partner");
    let began = Instant::now();
    loop {
        let events = partner.get("/events?limit=1000").await.expect(200);
        let events = events["items"].as_array().expect("items").len();
        let records = topic.read().await;
        if different(&records) == events {
            return records;
        }
        assert!(began.elapsed() < 2 * SOON, "{} of {events} arrived", different(&records));
    }
}

/// Each reservation's events in its own order; what was sent twice counts once.
fn expect_in_order(records: &[Record]) -> BTreeMap<String, i64> {
    in_order_from(records, |_| 1)
}

/// As [`expect_in_order`], where the first event of each reservation that is there may be this one.
fn in_order_from(records: &[Record], first: fn(i64) -> i64) -> BTreeMap<String, i64> {
    let mut seen = BTreeMap::<String, i64>::new();
    for record in records {
        assert_eq!(record.value["reservationId"], record.key);
        let seq = record.value["seq"].as_i64().expect("a place");
        let last = seen.entry(record.key.clone()).or_insert_with(|| first(seq) - 1);
        assert!(seq <= *last + 1, "{} after {last} of {}", seq, record.key);
        *last = (*last).max(seq);
    }
    seen
}

#[tokio::test]
async fn all_events_reach_the_topic_whatever_the_broker_does() {
    let Some(mut broker) = Broker::prepare().await else { return };
    let flags = broker.flags();
    let flags = flags.each_ref().map(String::as_str);
    let app = App::start(&flags).await;
    // Nobody is there yet, and no booking minds.
    let first = booked_and_cancelled(app.somebody()).await;

    broker.start().await;
    let topic = broker.topic("reservation");
    let records = arrived(&app, &topic).await;
    let seen = expect_in_order(&records);
    assert_eq!(seen.keys().collect::<Vec<_>>(), [id(&first)]);
    looks_as_the_report_knows_it(&records);

    // Killed under load, and back.
    let booking = (0..8).map(|_| booked_and_cancelled(app.somebody()));
    let (_, ()) = tokio::join!(together(booking), async {
        until("some are sent", async || topic.read().await.len() > records.len()).await;
        broker.kill();
    });
    broker.start().await;
    assert_eq!(expect_in_order(&arrived(&app, &topic).await).len(), 1 + 8);

    // A team of two reads along.
    let group = topic.group(2);
    together((0..20).map(|_| booked_and_cancelled(app.somebody()))).await;
    let all = arrived(&app, &topic).await;
    assert_eq!(expect_in_order(&all).len(), 1 + 8 + 20);
    for share in group.shares(&all).await {
        // Whoever joins later goes on where the other one was.
        assert!(!in_order_from(&share, |seq| seq).is_empty(), "each has its part of the work");
    }

    // What is on the topic when the process is killed is not forgotten, what is not comes later.
    let data_dir = app.kill().await;
    let app = App::start_in(data_dir, &flags).await;
    let customer = app.somebody();
    booked_and_cancelled(customer.clone()).await;
    assert_eq!(expect_in_order(&arrived(&app, &topic).await).len(), 1 + 8 + 20 + 1);

    policy_handler::keeps_its_own_mypage(&app, &broker, &customer).await;
}

fn looks_as_the_report_knows_it(records: &[Record]) {
    let names: Vec<&str> = records.iter().map(|record| text(&record.value["eventType"])).collect();
    assert_eq!(names[..4], ["Reserved", "PaymentRequested", "Approved", "SeatAssigned"]);
    let ticket = records.iter().find(|record| record.value["eventType"] == "TicketReserved");
    let ticket = ticket.expect("it was told");
    assert_eq!(ticket.value["reservationStatus"], "발권완료");
    let header = |name: &str| ticket.headers[name].clone();
    assert_eq!(header("ce_specversion"), "1.0");
    assert_eq!(header("ce_type"), "marquee.reservation.ticket-issued.v1");
    assert_eq!(header("ce_id"), format!("{}-{}", ticket.key, ticket.value["seq"]));
    assert_eq!(header("ce_subject"), ticket.key);
    assert_eq!(header("content-type"), "application/json");
}
