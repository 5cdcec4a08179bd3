//! How much the gateway is asked at a time, and how much of it is too much.

use serde::Serialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The calls that are under way; shared by all who make one.
#[derive(Clone)]
pub(crate) struct Load(Arc<Mutex<Calls>>);

struct Calls {
    began: Instant,
    in_flight: u64,
    peak: u64,
    taken: u64,
    over_limit: u64,
    over_rate: u64,
    /// The sum of all calls' times so far, as of `counted_at`.
    busy_micros: u64,
    counted_at: Instant,
    /// The second since the start that is counted now, and the calls in it.
    second: (u64, u64),
}

/// What is asked for may be done.
pub(crate) struct Place(Load);

/// As many calls as the company takes are under way, or have been in this second.
pub(crate) struct Full;

/// What `GET /load` shows. Between two reads a company that takes `callsMax` calls was busy for
/// the difference of `busyMillis` by that of `atMillis` times `callsMax`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown {
    at_millis: u64,
    busy_millis: u64,
    in_flight: u64,
    peak: u64,
    /// Calls that were let in.
    taken: u64,
    /// Calls that came while `callsMax` were under way.
    over_limit: u64,
    /// Calls that came after `callsPerSecondMax` in one second.
    over_rate: u64,
}

impl Load {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self(Arc::new(Mutex::new(Calls {
            began: now,
            in_flight: 0,
            peak: 0,
            taken: 0,
            over_limit: 0,
            over_rate: 0,
            busy_micros: 0,
            counted_at: now,
            second: (0, 0),
        })))
    }

    /// Lets a call in, for as long as the place is kept.
    pub(crate) fn enter(
        &self,
        calls_max: Option<u64>,
        per_second_max: Option<u64>,
    ) -> Result<Place, Full> {
        let mut calls = self.calls();
        calls.count();
        let second = calls.began.elapsed().as_secs();
        if calls.second.0 != second {
            calls.second = (second, 0);
        }
        if per_second_max.is_some_and(|max| calls.second.1 >= max) {
            calls.over_rate += 1;
            return Err(Full);
        }
        if calls_max.is_some_and(|max| calls.in_flight >= max) {
            calls.over_limit += 1;
            return Err(Full);
        }
        calls.second.1 += 1;
        calls.taken += 1;
        calls.in_flight += 1;
        calls.peak = calls.peak.max(calls.in_flight);
        Ok(Place(self.clone()))
    }

    pub(crate) fn show(&self) -> Shown {
        let mut calls = self.calls();
        calls.count();
        Shown {
            at_millis: whole(calls.counted_at.duration_since(calls.began).as_millis()),
            busy_millis: calls.busy_micros / 1000,
            in_flight: calls.in_flight,
            peak: calls.peak,
            taken: calls.taken,
            over_limit: calls.over_limit,
            over_rate: calls.over_rate,
        }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Calls {
    /// Brings the sum of all calls' times up to now.
    fn count(&mut self) {
        let now = Instant::now();
        let since = whole(now.duration_since(self.counted_at).as_micros());
        self.busy_micros += since * self.in_flight;
        self.counted_at = now;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut calls = self.0.calls();
        calls.count();
        calls.in_flight -= 1;
    }
}

fn whole(units: u128) -> u64 {
    u64::try_from(units).unwrap_or(u64::MAX)
}
