//! For operations: alive, ready. Ready means that the store answers: bookings are taken while
//! Temporal is down.

use crate::App;
use crate::problem::Problem;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/livez", get(alive)).route("/readyz", get(ready))
}

#[derive(Serialize)]
struct ReadyBody {
    status: &'static str,
    store: &'static str,
    temporal: &'static str,
}

async fn alive() -> &'static str {
    "ok"
}

async fn ready(State(app): State<App>) -> Result<Json<ReadyBody>, Problem> {
    let unavailable = |error| {
        tracing::warn!(%error, "store does not answer");
        let detail = "the store does not answer";
        Problem::new(axum::http::StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
    };
    app.store.ping().await.map_err(unavailable)?;
    let temporal = if *app.temporal.up.borrow() { "up" } else { "down" };
    Ok(Json(ReadyBody { status: "ready", store: "up", temporal }))
}
