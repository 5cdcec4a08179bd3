//! Movies: listed, read, added and corrected by staff.

use crate::App;
use crate::caller::Staff;
use crate::etag;
use crate::idempotency::{KeyHeader, key_of};
use crate::json::{Json, Text, whole, whole_or_null};
use crate::outcome::{added, id};
use crate::paging::{Page, PageQuery, Paging};
use crate::problem::Problem;
use crate::query::Query;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use domain::catalogue::{Movie, RUNTIME_MINUTES_MAX};
use domain::ids::MovieId;
use domain::words::{AgeRating, MovieStatus};
use serde::{Deserialize, Serialize};
use store::catalogue::movies::{Catalogued, MovieChange, NewMovie};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(read))
        .routes(routes!(add))
        .routes(routes!(change))
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

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AddMovieRequest)]
struct AddBody {
    title: Text<100>,
    /// Without it: the title.
    original_title: Option<Text<100>>,
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 600)]
    runtime_minutes: u32,
    age_rating: AgeRating,
}

/// Adds a film. 409 `title-taken`: another one has this title.
#[utoipa::path(
    post, path = "/admin/movies", operation_id = "addMovie",
    params(KeyHeader),
    request_body = AddBody,
    responses((status = 201, body = MovieBody)),
    security(("bearer" = ["staff"]))
)]
async fn add(
    State(app): State<App>,
    Staff(staff): Staff,
    headers: HeaderMap,
    Json { value, digest }: Json<AddBody>,
) -> Result<Response, Problem> {
    let key = key_of(&app, &headers, &staff.id, "POST /admin/movies", &digest)?;
    judge_runtime(value.runtime_minutes)?;
    let title: String = value.title.into();
    let new = NewMovie {
        original_title: value.original_title.map_or_else(|| title.clone(), String::from),
        title,
        runtime_minutes: value.runtime_minutes,
        age_rating: value.age_rating,
    };
    let wish = app.store.add_movie(&staff, &new, key.as_ref()).await?;
    added(&app, wish, |movie| format!("/movies/{}", movie.id), MovieBody::from)
}

fn judge_runtime(minutes: u32) -> Result<(), Problem> {
    if (1..=RUNTIME_MINUTES_MAX).contains(&minutes) {
        return Ok(());
    }
    Err(Problem::mistake("/runtimeMinutes", format!("1 to {RUNTIME_MINUTES_MAX} minutes")))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ChangeMovieRequest)]
struct ChangeBody {
    title: Option<Text<100>>,
    original_title: Option<Text<100>>,
    #[serde(default, deserialize_with = "whole_or_null")]
    #[schema(minimum = 1, maximum = 600)]
    runtime_minutes: Option<u32>,
    age_rating: Option<AgeRating>,
    status: Option<MovieStatus>,
}

/// Corrects a film, or ends its run; what is not named stays.
///
/// What was sold stays as it was sold, and shows that are put on keep their times. 409
/// `title-taken`: another film has this title; `shows-to-come`: its run cannot end before its last.
#[utoipa::path(
    patch, path = "/admin/movies/{id}", operation_id = "changeMovie",
    request_body = ChangeBody,
    responses((status = 200, body = MovieBody)),
    security(("bearer" = ["staff"]))
)]
async fn change(
    State(app): State<App>,
    Staff(staff): Staff,
    Path(movie): Path<String>,
    Json { value, .. }: Json<ChangeBody>,
) -> Result<axum::Json<MovieBody>, Problem> {
    value.runtime_minutes.map_or(Ok(()), judge_runtime)?;
    let change = MovieChange {
        title: value.title.map(String::from),
        original_title: value.original_title.map(String::from),
        runtime_minutes: value.runtime_minutes,
        age_rating: value.age_rating,
        status: value.status,
    };
    match app.store.change_movie(&staff, &id(movie, "movie")?, &change).await? {
        Catalogued::Done(movie) | Catalogued::Replayed(movie) => Ok(axum::Json(movie.into())),
        Catalogued::Refused(refusal) => Err(Problem::refused(refusal, None, app.store.now())),
    }
}
