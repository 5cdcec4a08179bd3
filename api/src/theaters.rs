//! Theaters and their auditoriums.

use crate::App;
use crate::etag;
use crate::outcome::id;
use crate::paging::Paging;
use crate::problem::Problem;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use domain::catalogue::Theater;
use domain::ids::{AuditoriumId, TheaterId};
use domain::words::AuditoriumKind;
use serde::Serialize;
use store::catalogue::ListedAuditorium;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/theaters", get(list))
        .route("/theaters/{id}", get(read))
        .route("/theaters/{id}/auditoriums", get(auditoriums))
}

#[derive(Serialize)]
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
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

async fn list(State(app): State<App>, page: Paging) -> Result<Response, Problem> {
    let after = page.after()?;
    let found = app.store.theaters(after.as_ref(), page.fetch()).await?;
    Ok(page.answer(found, |theater| theater.id.to_string(), TheaterBody::from))
}

async fn read(
    State(app): State<App>,
    headers: HeaderMap,
    Path(theater): Path<String>,
) -> Result<Response, Problem> {
    let found = app.store.theater(&id(theater, "theater")?).await?;
    let found = found.ok_or_else(|| Problem::not_found("theater"))?;
    Ok(etag::answer(&headers, &TheaterBody::from(found)))
}

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
