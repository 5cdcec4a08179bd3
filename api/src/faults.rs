//! The fault console of the test profile; outside of it these routes do not exist. Faults of
//! payment are scripted at the fake gateway itself.

use crate::App;
use crate::json::Json;
use crate::problem::Problem;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, put};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/admin/faults", get(read)).route("/admin/faults/ticket", put(ticket))
}

/// What can be broken from outside.
pub struct Faults {
    /// True: the ticket worker stops.
    pub ticket_worker_down: watch::Sender<bool>,
}

#[derive(Serialize)]
struct FaultsBody {
    ticket: TicketFault,
}

#[derive(Serialize, Deserialize)]
struct TicketFault {
    down: bool,
}

async fn read(State(app): State<App>) -> Result<axum::Json<FaultsBody>, Problem> {
    let faults = app.faults.as_ref().ok_or_else(|| Problem::not_found("resource"))?;
    let down = *faults.ticket_worker_down.borrow();
    Ok(axum::Json(FaultsBody { ticket: TicketFault { down } }))
}

async fn ticket(
    State(app): State<App>,
    Json { value, .. }: Json<TicketFault>,
) -> Result<StatusCode, Problem> {
    let faults = app.faults.as_ref().ok_or_else(|| Problem::not_found("resource"))?;
    faults.ticket_worker_down.send_replace(value.down);
    Ok(StatusCode::NO_CONTENT)
}
