//! The fault console of the test profile; outside of it these routes do not exist. Faults of
//! payment are scripted at the fake gateway itself.

use crate::App;
use crate::json::Json;
use crate::problem::Problem;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read)).routes(routes!(ticket))
}

/// What can be broken from outside.
pub struct Faults {
    /// How many tickets are issued at a time, none while ticketing is down; and how many as a rule.
    pub ticket_slots: (watch::Sender<usize>, usize),
}

#[derive(Serialize, ToSchema)]
#[schema(as = Faults)]
struct FaultsBody {
    ticket: TicketFault,
}

#[derive(Serialize, Deserialize, ToSchema)]
struct TicketFault {
    down: bool,
}

/// In the test profile only: what is broken.
#[utoipa::path(
    get, path = "/admin/faults", operation_id = "readFaults",
    responses((status = 200, body = FaultsBody))
)]
async fn read(State(app): State<App>) -> Result<axum::Json<FaultsBody>, Problem> {
    let faults = app.faults.as_ref().ok_or_else(|| Problem::not_found("resource"))?;
    let down = *faults.ticket_slots.0.borrow() == 0;
    Ok(axum::Json(FaultsBody { ticket: TicketFault { down } }))
}

/// In the test profile only: stops ticketing, or lets it run.
#[utoipa::path(
    put, path = "/admin/faults/ticket", operation_id = "breakTicketing",
    request_body = TicketFault,
    responses((status = 204))
)]
async fn ticket(
    State(app): State<App>,
    Json { value, .. }: Json<TicketFault>,
) -> Result<StatusCode, Problem> {
    let faults = app.faults.as_ref().ok_or_else(|| Problem::not_found("resource"))?;
    let (slots, as_a_rule) = &faults.ticket_slots;
    slots.send_replace(if value.down { 0 } else { *as_a_rule });
    Ok(StatusCode::NO_CONTENT)
}
