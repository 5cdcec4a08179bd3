//! Those who hear of events, each by a way of its own: a Kafka consumer, a reader of the stream, an
//! endpoint of webhooks, and the stand-in's outbox.

use crate::siege::now;
use crate::statistics::Latencies;
use anyhow::{Context, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use rdkafka::Message;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{Consumer, StreamConsumer};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;

const TOPIC: &str = "reservation";
const ENDS_WITH: &str = "\n\n";

/// One who hears. Each event counts when it is heard first.
#[derive(Default)]
pub(crate) struct Ear {
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    /// How late each was, since it happened.
    late: Vec<Duration>,
    again: usize,
    /// When the first and the latest came; since 1970.
    first: Duration,
    latest: Duration,
    last_of: BTreeMap<String, i64>,
    out_of_order: Vec<String>,
}

impl Ear {
    fn hear(&self, reservation: &str, seq: i64, at: Duration) {
        let mut heard = self.lock();
        let now = now();
        let last = heard.last_of.get(reservation).copied().unwrap_or_default();
        if seq <= last {
            heard.again += 1;
            return;
        }
        if seq != last + 1 {
            heard.out_of_order.push(format!("{reservation}: {seq} after {last}"));
        }
        heard.last_of.insert(reservation.to_owned(), seq);
        if heard.late.is_empty() {
            heard.first = now;
        }
        heard.latest = now;
        heard.late.push(now.saturating_sub(at));
    }

    /// Different events so far.
    pub(crate) fn count(&self) -> usize {
        self.lock().late.len()
    }

    /// How often an event came that had come before.
    pub(crate) fn again(&self) -> usize {
        self.lock().again
    }

    /// How late those were that came after the first `skip`.
    pub(crate) fn late(&self, skip: usize) -> Latencies {
        Latencies::new(self.lock().late.iter().skip(skip).copied().collect())
    }

    /// From the first event to the latest.
    pub(crate) fn took(&self) -> Duration {
        let heard = self.lock();
        heard.latest.saturating_sub(heard.first)
    }

    pub(crate) fn expect_order(&self) -> anyhow::Result<()> {
        let heard = self.lock();
        ensure!(heard.out_of_order.is_empty(), "out of order: {:?}", heard.out_of_order);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the topic from its start.
pub(crate) fn on_kafka(brokers: &str) -> anyhow::Result<Arc<Ear>> {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "bench")
        .set("auto.offset.reset", "earliest")
        .set("allow.auto.create.topics", "false")
        .set("topic.metadata.refresh.interval.ms", "1000")
        .create()?;
    consumer.subscribe(&[TOPIC])?;
    let ear = Arc::new(Ear::default());
    let hearing = ear.clone();
    tokio::spawn(async move {
        loop {
            // While the broker is away there are errors; it is asked on.
            let Ok(message) = consumer.recv().await else { continue };
            let record: Option<Value> =
                message.payload().and_then(|payload| serde_json::from_slice(payload).ok());
            let Some(record) = record else { continue };
            let millis = message.timestamp().to_millis().unwrap_or_default();
            let at = Duration::from_millis(u64::try_from(millis).unwrap_or_default());
            if let (Some(id), Some(seq)) =
                (record["reservationId"].as_str(), record["seq"].as_i64())
            {
                hearing.hear(id, seq, at);
            }
        }
    });
    Ok(ear)
}

#[derive(Deserialize)]
struct Streamed {
    subject: String,
    time: jiff::Timestamp,
    data: Place,
}

#[derive(Deserialize)]
struct Sent {
    timestamp: jiff::Timestamp,
    data: Place,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    reservation_id: String,
    seq: i64,
}

/// Follows `GET /events` as a stream.
pub(crate) async fn on_stream(api: &str) -> anyhow::Result<Arc<Ear>> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let request = client.get(format!("{api}/events"));
    let request = request.header("accept", "text/event-stream").header("x-role", "partner");
    let mut response = request.send().await?.error_for_status()?;
    let ear = Arc::new(Ear::default());
    let hearing = ear.clone();
    tokio::spawn(async move {
        let mut read = String::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            read.push_str(&String::from_utf8_lossy(&chunk));
            while let Some((frame, rest)) = read.split_once(ENDS_WITH) {
                let data = frame.lines().find_map(|line| line.strip_prefix("data: "));
                let event = data.and_then(|data| serde_json::from_str::<Streamed>(data).ok());
                if let Some(event) = event {
                    hearing.hear(&event.subject, event.data.seq, since_1970(event.time));
                }
                read = rest.to_owned();
            }
        }
    });
    Ok(ear)
}

/// An endpoint of webhooks that can be away.
pub(crate) struct Endpoint {
    pub(crate) ear: Arc<Ear>,
    away: Arc<AtomicBool>,
}

impl Endpoint {
    pub(crate) async fn start(api: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let (ear, away) = (Arc::new(Ear::default()), Arc::new(AtomicBool::new(false)));
        let endpoint = Self { ear: ear.clone(), away: away.clone() };
        let take = async move |body: Bytes| {
            if away.load(Ordering::Relaxed) {
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            let Ok(sent) = serde_json::from_slice::<Sent>(&body) else {
                return StatusCode::BAD_REQUEST;
            };
            ear.hear(&sent.data.reservation_id, sent.data.seq, since_1970(sent.timestamp));
            StatusCode::NO_CONTENT
        };
        let app = Router::new().route("/", post(take));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let client = reqwest::Client::builder().no_proxy().build()?;
        let added = client.post(format!("{api}/webhook-endpoints")).header("x-role", "partner");
        added.json(&json!({ "url": url })).send().await?.error_for_status()?;
        Ok(endpoint)
    }

    pub(crate) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }
}

/// The stand-in of a message company.
pub(crate) struct Messages {
    root: String,
    client: reqwest::Client,
}

impl Messages {
    pub(crate) fn new(root: String) -> anyhow::Result<Self> {
        Ok(Self { root, client: reqwest::Client::builder().no_proxy().build()? })
    }

    pub(crate) async fn set_away(&self, away: bool) -> anyhow::Result<()> {
        let rules = if away { json!([{"fault": "DOWN"}]) } else { json!([]) };
        let script = self.client.put(format!("{}faults", self.root));
        script.json(&json!({ "rules": rules })).send().await?.error_for_status()?;
        Ok(())
    }

    /// Different numbers that a message went to.
    pub(crate) async fn count(&self) -> anyhow::Result<usize> {
        let outbox: Value =
            self.client.get(format!("{}outbox", self.root)).send().await?.json().await?;
        let items = outbox["items"].as_array().context("items")?;
        let numbers: std::collections::BTreeSet<&str> =
            items.iter().filter_map(|item| item["to"].as_str()).collect();
        Ok(numbers.len())
    }
}

fn since_1970(at: jiff::Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(at.as_millisecond()).unwrap_or_default())
}
