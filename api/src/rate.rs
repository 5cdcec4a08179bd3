//! How often one person may ask: a bucket each, filled at a rate. Without tokens everybody is the same
//! demo customer on their own machine, and nobody is counted. Whoever reserves without an account is
//! counted by address. What else comes from nobody known is for whatever stands before the API.

use crate::caller::Trust;
use crate::problem::Problem;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use domain::ids::CustomerId;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::{StateInformationMiddleware, StateSnapshot};
use governor::{DefaultKeyedRateLimiter, Quota};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// So many seconds' worth may come at once.
const BURST_SECS: u32 = 4;
/// Those whose buckets are full again are forgotten once in so many requests.
const SWEPT_EVERY: u64 = 10_000;

type Buckets = DefaultKeyedRateLimiter<Whose, StateInformationMiddleware>;

/// Whose bucket it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Whose {
    Person(CustomerId),
    /// All strangers of an address; of none, where nobody has noted it.
    Strangers(Option<IpAddr>),
}

/// Everybody's buckets.
#[derive(Clone)]
pub struct Rate {
    buckets: Arc<Buckets>,
    burst: u32,
    taken: Arc<AtomicU64>,
}

/// What is left of the caller's bucket, said by whoever finds out who calls.
#[derive(Clone, Default)]
struct Left(Arc<OnceLock<u32>>);

impl Rate {
    /// So many requests a second.
    pub fn new(per_second: NonZeroU32) -> Self {
        let burst = per_second.saturating_mul(NonZeroU32::new(BURST_SECS).expect("more than 0"));
        let quota = Quota::per_second(per_second).allow_burst(burst);
        let buckets = DefaultKeyedRateLimiter::keyed(quota).with_middleware();
        Self { buckets: Arc::new(buckets), burst: burst.get(), taken: Arc::default() }
    }

    /// Takes from the caller's bucket; 429 when it is empty.
    pub(crate) fn take(
        &self,
        whose: &Whose,
        extensions: &axum::http::Extensions,
    ) -> Result<(), Problem> {
        if self.taken.fetch_add(1, Ordering::Relaxed).is_multiple_of(SWEPT_EVERY) {
            self.buckets.retain_recent();
        }
        let checked = self.buckets.check_key(whose);
        if let Some(Left(left)) = extensions.get() {
            left.set(checked.as_ref().map_or(0, StateSnapshot::remaining_burst_capacity)).ok();
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
    let Trust::Tokens { rate: Some(rate), .. } = trust else { return next.run(request).await };
    let left = Left::default();
    request.extensions_mut().insert(left.clone());
    let mut response = next.run(request).await;
    if let Some(left) = left.0.get() {
        let policy = format!("\"person\";q={};w={BURST_SECS}", rate.burst);
        for (name, value) in
            [("ratelimit-policy", policy), ("ratelimit", format!("\"person\";r={left}"))]
        {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
    }
    response
}
