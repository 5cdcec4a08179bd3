//! A good customer: every command carries a key and is sent again under it until the answer is
//! definitive.

use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Longer than a paused process sleeps is not waited: the command is sent again.
const ANSWER_WITHIN: Duration = Duration::from_secs(6);
const PAUSE_MILLIS_MAX: u64 = 400;
/// A customer who goes away does so this soon after sending.
const GONE_AFTER_MILLIS_MAX: u64 = 30;

/// What all customers of a run share.
#[derive(Default)]
pub(crate) struct Crowd {
    /// True: each command is sent three times at once.
    pub(crate) triples: AtomicBool,
    pub(crate) tripled: AtomicU64,
    /// True: the connection is cut after sending, before the command is sent again.
    pub(crate) leaves: AtomicBool,
    pub(crate) left: AtomicU64,
    /// True: it is over, nobody waits any longer.
    pub(crate) over: AtomicBool,
}

pub(crate) struct Customer {
    pub(crate) id: String,
    pub(crate) api: String,
    pub(crate) http: Client,
    pub(crate) crowd: Arc<Crowd>,
    /// When the run began; the story counts from there.
    pub(crate) began: Instant,
    pub(crate) rng: fastrand::Rng,
    keys: u32,
    /// What was asked and answered.
    pub(crate) story: Vec<String>,
    /// What must never have been answered.
    pub(crate) wrong: Vec<String>,
}

/// A definitive answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn is_done(&self) -> bool {
        self.status < 300
    }

    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

/// A command: the same under its key for ever.
struct Command<'a> {
    method: Method,
    path: &'a str,
    body: &'a Value,
    key: String,
}

impl Customer {
    pub(crate) fn new(id: String, api: &str, crowd: Arc<Crowd>, began: Instant, seed: u64) -> Self {
        // A client each: customers share no connections.
        let http = Client::builder().no_proxy().timeout(ANSWER_WITHIN).build();
        Self {
            id,
            api: api.to_owned(),
            http: http.expect("a client without TLS has nothing to fail at"),
            crowd,
            began,
            rng: fastrand::Rng::with_seed(seed),
            keys: 0,
            story: Vec::new(),
            wrong: Vec::new(),
        }
    }

    /// Carries a command through to its definitive answer; none when the run was over before.
    pub(crate) async fn command(
        &mut self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Option<Answer> {
        self.keys += 1;
        let key = format!("{}-{}", self.id, self.keys);
        let command = Command { method, path, body, key };
        let mut tries = 0;
        let answer = loop {
            if self.is_over() {
                self.tell(format!("{} {path}: no answer in {tries} tries", command.method));
                return None;
            }
            tries += 1;
            match self.deliver(&command).await {
                Some(answer) if answer.status < 500 && answer.status != 429 => break answer,
                _ => self.pause().await,
            }
        };
        let Answer { status, body } = &answer;
        let seen = if answer.is_done() { &body["status"] } else { &body["code"] };
        self.tell(format!("{} {path} → {status} {seen} ({tries} tries)", command.method));
        Some(answer)
    }

    async fn deliver(&mut self, command: &Command<'_>) -> Option<Answer> {
        if self.crowd.leaves.load(Ordering::Relaxed) {
            self.crowd.left.fetch_add(1, Ordering::Relaxed);
            let soon = Duration::from_millis(self.rng.u64(1..=GONE_AFTER_MILLIS_MAX));
            // Dropping the request closes its connection.
            timeout(soon, self.request(command).send()).await.ok();
        }
        if !self.crowd.triples.load(Ordering::Relaxed) {
            return answer(self.request(command)).await;
        }
        self.crowd.tripled.fetch_add(1, Ordering::Relaxed);
        let send = || answer(self.request(command));
        let (one, two, three) = tokio::join!(send(), send(), send());
        let answers: Vec<Answer> = [one, two, three].into_iter().flatten().collect();
        self.compare(command, &answers);
        answers.into_iter().max_by_key(|answer| answer.is_done())
    }

    /// Answers under one key speak of one resource.
    fn compare(&mut self, command: &Command<'_>, answers: &[Answer]) {
        let ids: Vec<&Value> =
            answers.iter().filter(|a| a.is_done()).map(|answer| &answer.body["id"]).collect();
        if ids.windows(2).any(|pair| pair[0] != pair[1]) {
            let Command { method, path, .. } = command;
            self.wrong.push(format!("I9: {method} {path}: one key, several answers {ids:?}"));
        }
    }

    fn request(&self, command: &Command<'_>) -> RequestBuilder {
        let Command { method, path, body, key } = command;
        let request = self.http.request(method.clone(), format!("{}{path}", self.api));
        request.header("X-Customer-Id", &self.id).header("Idempotency-Key", key).json(body)
    }

    /// Reads until there is an answer; none when the run was over before.
    pub(crate) async fn read(&mut self, path: &str) -> Option<Answer> {
        while !self.is_over() {
            if let Some(answer) = self.look(path).await {
                return Some(answer);
            }
            self.pause().await;
        }
        None
    }

    /// Reads once.
    pub(crate) async fn look(&self, path: &str) -> Option<Answer> {
        let request = self.http.get(format!("{}{path}", self.api));
        let answer = answer(request.header("X-Customer-Id", &self.id)).await;
        answer.filter(|answer| answer.status < 500)
    }

    pub(crate) fn tell(&mut self, what: String) {
        self.story.push(format!("{:7.3} s  {what}", self.began.elapsed().as_secs_f64()));
    }

    pub(crate) fn is_over(&self) -> bool {
        self.crowd.over.load(Ordering::Relaxed)
    }

    pub(crate) async fn pause(&mut self) {
        sleep(Duration::from_millis(self.rng.u64(50..=PAUSE_MILLIS_MAX))).await;
    }
}

/// None where there was no answer, or only a part of one.
async fn answer(request: RequestBuilder) -> Option<Answer> {
    let response = request.send().await.ok()?;
    let status = response.status().as_u16();
    let body = response.json().await.ok()?;
    Some(Answer { status, body })
}
