//! Those who hear of events, each by a way of its own, for measurements and chaos: a Kafka consumer, a
//! reader of the stream, an endpoint of webhooks, and the outbox of a message company.

pub mod endpoint;
pub mod kafka;
pub mod messages;
pub mod stream;

use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One who hears. Each event counts when it is heard first.
#[derive(Default)]
pub struct Ear {
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
    pub(crate) fn hear(&self, reservation: &str, seq: i64, at: Duration) {
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
    pub fn count(&self) -> usize {
        self.lock().late.len()
    }

    /// How often an event came that had come before.
    pub fn again(&self) -> usize {
        self.lock().again
    }

    /// How late those were that came after the first `skip`.
    pub fn late(&self, skip: usize) -> Vec<Duration> {
        self.lock().late.iter().skip(skip).copied().collect()
    }

    /// From the first event to the latest.
    pub fn took(&self) -> Duration {
        let heard = self.lock();
        heard.latest.saturating_sub(heard.first)
    }

    /// What came before its time.
    pub fn out_of_order(&self) -> Vec<String> {
        self.lock().out_of_order.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where an event stands in its reservation.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Place {
    pub(crate) reservation_id: String,
    pub(crate) seq: i64,
}

/// Since 1970.
pub fn now() -> Duration {
    let micros = jiff::Timestamp::now().as_microsecond();
    Duration::from_micros(u64::try_from(micros).expect("it is later than 1970"))
}

pub(crate) fn since_1970(at: jiff::Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(at.as_millisecond()).unwrap_or_default())
}

pub(crate) fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().no_proxy().build()
}
