//! From the store's decision to the answer: waiting a moment for what follows, then the row as it
//! is.

use crate::App;
use crate::body::{At, ReservationBody};
use crate::idempotency::REPLAYED;
use crate::problem::Problem;
use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::ids::ReservationId;
use domain::person::Person;
use domain::reservation::Reservation;
use serde::Serialize;
use std::time::Duration;
use store::Decision;
use store::catalogue::movies::Catalogued;
use store::changes::Topic;
use tokio::time::{Instant, timeout_at};

/// How long a command waits for what follows from it.
const OUTCOME_WITHIN: Duration = Duration::from_secs(2);
/// Changes by other processes are not told here: the row is looked at this often.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Whoever waits for longer is to look after this, since estimates change.
const RETRY_AFTER_SECS_MAX: u64 = 60;

/// A command's row, and whether it had been asked before.
pub(crate) struct Decided {
    pub(crate) row: Reservation,
    pub(crate) replayed: bool,
}

impl Decided {
    pub(crate) fn from(app: &App, decision: Decision) -> Result<Self, Problem> {
        match decision {
            Decision::Done(row) => Ok(Self { row, replayed: false }),
            Decision::Replayed(row) => Ok(Self { row, replayed: true }),
            Decision::NotFound => Err(Problem::not_found("reservation")),
            Decision::Refused(refusal, row) => {
                Err(Problem::refused(refusal, row.as_ref(), app.store.now()))
            }
        }
    }

    /// Waits until the row is settled, but not long.
    pub(crate) async fn settled(
        self,
        app: &App,
        is_settled: fn(&Reservation) -> bool,
    ) -> Result<Self, Problem> {
        let deadline = Instant::now() + OUTCOME_WITHIN;
        let mut row = self.row;
        if !is_settled(&row) {
            let mut changes = app.store.changes().follow(Topic::Reservation(row.id.clone()));
            // What changed since the command was not told here.
            row = app.store.reservation(&row.id).await?.unwrap_or(row);
            while !is_settled(&row) && Instant::now() < deadline {
                let look_at = (Instant::now() + LOOK_AGAIN).min(deadline);
                timeout_at(look_at, changes.beyond(row.version)).await.ok();
                row = app.store.reservation(&row.id).await?.unwrap_or(row);
            }
        }
        Ok(Self { row, replayed: self.replayed })
    }

    /// The reservation body under this status. `Retry-After` tells watchers of a 202 when to look.
    pub(crate) async fn answer(self, app: &App, status: StatusCode) -> Result<Response, Problem> {
        let body = ReservationBody::of(&app.store, &self.row).await?;
        Ok(self.answer_with(status, body))
    }

    pub(crate) fn answer_with(self, status: StatusCode, body: ReservationBody) -> Response {
        let At(body_at) = body.server_time;
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        if self.replayed {
            let (name, value) = REPLAYED;
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        if status == StatusCode::ACCEPTED {
            let turn_in = self.row.estimated_at.map(|at| at.since(body_at).as_secs());
            let secs = turn_in.unwrap_or(0).clamp(1, RETRY_AFTER_SECS_MAX);
            headers.insert(header::RETRY_AFTER, secs.into());
        }
        let location = format!("/reservations/{}", self.row.id);
        if let Ok(location) = HeaderValue::from_str(&location) {
            headers.insert(header::LOCATION, location);
        }
        response
    }
}

/// 201 with what staff added and where it is from now on.
pub(crate) fn added<T, B: Serialize>(
    app: &App,
    wish: Catalogued<T>,
    place: fn(&T) -> String,
    body: fn(T) -> B,
) -> Result<Response, Problem> {
    let (added, replayed) = match wish {
        Catalogued::Done(added) => (added, None),
        Catalogued::Replayed(added) => (added, Some([REPLAYED])),
        Catalogued::Refused(refusal) => {
            return Err(Problem::refused(refusal, None, app.store.now()));
        }
    };
    let place = [(header::LOCATION, place(&added))];
    Ok((StatusCode::CREATED, place, replayed, Json(body(added))).into_response())
}

/// The id in a path; one that cannot be an id names nothing.
pub(crate) fn id<T: TryFrom<String>>(text: String, what: &str) -> Result<T, Problem> {
    T::try_from(text).map_err(|_| Problem::not_found(what))
}

/// A reservation that this person may see; any other does not exist.
pub(crate) async fn seen_reservation(
    app: &App,
    person: &Person,
    text: String,
) -> Result<Reservation, Problem> {
    let id: ReservationId = id(text, "reservation")?;
    let row = app.store.reservation(&id).await?;
    let seen = |row: &Reservation| {
        person.confined_to().is_none_or(|customer| row.customer_id == *customer)
    };
    row.filter(seen).ok_or_else(|| Problem::not_found("reservation"))
}
