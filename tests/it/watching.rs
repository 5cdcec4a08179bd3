//! One reservation as a stream of what happens to it.

use crate::app::{Customer, SOON, id, shared, text};
use reqwest::{RequestBuilder, Response};
use serde_json::Value;
use tokio::time::timeout;

/// A stream's events so far, each with id, name and data.
struct Stream {
    answer: Response,
    text: String,
}

impl Stream {
    async fn open(request: RequestBuilder) -> Self {
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        Self { answer, text: String::new() }
    }

    /// The next event; none when the stream has ended. What is no event is skipped.
    async fn next(&mut self) -> Option<(i64, String, Value)> {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                };
                let (Some(id), Some(name)) = (field("id"), field("event")) else { continue };
                let data = serde_json::from_str(field("data").expect("data")).expect("JSON");
                return Some((id.parse().expect("a number"), name.to_owned(), data));
            }
            let more = timeout(SOON, self.answer.chunk()).await.expect("it does not hang");
            let more = more.expect("bytes")?;
            self.text.push_str(std::str::from_utf8(&more).expect("a text"));
        }
    }

    async fn until(&mut self, last: &str) -> Vec<(i64, String)> {
        let mut seen = Vec::new();
        loop {
            let (seq, name, _) = self.next().await.expect("it goes on");
            seen.push((seq, name.clone()));
            if name == last {
                return seen;
            }
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
    let (seq, name, snapshot) = stream.next().await.expect("a snapshot");
    assert_eq!((seq, name.as_str()), (1, "snapshot"));
    assert_eq!(snapshot["status"], "RESERVED");
    assert_eq!(snapshot["id"], reservation["id"]);

    customer.pay(&reservation).await.expect(201);
    let steps = stream.until("PaymentApproved").await;
    assert_eq!(steps, [(2, "PaymentRequested".to_owned()), (3, "PaymentApproved".to_owned())]);
    customer.cancel(&reservation).await;
    let steps = stream.until("ReservationCancelled").await;
    assert!(stream.next().await.is_none(), "nothing follows");
    let timeline = customer.timeline(&reservation).await;
    assert_eq!(steps.last().map(|(seq, _)| *seq), i64::try_from(timeline.len()).ok());

    // Who comes again hears what was missed, and how it stands.
    let again = watch(&customer, &reservation).header("Last-Event-ID", "3");
    let mut stream = Stream::open(again).await;
    let (_, name, snapshot) = stream.next().await.expect("a snapshot");
    assert_eq!((name.as_str(), text(&snapshot["status"])), ("snapshot", "CANCELLED"));
    let (seq, _, step) = stream.next().await.expect("a step");
    assert_eq!((seq, text(&step["type"])), (4, timeline[3].as_str()));
    for member in ["status", "version", "deadlineAt", "allowedActions", "at", "actor", "data"] {
        assert!(step.get(member).is_some(), "{member} in {step}");
    }
    assert_eq!(stream.until("ReservationCancelled").await.last(), steps.last());
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
    assert_eq!(stream.next().await.expect("a snapshot").1, "snapshot");
}
