//! Showtimes that staff puts on.

use crate::App;
use crate::body::{At, Money};
use crate::caller::Staff;
use crate::idempotency::{KeyHeader, key_of};
use crate::json::{Json, whole};
use crate::outcome::added;
use crate::problem::Problem;
use crate::showtimes::ShowtimeBody;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use domain::catalogue::{NewShowtime, Prices};
use domain::ids::{AuditoriumId, MovieId};
use domain::won::{NotAnAmount, Won};
use domain::words::{Audience, CancelPolicy, Grade};
use serde::Deserialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(add))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AddShowtimeRequest)]
struct AddBody {
    movie_id: MovieId,
    auditorium_id: AuditoriumId,
    /// As it is printed: ten minutes of advertisements, then the film.
    starts_at: At,
    /// Without it: at once.
    sales_open_at: Option<At>,
    /// Without it: at the start.
    sales_close_at: Option<At>,
    cancel_policy: CancelPolicy,
    #[serde(default = "usual_party", deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 20)]
    max_party_size: u32,
    /// For each grade that the auditorium has, what each pays whom it is sold to.
    prices: BTreeMap<Grade, BTreeMap<Audience, Money>>,
}

/// As most houses have it.
fn usual_party() -> u32 {
    8
}

/// Puts a showtime on, with all seats of its auditorium.
///
/// 409 `auditorium-taken`: it shows something else at that time; `movie-ended`: its run has. 422 `unfit-showtime`: times out of
/// order, or prices that are not those of the auditorium.
#[utoipa::path(
    post, path = "/admin/showtimes", operation_id = "addShowtime",
    params(KeyHeader),
    request_body = AddBody,
    responses((status = 201, body = ShowtimeBody)),
    security(("bearer" = ["staff"]))
)]
async fn add(
    State(app): State<App>,
    Staff(staff): Staff,
    headers: HeaderMap,
    Json { value, digest }: Json<AddBody>,
) -> Result<Response, Problem> {
    let key = key_of(&app, &headers, &staff.id, "POST /admin/showtimes", &digest)?;
    let at = |at: Option<At>| at.map(|At(at)| at);
    let new = NewShowtime {
        movie_id: value.movie_id,
        auditorium_id: value.auditorium_id,
        starts_at: value.starts_at.0,
        sales_open_at: at(value.sales_open_at),
        sales_close_at: at(value.sales_close_at),
        cancel_policy: value.cancel_policy,
        max_party_size: value.max_party_size,
        prices: prices(value.prices)?,
    };
    let wish = app.store.add_showtime(&staff, &new, key.as_ref()).await?;
    let place = |added: &store::catalogue::ListedShowtime| {
        format!("/showtimes/{}", added.offer.showtime.id)
    };
    added(&app, wish, place, ShowtimeBody::from)
}

fn prices(given: BTreeMap<Grade, BTreeMap<Audience, Money>>) -> Result<Prices, Problem> {
    let mut prices = Prices::new();
    for (grade, fares) in given {
        for (audience, Money { value, .. }) in fares {
            let mistake = |error: NotAnAmount| {
                Problem::mistake(&format!("/prices/{grade}/{audience}"), error.to_string())
            };
            let won = Won::parse(value).map_err(mistake)?;
            prices.entry(grade).or_default().insert(audience, won);
        }
    }
    Ok(prices)
}
