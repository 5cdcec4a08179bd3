//! The seats of a show as staff sees them: kept back from sale, or put on sale again.

use super::{is_staff, turned_away};
use crate::client::{Command, Refused, Site};
use crate::films::ShowJson;
use crate::hall::{self, MapRow};
use crate::page::{self, Frame};
use crate::session::Visitor;
use crate::times::moment;
use crate::words::StaffWords;
use askama::Template;
use axum::Router;
use axum::extract::{Form, Path, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::json;

pub(super) fn routes() -> Router<Site> {
    Router::new()
        .route("/staff/shows/{id}", get(show))
        .route("/staff/shows/{id}/seats", post(block))
}

#[derive(Template)]
#[template(path = "staff_show.html")]
struct ShowPage {
    frame: Frame,
    staff: &'static StaffWords,
    id: String,
    place: String,
    starts: String,
    rows: Vec<MapRow>,
}

async fn show(State(site): State<Site>, visitor: Visitor, Path(id): Path<String>) -> Response {
    show_with(&site, &visitor, &id, None).await
}

async fn show_with(site: &Site, visitor: &Visitor, id: &str, refused: Option<Refused>) -> Response {
    let found = async {
        // Whoever is no staff sees no more than the door.
        is_staff(site, visitor).await?;
        let show: ShowJson = site.get(visitor, &format!("/showtimes/{id}")).await?;
        Ok::<_, Refused>((show, hall::all_of(site, visitor, id).await?))
    };
    let (show, rows) = match found.await {
        Ok(found) => found,
        Err(refused) => return turned_away(visitor, refused),
    };
    let code = refused.as_ref().map_or(StatusCode::OK, Refused::status);
    let mut frame = Frame::new(visitor, show.movie_title);
    frame.refused = refused;
    let page = ShowPage {
        frame,
        staff: StaffWords::of(visitor.language),
        id: show.id,
        place: format!("{} {}", show.theater_name, show.auditorium_name),
        starts: moment(show.starts_at, visitor.language),
        rows,
    };
    page::shown(&page, code)
}

async fn block(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<String>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Response {
    let named = |wanted: &'static str| {
        pairs.iter().filter(move |(name, _)| name == wanted).map(|(_, value)| value.as_str())
    };
    let seats: Vec<&str> = named("seat").collect();
    let body = json!({"seatIds": seats, "blocked": named("blocked").next() == Some("true")});
    let path = format!("/admin/showtimes/{id}/seats");
    match site.done(&visitor, Command { method: Method::PATCH, path, body, key: None }).await {
        Ok(()) => page::see(&format!("/staff/shows/{id}")),
        Err(refused) => show_with(&site, &visitor, &id, Some(refused)).await,
    }
}
