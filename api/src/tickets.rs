//! Tickets: of a reservation, or by the code that the gate reads.

use crate::App;
use crate::body::{At, TicketPart};
use crate::caller::Anyone;
use crate::etag;
use crate::outcome::seen_reservation;
use crate::paging::{Page, PageQuery, Paging};
use crate::problem::Problem;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::ids::{ReservationId, TicketId};
use domain::words::TicketStatus;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(read))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TicketDetail)]
struct TicketBody {
    id: TicketId,
    reservation_id: ReservationId,
    code: String,
    seat_number: String,
    status: TicketStatus,
    issued_at: At,
    used_at: Option<At>,
}

/// The tickets of a reservation.
#[utoipa::path(
    get, path = "/reservations/{id}/tickets", operation_id = "listTickets",
    params(PageQuery),
    responses((status = 200, body = Page<TicketPart>), (status = 304)),
    security(("bearer" = ["customer"]))
)]
async fn list(
    State(app): State<App>,
    Anyone(person): Anyone,
    page: Paging,
    Path(reservation): Path<String>,
) -> Result<Response, Problem> {
    let row = seen_reservation(&app, &person, reservation).await?;
    let after = page.after()?;
    let found = app.store.tickets_page(&row.id, after.as_ref(), page.fetch()).await?;
    Ok(page.answer(found, |ticket| ticket.id.to_string(), TicketPart::from))
}

/// One ticket by its code; 410 when it was cancelled.
#[utoipa::path(
    get, path = "/tickets/{code}", operation_id = "readTicket",
    responses((status = 200, body = TicketBody), (status = 304)),
    security(("bearer" = ["customer"]))
)]
async fn read(
    State(app): State<App>,
    Anyone(person): Anyone,
    headers: HeaderMap,
    Path(code): Path<String>,
) -> Result<Response, Problem> {
    let found = app.store.ticket_by_code(&code).await?;
    let ticket = found.ok_or_else(|| Problem::not_found("ticket"))?;
    seen_reservation(&app, &person, ticket.reservation_id.to_string()).await?;
    if matches!(ticket.status, TicketStatus::Cancelled | TicketStatus::CancelRequested) {
        let detail = "this ticket was cancelled";
        return Err(Problem::new(StatusCode::GONE, "ticket-cancelled", detail));
    }
    let body = TicketBody {
        id: ticket.id,
        reservation_id: ticket.reservation_id,
        code: ticket.code,
        seat_number: ticket.seat_number,
        status: ticket.status,
        issued_at: At(ticket.issued_at),
        used_at: ticket.check_in.map(|check_in| At(check_in.at)),
    };
    Ok(etag::answer(&headers, &body))
}
