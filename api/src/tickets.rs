//! Tickets: of a reservation, or by the code that the gate reads.

use crate::App;
use crate::body::{At, TicketPart};
use crate::caller::Anyone;
use crate::etag;
use crate::outcome::seen_reservation;
use crate::paging::{Page, PageQuery, Paging};
use crate::problem::Problem;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::ids::{ReservationId, TicketId};
use domain::words::TicketStatus;
use qrcode::QrCode;
use qrcode::render::svg;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What a gate reads from a phone's screen.
const QR_PIXELS: u32 = 160;
const SVG: &str = "image/svg+xml";

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
///
/// Who accepts `image/svg+xml` alone gets its QR code, which says the ticket's code.
#[utoipa::path(
    get, path = "/tickets/{code}", operation_id = "readTicket",
    responses(
        (status = 200, content((TicketBody = "application/json"), (String = "image/svg+xml"))),
        (status = 304)
    ),
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
    if headers.get(header::ACCEPT).is_some_and(|accept| accept == SVG) {
        return qr_code(&ticket.code);
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

fn qr_code(code: &str) -> Result<Response, Problem> {
    let drawn = QrCode::new(code).map_err(|error| {
        tracing::error!(?error, "a ticket's code does not fit a QR code");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the code cannot be drawn")
    })?;
    let svg = drawn.render::<svg::Color<'_>>().min_dimensions(QR_PIXELS, QR_PIXELS).build();
    let headers = [(header::CONTENT_TYPE, SVG), (header::CACHE_CONTROL, "private, no-cache")];
    Ok((headers, svg).into_response())
}
