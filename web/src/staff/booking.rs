//! One booking as staff sees it, found by code or name: how it stands, and acting for its customer.

use super::turned_away;
use crate::client::{Command, Refused, Site};
use crate::films::{Items, Money};
use crate::page::{self, Frame};
use crate::session::Visitor;
use crate::times::moment;
use crate::words::{StaffWords, event, status, with};
use askama::Template;
use axum::Router;
use axum::extract::{Form, Path, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use domain::won::written;
use domain::words::{EventType, ReservationStatus};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

pub(super) fn routes() -> Router<Site> {
    Router::new()
        .route("/staff/lookups", post(look_up))
        .route("/staff/bookings/{id}", get(booking))
        .route("/staff/bookings/{id}/events", get(events))
        .route("/staff/bookings/{id}/nudge", post(nudge))
        .route("/staff/bookings/{id}/cancellation", post(cancel))
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
