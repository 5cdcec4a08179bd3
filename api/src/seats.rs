//! Seats: the map of a showtime, suggestions, and choosing. Choosing sets a sub-resource to an
//! exact set, so it is a PUT and the same set again is answered the same.

use crate::App;
use crate::body::ReservationBody;
use crate::caller::Caller;
use crate::etag;
use crate::idempotency::{KeyHeader, key_of};
use crate::json::Json;
use crate::outcome::{Decided, id};
use crate::paging::Page;
use crate::problem::Problem;
use crate::query::Query;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::ids::{CustomerId, SeatId, ShowtimeId};
use domain::party::{PARTY_SIZE_LIMIT, Party};
use domain::refusal::Refusal;
use domain::reservation::Reservation;
use domain::seats::{SeatState, best};
use domain::words::{Audience, Grade, ReservationStatus, SeatKind};
use serde::{Deserialize, Serialize};
use store::seat_map::{MapSeat, views};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(seat_map))
        .routes(routes!(best_seats))
        .routes(routes!(select))
}

const SUGGESTIONS_MAX: usize = 3;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SeatMap)]
struct SeatMapBody {
    showtime_id: ShowtimeId,
    blocks: Vec<BlockBody>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SeatBlock)]
struct BlockBody {
    id: String,
    rows: Vec<RowBody>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SeatRow)]
struct RowBody {
    row: String,
    seats: Vec<SeatBody>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SeatOnMap)]
struct SeatBody {
    id: SeatId,
    number: String,
    grade: Grade,
    kind: SeatKind,
    state: StateBody,
    x: u32,
    y: u32,
}

/// What a seat is to the one who looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = SeatState)]
pub(crate) enum StateBody {
    Available,
    Taken,
    Blocked,
    Mine,
}

impl From<SeatState> for StateBody {
    fn from(state: SeatState) -> Self {
        match state {
            SeatState::Available => Self::Available,
            SeatState::Taken => Self::Taken,
            SeatState::Blocked => Self::Blocked,
        }
    }
}

impl SeatMapBody {
    /// The store gives seats by row and position; blocks and rows keep that order.
    /// With their own seats where somebody is known to ask.
    fn of(showtime_id: ShowtimeId, map: Vec<MapSeat>, caller: Option<&CustomerId>) -> Self {
        let mut blocks: Vec<BlockBody> = Vec::new();
        for MapSeat { seat, state, customer_id } in map {
            let mine = customer_id.is_some() && customer_id.as_ref() == caller;
            let state = if mine { StateBody::Mine } else { state.into() };
            let (block, row) = (seat.block.clone(), seat.row.clone());
            let shown = SeatBody {
                id: seat.id.clone(),
                number: seat.number.clone(),
                grade: seat.grade,
                kind: seat.kind,
                state,
                x: seat.x,
                y: seat.y,
            };
            let at = blocks.iter().position(|known| known.id == block).unwrap_or_else(|| {
                blocks.push(BlockBody { id: block, rows: Vec::new() });
                blocks.len() - 1
            });
            let rows = &mut blocks[at].rows;
            match rows.last_mut().filter(|last| last.row == row) {
                Some(last) => last.seats.push(shown),
                None => rows.push(RowBody { row, seats: vec![shown] }),
            }
        }
        blocks.sort_by_key(BlockBody::left);
        Self { showtime_id, blocks }
    }
}

impl BlockBody {
    fn left(&self) -> Option<u32> {
        self.rows.iter().flat_map(|row| &row.seats).map(|seat| seat.x).min()
    }
}

/// Every seat of a showtime; `MINE` where the caller is known.
#[utoipa::path(
    get, path = "/showtimes/{id}/seatmap", operation_id = "readSeatMap",
    responses((status = 200, body = SeatMapBody), (status = 304)),
    security((), ("bearer" = ["customer"]))
)]
async fn seat_map(
    State(app): State<App>,
    caller: Option<Caller>,
    headers: HeaderMap,
    Path(showtime): Path<String>,
) -> Result<Response, Problem> {
    let showtime: ShowtimeId = id(showtime, "showtime")?;
    let map = app.store.seat_map(&showtime).await?;
    if map.is_empty() {
        return Err(Problem::not_found("showtime"));
    }
    Ok(etag::answer(
        &headers,
        &SeatMapBody::of(showtime, map, caller.as_ref().map(|caller| &caller.0)),
    ))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
struct BestQuery {
    #[param(minimum = 1, maximum = 20)]
    party_size: u32,
    #[param(inline)]
    grade: Grade,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Suggestion)]
struct SuggestionBody {
    seat_ids: Vec<SeatId>,
}

/// Seats side by side, best first.
#[utoipa::path(
    get, path = "/showtimes/{id}/best-seats", operation_id = "suggestSeats",
    params(BestQuery),
    responses((status = 200, body = Page<SuggestionBody>), (status = 304))
)]
async fn best_seats(
    State(app): State<App>,
    headers: HeaderMap,
    Path(showtime): Path<String>,
    Query(query): Query<BestQuery>,
) -> Result<Response, Problem> {
    let showtime: ShowtimeId = id(showtime, "showtime")?;
    let map = app.store.seat_map(&showtime).await?;
    if map.is_empty() {
        return Err(Problem::not_found("showtime"));
    }
    let party = people(query.party_size, query.grade)
        .ok_or_else(|| refused(Refusal::PartySize { max: PARTY_SIZE_LIMIT }, &app))?;
    let found = best(&views(&map), &party, query.grade, SUGGESTIONS_MAX);
    let items = found.into_iter().map(|seat_ids| SuggestionBody { seat_ids }).collect();
    Ok(etag::answer(&headers, &Page { items, next_cursor: None }))
}

/// Suggestions depend on the number of people only; on wheelchair places half are companions.
fn people(size: u32, grade: Grade) -> Option<Party> {
    let counts = match grade {
        Grade::Accessible => {
            [(Audience::Wheelchair, size.div_ceil(2)), (Audience::Companion, size / 2)]
        }
        Grade::Economy | Grade::Standard | Grade::Prime => {
            [(Audience::Adult, size), (Audience::Teen, 0)]
        }
    };
    Party::parse(counts).ok()
}

fn refused(refusal: Refusal, app: &App) -> Problem {
    Problem::refused(refusal, None, app.store.now())
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SeatsRequest)]
struct SelectBody {
    seat_ids: Vec<SeatId>,
}

/// Chooses seats, or others later: the set as a whole.
///
/// 409 `seats-unavailable`, `wrong-state`, `deadline-passed`; 422 `seat-count`, `wrong-grade`,
/// `single-seat-gap`, `accessible-seat-only`. 202: not captured within two seconds.
#[utoipa::path(
    put, path = "/reservations/{id}/seats", operation_id = "selectSeats",
    params(KeyHeader),
    request_body = SelectBody,
    responses((status = 200, body = ReservationBody), (status = 202, body = ReservationBody)),
    security(("bearer" = ["customer"]))
)]
async fn select(
    State(app): State<App>,
    Caller(caller): Caller,
    headers: HeaderMap,
    Path(reservation): Path<String>,
    Json { value, digest }: Json<SelectBody>,
) -> Result<Response, Problem> {
    let key = key_of(&app, &headers, &caller, "PUT /reservations/{id}/seats", &digest)?;
    let reservation = id(reservation, "reservation")?;
    let decision =
        app.store.select_seats(&caller, &reservation, &value.seat_ids, key.as_ref()).await?;
    let decided = Decided::from(&app, decision)?.settled(&app, captured).await?;
    let known = captured(&decided.row);
    if decided.row.status == ReservationStatus::Expired {
        return Err(Problem::declined(&decided.row, app.store.now()));
    }
    decided.answer(&app, if known { StatusCode::OK } else { StatusCode::ACCEPTED }).await
}

fn captured(row: &Reservation) -> bool {
    match row.status {
        ReservationStatus::SeatSelected => row.is_captured(),
        ReservationStatus::Reserved
        | ReservationStatus::PaymentPending
        | ReservationStatus::PaymentDeferred
        | ReservationStatus::PaymentApproved
        | ReservationStatus::Cancelling => false,
        ReservationStatus::Ticketed
        | ReservationStatus::Cancelled
        | ReservationStatus::Expired
        | ReservationStatus::Completed => true,
    }
}
