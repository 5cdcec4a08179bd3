//! What needs people: a reservation is attended at once when staff asks for it.

use crate::App;
use crate::caller::Staff;
use crate::outcome::{Decided, id};
use crate::problem::Problem;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use domain::ids::ReservationId;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/admin/reservations/{id}/nudge", post(nudge))
}

async fn nudge(
    State(app): State<App>,
    Staff(person): Staff,
    Path(reservation): Path<String>,
) -> Result<Response, Problem> {
    let reservation: ReservationId = id(reservation, "reservation")?;
    let row = app.store.nudge(&person, &reservation).await?;
    let row = row.ok_or_else(|| Problem::not_found("reservation"))?;
    Decided { row, replayed: false }.answer(&app, StatusCode::OK).await
}
