//! Cancelling: a sub-resource, because it has a life, progress and amounts of its own.

use crate::App;
use crate::body::CancellationBody;
use crate::caller::Anyone;
use crate::etag;
use crate::idempotency::key_of;
use crate::json::Json;
use crate::outcome::{Decided, id, seen_reservation};
use crate::problem::Problem;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::post;
use domain::reservation::Reservation;
use domain::words::ReservationStatus;
use serde::Deserialize;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/reservations/{id}/cancellation", post(cancel).get(read))
}

/// The customer's own words are read and ignored: the reason kept is who asked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CancelBody {
    ticket_ids: Option<Vec<String>>,
}

async fn cancel(
    State(app): State<App>,
    Anyone(person): Anyone,
    headers: HeaderMap,
    Path(reservation): Path<String>,
    Json { value, digest }: Json<CancelBody>,
) -> Result<Response, Problem> {
    if value.ticket_ids.is_some() {
        let message = "single tickets cannot be cancelled yet; leave it out to cancel all";
        return Err(Problem::mistake("/ticketIds", message));
    }
    let key = key_of(&app, &headers, &person.id, "POST /reservations/{id}/cancellation", &digest)?;
    let reservation = id(reservation, "reservation")?;
    let changes = app.store.changes().watch();
    let decision = match person.confined_to() {
        Some(owner) => app.store.cancel(owner, &reservation, key.as_ref()).await?,
        None => app.store.cancel_on_behalf(&person, &reservation, key.as_ref()).await?,
    };
    let decided = Decided::from(&app, decision)?.settled(&app, changes, undone).await?;
    let done = undone(&decided.row);
    decided.answer(&app, if done { StatusCode::OK } else { StatusCode::ACCEPTED }).await
}

fn undone(row: &Reservation) -> bool {
    row.status != ReservationStatus::Cancelling
}

async fn read(
    State(app): State<App>,
    Anyone(person): Anyone,
    headers: HeaderMap,
    Path(reservation): Path<String>,
) -> Result<Response, Problem> {
    let row = seen_reservation(&app, &person, reservation).await?;
    let undo = app.store.latest_cancellation(&row.id).await?;
    let undo = undo.ok_or_else(|| Problem::not_found("cancellation"))?;
    Ok(etag::answer(&headers, &CancellationBody::of(&undo, &row)))
}
