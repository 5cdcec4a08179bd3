//! Runs the real server on a free port and talks to it over HTTP.

mod faults;
mod journal;
mod keys;
mod ledger;
mod limits;
mod rules;

use crate::faults::Faults;
use crate::{Options, serve};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const AMOUNT: i64 = 28_000;
/// Far longer than any condition takes on a slow machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// A running house gateway; clones are further clients of it.
#[derive(Clone)]
struct House {
    base: String,
    client: Client,
}

/// What ends a house gateway.
struct Running {
    stop: oneshot::Sender<()>,
    served: JoinHandle<anyhow::Result<()>>,
}

/// A script without latency, for tests that are not about time.
fn prompt() -> Faults {
    Faults { approve_millis: [0, 0], other_millis: [0, 0], ..Faults::default() }
}

/// A new journal, which lives as long as the folder.
fn new_journal() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway").join("journal.jsonl");
    (folder, path)
}

async fn start(journal: &Path, faults: Faults) -> (House, Running) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let options = Options { listener, journal: journal.to_owned(), faults, callbacks: None };
    let served = tokio::spawn(serve(options, async move { drop(stopped.await) }));
    (House { base, client: Client::new() }, Running { stop, served })
}

/// A house gateway for a test that needs nothing of its journal.
async fn start_prompt() -> (TempDir, House, Running) {
    let (folder, journal) = new_journal();
    let (house, running) = start(&journal, prompt()).await;
    (folder, house, running)
}

impl Running {
    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.served.await.unwrap().unwrap();
    }
}

impl House {
    async fn try_post(&self, path: &str, key: &str, amount: i64) -> reqwest::Result<Response> {
        let body = json!({ "amount": amount, "method": "CARD" });
        let url = format!("{}/v1/payments/{path}", self.base);
        self.client.post(url).header("Idempotency-Key", key).json(&body).send().await
    }

    /// Delivers `path` (`order/operation`) and gives back the status and the exact body.
    async fn post(&self, path: &str, key: &str, amount: i64) -> (StatusCode, String) {
        let response = self.try_post(path, key, amount).await.unwrap();
        (response.status(), response.text().await.unwrap())
    }

    /// Delivers under a key made of the path, and gives back the definitive answer.
    async fn answer(&self, path: &str, amount: i64) -> Value {
        self.answer_to(path, &key_of(path), amount).await
    }

    async fn answer_to(&self, path: &str, key: &str, amount: i64) -> Value {
        let (status, body) = self.post(path, key, amount).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Delivers something that the rules or the script refuse, and gives back the code.
    async fn refusal(&self, path: &str, key: &str, amount: i64) -> String {
        let answer = self.answer_to(path, key, amount).await;
        assert_eq!(answer["outcome"], "REFUSED", "{answer}");
        assert_eq!(answer["approvalEndsAt"], Value::Null);
        answer["code"].as_str().unwrap().to_owned()
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        let response = self.client.get(format!("{}{path}", self.base)).send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }

    async fn read(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    async fn inquire(&self, key: &str) -> (StatusCode, String) {
        self.get(&format!("/v1/operations/{key}")).await
    }

    /// Asks until the inquiry says this.
    async fn inquire_until(&self, key: &str, outcome: &str) -> String {
        let since = Instant::now();
        loop {
            let (_, body) = self.inquire(key).await;
            if body.contains(&format!("\"outcome\":\"{outcome}\"")) {
                return body;
            }
            assert!(since.elapsed() < DEADLINE, "{key} never became {outcome}: {body}");
        }
    }

    async fn put(&self, path: &str, body: Value) -> StatusCode {
        let url = format!("{}{path}", self.base);
        self.client.put(url).json(&body).send().await.unwrap().status()
    }

    async fn post_rule(&self, rule: &Value) -> Response {
        self.client.post(format!("{}/faults/rules", self.base)).json(rule).send().await.unwrap()
    }

    /// Adds a rule to the script and gives it back as it is played.
    async fn rule(&self, rule: Value) -> Value {
        let response = self.post_rule(&rule).await;
        assert_eq!(response.status(), StatusCode::CREATED, "{rule}");
        response.json().await.unwrap()
    }

    async fn remove_rule(&self, id: &Value) -> Option<Value> {
        let url = format!("{}/faults/rules/{id}", self.base);
        let response = self.client.delete(url).send().await.unwrap();
        response.json().await.ok().filter(|rule: &Value| rule["id"] == *id)
    }

    async fn count_in_ledger(&self, order: &str) -> usize {
        self.read(&format!("/ledger?orderId={order}")).await["items"].as_array().unwrap().len()
    }
}

fn key_of(path: &str) -> String {
    format!("the-key-of-{}", path.replace('/', "-"))
}
