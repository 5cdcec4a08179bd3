//! Seats that the house keeps back, or gives free again.

use crate::App;
use crate::caller::Staff;
use crate::json::Json;
use crate::outcome::id;
use crate::problem::Problem;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::ids::{SeatId, ShowtimeId};
use serde::Deserialize;
use store::blocked_seats::{BlockDecision, Wanted};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// More than any row has.
const SEATS_MAX: usize = 100;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(block))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BlockSeatsRequest)]
struct BlockBody {
    #[schema(min_items = 1, max_items = 100)]
    seat_ids: Vec<SeatId>,
    blocked: bool,
}

/// Keeps seats back from sale, or frees them; all or none.
///
/// 404 for seats that are not there; 409 `seats-unavailable`: customers have some of them;
/// `sold-out`: as many places are promised as there would be.
#[utoipa::path(
    patch, path = "/admin/showtimes/{id}/seats", operation_id = "blockSeats",
    request_body = BlockBody,
    responses((status = 204)),
    security(("bearer" = ["staff"]))
)]
async fn block(
    State(app): State<App>,
    Staff(staff): Staff,
    Path(showtime): Path<String>,
    Json { value, .. }: Json<BlockBody>,
) -> Result<StatusCode, Problem> {
    if !(1..=SEATS_MAX).contains(&value.seat_ids.len()) {
        return Err(Problem::mistake("/seatIds", format!("1 to {SEATS_MAX} seats")));
    }
    let showtime: ShowtimeId = id(showtime, "showtime")?;
    let wanted = if value.blocked { Wanted::Blocked } else { Wanted::Free };
    match app.store.block_seats(&staff, &showtime, &value.seat_ids, wanted).await? {
        BlockDecision::Done(_) => Ok(StatusCode::NO_CONTENT),
        BlockDecision::Refused(refusal) => Err(Problem::refused(refusal, None, app.store.now())),
    }
}
