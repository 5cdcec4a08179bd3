//! The feed over HTTP, as a new team uses it: in pages, waiting, and as a stream.

use crate::app::stream::Stream;
use crate::app::{App, Customer, SOON, id, shared, text, until};
use crate::python::examples;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

async fn partner(app: &App) -> Customer {
    app.customer("partner").as_role("partner")
}

/// Reads pages until the reservation's last event is this.
async fn follow(partner: &Customer, mut after: u64, reservation: &Value, last: &str) -> Vec<Value> {
    let mut seen = Vec::new();
    let told = async {
        loop {
            let page =
                partner.get(&format!("/events?after={after}&limit=7&wait=5")).await.expect(200);
            for item in page["items"].as_array().expect("items") {
                assert_eq!(item["position"], after + 1, "without gaps");
                after += 1;
                if item["event"]["subject"] == reservation["id"] {
                    seen.push(item.clone());
                    if item["event"]["data"]["eventType"] == last {
                        return;
                    }
                }
            }
            assert_eq!(page["nextAfter"], after);
        }
    };
    timeout(SOON, told).await.expect("it is told");
    seen
}

async fn end_of_feed(partner: &Customer) -> u64 {
    let mut after = 0;
    loop {
        let page = partner.get(&format!("/events?after={after}&limit=1000")).await.expect(200);
        if page["items"].as_array().expect("items").is_empty() {
            return after;
        }
        after = page["nextAfter"].as_u64().expect("a position");
    }
}

#[tokio::test]
async fn a_partner_follows_all_that_happens() {
    let app = shared().await;
    let (partner, customer) = (partner(app).await, app.somebody());
    let after = end_of_feed(&partner).await;
    let ticketed = customer.ticketed(2).await;
    customer.cancel(&ticketed).await;
    customer.until(&ticketed, "CANCELLED").await;
    let seen = follow(&partner, after, &ticketed, "Cancelled").await;
    let timeline = customer.timeline(&ticketed).await;
    assert_eq!(seen.len(), timeline.len());
    let names: Vec<&str> =
        seen.iter().map(|item| text(&item["event"]["data"]["eventType"])).collect();
    assert_eq!(names[..4], ["Reserved", "PaymentRequested", "Approved", "SeatAssigned"]);
    assert!(names.contains(&"TicketReserved") && names.contains(&"PayCancelled"), "{names:?}");
    for (seq, item) in (1..).zip(&seen) {
        let event = &item["event"];
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(event["id"], format!("{}-{seq}", id(&ticketed)));
        assert_eq!(event["partitionkey"], ticketed["id"]);
        assert_eq!(event["data"]["seq"], seq);
        assert_eq!(event["data"]["customerId"], customer.id);
    }
    assert_eq!(seen[0]["event"]["type"], "marquee.reservation.reserved.v1");
    assert_eq!(seen[0]["event"]["data"]["partySize"], 2);
    let last = &seen[seen.len() - 1]["event"]["data"];
    assert_eq!(
        (&last["status"], &last["reservationStatus"]),
        (&json!("CANCELLED"), &json!("취소완료"))
    );
    let told = serde_json::to_string(&seen).expect("JSON");
    assert!(!told.contains("홍길동") && !told.contains("5678"), "{told}");
}

/// A team that was not there before (`examples/marketing`), beside what it saw.
#[tokio::test]
async fn a_new_team_needs_nothing_of_ours() {
    let app = App::start(&[]).await;
    let (stays, leaves) = (app.somebody(), app.somebody());
    let ticketed = stays.ticketed(2).await;
    leaves.cancel(&leaves.ticketed(1).await).await;
    let script = examples().join("marketing/marketing.py");
    let asked = async || {
        let mut python = tokio::process::Command::new("python3");
        let output = python.arg(&script).args(["--once", "--marquee", &app.api]).output().await;
        let output = output.expect("python3 is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    let expected = json!({"ranking": [[ticketed["movieTitle"], 2]], "noShows": []});
    until("its ranking", async || asked().await == expected).await;
}

#[tokio::test]
async fn only_partners_read_the_feed_and_only_with_sense() {
    let app = shared().await;
    let customer = app.somebody();
    assert_eq!(customer.get("/events").await.expect(403)["code"], "forbidden");
    assert_eq!(customer.as_role("staff").get("/events").await.expect(403)["code"], "forbidden");
    customer.as_role("admin").get("/events?limit=1").await.expect(200);
    let partner = partner(app).await;
    for query in ["after=-1", "after=x", "limit=0", "limit=1001", "wait=31", "wait=-1"] {
        let problem = partner.get(&format!("/events?{query}")).await.expect(400);
        assert_eq!(problem["code"], "malformed", "{query}");
    }
    let unfit = partner.request("GET", "/events").header("Last-Event-ID", "first");
    assert_eq!(partner.send(unfit).await.expect(400)["code"], "malformed");
    let beyond = partner.get("/events?after=9000000000000").await.expect(200);
    assert_eq!(beyond, json!({"items": [], "nextAfter": 9_000_000_000_000_u64}));
}

async fn opened(partner: &Customer, last_seen: u64) -> Stream {
    let request = partner.request("GET", "/events").header("Accept", "text/event-stream");
    Stream::open(request.header("Last-Event-ID", last_seen.to_string())).await
}

#[tokio::test]
async fn a_stream_goes_on_where_it_was_left() {
    let app = App::start(&[]).await;
    let (partner, customer) = (partner(&app).await, app.somebody());
    let mut stream = opened(&partner, 0).await;
    let ticketed = customer.ticketed(1).await;
    let mut frames = Vec::new();
    for _ in 0..4 {
        frames.push(stream.next().await.expect("it goes on"));
    }
    drop(stream);
    customer.cancel(&ticketed).await;
    customer.until(&ticketed, "CANCELLED").await;
    let mut stream = opened(&partner, 4).await;
    while frames.last().is_none_or(|frame| frame.event != "ReservationCancelled") {
        frames.push(stream.next().await.expect("it goes on"));
    }
    let events: Vec<&str> = frames.iter().map(|frame| frame.event.as_str()).collect();
    assert_eq!(events, customer.timeline(&ticketed).await);
    for (position, frame) in (1..).zip(&frames) {
        assert_eq!((frame.id, &frame.data["subject"]), (position, &ticketed["id"]));
    }
    // Who watches does not keep the system from stopping.
    let stopped = timeout(Duration::from_secs(8), app.stop());
    let (_, data_dir) = tokio::join!(async { while stream.next().await.is_some() {} }, async {
        stopped.await.expect("it does not wait for the stream")
    });
    let app = App::start_in(data_dir, &[]).await;
    let partner = app.customer("partner").as_role("partner");
    let page = partner.get("/events?limit=1000").await.expect(200);
    assert_eq!(page["nextAfter"], frames.len(), "none twice, none lost");
}
