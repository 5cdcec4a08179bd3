//! Server-sent events: how every stream here begins, waits, is kept alive and ends; and how many
//! there may be.

use crate::problem::Problem;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use domain::ids::CustomerId;
use futures::StreamExt;
use futures::future::ready;
use futures::stream::{Stream, once, unfold};
use serde::Serialize;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::sleep;
use utoipa::ToSchema;

/// Those who wait for events at the same time, and how many of them may be one person.
const WAITING_MAX: usize = 5_000;
/// How many of them may be of those whom nobody knows.
const STRANGERS_MAX: usize = 2_000;
const OF_ONE_MAX: usize = 32;
/// A stream that says nothing for longer is taken for dead by what stands between.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);
const RECONNECT_AFTER: Duration = Duration::from_secs(2);
/// What came without a word is found this late at most.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Then a reader comes again, and shows once more who they are.
const LASTS: Duration = Duration::from_secs(15 * 60);

/// Slots for those who wait for events: so many in all, and of each who is known.
#[derive(Clone)]
pub(crate) struct Waiting {
    all: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    each: Arc<Mutex<HashMap<CustomerId, usize>>>,
}

/// Given back when it is dropped.
pub(crate) struct Slot {
    _one: OwnedSemaphorePermit,
    _stranger: Option<OwnedSemaphorePermit>,
    whose: Option<(Waiting, CustomerId)>,
}

impl Default for Waiting {
    fn default() -> Self {
        let [all, strangers] =
            [WAITING_MAX, STRANGERS_MAX].map(|places| Arc::new(Semaphore::new(places)));
        Self { all, strangers, each: Arc::default() }
    }
}

impl Waiting {
    /// 429 when there is none.
    pub(crate) fn slot(&self, whose: Option<&CustomerId>) -> Result<Slot, Problem> {
        let full = |detail: String| {
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", detail).retry_after(5)
        };
        let one = self.all.clone().try_acquire_owned();
        let one = one.map_err(|_| full(format!("{WAITING_MAX} wait for events already")))?;
        let stranger = match whose {
            Some(_) => None,
            None => {
                let slot = self.strangers.clone().try_acquire_owned();
                Some(slot.map_err(|_| full(format!("{STRANGERS_MAX} strangers wait already")))?)
            }
        };
        if let Some(whose) = whose {
            let mut each = self.each();
            let count = each.entry(whose.clone()).or_default();
            if *count == OF_ONE_MAX {
                return Err(full(format!("you wait for events {OF_ONE_MAX} times already")));
            }
            *count += 1;
        }
        Ok(Slot {
            _one: one,
            _stranger: stranger,
            whose: whose.map(|whose| (self.clone(), whose.clone())),
        })
    }

    fn each(&self) -> MutexGuard<'_, HashMap<CustomerId, usize>> {
        self.each.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some((waiting, whose)) = &self.whose else { return };
        let mut each = waiting.each();
        if let Some(count) = each.get_mut(whose) {
            *count -= 1;
            if *count == 0 {
                each.remove(whose);
            }
        }
    }
}

/// One event of a stream, as it is described.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described: axum writes it")]
pub(crate) struct SentEvent {
    /// For `Last-Event-ID`, where a stream can go on from there.
    id: Option<String>,
    event: String,
    /// JSON.
    data: String,
}

/// The last event that a reader has seen who comes again.
pub(crate) fn last_seen(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let last = headers.get("last-event-id").map(|id| id.to_str().unwrap_or_default().parse());
    last.transpose().map_err(|_| Problem::malformed("Last-Event-ID: not one of ours"))
}

/// Events as they come, after a word on when to come again should the stream end.
pub(crate) fn streamed(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let greeting = once(ready(Event::default().retry(RECONNECT_AFTER)));
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE_EVERY);
    let events = greeting.chain(events.take_until(sleep(LASTS))).map(Ok::<_, Infallible>);
    Sse::new(events).keep_alive(keep_alive).into_response()
}

/// Says what happens, one event after the other.
pub(crate) trait Watch: Send + 'static {
    /// Nothing when the stream ends; the reader comes again then.
    fn next(&mut self) -> impl Future<Output = Option<Event>> + Send;
}

/// What a watcher says, as a stream.
pub(crate) fn watched(watcher: impl Watch) -> Response {
    streamed(unfold(watcher, |mut watcher| async move {
        let event = watcher.next().await?;
        Some((event, watcher))
    }))
}

/// Returns when there may be more: at a word of it, or after a while; false when the process stops.
pub(crate) async fn more(
    word: impl Future<Output = ()>,
    look_every: Duration,
    stopping: &mut watch::Receiver<bool>,
) -> bool {
    if *stopping.borrow() {
        return false;
    }
    tokio::select! {
        () = word => true,
        () = sleep(look_every) => true,
        _ = stopping.changed() => false,
    }
}

/// An event with this JSON.
pub(crate) fn event(name: &str, body: &impl Serialize) -> Event {
    let data = serde_json::to_string(body).expect("plain data has a JSON form");
    Event::default().event(name).data(data)
}
