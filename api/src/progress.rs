//! The live state, asked from the workflow itself; from the store when it cannot answer in time.

use crate::App;
use crate::body::At;
use crate::caller::Anyone;
use crate::outcome::seen_reservation;
use crate::problem::Problem;
use axum::Json;
use axum::extract::{Path, State};
use domain::cancellation::OwesUndo;
use domain::ids::ReservationId;
use domain::reservation::{Owes, PaymentStep, Reservation};
use domain::words::ReservationStatus;
use serde::Serialize;
use std::time::Duration;
use temporalio_client::WorkflowQueryOptions;
use tokio::time::timeout;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use workflows::booking::{self, Booking};
use workflows::cancellation::{self, Cancellation};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read))
}

const WORKFLOW_ANSWERS_WITHIN: Duration = Duration::from_secs(1);

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Progress)]
struct ProgressBody {
    reservation_id: ReservationId,
    /// `workflow` or `store`: who says what is owed.
    source: &'static str,
    status: ReservationStatus,
    status_label: &'static str,
    /// What is done next.
    owes: &'static str,
    /// Who carries it out: the run of its booking, or of its open cancellation.
    workflow_id: String,
    /// Where staff looks at that run.
    workflow_url: Option<String>,
    /// Until when the customer is to act.
    until: Option<At>,
    server_time: At,
}

/// What is done next, asked from the workflow itself.
#[utoipa::path(
    get, path = "/reservations/{id}/progress", operation_id = "readProgress",
    responses((status = 200, body = ProgressBody)),
    security(("bearer" = ["customer"]))
)]
async fn read(
    State(app): State<App>,
    Anyone(person): Anyone,
    Path(reservation): Path<String>,
) -> Result<Json<ProgressBody>, Problem> {
    let row = seen_reservation(&app, &person, reservation).await?;
    let asked = timeout(WORKFLOW_ANSWERS_WITHIN, ask(&app, &row)).await.ok().flatten();
    let (source, (owes, until)) = match asked {
        Some(owes) => ("workflow", owes),
        None => ("store", from_store(&app, &row).await?),
    };
    let workflow_id = match &row.open_cancellation {
        Some(undo) => cancellation::workflow_id(undo),
        None => booking::workflow_id(&row.id),
    };
    let ui = app.temporal.ui.get().filter(|_| person.confined_to().is_none());
    Ok(Json(ProgressBody {
        source,
        workflow_url: ui.map(|ui| format!("{ui}/workflows/{}", workflow_id.replace('/', "%2F"))),
        workflow_id,
        status: row.status,
        status_label: row.status.label(),
        owes,
        until: until.map(At),
        server_time: At(app.store.now()),
        reservation_id: row.id,
    }))
}

type Shown = (&'static str, Option<domain::time::Time>);

async fn ask(app: &App, row: &Reservation) -> Option<Shown> {
    let client = app.temporal.client.borrow().clone()?;
    let options = WorkflowQueryOptions::default;
    if let Some(undo) = &row.open_cancellation {
        let handle = client.get_workflow_handle::<Cancellation>(cancellation::workflow_id(undo));
        let owes = handle.query(Cancellation::status, (), options()).await.ok()??;
        return Some((undo_word(owes), None));
    }
    let handle = client.get_workflow_handle::<Booking>(booking::workflow_id(&row.id));
    let standing = handle.query(Booking::status, (), options()).await.ok()??;
    Some(word(standing.owes))
}

async fn from_store(app: &App, row: &Reservation) -> Result<Shown, Problem> {
    let Some(undo) = &row.open_cancellation else { return Ok(word(row.owes())) };
    let owed = app.store.undo_owed(undo).await?;
    Ok((undo_word(owed.map_or(OwesUndo::Nothing, |(_, owes)| owes)), None))
}

fn word(owes: Owes) -> Shown {
    match owes {
        Owes::Payment(PaymentStep::Request | PaymentStep::Approve) => ("approval", None),
        Owes::Payment(PaymentStep::PlanSeats) => ("seats", None),
        Owes::Payment(PaymentStep::Capture) => ("capture", None),
        Owes::Tickets => ("tickets", None),
        Owes::Await(until) => ("customer", Some(until)),
        Owes::Nothing => ("nothing", None),
    }
}

fn undo_word(owes: OwesUndo) -> &'static str {
    match owes {
        OwesUndo::Settle => "settle the payment",
        OwesUndo::Tickets => "revoke tickets",
        OwesUndo::Seats => "free seats",
        OwesUndo::Money => "return money",
        OwesUndo::Close => "close",
        OwesUndo::Nothing => "nothing",
    }
}
