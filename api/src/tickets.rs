//! Tickets: of a reservation, or by the code that the gate reads.

use crate::App;
use crate::body::{At, TicketPart};
use crate::caller::Anyone;
use crate::etag;
use crate::outcome::seen_reservation;
use crate::paging::Paging;
use crate::problem::Problem;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use domain::ids::{ReservationId, TicketId};
use domain::words::TicketStatus;
use serde::Serialize;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/reservations/{id}/tickets", get(list)).route("/tickets/{code}", get(read))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TicketBody {
    id: TicketId,
    reservation_id: ReservationId,
    code: String,
    seat_number: String,
    status: TicketStatus,
    issued_at: At,
    used_at: Option<At>,
}

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
