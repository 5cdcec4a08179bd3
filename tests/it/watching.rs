//! One reservation as a stream of what happens to it.

use crate::app::stream::{Frame, Stream};
use crate::app::{Customer, id, shared, text};
use reqwest::RequestBuilder;
use serde_json::Value;

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
