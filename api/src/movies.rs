//! Movies.

use crate::App;
use crate::etag;
use crate::outcome::id;
use crate::paging::{Page, PageQuery, Paging};
use crate::problem::Problem;
use crate::query::Query;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use domain::catalogue::Movie;
use domain::ids::MovieId;
use domain::words::{AgeRating, MovieStatus};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(read))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Movie)]
struct MovieBody {
    id: MovieId,
    title: String,
    original_title: String,
    runtime_minutes: u32,
    age_rating: AgeRating,
    status: MovieStatus,
}

impl From<Movie> for MovieBody {
    fn from(movie: Movie) -> Self {
        let Movie { id, title, original_title, runtime_minutes, age_rating, status } = movie;
        Self { id, title, original_title, runtime_minutes, age_rating, status }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    title: Option<String>,
    #[param(inline)]
    status: Option<MovieStatus>,
}

/// Films, by title or status.
#[utoipa::path(
    get, path = "/movies", operation_id = "listMovies",
    params(PageQuery, ListQuery),
    responses((status = 200, body = Page<MovieBody>), (status = 304))
)]
async fn list(
    State(app): State<App>,
    page: Paging,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let after = page.after()?;
    let title = query.title.as_deref();
    let found = app.store.movies(title, query.status, after.as_ref(), page.fetch()).await?;
    Ok(page.answer(found, |movie| movie.id.to_string(), MovieBody::from))
}

/// One film.
#[utoipa::path(
    get, path = "/movies/{id}", operation_id = "readMovie",
    responses((status = 200, body = MovieBody), (status = 304))
)]
async fn read(
    State(app): State<App>,
    headers: HeaderMap,
    Path(movie): Path<String>,
) -> Result<Response, Problem> {
    let found = app.store.movie(&id(movie, "movie")?).await?;
    let found = found.ok_or_else(|| Problem::not_found("movie"))?;
    Ok(etag::answer(&headers, &MovieBody::from(found)))
}
