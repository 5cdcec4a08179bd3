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
    /// How many tickets are issued at a time, none while ticketing is down; and how many as a rule.
    pub ticket_slots: (watch::Sender<usize>, usize),
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
    let down = *faults.ticket_slots.0.borrow() == 0;
    Ok(axum::Json(FaultsBody { ticket: TicketFault { down } }))
}

async fn ticket(
    State(app): State<App>,
    Json { value, .. }: Json<TicketFault>,
) -> Result<StatusCode, Problem> {
    let faults = app.faults.as_ref().ok_or_else(|| Problem::not_found("resource"))?;
    let (slots, as_a_rule) = &faults.ticket_slots;
    slots.send_replace(if value.down { 0 } else { *as_a_rule });
    Ok(StatusCode::NO_CONTENT)
}
