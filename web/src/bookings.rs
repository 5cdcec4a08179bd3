//! All bookings of a visitor, the newest first.

use crate::client::Site;
use crate::films::{Items, Money};
use crate::page::{self, Frame};
use crate::session::Visitor;
use crate::times::moment;
use crate::words::{Words, people, status};
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use domain::won::written;
use domain::words::ReservationStatus;
use jiff::Timestamp;
use serde::Deserialize;

pub(crate) fn routes() -> Router<Site> {
    Router::new().route("/bookings", get(list)).route("/bookings/events", get(events))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntryJson {
    reservation_id: String,
    movie_title: String,
    theater_name: String,
    auditorium_name: String,
    starts_at: Timestamp,
    seat_qty: u32,
    seat_numbers: Vec<String>,
    amount: Money,
    status: ReservationStatus,
    version: i64,
}

#[derive(Template)]
#[template(path = "bookings.html")]
struct BookingsPage {
    frame: Frame,
    /// Changes whenever one of them does.
    version: String,
    entries: Vec<Entry>,
}

struct Entry {
    id: String,
    title: String,
    place: String,
    starts: String,
    seats: String,
    amount: String,
    class: String,
    status: &'static str,
}

async fn list(State(site): State<Site>, visitor: Visitor) -> Response {
    let found: Items<EntryJson> = match site.get(&visitor, "/mypage?limit=50").await {
        Ok(found) => found,
        Err(refused) => return page::refused(&visitor, refused),
    };
    let words = Words::of(visitor.language);
    let sum: i64 = found.items.iter().map(|entry| entry.version).sum();
    let newest = found.items.first().map_or("", |entry| &entry.reservation_id);
    let version = format!("{newest}-{sum}");
    let entry = |it: EntryJson| Entry {
        title: it.movie_title,
        place: format!("{} {}", it.theater_name, it.auditorium_name),
        starts: moment(it.starts_at, visitor.language),
        seats: match it.seat_numbers.is_empty() {
            true => people(it.seat_qty, visitor.language),
            false => it.seat_numbers.join(" "),
        },
        amount: written(it.amount.value, visitor.language),
        class: it.status.as_str().to_ascii_lowercase(),
        status: status(it.status, visitor.language),
        id: it.reservation_id,
    };
    let entries = found.items.into_iter().map(entry).collect();
    let frame = Frame::new(&visitor, words.my_bookings);
    page::shown(&BookingsPage { frame, version, entries }, StatusCode::OK)
}

/// What happens to any of them, for the page that is open.
async fn events(State(site): State<Site>, visitor: Visitor) -> Response {
    site.stream(&visitor, "/mypage/events").await
}
