//! Check-ins: what the gate sends when it has read a ticket, or a reservation code because there
//! are no tickets. The nonce is what keeps a scan whose answer was lost from being a second one.

use crate::App;
use crate::body::At;
use crate::caller::Gate;
use crate::json::{Json, Text};
use crate::problem::Problem;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::check_in::CheckIn;
use domain::ids::{ReservationId, ShowtimeId};
use domain::reservation::Reservation;
use serde::{Deserialize, Serialize};
use store::Decision;
use store::check_ins::Scan;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What a gate or a scan is called.
type Word = Text<128>;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(with_ticket)).routes(routes!(with_reservation_code))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = TicketScan)]
struct ScanBody {
    nonce: Word,
    gate: Word,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CodeScan)]
struct CodeBody {
    reservation_code: String,
    nonce: Word,
    gate: Word,
}

/// Who may come in, and where they sit.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CheckIn)]
struct CheckInBody {
    reservation_id: ReservationId,
    reservation_code: String,
    /// Null: the whole party came in by its code.
    ticket_code: Option<String>,
    showtime_id: ShowtimeId,
    movie_title: String,
    auditorium_name: String,
    starts_at: At,
    seat_numbers: Vec<String>,
    gate: String,
    used_at: At,
}

/// Somebody comes in with a ticket.
///
/// 200: the same nonce again. 409 `already-used`, 410 `ticket-cancelled`, 425 `too-early`.
#[utoipa::path(
    post, path = "/tickets/{code}/check-ins", operation_id = "checkInTicket",
    request_body = ScanBody,
    responses((status = 201, body = CheckInBody), (status = 200, body = CheckInBody)),
    security(("bearer" = ["gate"]))
)]
async fn with_ticket(
    State(app): State<App>,
    _: Gate,
    Path(code): Path<String>,
    Json { value, .. }: Json<ScanBody>,
) -> Result<Response, Problem> {
    let scan = Scan { gate: value.gate.into(), nonce: value.nonce.into() };
    let (status, row) = decided(&app, app.store.check_in(&code, &scan).await?, "ticket")?;
    let ticket = app.store.ticket_by_code(&code).await?;
    let ticket = ticket.ok_or_else(|| Problem::not_found("ticket"))?;
    let seats = vec![ticket.seat_number];
    answer(status, row, (Some(ticket.code), seats), ticket.check_in)
}

/// A party comes in by its reservation code, where there are no tickets.
#[utoipa::path(
    post, path = "/check-ins", operation_id = "checkInReservation",
    request_body = CodeBody,
    responses((status = 201, body = CheckInBody), (status = 200, body = CheckInBody)),
    security(("bearer" = ["gate"]))
)]
async fn with_reservation_code(
    State(app): State<App>,
    _: Gate,
    Json { value, .. }: Json<CodeBody>,
) -> Result<Response, Problem> {
    let scan = Scan { gate: value.gate.into(), nonce: value.nonce.into() };
    // Typed by hand; codes are in capital letters.
    let code = value.reservation_code.trim().to_ascii_uppercase();
    let decision = app.store.check_in_by_code(&code, &scan).await?;
    let (status, row) = decided(&app, decision, "reservation")?;
    let (seats, check_in) = (row.seat_numbers.clone(), row.check_in.clone());
    answer(status, row, (None, seats), check_in)
}

/// 201 the first time, 200 when the gate asks again.
fn decided(
    app: &App,
    decision: Decision,
    what: &str,
) -> Result<(StatusCode, Reservation), Problem> {
    match decision {
        Decision::Done(row) => Ok((StatusCode::CREATED, row)),
        Decision::Replayed(row) => Ok((StatusCode::OK, row)),
        Decision::NotFound => Err(Problem::not_found(what)),
        Decision::Refused(refusal, row) => {
            Err(Problem::refused(refusal, row.as_ref(), app.store.now()))
        }
    }
}

fn answer(
    status: StatusCode,
    row: Reservation,
    (ticket_code, seat_numbers): (Option<String>, Vec<String>),
    check_in: Option<CheckIn>,
) -> Result<Response, Problem> {
    let CheckIn { at, gate, .. } = check_in.ok_or_else(|| Problem::not_found("check-in"))?;
    let body = CheckInBody {
        reservation_id: row.id,
        reservation_code: row.code,
        ticket_code,
        showtime_id: row.showtime.showtime_id,
        movie_title: row.showtime.movie_title,
        auditorium_name: row.showtime.auditorium_name,
        starts_at: At(row.showtime.starts_at),
        seat_numbers,
        gate,
        used_at: At(at),
    };
    Ok((status, axum::Json(body)).into_response())
}
