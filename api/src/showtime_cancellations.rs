//! Giving a showtime up: accepted in one transaction, then carried out by the pump, reservation by
//! reservation, with progress to be read.

use crate::App;
use crate::body::{At, M};
use crate::caller::Staff;
use crate::json::{Json, Text};
use crate::outcome::id;
use crate::problem::Problem;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::ids::ShowtimeId;
use serde::{Deserialize, Serialize};
use store::showtime_cancellations::{ShowtimeDecision, ShowtimeProgress};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(cancel, read))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = CancelShowtimeRequest)]
struct CancelBody {
    reason: Text<200>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ShowtimeCancellation)]
struct ProgressBody {
    showtime_id: ShowtimeId,
    state: &'static str,
    reason: String,
    began_at: At,
    ended_at: Option<At>,
    total: u32,
    done: u32,
    running: u32,
    blocked: u32,
    waiting: u32,
    refunded: M,
}

/// Asked again it is answered by its progress.
#[utoipa::path(
    post, path = "/admin/showtimes/{id}/cancellation", operation_id = "cancelShowtime",
    request_body = CancelBody,
    responses((status = 200, body = ProgressBody), (status = 202, body = ProgressBody)),
    security(("bearer" = ["staff"]))
)]
async fn cancel(
    State(app): State<App>,
    Staff(person): Staff,
    Path(showtime): Path<String>,
    Json { value, .. }: Json<CancelBody>,
) -> Result<Response, Problem> {
    let reason: String = value.reason.into();
    let showtime: ShowtimeId = id(showtime, "showtime")?;
    match app.store.cancel_showtime(&person, &showtime, &reason).await? {
        ShowtimeDecision::Done | ShowtimeDecision::Already => {}
        ShowtimeDecision::NotFound => return Err(Problem::not_found("showtime")),
        ShowtimeDecision::Over => {
            let detail = "the show is over";
            return Err(Problem::new(StatusCode::CONFLICT, "wrong-state", detail));
        }
    }
    progress(&app, showtime).await
}

/// How far the cancellation of a showtime has come.
#[utoipa::path(
    get, path = "/admin/showtimes/{id}/cancellation", operation_id = "readShowtimeCancellation",
    responses((status = 200, body = ProgressBody), (status = 202, body = ProgressBody)),
    security(("bearer" = ["staff"]))
)]
async fn read(
    State(app): State<App>,
    Staff(_): Staff,
    Path(showtime): Path<String>,
) -> Result<Response, Problem> {
    progress(&app, id(showtime, "showtime")?).await
}

/// 200 when all have ended, 202 before.
async fn progress(app: &App, showtime_id: ShowtimeId) -> Result<Response, Problem> {
    let found = app.store.showtime_progress(&showtime_id).await?;
    let found = found.ok_or_else(|| Problem::not_found("cancellation"))?;
    let ShowtimeProgress { reason, began_at, ended_at, total, .. } = found;
    let (status, state) = match ended_at {
        Some(_) => (StatusCode::OK, "DONE"),
        None => (StatusCode::ACCEPTED, "RUNNING"),
    };
    let body = ProgressBody {
        showtime_id,
        state,
        reason,
        began_at: At(began_at),
        ended_at: ended_at.map(At),
        total,
        done: found.done,
        running: found.running,
        blocked: found.blocked,
        waiting: found.waiting,
        refunded: M(found.refunded),
    };
    Ok((status, axum::Json(body)).into_response())
}
