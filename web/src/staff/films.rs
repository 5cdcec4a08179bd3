//! A film that is not in the catalogue yet.

use super::{Asked, MovieJson, overview_with};
use crate::client::{Command, Site};
use crate::page;
use crate::session::Visitor;
use axum::Router;
use axum::extract::{Form, State};
use axum::http::Method;
use axum::response::Response;
use axum::routing::post;
use serde::Deserialize;
use serde_json::json;

pub(super) fn routes() -> Router<Site> {
    Router::new().route("/staff/films", post(add))
}

#[derive(Deserialize)]
struct Film {
    title: String,
    original_title: String,
    minutes: u32,
    rating: String,
    key: String,
}

async fn add(State(site): State<Site>, visitor: Visitor, Form(film): Form<Film>) -> Response {
    let original_title = Some(film.original_title.trim()).filter(|title| !title.is_empty());
    let command = Command {
        method: Method::POST,
        path: "/admin/movies".to_owned(),
        body: json!({
            "title": film.title, "originalTitle": original_title,
            "runtimeMinutes": film.minutes, "ageRating": film.rating,
        }),
        key: Some(film.key),
    };
    match site.command::<MovieJson>(&visitor, command).await {
        Ok(film) => page::see(&format!("/staff?film={}", film.id)),
        Err(refused) => overview_with(&site, &visitor, Asked::default(), Some(refused)).await,
    }
}
