//! For operations: alive, ready. Ready means that the store answers and that the process is not about
//! to stop: bookings are taken while Temporal is down.

use crate::App;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(alive)).routes(routes!(ready))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Readiness)]
struct ReadyBody {
    status: &'static str,
    store: &'static str,
    temporal: &'static str,
    payments: PaymentsBody,
}

/// How it stands with the payment company.
#[derive(Serialize, ToSchema)]
#[schema(as = PaymentReadiness)]
struct PaymentsBody {
    /// `closed`: it is called; `open`: it is left alone; `half-open`: it is tried out. Null where
    /// another process calls it.
    breaker: Option<&'static str>,
    /// Payments that wait for their turn.
    waiting: u64,
}

/// The process runs.
#[utoipa::path(
    get, path = "/livez", operation_id = "live",
    responses((status = 200, body = String, content_type = "text/plain"))
)]
async fn alive() -> &'static str {
    "ok"
}

/// The store answers; 503 when it does not, or the process is about to stop.
#[utoipa::path(
    get, path = "/readyz", operation_id = "ready",
    responses((status = 200, body = ReadyBody))
)]
async fn ready(State(app): State<App>) -> Result<Json<ReadyBody>, Problem> {
    let not_ready = |detail| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
    if *app.stopping.borrow() {
        return Err(not_ready("this process is about to stop"));
    }
    let unavailable = |error| {
        tracing::warn!(%error, "store does not answer");
        not_ready("the store does not answer")
    };
    app.store.ping().await.map_err(unavailable)?;
    let waiting = app.store.waiting_in_line().await.map_err(unavailable)?;
    let breaker = app.breaker.as_ref().map(|state| state.borrow().as_str());
    let temporal = if *app.temporal.up.borrow() { "up" } else { "down" };
    Ok(Json(ReadyBody {
        status: "ready",
        store: "up",
        temporal,
        payments: PaymentsBody { breaker, waiting },
    }))
}
