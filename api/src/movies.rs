//! Movies.

use crate::App;
use crate::etag;
use crate::outcome::id;
use crate::paging::Paging;
use crate::problem::Problem;
use crate::query::Query;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use domain::catalogue::Movie;
use domain::ids::MovieId;
use domain::words::{AgeRating, MovieStatus};
use serde::{Deserialize, Serialize};

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/movies", get(list)).route("/movies/{id}", get(read))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
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

#[derive(Deserialize)]
struct ListQuery {
    title: Option<String>,
    status: Option<MovieStatus>,
}

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

async fn read(
    State(app): State<App>,
    headers: HeaderMap,
    Path(movie): Path<String>,
) -> Result<Response, Problem> {
    let found = app.store.movie(&id(movie, "movie")?).await?;
    let found = found.ok_or_else(|| Problem::not_found("movie"))?;
    Ok(etag::answer(&headers, &MovieBody::from(found)))
}
