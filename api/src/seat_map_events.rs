//! The seats of a showtime as server-sent events. However many watch a map, it is looked at once for
//! each change: one task per showtime that somebody watches, which all of them hear.

use crate::App;
use crate::caller::Caller;
use crate::outcome::id;
use crate::problem::Problem;
use crate::seats::StateBody;
use crate::sse::{LOOK_EVERY, SentEvent, Slot, Watch, event, watched};
use axum::extract::{Path, State};
use axum::response::Response;
use axum::response::sse::Event;
use domain::ids::{SeatId, ShowtimeId};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::changes::Topic;
use store::seat_map::MapSeat;
use store::{Store, StoreError};
use tokio::sync::watch;
use tokio::time::sleep;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What changes within this time is told at once.
const GATHER_FOR: Duration = Duration::from_millis(20);

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(watch_seats))
}

/// The maps that are watched now, each with what its watchers see.
#[derive(Clone, Default)]
pub(crate) struct OpenMaps(Arc<Mutex<HashMap<ShowtimeId, watch::Sender<Seen>>>>);

/// What the last look at a map has found.
#[derive(Clone)]
enum Seen {
    NotYet,
    NoSuchShowtime,
    Failed,
    Map(Arc<Map>),
}

struct Map {
    /// Counts the changes.
    version: u64,
    states: Vec<(SeatId, StateBody)>,
    whole: Event,
    /// From the version before to this one.
    step: Event,
}

/// Seats and what they have become. All others of a snapshot are free.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SeatsBody<'a> {
    showtime_id: &'a ShowtimeId,
    seats: Vec<SeatStateBody<'a>>,
}

#[derive(Serialize, ToSchema)]
struct SeatStateBody<'a> {
    id: &'a SeatId,
    state: StateBody,
}

/// The seats of a showtime as server-sent events.
///
/// `snapshot` names the seats that are not free, `change` those that have become something else.
/// Each stream begins with a snapshot, so that who comes again has missed nothing. Whose they are
/// is said by the map alone.
#[utoipa::path(
    get, path = "/showtimes/{id}/seatmap/events", operation_id = "watchSeatMap",
    responses((status = 200, content_type = "text/event-stream", body = SentEvent)),
    security((), ("bearer" = ["customer"]))
)]
async fn watch_seats(
    State(app): State<App>,
    caller: Option<Caller>,
    Path(showtime): Path<String>,
) -> Result<Response, Problem> {
    let showtime: ShowtimeId = id(showtime, "showtime")?;
    let slot = app.watched.waiting.slot(caller.as_ref().map(|Caller(caller)| caller))?;
    let mut seen = app.watched.maps.watch(&app.store, &showtime);
    let first = seen.wait_for(|seen| !matches!(seen, Seen::NotYet)).await;
    match first.map(|seen| seen.clone()) {
        Ok(Seen::Map(_)) => {}
        Ok(Seen::NoSuchShowtime) => return Err(Problem::not_found("showtime")),
        Ok(Seen::NotYet | Seen::Failed) | Err(_) => return Err(Problem::unavailable()),
    }
    seen.mark_changed();
    let watcher = Watcher { seen, stopping: app.stopping.clone(), version: None, _slot: slot };
    Ok(watched(watcher))
}

struct Watcher {
    seen: watch::Receiver<Seen>,
    stopping: watch::Receiver<bool>,
    /// The last one that was sent.
    version: Option<u64>,
    _slot: Slot,
}

impl Watch for Watcher {
    /// Nothing when the stream ends; the reader comes again then.
    async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                changed = self.seen.changed() => changed.ok()?,
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
            }
            let Seen::Map(map) = self.seen.borrow_and_update().clone() else { return None };
            let before = self.version.replace(map.version);
            match before {
                Some(before) if before == map.version => {}
                Some(before) if before + 1 == map.version => return Some(map.step.clone()),
                // The first one, or one who has fallen behind.
                Some(_) | None => return Some(map.whole.clone()),
            }
        }
    }
}

impl OpenMaps {
    fn all(&self) -> MutexGuard<'_, HashMap<ShowtimeId, watch::Sender<Seen>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the task of this map sees; the first to watch starts it.
    fn watch(&self, store: &Store, showtime: &ShowtimeId) -> watch::Receiver<Seen> {
        let mut all = self.all();
        if let Some(sender) = all.get(showtime) {
            return sender.subscribe();
        }
        let (sender, receiver) = watch::channel(Seen::NotYet);
        all.insert(showtime.clone(), sender.clone());
        let (maps, store, showtime) = (self.clone(), store.clone(), showtime.clone());
        tokio::spawn(async move {
            look(&store, &showtime, &sender, || maps.close(&showtime, &sender)).await;
        });
        receiver
    }

    /// Whether nobody watched it any more; it is forgotten then.
    fn close(&self, showtime: &ShowtimeId, sender: &watch::Sender<Seen>) -> bool {
        let mut all = self.all();
        let closed = sender.receiver_count() == 0;
        if closed {
            all.remove(showtime);
        }
        closed
    }
}

/// Looks at a map whenever its seats change, until nobody watches.
async fn look(
    store: &Store,
    showtime: &ShowtimeId,
    sender: &watch::Sender<Seen>,
    closed: impl Fn() -> bool,
) {
    let mut changes = store.changes().follow(Topic::Showtime(showtime.clone()));
    loop {
        let found = store.seat_map(showtime).await;
        let before = sender.borrow().clone();
        if let Some(now) = next_seen(showtime, before, found) {
            sender.send_replace(now);
        }
        tokio::select! {
            () = changes.changed() => sleep(GATHER_FOR).await,
            () = sleep(LOOK_EVERY) => {}
            () = sender.closed() => {}
        }
        if closed() {
            return;
        }
    }
}

/// What is to be told; nothing where nothing has changed.
fn next_seen(
    showtime: &ShowtimeId,
    before: Seen,
    found: Result<Vec<MapSeat>, StoreError>,
) -> Option<Seen> {
    let found = match found {
        Ok(found) if found.is_empty() => return Some(Seen::NoSuchShowtime),
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(?error, showtime.id = %showtime, "a seat map is not read");
            // Those who watch see what there was; it is looked at again.
            return (!matches!(before, Seen::Map(_))).then_some(Seen::Failed);
        }
    };
    let states: Vec<_> = found.iter().map(|it| (it.seat.id.clone(), it.state.into())).collect();
    let said = |name, chosen: &dyn Fn(usize, StateBody) -> bool| {
        let all = states.iter().enumerate().filter(|(place, (_, state))| chosen(*place, *state));
        let seats = all.map(|(_, (id, state))| SeatStateBody { id, state: *state }).collect();
        event(name, &SeatsBody { showtime_id: showtime, seats })
    };
    let (version, step) = match before {
        Seen::Map(map) if map.states == states => return None,
        // The seats of an auditorium and their order never change.
        Seen::Map(map) => {
            (map.version + 1, said("change", &|place, state| map.states[place].1 != state))
        }
        Seen::NotYet | Seen::NoSuchShowtime | Seen::Failed => (0, said("change", &|_, _| false)),
    };
    let whole = said("snapshot", &|_, state| state != StateBody::Available);
    Some(Seen::Map(Arc::new(Map { version, states, whole, step })))
}
