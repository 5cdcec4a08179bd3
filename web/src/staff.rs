//! The pages for staff: how today's shows sell, what needs people, finding a booking and acting for
//! its customer, keeping seats back. Who is staff says the token that they bring; without tokens
//! (on loopback) anybody is.

use crate::client::{Command, Refused, Site};
use crate::films::{Items, Money, ShowJson};
use crate::hall::{self, MapRow};
use crate::page::{self, Frame};
use crate::session::{Visitor, Who, staff_cookie};
use crate::times::{self, clock, moment};
use crate::words::{StaffWords, event, grade, status, with};
use askama::Template;
use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use domain::won::written;
use domain::words::{EventType, Grade, Language, ReservationStatus};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) fn routes() -> Router<Site> {
    Router::new()
        .route("/staff", get(overview))
        .route("/staff/session", post(sign_in))
        .route("/staff/session/end", post(sign_out))
        .route("/staff/lookups", post(look_up))
        .route("/staff/shows/{id}", get(show))
        .route("/staff/shows/{id}/seats", post(keep))
        .route("/staff/bookings/{id}", get(booking))
        .route("/staff/bookings/{id}/events", get(events))
        .route("/staff/bookings/{id}/nudge", post(nudge))
        .route("/staff/bookings/{id}/cancellation", post(cancel))
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConcernJson {
    worry: String,
    since: Timestamp,
    reservation_id: Option<String>,
    subject: String,
    advice: String,
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

struct ConcernRow {
    worry: String,
    since: String,
    booking: Option<String>,
    subject: String,
    advice: String,
}

#[derive(Deserialize)]
struct Asked {
    date: Option<Date>,
}

async fn overview(
    State(site): State<Site>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Response {
    let date = asked.date.unwrap_or_else(times::today);
    let found = async {
        let concerns: Items<ConcernJson> = site.get(&visitor, "/admin/attention?limit=50").await?;
        let sales = site.all(&visitor, &format!("/admin/showtimes?limit=100&date={date}")).await?;
        Ok::<_, Refused>((concerns.items, sales))
    };
    let (concerns, sales): (_, Vec<SalesJson>) = match found.await {
        Ok(found) => found,
        Err(refused) => return turned_away(&visitor, refused),
    };
    let language = visitor.language;
    let staff = StaffWords::of(language);
    let page = OverviewPage {
        frame: Frame::new(&visitor, staff.title),
        staff,
        day: date.to_string(),
        before: date.yesterday().unwrap_or(date).to_string(),
        after: date.tomorrow().unwrap_or(date).to_string(),
        shows: sales.into_iter().map(|it| show_row(it, language)).collect(),
        concerns: concerns
            .into_iter()
            .map(|it| ConcernRow {
                worry: it.worry,
                since: moment(it.since, language),
                booking: it.reservation_id,
                subject: it.subject,
                advice: it.advice,
            })
            .collect(),
    };
    page::shown(&page, StatusCode::OK)
}

fn show_row(it: SalesJson, language: Language) -> ShowRow {
    let sum = |of: fn(&GradeSalesJson) -> u32| it.sales.iter().map(of).sum::<u32>();
    let (sellable, sold, held) = (sum(|it| it.sellable), sum(|it| it.sold), sum(|it| it.held));
    ShowRow {
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
    match site.get::<Value>(&visitor, "/admin/attention?limit=1").await {
        Ok(_) => with_cookie(staff_cookie(&headers, &token)),
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BookingJson {
    id: String,
    code: String,
    movie_title: String,
    starts_at: Timestamp,
    status: ReservationStatus,
    party_size: u32,
    amount: Money,
    version: i64,
    seats: Vec<SeatJson>,
}

#[derive(Deserialize)]
struct SeatJson {
    number: String,
}

#[derive(Template)]
#[template(path = "staff_found.html")]
struct FoundPage {
    frame: Frame,
    staff: &'static StaffWords,
    found: Vec<BookingRow>,
}

struct BookingRow {
    id: String,
    code: String,
    title: String,
    starts: String,
    seats: String,
    status: &'static str,
    class: String,
}

#[derive(Deserialize)]
struct Sought {
    by: String,
    what: String,
}

async fn look_up(
    State(site): State<Site>,
    visitor: Visitor,
    Form(sought): Form<Sought>,
) -> Response {
    let by = if sought.by == "name" { "name" } else { "code" };
    let command = Command {
        method: Method::POST,
        path: "/admin/lookups".to_owned(),
        body: json!({by: sought.what.trim()}),
        key: None,
    };
    let found: Items<BookingJson> = match site.command(&visitor, command).await {
        Ok(found) => found,
        Err(refused) => return turned_away(&visitor, refused),
    };
    if let [only] = &found.items[..] {
        return page::see(&format!("/staff/bookings/{}", only.id));
    }
    let language = visitor.language;
    let staff = StaffWords::of(language);
    let found = found.items.into_iter().map(|it| BookingRow {
        starts: moment(it.starts_at, language),
        seats: seats_of(&it.seats),
        class: it.status.as_str().to_ascii_lowercase(),
        status: status(it.status, language),
        id: it.id,
        code: it.code,
        title: it.movie_title,
    });
    let frame = Frame::new(&visitor, staff.found);
    page::shown(&FoundPage { frame, staff, found: found.collect() }, StatusCode::OK)
}

fn seats_of(seats: &[SeatJson]) -> String {
    let numbers: Vec<&str> = seats.iter().map(|seat| seat.number.as_str()).collect();
    numbers.join(" ")
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
        site.get::<Value>(visitor, "/admin/attention?limit=1").await?;
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

async fn keep(
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
#[serde(rename_all = "camelCase")]
struct ProgressJson {
    owes: String,
    workflow_id: String,
    workflow_url: Option<String>,
}

#[derive(Deserialize)]
struct EventJson {
    r#type: EventType,
    at: Timestamp,
    actor: String,
}

#[derive(Deserialize)]
struct QuoteJson {
    percent: u8,
    refund: Money,
}

#[derive(Template)]
#[template(path = "staff_booking.html")]
struct BookingPage {
    frame: Frame,
    staff: &'static StaffWords,
    id: String,
    code: String,
    starts: String,
    people: u32,
    seats: String,
    amount: String,
    status: &'static str,
    class: String,
    version: i64,
    ended: bool,
    owes: String,
    workflow: String,
    workflow_url: Option<String>,
    /// What cancelling gives back now; nothing where nobody may.
    refund: Option<String>,
    events: Vec<EventRow>,
    key: String,
}

struct EventRow {
    at: String,
    text: &'static str,
    actor: String,
}

async fn booking(State(site): State<Site>, visitor: Visitor, Path(id): Path<String>) -> Response {
    booking_with(&site, &visitor, &id, None).await
}

async fn booking_with(
    site: &Site,
    visitor: &Visitor,
    id: &str,
    refused: Option<Refused>,
) -> Response {
    let found = async {
        let own = format!("/reservations/{id}");
        let booking: BookingJson = site.get(visitor, &own).await?;
        let progress: ProgressJson = site.get(visitor, &format!("{own}/progress")).await?;
        let path = format!("{own}/timeline?limit=100");
        let events: Items<EventJson> = site.get(visitor, &path).await?;
        let quote: Result<QuoteJson, _> =
            site.get(visitor, &format!("{own}/cancellation-quote")).await;
        Ok::<_, Refused>((booking, progress, events.items, quote.ok()))
    };
    let (booking, progress, events, quote) = match found.await {
        Ok(found) => found,
        Err(refused) => return turned_away(visitor, refused),
    };
    let language = visitor.language;
    let staff = StaffWords::of(language);
    let code = refused.as_ref().map_or(StatusCode::OK, Refused::status);
    let mut frame = Frame::new(visitor, booking.movie_title);
    frame.refused = refused;
    let refund = |quote: QuoteJson| {
        with(
            staff.refund,
            format!("{} ({} %)", written(quote.refund.value, language), quote.percent),
        )
    };
    let page = BookingPage {
        frame,
        staff,
        id: booking.id,
        code: booking.code,
        starts: moment(booking.starts_at, language),
        people: booking.party_size,
        seats: seats_of(&booking.seats),
        amount: written(booking.amount.value, language),
        class: booking.status.as_str().to_ascii_lowercase(),
        status: status(booking.status, language),
        version: booking.version,
        ended: booking.status.is_terminal(),
        owes: progress.owes,
        workflow: progress.workflow_id,
        workflow_url: progress.workflow_url,
        refund: quote.map(refund),
        events: events
            .into_iter()
            .map(|it| EventRow {
                at: moment(it.at, language),
                text: event(it.r#type, language),
                actor: it.actor,
            })
            .collect(),
        key: Uuid::new_v4().simple().to_string(),
    };
    page::shown(&page, code)
}

async fn events(State(site): State<Site>, visitor: Visitor, Path(id): Path<String>) -> Response {
    site.stream(&visitor, &format!("/reservations/{id}/events")).await
}

async fn nudge(State(site): State<Site>, visitor: Visitor, Path(id): Path<String>) -> Response {
    let path = format!("/admin/reservations/{id}/nudge");
    let command = Command { method: Method::POST, path, body: json!({}), key: None };
    acted(&site, &visitor, &id, command).await
}

#[derive(Deserialize)]
struct Cancelling {
    key: String,
}

async fn cancel(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<String>,
    Form(form): Form<Cancelling>,
) -> Response {
    let path = format!("/reservations/{id}/cancellation");
    let body = json!({"reason": "STAFF_REQUEST"});
    let command = Command { method: Method::POST, path, body, key: Some(form.key) };
    acted(&site, &visitor, &id, command).await
}

async fn acted(site: &Site, visitor: &Visitor, id: &str, command: Command) -> Response {
    match site.done(visitor, command).await {
        Ok(()) => page::see(&format!("/staff/bookings/{id}")),
        Err(refused) => booking_with(site, visitor, id, Some(refused)).await,
    }
}
