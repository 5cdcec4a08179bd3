//! Cancelling all or some tickets: a sub-resource, because it has a life, progress and amounts of
//! its own; and what it would give back.

use crate::App;
use crate::body::{At, CancellationBody, M};
use crate::caller::Anyone;
use crate::etag;
use crate::idempotency::key_of;
use crate::json::Json;
use crate::outcome::{Decided, id, seen_reservation};
use crate::problem::Problem;
use crate::query::Query;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use domain::cancellation::asking::{Change, Quote};
use domain::ids::{ReservationId, TicketId};
use domain::party::PARTY_SIZE_LIMIT;
use domain::reservation::Reservation;
use domain::words::ReservationStatus;
use serde::{Deserialize, Serialize};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/reservations/{id}/cancellation", post(cancel).get(read))
        .route("/reservations/{id}/cancellation-quote", get(quote))
}

/// The customer's own words are read and ignored: the reason kept is who asked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CancelBody {
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
    let changes = app.store.changes().watch();
    let decision = match (tickets, person.confined_to()) {
        (Some(tickets), _) => {
            app.store.cancel_tickets(&person, &reservation, &tickets, key.as_ref()).await?
        }
        (None, Some(owner)) => app.store.cancel(owner, &reservation, key.as_ref()).await?,
        (None, None) => app.store.cancel_on_behalf(&person, &reservation, key.as_ref()).await?,
    };
    let decided = Decided::from(&app, decision)?.settled(&app, changes, undone).await?;
    let done = undone(&decided.row);
    decided.answer(&app, if done { StatusCode::OK } else { StatusCode::ACCEPTED }).await
}

fn undone(row: &Reservation) -> bool {
    row.status != ReservationStatus::Cancelling && row.open_cancellation.is_none()
}

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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct QuoteQuery {
    /// Separated by commas.
    ticket_ids: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QuoteBody {
    percent: u8,
    refund: M,
    next_change: Option<ChangeBody>,
    server_time: At,
}

/// From then on this much is given back; null: from then on it is refused.
#[derive(Serialize)]
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
