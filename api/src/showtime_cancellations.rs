//! Giving a showtime up: accepted in one transaction, then carried out by the pump, reservation by
//! reservation, with progress to be read.

use crate::App;
use crate::body::{At, M};
use crate::caller::Staff;
use crate::json::Json;
use crate::outcome::id;
use crate::problem::Problem;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use domain::ids::ShowtimeId;
use serde::{Deserialize, Serialize};
use store::showtime_cancellations::{ShowtimeDecision, ShowtimeProgress};

const REASON_CHARS_MAX: usize = 200;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/admin/showtimes/{id}/cancellation", post(cancel).get(read))
}

#[derive(Deserialize)]
struct CancelBody {
    reason: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
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
async fn cancel(
    State(app): State<App>,
    Staff(person): Staff,
    Path(showtime): Path<String>,
    Json { value, .. }: Json<CancelBody>,
) -> Result<Response, Problem> {
    let reason = value.reason.trim();
    if !(1..=REASON_CHARS_MAX).contains(&reason.chars().count()) {
        return Err(Problem::mistake("/reason", "1 to 200 characters"));
    }
    let showtime: ShowtimeId = id(showtime, "showtime")?;
    match app.store.cancel_showtime(&person, &showtime, reason).await? {
        ShowtimeDecision::Done | ShowtimeDecision::Already => {}
        ShowtimeDecision::NotFound => return Err(Problem::not_found("showtime")),
        ShowtimeDecision::Over => {
            let detail = "the show is over";
            return Err(Problem::new(StatusCode::CONFLICT, "wrong-state", detail));
        }
    }
    progress(&app, showtime).await
}

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
