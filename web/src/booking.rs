//! One booking, whatever stands next: paying, choosing seats, the tickets, cancelling, and what has
//! happened so far. An open page hears of each step, and is asked for again and shown when it has
//! changed.

use crate::client::{Command, Refused, Site};
use crate::films::{Items, Money};
use crate::hall::{self, Hall};
use crate::page::{self, Frame};
use crate::session::Visitor;
use crate::times::{clock, moment};
use crate::words::{Words, audience, event, methods, people, status, with};
use askama::Template;
use axum::Router;
use axum::extract::{Form, Path, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use domain::reservation::Action;
use domain::won::written;
use domain::words::{Audience, EventType, Grade, ReservationStatus, TicketStatus};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) fn routes() -> Router<Site> {
    Router::new()
        .route("/bookings/{id}", get(show))
        .route("/bookings/{id}/events", get(events))
        .route("/bookings/{id}/payments", post(pay))
        .route("/bookings/{id}/seats", post(choose))
        .route("/bookings/{id}/cancellation", post(cancel))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BookingJson {
    id: String,
    code: String,
    showtime_id: String,
    movie_title: String,
    starts_at: Timestamp,
    grade: Grade,
    party_size: u32,
    amount: Money,
    status: ReservationStatus,
    version: i64,
    deadline_at: Option<Timestamp>,
    server_time: Timestamp,
    allowed_actions: Vec<Action>,
    payment: PaymentJson,
    seats: Vec<SeatJson>,
    tickets: Vec<TicketJson>,
    cancellation: Option<UndoJson>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PaymentJson {
    estimated_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct SeatJson {
    number: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TicketJson {
    code: String,
    seat_number: String,
    audience: Audience,
    status: TicketStatus,
}

#[derive(Deserialize)]
struct UndoJson {
    state: String,
    amount: Money,
    steps: Vec<StepJson>,
}

#[derive(Deserialize)]
struct StepJson {
    name: String,
    state: String,
}

#[derive(Deserialize)]
struct EventJson {
    r#type: EventType,
    at: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct QuoteJson {
    refund: Money,
    next_change: Option<ChangeJson>,
}

#[derive(Deserialize)]
struct ChangeJson {
    at: Timestamp,
}

#[derive(Template)]
#[template(path = "booking.html")]
struct BookingPage {
    frame: Frame,
    id: String,
    version: i64,
    code: String,
    title: String,
    starts: String,
    seats: String,
    people: String,
    amount: String,
    status: &'static str,
    /// Nothing can follow.
    ended: bool,
    deadline: Option<Deadline>,
    pay: Option<Pay>,
    waiting: Option<Waiting>,
    map: Option<Hall>,
    /// What could be chosen instead of what was refused.
    instead: Vec<Instead>,
    tickets: Vec<Ticket>,
    tickets_owed: bool,
    undo: Option<Undo>,
    quote: Option<Quote>,
    events: Vec<Happened>,
    key: String,
}

struct Deadline {
    at: String,
    now: String,
    clock: String,
}

struct Pay {
    button: String,
    amount: i64,
    methods: Vec<(&'static str, &'static str)>,
}

struct Waiting {
    title: &'static str,
    text: &'static str,
    around: Option<String>,
}

struct Instead {
    ids: Vec<String>,
    numbers: String,
}

struct Ticket {
    code: String,
    seat: String,
    who: &'static str,
    qr: String,
}

struct Undo {
    amount: String,
    steps: Vec<(&'static str, bool)>,
}

struct Quote {
    refund: String,
    changes: Option<String>,
}

struct Happened {
    clock: String,
    text: &'static str,
}

async fn show(State(site): State<Site>, visitor: Visitor, Path(id): Path<String>) -> Response {
    shown(&site, &visitor, &id, None).await
}

async fn shown(site: &Site, visitor: &Visitor, id: &str, refused: Option<Refused>) -> Response {
    let found = async {
        let booking: BookingJson = site.get(visitor, &format!("/reservations/{id}")).await?;
        let path = format!("/reservations/{id}/timeline?limit=100");
        let events: Items<EventJson> = site.get(visitor, &path).await?;
        let may = |action| booking.allowed_actions.contains(&action);
        let quote = match may(Action::Cancel) {
            false => None,
            true => {
                let path = format!("/reservations/{id}/cancellation-quote");
                site.get::<QuoteJson>(visitor, &path).await.ok()
            }
        };
        let map = match may(Action::SelectSeats) {
            false => None,
            true => {
                let (grade, size) = (booking.grade, booking.party_size);
                Some(hall::of(site, visitor, &booking.showtime_id, grade, size).await?)
            }
        };
        let tickets = tickets_of(site, visitor, &booking).await?;
        Ok::<_, Refused>(Found { booking, events: events.items, quote, map, tickets })
    };
    match found.await {
        Ok(found) => {
            let status = refused.as_ref().map_or(StatusCode::OK, Refused::status);
            let mut page = page_of(visitor, found);
            let instead = refused.iter().flat_map(|refused| refused.alternatives.clone());
            page.instead =
                page.map.iter().flat_map(|map| instead_on(map, instead.clone())).collect();
            page.frame.refused = refused;
            page::shown(&page, status)
        }
        Err(refused) => page::refused(visitor, refused),
    }
}

/// All that the page shows.
struct Found {
    booking: BookingJson,
    events: Vec<EventJson>,
    quote: Option<QuoteJson>,
    map: Option<Hall>,
    tickets: Vec<Ticket>,
}

fn page_of(visitor: &Visitor, found: Found) -> BookingPage {
    let Found { booking, events, quote, map, tickets } = found;
    let language = visitor.language;
    let frame = Frame::new(visitor, booking.movie_title.clone());
    let words = frame.words;
    let may = |action| booking.allowed_actions.contains(&action);
    let pay = may(Action::Pay).then(|| Pay {
        button: with(words.pay, written(booking.amount.value, language)),
        amount: booking.amount.value,
        methods: methods(language),
    });
    let waiting = waiting_of(&booking, words);
    let seats: Vec<&str> = booking.seats.iter().map(|seat| seat.number.as_str()).collect();
    let deadline = booking.deadline_at.filter(|_| pay.is_some() || map.is_some());
    let undo = booking.cancellation.filter(|undo| undo.state != "DONE").map(|undo| Undo {
        amount: written(undo.amount.value, language),
        steps: steps_of(&undo, words),
    });
    BookingPage {
        id: booking.id,
        version: booking.version,
        code: booking.code,
        title: booking.movie_title,
        starts: moment(booking.starts_at, language),
        people: people(booking.party_size, language),
        amount: written(booking.amount.value, language),
        status: status(booking.status, language),
        ended: booking.status.is_terminal(),
        deadline: deadline.map(|at| Deadline {
            at: at.to_string(),
            now: booking.server_time.to_string(),
            clock: clock(at),
        }),
        pay,
        waiting,
        map,
        instead: Vec::new(),
        tickets_owed: booking.status == ReservationStatus::SeatSelected,
        tickets,
        seats: seats.join(" "),
        undo,
        quote: quote.map(|quote| Quote {
            refund: with(words.cancel_refund, written(quote.refund.value, language)),
            changes: quote
                .next_change
                .map(|change| with(words.cancel_later, moment(change.at, language))),
        }),
        events: events
            .iter()
            .rev()
            .map(|it| Happened { clock: clock(it.at), text: event(it.r#type, language) })
            .collect(),
        key: Uuid::new_v4().simple().to_string(),
        frame,
    }
}

/// Choices that the rules allow, by the numbers on the seats.
fn instead_on(map: &Hall, choices: impl Iterator<Item = Vec<String>>) -> Vec<Instead> {
    let seats = || map.rows.iter().flat_map(|row| row.seats.iter().flatten());
    let number = |id: &String| seats().find(|seat| seat.id == *id).map(|seat| seat.number.clone());
    let choice = |ids: Vec<String>| Instead {
        numbers: ids.iter().filter_map(number).collect::<Vec<_>>().join(" "),
        ids,
    };
    choices.map(choice).collect()
}

/// The customer need not wait, and is told so.
fn waiting_of(booking: &BookingJson, words: &'static Words) -> Option<Waiting> {
    match booking.status {
        ReservationStatus::PaymentDeferred => Some(Waiting {
            title: words.deferred_title,
            text: words.deferred_text,
            around: booking.payment.estimated_at.map(clock),
        }),
        ReservationStatus::PaymentPending => {
            Some(Waiting { title: words.waiting_title, text: words.waiting_text, around: None })
        }
        _ => None,
    }
}

/// Those that let people in; their QR codes are drawn by the API.
async fn tickets_of(
    site: &Site,
    visitor: &Visitor,
    booking: &BookingJson,
) -> Result<Vec<Ticket>, Refused> {
    let live = |it: &&TicketJson| matches!(it.status, TicketStatus::Issued | TicketStatus::Used);
    let mut tickets = Vec::new();
    for ticket in booking.tickets.iter().filter(live) {
        let qr = match site.drawing(visitor, &format!("/tickets/{}", ticket.code)).await {
            Ok(qr) => qr,
            // It was cancelled just now; the page will hear of it.
            Err(refused) if refused.status() == StatusCode::GONE => continue,
            Err(refused) => return Err(refused),
        };
        tickets.push(Ticket {
            code: ticket.code.clone(),
            seat: ticket.seat_number.clone(),
            who: audience(ticket.audience, visitor.language),
            // Without the declaration, so that it stands within a page.
            qr: qr.split_once("?>").map_or_else(String::new, |(_, svg)| svg.to_owned()),
        });
    }
    Ok(tickets)
}

fn steps_of(undo: &UndoJson, words: &'static Words) -> Vec<(&'static str, bool)> {
    let step = |step: &StepJson| {
        let text =
            words.steps.iter().find(|(name, _)| *name == step.name).map(|(_, text)| *text)?;
        Some((text, step.state == "DONE"))
    };
    undo.steps.iter().filter_map(step).collect()
}

type Pairs = Form<Vec<(String, String)>>;

fn given(pairs: &[(String, String)], name: &str) -> Option<String> {
    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

async fn after(
    site: &Site,
    visitor: &Visitor,
    id: &str,
    method: Method,
    part: &str,
    body: Value,
    key: Option<String>,
) -> Response {
    let path = format!("/reservations/{id}/{part}");
    match site.command::<Value>(visitor, Command { method, path, body, key }).await {
        Ok(_) => page::see(&format!("/bookings/{id}")),
        Err(refused) => shown(site, visitor, id, Some(refused)).await,
    }
}

async fn pay(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<String>,
    Form(pairs): Pairs,
) -> Response {
    let won: i64 = given(&pairs, "amount").and_then(|text| text.parse().ok()).unwrap_or_default();
    let body = json!({
        "method": given(&pairs, "method"), "amount": {"value": won, "currency": "KRW"},
    });
    after(&site, &visitor, &id, Method::POST, "payments", body, given(&pairs, "key")).await
}

async fn choose(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<String>,
    Form(pairs): Pairs,
) -> Response {
    let seats = pairs.iter().filter(|(name, _)| name == "seat").map(|(_, id)| id);
    let body = json!({"seatIds": seats.collect::<Vec<_>>()});
    after(&site, &visitor, &id, Method::PUT, "seats", body, None).await
}

async fn cancel(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<String>,
    Form(pairs): Pairs,
) -> Response {
    let body = json!({"reason": "CUSTOMER_REQUEST"});
    after(&site, &visitor, &id, Method::POST, "cancellation", body, given(&pairs, "key")).await
}

/// What happens to it, for the page that is open.
async fn events(State(site): State<Site>, visitor: Visitor, Path(id): Path<String>) -> Response {
    site.stream(&visitor, &format!("/reservations/{id}/events")).await
}
