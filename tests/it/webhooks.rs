//! Webhooks as partners get them: over HTTP, checked by the reference library of the scheme.

use crate::app::{App, Customer, SOON, free_ports, id, shared, text, until};
use crate::python::{examples, python};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

const ANYWHERE: &str = "--webhooks-anywhere";

/// The example's endpoint, in a process of its own.
struct Receiver {
    _process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Receiver {
    async fn start(port: u16, secret: &str) -> Self {
        let mut command = Command::new(python());
        command.arg(examples().join("webhooks/receiver.py")).args(["--port", &port.to_string()]);
        command.env("WEBHOOK_SECRET", secret).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().expect("python runs");
        let lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        until("it listens", async || TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await;
        Self { _process: process, lines }
    }

    /// Reads on until this status of this reservation.
    async fn until(&mut self, reservation: &Value, status: &str) -> Vec<Value> {
        let mut read = Vec::new();
        let reading = async {
            loop {
                let line = self.lines.next_line().await.expect("a line").expect("it runs");
                let event: Value = serde_json::from_str(&line).expect("JSON");
                let data = &event["data"];
                let last = data["reservationId"] == reservation["id"] && data["status"] == status;
                read.push(event);
                if last {
                    return;
                }
            }
        };
        timeout(SOON, reading).await.expect("it is told");
        read
    }
}

/// An endpoint that answers as it is told, and keeps what came.
#[derive(Clone, Default)]
pub(crate) struct Fickle {
    status: Arc<Mutex<StatusCode>>,
    came: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Fickle {
    pub(crate) async fn start() -> (Self, String) {
        let fickle = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let app = Router::new().route("/hook", post(Self::take)).with_state(fickle.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (fickle, url)
    }

    async fn take(State(it): State<Self>, headers: HeaderMap, body: Bytes) -> StatusCode {
        let id = headers["webhook-id"].to_str().expect("plain").to_owned();
        let body = serde_json::from_slice(&body).expect("JSON");
        it.came.lock().expect("nobody failed").push((id, body));
        *it.status.lock().expect("nobody failed")
    }

    fn answers(&self, status: u16) {
        *self.status.lock().expect("nobody failed") = StatusCode::from_u16(status).expect("one");
    }

    pub(crate) fn count(&self) -> usize {
        self.came.lock().expect("nobody failed").len()
    }

    /// Everything that came, in one text.
    pub(crate) fn all(&self) -> String {
        format!("{:?}", self.came.lock().expect("nobody failed"))
    }

    /// The places of a reservation's events, as they came.
    fn places(&self, reservation: &Value) -> Vec<i64> {
        let came = self.came.lock().expect("nobody failed");
        let of_it =
            came.iter().filter(|(_, body)| body["data"]["reservationId"] == reservation["id"]);
        of_it.map(|(_, body)| body["data"]["seq"].as_i64().expect("a place")).collect()
    }
}

fn partner(app: &App) -> Customer {
    app.somebody().as_role("partner")
}

async fn endpoint(partner: &Customer, url: &str) -> Value {
    partner.post("/webhook-endpoints", json!({ "url": url })).await.expect(201)
}

async fn deliveries(partner: &Customer, endpoint: &Value) -> Vec<Value> {
    let path = format!("/webhook-endpoints/{}/deliveries?limit=100", id(endpoint));
    partner.get(&path).await.expect(200)["items"].as_array().expect("items").clone()
}

#[tokio::test]
async fn a_partner_is_told_what_happens() {
    let app = App::start(&[ANYWHERE]).await;
    let (partner, port) = (partner(&app), free_ports());
    let endpoint = endpoint(&partner, &format!("http://127.0.0.1:{port}/")).await;
    let mut receiver = Receiver::start(port, text(&endpoint["secret"])).await;
    let customer = app.somebody();
    let reservation = customer.ticketed(1).await;
    customer.cancel(&reservation).await.expect(200);
    let told = receiver.until(&reservation, "CANCELLED").await;
    let path = format!("/reservations/{}/timeline?limit=100", id(&reservation));
    let timeline = customer.get(&path).await.expect(200)["items"].clone();
    let happened = timeline.as_array().expect("items").iter().map(|event| event["seq"].clone());
    let heard = told.iter().map(|event| event["data"]["seq"].clone());
    assert_eq!(heard.collect::<Vec<_>>(), happened.collect::<Vec<_>>());
    assert_eq!(told[0]["type"], "marquee.reservation.reserved.v1");
    assert_eq!(told[0]["id"], format!("{}-1", id(&reservation)));
    let all = serde_json::to_string(&told).expect("JSON");
    assert!(!all.contains("홍길동") && !all.contains("1234-5678"), "{all}");

    // While secrets change, the receiver may have the one or the other.
    let path = format!("/webhook-endpoints/{}", id(&endpoint));
    let rotated = partner.post(&format!("{path}/secret-rotations"), json!({})).await.expect(201);
    let again = customer.ticketed(1).await;
    receiver.until(&again, "TICKETED").await;
    drop(receiver);
    let mut receiver = Receiver::start(port, text(&rotated["secret"])).await;
    customer.cancel(&again).await.expect(200);
    receiver.until(&again, "CANCELLED").await;
    drop(receiver);
    // Who knows neither believes nothing, and is told again until it does.
    let stranger = Receiver::start(port, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").await;
    let third = customer.reserve(1).await;
    until("a refusal", async || deliveries(&partner, &endpoint).await[0]["answer"] == 401).await;
    drop(stranger);
    let mut receiver = Receiver::start(port, text(&rotated["secret"])).await;
    receiver.until(&third, "RESERVED").await;
    let shown = partner.get(&path).await.expect(200);
    assert!(shown.get("secret").is_none(), "a secret is shown once");
}

#[tokio::test]
async fn what_an_endpoint_did_not_take_comes_again_in_order() {
    let app = App::start(&[ANYWHERE]).await;
    let partner = partner(&app);
    let (fickle, url) = Fickle::start().await;
    let (other, other_url) = Fickle::start().await;
    let (one, two) = (endpoint(&partner, &url).await, endpoint(&partner, &other_url).await);
    fickle.answers(503);
    let customer = app.somebody();
    let first = customer.ticketed(1).await;
    until("a try in vain", async || !deliveries(&partner, &one).await.is_empty()).await;
    let all: Vec<i64> = (1..=6).collect();
    until("the other one", async || other.places(&first) == all).await;
    assert!(fickle.places(&first).iter().all(|seq| *seq == 1), "the others wait");
    // The whole system dies and comes back; so does the endpoint.
    let app = App::start_in(app.kill().await, &[ANYWHERE]).await;
    let partner = app.customer(&partner.id).as_role("partner");
    fickle.answers(200);
    until("all of it", async || fickle.places(&first).ends_with(&all)).await;
    let until_delivered = async || {
        let log = deliveries(&partner, &one).await;
        log.len() == 6 && log.iter().all(|delivery| delivery["state"] == "DELIVERED")
    };
    until("the log", until_delivered).await;

    // It is gone for good, and called no more; the other one is.
    fickle.answers(410);
    let customer = app.customer(&customer.id);
    let second = customer.ticketed(1).await;
    let path = format!("/webhook-endpoints/{}", id(&one));
    let off = async || partner.get(&path).await.expect(200)["disabledReason"] == "GONE";
    until("it is switched off", off).await;
    until("the other one", async || other.places(&second) == all).await;
    assert_eq!(fickle.places(&second), [1]);
    fickle.answers(204);
    let on = json!({"url": url, "state": "ENABLED"});
    assert_eq!(partner.put(&path, on).await.expect(200)["state"], "ENABLED");
    until("the rest", async || fickle.places(&second).ends_with(&all)).await;

    // Once more from the start, and by then no more.
    let before = fickle.count();
    let replayed = partner.post(&format!("{path}/replays"), json!({"after": 0})).await.expect(202);
    assert_eq!(replayed["position"], 0);
    until("all again", async || fickle.count() == before + 12).await;
    partner.send(partner.request("DELETE", &path)).await.expect(204);
    partner.get(&path).await.expect(404);
    let third = customer.ticketed(1).await;
    until("the other one", async || other.places(&third) == all).await;
    assert_eq!(fickle.places(&third), [0; 0]);
    let twice = other.came.lock().expect("nobody failed").clone();
    let mut seen = BTreeMap::new();
    for (id, body) in twice {
        assert_eq!(seen.entry(id).or_insert_with(|| body.clone()), &body, "one id, one content");
    }
    partner.get(&format!("/webhook-endpoints/{}", id(&two))).await.expect(200);
}

#[tokio::test]
async fn endpoints_are_set_up_with_care() {
    let app = shared().await;
    let partner = partner(app);
    for url in ["http://example.com/", "https://127.0.0.1/", "https://[::1]/", "ftp://x", "", "x"] {
        let problem = partner.post("/webhook-endpoints", json!({ "url": url })).await.expect(400);
        assert_eq!(problem["errors"][0]["pointer"], "/url", "{url}");
    }
    let unknown = json!({"url": "https://example.com/", "eventTypes": ["x"]});
    let problem = partner.post("/webhook-endpoints", unknown).await.expect(400);
    assert_eq!(problem["errors"][0]["pointer"], "/eventTypes/0");
    // Nothing is sent for it; the name exists nowhere (RFC 6761).
    let types = ["marquee.reservation.show-completed.v1"];
    let wish = json!({"url": "https://hook.invalid/", "eventTypes": types, "state": "DISABLED"});
    let endpoint = partner.post("/webhook-endpoints", wish.clone()).await.expect(201);
    assert_eq!(endpoint["eventTypes"], json!(types));
    let again = partner.post("/webhook-endpoints", wish).await.expect(409);
    assert_eq!(again["code"], "endpoint-exists");
    let path = format!("/webhook-endpoints/{}", id(&endpoint));
    let beyond = json!({"after": 9_000_000_000_000_u64});
    let problem = partner.post(&format!("{path}/replays"), beyond).await.expect(400);
    assert_eq!(problem["errors"][0]["pointer"], "/after");
    let other = app.somebody().as_role("partner");
    for (method, below) in [("GET", ""), ("DELETE", ""), ("GET", "/deliveries")] {
        other.send(other.request(method, &format!("{path}{below}"))).await.expect(404);
    }
    other.post(&format!("{path}/secret-rotations"), json!({})).await.expect(404);
    for role in ["customer", "gate", "staff"] {
        let nobody = partner.as_role(role);
        assert_eq!(nobody.get("/webhook-endpoints").await.expect(403)["code"], "forbidden");
    }
    partner.send(partner.request("DELETE", &path)).await.expect(204);
}
