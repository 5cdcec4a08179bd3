//! The films of the catalogue: a new one, a correction, the end of a run.

use super::{is_staff, turned_away};
use crate::client::{Command, Refused, Site};
use crate::films::MovieJson;
use crate::page::{self, Frame};
use crate::session::Visitor;
use crate::words::StaffWords;
use askama::Template;
use axum::Router;
use axum::extract::{Form, Path, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use domain::catalogue::RUNTIME_MINUTES_MAX;
use domain::words::{AgeRating, MovieStatus};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

pub(super) fn routes() -> Router<Site> {
    Router::new()
        .route("/staff/films", get(films).post(add))
        .route("/staff/films/{id}", post(correct).get(back))
        .route("/staff/films/{id}/run", post(end_or_resume).get(back))
}

#[derive(Template)]
#[template(path = "staff_films.html")]
struct FilmsPage {
    frame: Frame,
    staff: &'static StaffWords,
    films: Vec<MovieJson>,
    /// Whose run has ended.
    ended: Vec<MovieJson>,
    ratings: Vec<&'static str>,
    minutes_max: u32,
    key: String,
}

async fn films(State(site): State<Site>, visitor: Visitor) -> Response {
    films_with(&site, &visitor, None).await
}

async fn films_with(site: &Site, visitor: &Visitor, refused: Option<Refused>) -> Response {
    let found = async {
        is_staff(site, visitor).await?;
        let films = site.all(visitor, "/movies?limit=100&status=SHOWING").await?;
        Ok::<_, Refused>((films, site.all(visitor, "/movies?limit=100&status=ENDED").await?))
    };
    let (mut films, ended): (Vec<MovieJson>, Vec<MovieJson>) = match found.await {
        Ok(films) => films,
        Err(refused) => return turned_away(visitor, refused),
    };
    films.sort_by(|one, other| one.title.cmp(&other.title));
    let code = refused.as_ref().map_or(StatusCode::OK, Refused::status);
    let staff = StaffWords::of(visitor.language);
    let mut frame = Frame::new(visitor, staff.films);
    frame.refused = refused;
    let page = FilmsPage {
        frame,
        staff,
        films,
        ended,
        ratings: AgeRating::EVERY.iter().map(|rating| rating.as_str()).collect(),
        minutes_max: RUNTIME_MINUTES_MAX,
        key: Uuid::new_v4().simple().to_string(),
    };
    page::shown(&page, code)
}

#[derive(Deserialize)]
struct Film {
    title: String,
    original_title: String,
    minutes: u32,
    rating: String,
    key: Option<String>,
}

impl Film {
    fn body(&self) -> Value {
        let original_title = match self.original_title.trim() {
            "" => &self.title,
            given => given,
        };
        json!({
            "title": self.title, "originalTitle": original_title,
            "runtimeMinutes": self.minutes, "ageRating": self.rating,
        })
    }
}

async fn add(State(site): State<Site>, visitor: Visitor, Form(film): Form<Film>) -> Response {
    let (path, body) = ("/admin/movies".to_owned(), film.body());
    acted(&site, &visitor, Command { method: Method::POST, path, body, key: film.key }).await
}

async fn correct(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<String>,
    Form(film): Form<Film>,
) -> Response {
    let (path, body) = (format!("/admin/movies/{id}"), film.body());
    acted(&site, &visitor, Command { method: Method::PATCH, path, body, key: None }).await
}

#[derive(Deserialize)]
struct Run {
    status: MovieStatus,
}

async fn end_or_resume(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<String>,
    Form(run): Form<Run>,
) -> Response {
    let path = format!("/admin/movies/{id}");
    let body = json!({"status": run.status});
    acted(&site, &visitor, Command { method: Method::PATCH, path, body, key: None }).await
}

/// Whoever asks for where a form was sent to.
async fn back() -> Response {
    page::see("/staff/films")
}

async fn acted(site: &Site, visitor: &Visitor, command: Command) -> Response {
    match site.done(visitor, command).await {
        Ok(()) => page::see("/staff/films"),
        Err(refused) => films_with(site, visitor, Some(refused)).await,
    }
}
