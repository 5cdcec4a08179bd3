//! The pages for staff: how today's shows sell, what needs people, finding a booking and acting for
//! its customer, putting films and shows on, keeping seats back. Who is staff says the token that they bring; without tokens
//! (on loopback) anybody is.

mod booking;
mod concerns;
mod films;
mod show;

use crate::client::{Refused, Site};
use crate::films::{Items, ShowJson};
use crate::page::{self, Frame};
use crate::session::{Visitor, Who, staff_cookie};
use crate::times::{self, clock};
use crate::words::{StaffWords, grade};
use askama::Template;
use axum::Router;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use concerns::{ConcernJson, ConcernRow, concern_row};
use domain::words::{Grade, Language, ShowtimeStatus};
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::Value;

pub(crate) fn routes() -> Router<Site> {
    Router::new()
        .route("/staff", get(overview))
        .route("/staff/session", post(sign_in))
        .route("/staff/session/end", post(sign_out))
        .merge(concerns::routes())
        .merge(films::routes())
        .merge(show::routes())
        .merge(booking::routes())
}

#[derive(Deserialize)]
struct SalesJson {
    showtime: ShowJson,
    sales: Vec<GradeSalesJson>,
}

#[derive(Deserialize)]
struct GradeSalesJson {
    grade: Grade,
    sellable: u32,
    held: u32,
    sold: u32,
}

#[derive(Template)]
#[template(path = "staff.html")]
struct OverviewPage {
    frame: Frame,
    staff: &'static StaffWords,
    day: String,
    before: String,
    after: String,
    shows: Vec<ShowRow>,
    concerns: Vec<ConcernRow>,
}

struct ShowRow {
    id: String,
    given_up: bool,
    starts: String,
    title: String,
    place: String,
    sold: u32,
    held: u32,
    free: u32,
    /// Of a hundred, for the bar.
    full: u32,
    grades: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Asked {
    date: Option<Date>,
}

async fn overview(
    State(site): State<Site>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Response {
    overview_with(&site, &visitor, asked, None).await
}

async fn overview_with(
    site: &Site,
    visitor: &Visitor,
    asked: Asked,
    refused: Option<Refused>,
) -> Response {
    let date = asked.date.unwrap_or_else(times::today);
    let found = async {
        let concerns: Items<ConcernJson> = site.get(visitor, "/admin/attention?limit=50").await?;
        let sales = site.all(visitor, &format!("/admin/showtimes?limit=100&date={date}")).await?;
        Ok::<_, Refused>((concerns.items, sales))
    };
    let (concerns, sales): (_, Vec<SalesJson>) = match found.await {
        Ok(found) => found,
        Err(refused) => return turned_away(visitor, refused),
    };
    let language = visitor.language;
    let staff = StaffWords::of(language);
    let code = refused.as_ref().map_or(StatusCode::OK, Refused::status);
    let mut frame = Frame::new(visitor, staff.title);
    frame.refused = refused;
    let page = OverviewPage {
        frame,
        staff,
        day: date.to_string(),
        before: date.yesterday().unwrap_or(date).to_string(),
        after: date.tomorrow().unwrap_or(date).to_string(),
        shows: sales.into_iter().map(|it| show_row(it, language)).collect(),
        concerns: concerns.into_iter().map(|it| concern_row(it, language)).collect(),
    };
    page::shown(&page, code)
}

fn show_row(it: SalesJson, language: Language) -> ShowRow {
    let sum = |of: fn(&GradeSalesJson) -> u32| it.sales.iter().map(of).sum::<u32>();
    let (sellable, sold, held) = (sum(|it| it.sellable), sum(|it| it.sold), sum(|it| it.held));
    ShowRow {
        given_up: it.showtime.status == ShowtimeStatus::Cancelled,
        starts: clock(it.showtime.starts_at),
        title: it.showtime.movie_title,
        place: format!("{} {}", it.showtime.theater_name, it.showtime.auditorium_name),
        sold,
        held,
        free: sellable.saturating_sub(sold + held),
        full: (sold + held) * 100 / sellable.max(1),
        grades: it.sales.iter().map(|it| grade_row(it, language)).collect(),
        id: it.showtime.id,
    }
}

/// `Standard 12/96`: sold and held of those on sale.
fn grade_row(it: &GradeSalesJson, language: Language) -> String {
    format!("{} {}/{}", grade(it.grade, language), it.sold + it.held, it.sellable)
}

#[derive(Template)]
#[template(path = "staff_door.html")]
struct DoorPage {
    frame: Frame,
    staff: &'static StaffWords,
}

/// Who is not known to be staff is asked for a token; whatever else was refused is said.
fn turned_away(visitor: &Visitor, refused: Refused) -> Response {
    let status = refused.status();
    if !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return page::refused(visitor, refused);
    }
    let staff = StaffWords::of(visitor.language);
    let mut frame = Frame::new(visitor, staff.title);
    // Who brought nothing has done nothing wrong.
    frame.refused = visitor.brought_token().then_some(refused);
    page::shown(&DoorPage { frame, staff }, status)
}

/// Refused to everybody else, by the least that staff alone may read.
async fn is_staff(site: &Site, visitor: &Visitor) -> Result<(), Refused> {
    site.get::<Value>(visitor, "/admin/audit?limit=1").await.map(|_| ())
}

#[derive(Deserialize)]
struct Door {
    token: String,
}

async fn sign_in(
    State(site): State<Site>,
    visitor: Visitor,
    headers: HeaderMap,
    Form(door): Form<Door>,
) -> Response {
    let token = door.token.trim().to_owned();
    let visitor = Visitor { who: Who::Staff(Some(token.clone())), ..visitor };
    match is_staff(&site, &visitor).await {
        Ok(()) => with_cookie(staff_cookie(&headers, &token)),
        Err(refused) => turned_away(&visitor, refused),
    }
}

fn with_cookie(cookie: Option<HeaderValue>) -> Response {
    match cookie {
        Some(cookie) => ([(header::SET_COOKIE, cookie)], page::see("/staff")).into_response(),
        None => StatusCode::BAD_REQUEST.into_response(),
    }
}

async fn sign_out(headers: HeaderMap) -> Response {
    with_cookie(staff_cookie(&headers, ""))
}
