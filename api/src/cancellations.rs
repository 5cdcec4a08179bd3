//! Cancelling all or some tickets: a sub-resource, because it has a life, progress and amounts of
//! its own; and what it would give back.

use crate::App;
use crate::body::{At, CancellationBody, M, ReservationBody};
use crate::caller::Anyone;
use crate::etag;
use crate::idempotency::{KeyHeader, key_of};
use crate::json::Json;
use crate::outcome::{Decided, id, seen_reservation};
use crate::problem::Problem;
use crate::query::Query;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::cancellation::asking::{Change, Quote};
use domain::ids::{ReservationId, TicketId};
use domain::party::PARTY_SIZE_LIMIT;
use domain::reservation::Reservation;
use domain::words::ReservationStatus;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(cancel, read)).routes(routes!(quote))
}

/// The customer's own words are read and ignored: the reason kept is who asked.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CancelRequest)]
struct CancelBody {
    /// All that are left, when it is absent.
    #[schema(min_items = 1, max_items = 20)]
    ticket_ids: Option<Vec<String>>,
}

/// The tickets meant; nothing: all that are left.
fn chosen(ids: Option<Vec<String>>) -> Result<Option<Vec<TicketId>>, Problem> {
    let Some(ids) = ids else { return Ok(None) };
    let fits = u32::try_from(ids.len()).is_ok_and(|len| (1..=PARTY_SIZE_LIMIT).contains(&len));
    if !fits {
        let message = format!("1 to {PARTY_SIZE_LIMIT} tickets; leave it out to mean all");
        return Err(Problem::mistake("/ticketIds", message));
    }
    let ids = ids.into_iter().map(|id| TicketId::parse(id).ok()).collect::<Option<_>>();
    ids.map(Some).ok_or_else(|| Problem::not_found("ticket in this reservation"))
}

/// Cancels all or some of the tickets; staff on behalf.
///
/// 409 `cancel-window-closed`, `cancellation-in-progress`, `ticket-used`, `wrong-state`. 202: not
/// through within two seconds.
#[utoipa::path(
    post, path = "/reservations/{id}/cancellation", operation_id = "cancelReservation",
    params(KeyHeader),
    request_body = CancelBody,
    responses((status = 200, body = ReservationBody), (status = 202, body = ReservationBody)),
    security(("bearer" = ["customer"]))
)]
async fn cancel(
    State(app): State<App>,
    Anyone(person): Anyone,
    headers: HeaderMap,
    Path(reservation): Path<String>,
    Json { value, digest }: Json<CancelBody>,
) -> Result<Response, Problem> {
    let key = key_of(&app, &headers, &person.id, "POST /reservations/{id}/cancellation", &digest)?;
    let tickets = chosen(value.ticket_ids)?;
    let reservation: ReservationId = id(reservation, "reservation")?;
    let decision = match (tickets, person.confined_to()) {
        (Some(tickets), _) => {
            app.store.cancel_tickets(&person, &reservation, &tickets, key.as_ref()).await?
        }
        (None, Some(owner)) => app.store.cancel(owner, &reservation, key.as_ref()).await?,
        (None, None) => app.store.cancel_on_behalf(&person, &reservation, key.as_ref()).await?,
    };
    let decided = Decided::from(&app, decision)?.settled(&app, undone).await?;
    let done = undone(&decided.row);
    decided.answer(&app, if done { StatusCode::OK } else { StatusCode::ACCEPTED }).await
}

fn undone(row: &Reservation) -> bool {
    row.status != ReservationStatus::Cancelling && row.open_cancellation.is_none()
}

/// The latest cancellation, step by step.
#[utoipa::path(
    get, path = "/reservations/{id}/cancellation", operation_id = "readCancellation",
    responses((status = 200, body = CancellationBody), (status = 304)),
    security(("bearer" = ["customer"]))
)]
async fn read(
    State(app): State<App>,
    Anyone(person): Anyone,
    headers: HeaderMap,
    Path(reservation): Path<String>,
) -> Result<Response, Problem> {
    let row = seen_reservation(&app, &person, reservation).await?;
    let undo = app.store.latest_cancellation(&row.id).await?;
    let undo = undo.ok_or_else(|| Problem::not_found("cancellation"))?;
    let tickets = app.store.tickets(&row.id).await?;
    Ok(etag::answer(&headers, &CancellationBody::of(&undo, &row, &tickets)))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
struct QuoteQuery {
    /// Separated by commas.
    #[param(pattern = "^[A-Za-z0-9_-]{1,128}(,[A-Za-z0-9_-]{1,128}){0,19}$")]
    ticket_ids: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CancellationQuote)]
struct QuoteBody {
    percent: u8,
    refund: M,
    next_change: Option<ChangeBody>,
    server_time: At,
}

/// From then on this much is given back; null: from then on it is refused.
#[derive(Serialize, ToSchema)]
#[schema(as = QuoteChange)]
struct ChangeBody {
    at: At,
    percent: Option<u8>,
}

impl QuoteBody {
    fn of(quote: Quote, now: domain::time::Time) -> Self {
        let change = |Change { at, percent }| ChangeBody {
            at: At(at),
            percent: percent.map(domain::won::Percent::get),
        };
        let Quote { percent, refund, next } = quote;
        Self {
            percent: percent.get(),
            refund: M(refund),
            next_change: next.map(change),
            server_time: At(now),
        }
    }
}

/// What cancelling would give back now, and when that changes.
#[utoipa::path(
    get, path = "/reservations/{id}/cancellation-quote", operation_id = "quoteCancellation",
    params(QuoteQuery),
    responses((status = 200, body = QuoteBody)),
    security(("bearer" = ["customer"]))
)]
async fn quote(
    State(app): State<App>,
    Anyone(person): Anyone,
    Path(reservation): Path<String>,
    Query(query): Query<QuoteQuery>,
) -> Result<axum::Json<QuoteBody>, Problem> {
    let ids = query.ticket_ids.map(|ids| ids.split(',').map(str::to_owned).collect());
    let tickets = chosen(ids)?;
    let reservation: ReservationId = id(reservation, "reservation")?;
    let found = app.store.quote(&person, &reservation, tickets.as_deref()).await?;
    let (quoted, row) = found.ok_or_else(|| Problem::not_found("reservation"))?;
    let now = app.store.now();
    match quoted {
        Ok(quote) => Ok(axum::Json(QuoteBody::of(quote, now))),
        Err(refusal) => Err(Problem::refused(refusal, Some(&row), now)),
    }
}
