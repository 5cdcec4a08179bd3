//! How often one person may ask, and one address reserve without an account: a bucket each, filled at
//! a rate. Without tokens everybody is the same demo customer on their own machine, and nobody is
//! counted. What else comes from nobody known is for whatever stands before the API to limit.

use crate::caller::Trust;
use crate::problem::Problem;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use domain::ids::CustomerId;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::{StateInformationMiddleware, StateSnapshot};
use governor::{DefaultKeyedRateLimiter, Quota};
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// So many seconds' worth may come at once.
const BURST_SECS: u32 = 4;
const MINUTE_SECS: u32 = 60;
/// Those whose buckets are full again are forgotten once in so many requests.
const SWEPT_EVERY: u64 = 10_000;

/// How often one person may ask, and one address reserve without an account.
#[derive(Clone)]
pub struct Rates {
    people: Option<Buckets<CustomerId>>,
    strangers: Option<Buckets<Option<IpAddr>>>,
}

/// A bucket for each of them.
#[derive(Clone)]
struct Buckets<K: Hash + Eq + Clone> {
    /// What the headers call it.
    name: &'static str,
    buckets: Arc<DefaultKeyedRateLimiter<K, StateInformationMiddleware>>,
    size: u32,
    window_secs: u32,
    taken: Arc<AtomicU64>,
}

/// What is left of the caller's buckets, said by whoever finds out who calls.
#[derive(Clone, Default)]
struct Left(Arc<Mutex<Vec<Said>>>);

#[derive(Clone, Copy)]
struct Said {
    name: &'static str,
    size: u32,
    window_secs: u32,
    left: u32,
}

impl Rates {
    /// So many requests a second of each person, and so many reservations a minute of all strangers
    /// of an address; 0: any number.
    pub fn new(per_second: u32, strangers_per_minute: u32) -> Self {
        let people = NonZeroU32::new(per_second).map(|rate| {
            let burst = rate.saturating_mul(NonZeroU32::new(BURST_SECS).expect("more than 0"));
            Buckets::new("person", Quota::per_second(rate).allow_burst(burst), BURST_SECS)
        });
        let strangers = NonZeroU32::new(strangers_per_minute)
            .map(|rate| Buckets::new("address", Quota::per_minute(rate), MINUTE_SECS));
        Self { people, strangers }
    }

    /// Takes from a person's bucket; 429 when it is empty.
    pub(crate) fn take(&self, person: &CustomerId, parts: &Parts) -> Result<(), Problem> {
        self.people.as_ref().map_or(Ok(()), |people| people.take(person, parts))
    }

    /// Takes from the bucket of the caller's address, or of all who come from nobody knows where.
    pub(crate) fn take_as_stranger(&self, parts: &Parts) -> Result<(), Problem> {
        let address = parts.extensions.get().map(|ConnectInfo(address)| *address);
        self.strangers.as_ref().map_or(Ok(()), |strangers| strangers.take(&address, parts))
    }
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    fn new(name: &'static str, quota: Quota, window_secs: u32) -> Self {
        let buckets = DefaultKeyedRateLimiter::keyed(quota).with_middleware();
        let size = quota.burst_size().get();
        Self { name, buckets: Arc::new(buckets), size, window_secs, taken: Arc::default() }
    }

    fn take(&self, whose: &K, parts: &Parts) -> Result<(), Problem> {
        if self.taken.fetch_add(1, Ordering::Relaxed).is_multiple_of(SWEPT_EVERY) {
            self.buckets.retain_recent();
        }
        let checked = self.buckets.check_key(whose);
        if let Some(Left(said)) = parts.extensions.get() {
            let left = checked.as_ref().map_or(0, StateSnapshot::remaining_burst_capacity);
            let Self { name, size, window_secs, .. } = *self;
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said.push(Said { name, size, window_secs, left });
        }
        checked.map(|_| ()).map_err(|not_yet| {
            let wait = not_yet.wait_time_from(DefaultClock::default().now());
            let secs = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
            let detail = "you ask more often than one may; please slow down";
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", detail).retry_after(secs)
        })
    }
}

/// Tells callers how much is left (draft-ietf-httpapi-ratelimit-headers).
pub(crate) async fn tell(State(trust): State<Trust>, mut request: Request, next: Next) -> Response {
    if matches!(trust, Trust::ThisMachine) {
        return next.run(request).await;
    }
    let Left(said) = Left::default();
    request.extensions_mut().insert(Left(said.clone()));
    let mut response = next.run(request).await;
    let said = said.lock().unwrap_or_else(PoisonError::into_inner);
    let policy = |it: &Said| format!("\"{}\";q={};w={}", it.name, it.size, it.window_secs);
    let left = |it: &Said| format!("\"{}\";r={}", it.name, it.left);
    for (name, of_each) in [
        ("ratelimit-policy", said.iter().map(policy).collect::<Vec<_>>()),
        ("ratelimit", said.iter().map(left).collect()),
    ] {
        match HeaderValue::from_str(&of_each.join(", ")) {
            Ok(value) if !value.is_empty() => {
                response.headers_mut().insert(name, value);
            }
            Ok(_) | Err(_) => {}
        }
    }
    response
}
