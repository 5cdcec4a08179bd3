//! One reservation as server-sent events: how it stands, then each step as it happens (specification
//! 2.4). Nobody's workflow is asked: the store tells of changes, and is looked at now and then.

use crate::App;
use crate::body::{At, ReservationBody};
use crate::caller::Anyone;
use crate::outcome::seen_reservation;
use crate::problem::Problem;
use crate::query::Query;
use crate::sse::{LOOK_EVERY, SentEvent, Slot, Watch, event, last_seen, more, watched};
use crate::timeline::EventBody;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::response::sse::Event;
use domain::ids::ReservationId;
use domain::reservation::{Action, Reservation};
use domain::words::ReservationStatus;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use store::StoreError;
use store::changes::{Follower, Topic};
use tokio::sync::watch;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Events that are read at once.
const BATCH: i64 = 100;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(watch_reservation))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct WatchQuery {
    after: Option<i64>,
}

/// A step, with how the reservation stands by now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WatchedStep)]
struct StepBody {
    #[serde(flatten)]
    event: EventBody,
    status: ReservationStatus,
    version: i64,
    deadline_at: Option<At>,
    allowed_actions: Vec<Action>,
}

/// One reservation as server-sent events: how it stands, then each step.
#[utoipa::path(
    get, path = "/reservations/{id}/events", operation_id = "watchReservation",
    params(WatchQuery),
    responses((status = 200, content_type = "text/event-stream", body = SentEvent)),
    security(("bearer" = ["customer"]))
)]
async fn watch_reservation(
    State(app): State<App>,
    Anyone(person): Anyone,
    Path(reservation): Path<String>,
    headers: HeaderMap,
    Query(query): Query<WatchQuery>,
) -> Result<Response, Problem> {
    let row = seen_reservation(&app, &person, reservation).await?;
    let changes = app.store.changes().follow(Topic::Reservation(row.id.clone()));
    let after = last_seen(&headers)?.or(query.after).unwrap_or(row.last_seq);
    let slot = app.watched.waiting.slot(Some(&person.id))?;
    let snapshot = ReservationBody::of(&app.store, &row).await?;
    let snapshot = event("snapshot", &snapshot).id(row.last_seq.to_string());
    let over = row.status.is_terminal() && after >= row.last_seq;
    let watcher = Watcher {
        stopping: app.stopping.clone(),
        id: row.id,
        app,
        changes,
        after,
        ready: VecDeque::from([snapshot]),
        over,
        looked: false,
        _slot: slot,
    };
    Ok(watched(watcher))
}

struct Watcher {
    app: App,
    id: ReservationId,
    changes: Follower,
    stopping: watch::Receiver<bool>,
    /// The last step that was read.
    after: i64,
    ready: VecDeque<Event>,
    /// Nothing will follow.
    over: bool,
    /// Whether the steps were read since the last word.
    looked: bool,
    _slot: Slot,
}

impl Watch for Watcher {
    /// Nothing when the stream ends: after the last step, or when the process stops or the store
    /// fails; the reader comes again then.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.over || self.looked && !self.more().await {
                return None;
            }
            if let Err(error) = self.read().await {
                tracing::warn!(?error, reservation.id = %self.id, "a stream of steps ends");
                return None;
            }
        }
    }
}

impl Watcher {
    async fn read(&mut self) -> Result<(), StoreError> {
        let Some(row) = self.app.store.reservation(&self.id).await? else {
            self.over = true;
            return Ok(());
        };
        let found = self.app.store.timeline(&self.id, self.after, BATCH).await?;
        self.looked = found.len() < BATCH as usize;
        for step in found {
            self.after = step.seq;
            let (status, name) = (step.status, step.kind.as_str());
            let body = step_of(&row, step.into(), status, self.app.store.now());
            self.ready.push_back(event(name, &body).id(self.after.to_string()));
        }
        self.over = row.status.is_terminal() && self.after >= row.last_seq;
        Ok(())
    }

    async fn more(&mut self) -> bool {
        self.looked = false;
        more(self.changes.changed(), LOOK_EVERY, &mut self.stopping).await
    }
}

fn step_of(
    row: &Reservation,
    event: EventBody,
    status: ReservationStatus,
    now: domain::time::Time,
) -> StepBody {
    StepBody {
        event,
        status,
        version: row.version,
        deadline_at: row.deadline_at.map(At),
        allowed_actions: row.allowed_actions(now),
    }
}
