//! One reservation as a stream of what happens to it.

use crate::app::stream::{Frame, Stream};
use crate::app::{Customer, id, shared, text, until};
use reqwest::RequestBuilder;
use serde_json::Value;
use std::collections::BTreeSet;

/// Id and name of each event until this one.
async fn until_event(stream: &mut Stream, last: &str) -> Vec<(u64, String)> {
    let mut seen = Vec::new();
    loop {
        let Frame { id, event, .. } = stream.next().await.expect("it goes on");
        seen.push((id, event.clone()));
        if event == last {
            return seen;
        }
    }
}

fn watch(customer: &Customer, reservation: &Value) -> RequestBuilder {
    customer.request("GET", &format!("/reservations/{}/events", id(reservation)))
}

#[tokio::test]
async fn a_customer_sees_each_step_as_it_happens() {
    let customer = shared().await.somebody();
    let reservation = customer.reserve(1).await;
    let mut stream = Stream::open(watch(&customer, &reservation)).await;
    let Frame { id: seq, event, data: snapshot } = stream.next().await.expect("a snapshot");
    assert_eq!((seq, event.as_str()), (1, "snapshot"));
    assert_eq!(snapshot["status"], "RESERVED");
    assert_eq!(snapshot["id"], reservation["id"]);

    customer.pay(&reservation).await.expect(201);
    let steps = until_event(&mut stream, "PaymentApproved").await;
    assert_eq!(steps, [(2, "PaymentRequested".to_owned()), (3, "PaymentApproved".to_owned())]);
    customer.cancel(&reservation).await;
    let steps = until_event(&mut stream, "ReservationCancelled").await;
    assert!(stream.next().await.is_none(), "nothing follows");
    let timeline = customer.timeline(&reservation).await;
    assert_eq!(steps.last().map(|(seq, _)| *seq), u64::try_from(timeline.len()).ok());

    // Who comes again hears what was missed, and how it stands.
    let again = watch(&customer, &reservation).header("Last-Event-ID", "3");
    let mut stream = Stream::open(again).await;
    let Frame { event, data: snapshot, .. } = stream.next().await.expect("a snapshot");
    assert_eq!((event.as_str(), text(&snapshot["status"])), ("snapshot", "CANCELLED"));
    let Frame { id: seq, data: step, .. } = stream.next().await.expect("a step");
    assert_eq!((seq, text(&step["type"])), (4, timeline[3].as_str()));
    for member in ["status", "version", "deadlineAt", "allowedActions", "at", "actor", "data"] {
        assert!(step.get(member).is_some(), "{member} in {step}");
    }
    assert_eq!(until_event(&mut stream, "ReservationCancelled").await.last(), steps.last());
    assert!(stream.next().await.is_none(), "nothing follows");
}

#[tokio::test]
async fn nobody_watches_what_is_anothers() {
    let app = shared().await;
    let reservation = app.somebody().reserve(1).await;
    let other = app.somebody();
    other.send(watch(&other, &reservation)).await.expect(404);
    other.get("/reservations/nothing/events").await.expect(404);
    let owner = app.customer(text(&reservation["customerId"]));
    owner.send(watch(&owner, &reservation).header("Last-Event-ID", "yesterday")).await.expect(400);
    let staff = app.customer("boss").as_role("staff");
    let mut stream = Stream::open(watch(&staff, &reservation)).await;
    assert_eq!(stream.next().await.expect("a snapshot").event, "snapshot");
}

/// The seats in this state, as one event of a map names them.
fn seats_in<'a>(frame: &'a Frame, state: &str) -> BTreeSet<&'a str> {
    let seats = frame.data["seats"].as_array().expect("seats").iter();
    seats.filter(|seat| seat["state"] == state).map(|seat| text(&seat["id"])).collect()
}

fn chosen(booking: &Value) -> BTreeSet<&str> {
    let seats = booking["seats"].as_array().expect("seats").iter();
    seats.map(|seat| text(&seat["seatId"])).collect()
}

#[tokio::test]
async fn everybody_sees_seats_go_and_come() {
    let app = shared().await;
    let booker = app.somebody();
    let show = booker.own_showtime().await;
    let map = format!("/showtimes/{}/seatmap/events", id(&show));
    let mut streams = Vec::new();
    for _ in 0..3 {
        let watcher = app.somebody();
        let mut stream = Stream::open(watcher.request("GET", &map)).await;
        let snapshot = stream.next().await.expect("a snapshot");
        assert_eq!(snapshot.event, "snapshot");
        assert_eq!(seats_in(&snapshot, "TAKEN"), BTreeSet::new());
        streams.push(stream);
    }
    let reservation = booker.reserve_at(&show, 2).await.expect(201);
    let booking = booker.finished(&reservation).await;
    for stream in &mut streams {
        let change = stream.next().await.expect("a change");
        assert_eq!(change.event, "change");
        assert_eq!(seats_in(&change, "TAKEN"), chosen(&booking));
    }
    // Who comes later, or again, sees it at once.
    let mut late = Stream::open(app.somebody().request("GET", &map)).await;
    let snapshot = late.next().await.expect("a snapshot");
    assert_eq!(seats_in(&snapshot, "TAKEN"), chosen(&booking));
    booker.cancel(&booking).await;
    for stream in streams.iter_mut().chain([&mut late]) {
        let change = stream.next().await.expect("a change");
        assert_eq!(seats_in(&change, "AVAILABLE"), chosen(&booking));
    }
    booker.get("/showtimes/nothing/seatmap/events").await.expect(404);
}

#[tokio::test]
async fn mypage_moves_by_itself() {
    let app = shared().await;
    let (customer, other) = (app.somebody(), app.somebody());
    let before = customer.reserve(1).await;
    let mut stream = Stream::open(customer.request("GET", "/mypage/events")).await;
    let snapshot = stream.next().await.expect("a snapshot");
    assert_eq!(snapshot.event, "snapshot");
    let listed = customer.get("/mypage").await.expect(200);
    assert_eq!(snapshot.data["items"], listed["items"]);
    // What happens to others' is not heard of.
    other.ticketed(1).await;
    customer.pay(&before).await.expect(201);
    loop {
        let Frame { event, data, .. } = stream.next().await.expect("it goes on");
        assert_eq!((event.as_str(), &data["reservationId"]), ("reservation", &before["id"]));
        if data["status"] == "PAYMENT_APPROVED" {
            break;
        }
    }
    let booking = customer.reserve(2).await;
    let Frame { data, .. } = stream.next().await.expect("a new one");
    assert_eq!((&data["reservationId"], text(&data["status"])), (&booking["id"], "RESERVED"));
}

#[tokio::test]
async fn one_person_watches_so_often_and_no_more() {
    let customer = shared().await.somebody();
    let watch = || customer.request("GET", "/mypage/events");
    let mut streams = Vec::new();
    for _ in 0..32 {
        streams.push(Stream::open(watch()).await);
    }
    let refused = customer.send(watch()).await;
    assert_eq!(refused.header("retry-after"), "5");
    assert_eq!(refused.expect(429)["code"], "rate-limited");
    // Who leaves makes room.
    streams.pop();
    until("room", async || watch().send().await.expect("an answer").status() == 200).await;
}
