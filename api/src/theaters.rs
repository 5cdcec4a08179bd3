//! Theaters and their auditoriums.

use crate::App;
use crate::etag;
use crate::outcome::id;
use crate::paging::{Page, PageQuery, Paging};
use crate::problem::Problem;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use domain::catalogue::Theater;
use domain::ids::{AuditoriumId, TheaterId};
use domain::words::AuditoriumKind;
use serde::Serialize;
use store::catalogue::ListedAuditorium;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(read)).routes(routes!(auditoriums))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Theater)]
struct TheaterBody {
    id: TheaterId,
    name: String,
}

impl From<Theater> for TheaterBody {
    fn from(theater: Theater) -> Self {
        let Theater { id, name } = theater;
        Self { id, name }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Auditorium)]
struct AuditoriumBody {
    id: AuditoriumId,
    theater_id: TheaterId,
    name: String,
    kind: AuditoriumKind,
    layout_version: u32,
    seats: u32,
}

impl From<ListedAuditorium> for AuditoriumBody {
    fn from(listed: ListedAuditorium) -> Self {
        let ListedAuditorium { id, theater_id, name, kind, layout_version, seats } = listed;
        Self { id, theater_id, name, kind, layout_version, seats }
    }
}

/// Theaters.
#[utoipa::path(
    get, path = "/theaters", operation_id = "listTheaters",
    params(PageQuery),
    responses((status = 200, body = Page<TheaterBody>), (status = 304))
)]
async fn list(State(app): State<App>, page: Paging) -> Result<Response, Problem> {
    let after = page.after()?;
    let found = app.store.theaters(after.as_ref(), page.fetch()).await?;
    Ok(page.answer(found, |theater| theater.id.to_string(), TheaterBody::from))
}

/// One theater.
#[utoipa::path(
    get, path = "/theaters/{id}", operation_id = "readTheater",
    responses((status = 200, body = TheaterBody), (status = 304))
)]
async fn read(
    State(app): State<App>,
    headers: HeaderMap,
    Path(theater): Path<String>,
) -> Result<Response, Problem> {
    let found = app.store.theater(&id(theater, "theater")?).await?;
    let found = found.ok_or_else(|| Problem::not_found("theater"))?;
    Ok(etag::answer(&headers, &TheaterBody::from(found)))
}

/// The auditoriums of a theater.
#[utoipa::path(
    get, path = "/theaters/{id}/auditoriums", operation_id = "listAuditoriums",
    params(PageQuery),
    responses((status = 200, body = Page<AuditoriumBody>), (status = 304))
)]
async fn auditoriums(
    State(app): State<App>,
    page: Paging,
    Path(theater): Path<String>,
) -> Result<Response, Problem> {
    let theater: TheaterId = id(theater, "theater")?;
    if app.store.theater(&theater).await?.is_none() {
        return Err(Problem::not_found("theater"));
    }
    let after = page.after()?;
    let found = app.store.auditoriums(&theater, after.as_ref(), page.fetch()).await?;
    Ok(page.answer(found, |listed| listed.id.to_string(), AuditoriumBody::from))
}
