//! Mypage as server-sent events: all of them, then each one again whenever it changes.

use crate::App;
use crate::caller::Caller;
use crate::mypage::MyPageBody;
use crate::problem::Problem;
use crate::sse::{LOOK_EVERY, SentEvent, Slot, Watch, event, more, watched};
use axum::extract::State;
use axum::response::Response;
use axum::response::sse::Event;
use domain::ids::{CustomerId, ReservationId};
use serde::Serialize;
use std::collections::{HashMap, VecDeque};
use store::changes::{Follower, Topic};
use store::{Store, StoreError};
use tokio::sync::watch;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The newest reservations are followed; the list has the others, too.
const FOLLOWED_MAX: i64 = 100;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(watch_mypage))
}

#[derive(Serialize)]
struct SnapshotBody<'a> {
    items: &'a [MyPageBody],
}

/// The caller's mypage as server-sent events.
///
/// `snapshot` has the newest hundred as a list has them, `reservation` one of them that has changed.
/// Each stream begins with a snapshot, so that who comes again has missed nothing.
#[utoipa::path(
    get, path = "/mypage/events", operation_id = "watchMyPage",
    responses((status = 200, content_type = "text/event-stream", body = SentEvent)),
    security(("bearer" = ["customer"]))
)]
async fn watch_mypage(State(app): State<App>, Caller(caller): Caller) -> Result<Response, Problem> {
    let slot = app.watched.waiting.slot(Some(&caller))?;
    let changes = app.store.changes().follow(Topic::Customer(caller.clone()));
    let mut watcher = Watcher {
        store: app.store,
        stopping: app.stopping,
        changes,
        caller,
        sent: HashMap::new(),
        ready: VecDeque::new(),
        _slot: slot,
    };
    let all = watcher.news().await?;
    watcher.ready.push_back(event("snapshot", &SnapshotBody { items: &all }));
    Ok(watched(watcher))
}

struct Watcher {
    store: Store,
    caller: CustomerId,
    changes: Follower,
    stopping: watch::Receiver<bool>,
    /// The version of each that was sent last.
    sent: HashMap<ReservationId, i64>,
    ready: VecDeque<Event>,
    _slot: Slot,
}

impl Watch for Watcher {
    /// Nothing when the process stops or the store fails; the reader comes again then.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if !more(self.changes.changed(), LOOK_EVERY, &mut self.stopping).await {
                return None;
            }
            match self.news().await {
                Ok(news) => self.ready.extend(news.iter().map(|it| event("reservation", it))),
                Err(error) => {
                    tracing::warn!(?error, "a stream of mypage ends");
                    return None;
                }
            }
        }
    }
}

impl Watcher {
    /// Those that were not sent as they are now.
    async fn news(&mut self) -> Result<Vec<MyPageBody>, StoreError> {
        let mut found = self.store.mypage(&self.caller, None, FOLLOWED_MAX).await?;
        let last = std::mem::take(&mut self.sent);
        self.sent = found.iter().map(|(it, _)| (it.reservation_id.clone(), it.version)).collect();
        found.retain(|(it, _)| last.get(&it.reservation_id) != Some(&it.version));
        Ok(found.into_iter().map(MyPageBody::of).collect())
    }
}
