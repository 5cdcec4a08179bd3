//! Showtimes: when, where, for how much, and how much room is left.

use crate::App;
use crate::body::{At, M, TIME_ZONE};
use crate::caller::Staff;
use crate::etag;
use crate::outcome::id;
use crate::paging::{Page, PageQuery, Paging};
use crate::problem::Problem;
use crate::query::Query;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use domain::ids::{AuditoriumId, MovieId, ShowtimeId, TheaterId};
use domain::time::Time;
use domain::words::{AgeRating, Audience, AuditoriumKind, CancelPolicy, Grade, ShowtimeStatus};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use store::catalogue::{ListedShowtime, ShowtimeFilter};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(read)).routes(routes!(list_for_staff))
}

const DAY: Duration = Duration::from_secs(24 * 3600);

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Showtime)]
pub(crate) struct ShowtimeBody {
    id: ShowtimeId,
    movie_id: MovieId,
    movie_title: String,
    age_rating: AgeRating,
    theater_id: TheaterId,
    theater_name: String,
    auditorium_id: AuditoriumId,
    auditorium_name: String,
    auditorium_kind: AuditoriumKind,
    starts_at: At,
    ends_at: At,
    time_zone: &'static str,
    sales_open_at: At,
    sales_close_at: At,
    status: ShowtimeStatus,
    cancel_policy: CancelPolicy,
    max_party_size: u32,
    grades: Vec<GradeBody>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = GradeOffer)]
struct GradeBody {
    grade: Grade,
    remaining: u32,
    sellable: u32,
    prices: BTreeMap<Audience, M>,
}

impl From<ListedShowtime> for ShowtimeBody {
    fn from(listed: ListedShowtime) -> Self {
        let ListedShowtime { offer, theater_id, auditorium_kind } = listed;
        let showtime = offer.showtime;
        let prices = |grade| {
            let prices = showtime.prices.get(&grade).into_iter().flatten();
            prices.map(|(audience, won)| (*audience, M(*won))).collect()
        };
        let grade = |pool: &domain::catalogue::Pool| GradeBody {
            grade: pool.grade,
            remaining: if pool.open { pool.remaining() } else { 0 },
            sellable: pool.sellable,
            prices: prices(pool.grade),
        };
        Self {
            grades: offer.pools.iter().map(grade).collect(),
            id: showtime.id,
            movie_id: showtime.movie_id,
            movie_title: offer.movie_title,
            age_rating: offer.age_rating,
            theater_id,
            theater_name: offer.theater_name,
            auditorium_id: showtime.auditorium_id,
            auditorium_name: offer.auditorium_name,
            auditorium_kind,
            starts_at: At(showtime.starts_at),
            ends_at: At(showtime.ends_at),
            time_zone: TIME_ZONE,
            sales_open_at: At(showtime.sales_open_at),
            sales_close_at: At(showtime.sales_close_at),
            status: showtime.status,
            cancel_policy: showtime.cancel_policy,
            max_party_size: showtime.max_party_size,
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
struct ListQuery {
    movie_id: Option<MovieId>,
    theater_id: Option<TheaterId>,
    /// A calendar day in Korea, `2026-11-22`. Without it: from now on.
    #[param(format = Date)]
    date: Option<String>,
}

/// Showtimes, with the room left in each grade.
#[utoipa::path(
    get, path = "/showtimes", operation_id = "listShowtimes",
    params(PageQuery, ListQuery),
    responses((status = 200, body = Page<ShowtimeBody>), (status = 304))
)]
async fn list(
    State(app): State<App>,
    page: Paging,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let found = found(&app, &page, query).await?;
    Ok(page.answer(found, cursor, ShowtimeBody::from))
}

async fn found(app: &App, page: &Paging, query: ListQuery) -> Result<Vec<ListedShowtime>, Problem> {
    let (from, until) = match query.date.as_deref() {
        None => (app.store.now(), None),
        Some(date) => day(date).map(|start| (start, Some(start.plus(DAY))))?,
    };
    let filter = ShowtimeFilter {
        movie_id: query.movie_id,
        theater_id: query.theater_id,
        from: Some(from),
        until,
        after: page.cursor().map(position).transpose()?,
    };
    Ok(app.store.showtimes(&filter, page.fetch()).await?)
}

/// How a grade of a showtime sells.
#[derive(Serialize, ToSchema)]
#[schema(as = GradeSales)]
struct SalesBody {
    grade: Grade,
    sellable: u32,
    /// Promised, and not assigned yet.
    held: u32,
    sold: u32,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ShowtimeSales)]
struct ShowtimeSalesBody {
    showtime: ShowtimeBody,
    sales: Vec<SalesBody>,
}

impl From<ListedShowtime> for ShowtimeSalesBody {
    fn from(listed: ListedShowtime) -> Self {
        let sales = |pool: &domain::catalogue::Pool| SalesBody {
            grade: pool.grade,
            sellable: pool.sellable,
            held: pool.held,
            sold: pool.sold,
        };
        let sales = listed.offer.pools.iter().map(sales).collect();
        Self { sales, showtime: listed.into() }
    }
}

/// Showtimes as the list for everybody has them, with what of each grade is held and sold.
#[utoipa::path(
    get, path = "/admin/showtimes", operation_id = "listShowtimeSales",
    params(PageQuery, ListQuery),
    responses((status = 200, body = Page<ShowtimeSalesBody>), (status = 304)),
    security(("bearer" = ["staff"]))
)]
async fn list_for_staff(
    State(app): State<App>,
    Staff(_): Staff,
    page: Paging,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let found = found(&app, &page, query).await?;
    Ok(page.answer(found, cursor, ShowtimeSalesBody::from))
}

/// A list in the order of start and id goes on after both.
fn cursor(listed: &ListedShowtime) -> String {
    let showtime = &listed.offer.showtime;
    format!("{}.{}", showtime.starts_at.as_millis(), showtime.id)
}

fn position(cursor: &str) -> Result<(Time, ShowtimeId), Problem> {
    let foreign = || Problem::malformed("cursor: not one of ours");
    let (at, id) = cursor.split_once('.').ok_or_else(foreign)?;
    let at = at.parse().map(Time::from_millis).map_err(|_| foreign())?;
    Ok((at, ShowtimeId::parse(id).map_err(|_| foreign())?))
}

/// Midnight in Korea, which has no summer time.
fn day(date: &str) -> Result<Time, Problem> {
    let unfit = |_| Problem::malformed("date: a day such as 2026-11-22");
    let date: jiff::civil::Date = date.parse().map_err(unfit)?;
    let midnight = date.to_datetime(jiff::civil::Time::midnight());
    let at = jiff::tz::Offset::constant(9).to_timestamp(midnight).map_err(unfit)?;
    Ok(Time::from_millis(at.as_millisecond()))
}

/// One showtime, with prices and deadlines.
#[utoipa::path(
    get, path = "/showtimes/{id}", operation_id = "readShowtime",
    responses((status = 200, body = ShowtimeBody), (status = 304))
)]
async fn read(
    State(app): State<App>,
    headers: HeaderMap,
    Path(showtime): Path<String>,
) -> Result<Response, Problem> {
    let found = app.store.showtime(&id(showtime, "showtime")?).await?;
    let found = found.ok_or_else(|| Problem::not_found("showtime"))?;
    Ok(etag::answer(&headers, &ShowtimeBody::from(found)))
}
