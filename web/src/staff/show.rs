//! A show as staff sees it: seats kept back from sale or put on sale again, another show like it, and
//! giving it up.

use super::{is_staff, turned_away};
use crate::client::{Command, Refused, Site};
use crate::films::{GradeJson, MovieJson, ShowJson};
use crate::hall::{self, MapRow};
use crate::page::{self, Frame};
use crate::session::Visitor;
use crate::times::{self, in_seoul, moment};
use crate::words::{StaffWords, with};
use askama::Template;
use axum::Router;
use axum::extract::{Form, Path, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use jiff::civil::DateTime;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub(super) fn routes() -> Router<Site> {
    Router::new()
        .route("/staff/shows/{id}", get(show))
        .route("/staff/shows/{id}/seats", post(block))
        .route("/staff/shows/{id}/another", post(another))
        .route("/staff/shows/{id}/cancellation", post(give_up))
}

/// A show with what another one like it has, too.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LikeJson {
    #[serde(flatten)]
    show: ShowJson,
    auditorium_id: String,
    cancel_policy: String,
}

#[derive(Deserialize)]
struct GivenUpJson {
    total: u32,
    done: u32,
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
    movie: String,
    /// All that may be shown instead.
    movies: Vec<MovieJson>,
    /// How far it is undone, once it was given up.
    given_up: Option<String>,
    /// Nothing starts before it.
    now: String,
    key: String,
}

async fn show(State(site): State<Site>, visitor: Visitor, Path(id): Path<String>) -> Response {
    show_with(&site, &visitor, &id, None).await
}

async fn show_with(site: &Site, visitor: &Visitor, id: &str, refused: Option<Refused>) -> Response {
    let found = async {
        // Whoever is no staff sees no more than the door.
        is_staff(site, visitor).await?;
        let show: ShowJson = site.get(visitor, &format!("/showtimes/{id}")).await?;
        let rows = hall::all_of(site, visitor, id).await?;
        let movies = site.all(visitor, "/movies?status=SHOWING&limit=100").await?;
        let path = format!("/admin/showtimes/{id}/cancellation");
        let given_up: Option<GivenUpJson> = match site.get(visitor, &path).await {
            Ok(given_up) => Some(given_up),
            Err(refused) if refused.status() == StatusCode::NOT_FOUND => None,
            Err(refused) => return Err(refused),
        };
        Ok::<_, Refused>((show, rows, movies, given_up))
    };
    let (show, rows, movies, given_up) = match found.await {
        Ok(found) => found,
        Err(refused) => return turned_away(visitor, refused),
    };
    let code = refused.as_ref().map_or(StatusCode::OK, Refused::status);
    let mut frame = Frame::new(visitor, show.movie_title);
    frame.refused = refused;
    let staff = StaffWords::of(visitor.language);
    let page = ShowPage {
        frame,
        staff,
        id: show.id,
        place: format!("{} {}", show.theater_name, show.auditorium_name),
        starts: moment(show.starts_at, visitor.language),
        rows,
        movie: show.movie_id,
        movies,
        given_up: given_up
            .map(|undone| with(staff.given_up, format!("{} / {}", undone.done, undone.total))),
        now: times::now(),
        key: Uuid::new_v4().simple().to_string(),
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

#[derive(Deserialize)]
struct Another {
    movie: String,
    /// In Korea.
    starts: DateTime,
    key: String,
}

/// Where it is shown, for how much and on which terms is as for this one.
async fn another(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<String>,
    Form(form): Form<Another>,
) -> Response {
    let added = async {
        let like: LikeJson = site.get(&visitor, &format!("/showtimes/{id}")).await?;
        let command = Command {
            method: Method::POST,
            path: "/admin/showtimes".to_owned(),
            body: json!({
                "movieId": form.movie, "auditoriumId": like.auditorium_id,
                "startsAt": in_seoul(form.starts), "cancelPolicy": like.cancel_policy,
                "maxPartySize": like.show.max_party_size, "prices": prices(&like.show),
            }),
            key: Some(form.key),
        };
        site.command::<ShowJson>(&visitor, command).await
    };
    match added.await {
        Ok(show) => page::see(&format!("/staff/shows/{}", show.id)),
        Err(refused) => show_with(&site, &visitor, &id, Some(refused)).await,
    }
}

fn prices(show: &ShowJson) -> Value {
    let fares = |it: &GradeJson| -> Map<String, Value> {
        let fares = it.prices.iter();
        let fare = |won: i64| json!({"value": won, "currency": "KRW"});
        fares.map(|(audience, money)| (audience.to_string(), fare(money.value))).collect()
    };
    show.grades.iter().map(|it| (it.grade.to_string(), Value::from(fares(it)))).collect()
}

#[derive(Deserialize)]
struct GivingUp {
    reason: String,
}

async fn give_up(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<String>,
    Form(form): Form<GivingUp>,
) -> Response {
    let path = format!("/admin/showtimes/{id}/cancellation");
    let body = json!({"reason": form.reason});
    match site.done(&visitor, Command { method: Method::POST, path, body, key: None }).await {
        Ok(()) => page::see(&format!("/staff/shows/{id}")),
        Err(refused) => show_with(&site, &visitor, &id, Some(refused)).await,
    }
}
