//! Every 4xx and 5xx as `application/problem+json` (RFC 9457), with a stable `code`. Internals are
//! logged with their chain and never shown.

use crate::body::{At, M};
use crate::request::Asked;
use crate::titles::title;
use crate::trace;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::catalogue::UnfitShowtime;
use domain::ids::{SeatId, TicketId};
use domain::refusal::Refusal;
use domain::reservation::{Action, Reservation};
use domain::time::Time;
use domain::words::ReservationStatus;
use opentelemetry::context::FutureExt;
use serde::Serialize;
use store::StoreError;
use tracing::Instrument;
use utoipa::ToSchema;

/// What is wrong with a request, or with us.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    /// Boxed, because most problems have none and every handler's result carries one.
    members: Box<Members>,
    retry_after_secs: Option<u32>,
}

/// One mistake in a body: where (JSON pointer) and what.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Mistake {
    pub(crate) pointer: String,
    pub(crate) message: String,
}

/// What particular problems say beside the common members.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ProblemMembers)]
struct Members {
    errors: Vec<Mistake>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_status: Option<ReservationStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_actions: Option<Vec<Action>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conflicting_seat_ids: Option<Vec<SeatId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stranded_seat_ids: Option<Vec<SeatId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alternatives: Option<Vec<Vec<SeatId>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket_ids: Option<Vec<TicketId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_at: Option<At>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opens_at: Option<At>,
    #[serde(skip_serializing_if = "Option::is_none")]
    used_at: Option<At>,
    #[serde(skip_serializing_if = "Option::is_none")]
    box_office: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<M>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts_left: Option<u32>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub(crate) struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    code: &'static str,
    trace_id: &'a str,
    #[serde(flatten)]
    members: &'a Members,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let members = Box::default();
        Self { status, code, detail: detail.into(), members, retry_after_secs: None }
    }

    /// 400: the request cannot be understood.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    /// 400, with the place of the mistake.
    pub(crate) fn mistake(pointer: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let mut problem = Self::malformed(format!("{pointer}: {message}"));
        problem.members.errors = vec![Mistake { pointer: pointer.to_owned(), message }];
        problem
    }

    /// Asking again may help after so many seconds.
    pub(crate) fn retry_after(mut self, secs: u32) -> Self {
        self.retry_after_secs = Some(secs);
        self
    }

    /// 404: it does not exist, or is somebody else's.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", format!("no such {what}"))
    }

    /// 503: the store cannot be asked.
    pub(crate) fn unavailable() -> Self {
        let detail = "bookings cannot be read or written right now";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(5)
    }

    /// 402: the gateway declined.
    pub(crate) fn declined(row: &Reservation, now: Time) -> Self {
        let detail = format!("the payment was declined; {} attempts left", row.attempts_left);
        let mut problem = Self::new(StatusCode::PAYMENT_REQUIRED, "payment-declined", detail);
        problem.members.attempts_left = Some(row.attempts_left);
        problem.about(row, now)
    }

    /// The rules say no.
    pub(crate) fn refused(refusal: Refusal, row: Option<&Reservation>, now: Time) -> Self {
        let code = refusal.code();
        let (status, detail) = explain(&refusal);
        let mut problem = Self::new(status, code, detail);
        match refusal {
            Refusal::SeatsUnavailable { seats }
            | Refusal::WrongGrade { seats }
            | Refusal::AccessibleSeatOnly { seats }
            | Refusal::UnknownSeats { seats } => {
                problem.members.conflicting_seat_ids = Some(seats);
            }
            Refusal::SingleSeatGap { stranded, alternatives } => {
                problem.members.stranded_seat_ids = Some(stranded);
                problem.members.alternatives = Some(alternatives);
            }
            Refusal::UnknownTickets { tickets } | Refusal::TicketsCancelled { tickets } => {
                problem.members.ticket_ids = Some(tickets);
            }
            Refusal::CancelWindowClosed { closed_at } => {
                problem.members.closed_at = Some(At(closed_at));
                problem.members.box_office = Some("현장 매표소에 문의해 주세요");
            }
            Refusal::TooEarly { opens_at } => problem.members.opens_at = Some(At(opens_at)),
            Refusal::AlreadyUsed { at } => problem.members.used_at = at.map(At),
            Refusal::AmountMismatch { expected } => problem.members.expected = Some(M(expected)),
            Refusal::PaymentInProgress | Refusal::CancellationInProgress => {
                problem.retry_after_secs = Some(1);
            }
            Refusal::Unfit(unfit) => {
                let pointer = pointer(&unfit).to_owned();
                problem.members.errors = vec![Mistake { pointer, message: unfit.to_string() }];
            }
            Refusal::SoldOut
            | Refusal::SalesClosed
            | Refusal::AgeRestricted
            | Refusal::PartySize { .. }
            | Refusal::NotOffered
            | Refusal::WrongState
            | Refusal::DeadlinePassed
            | Refusal::SeatCount { .. }
            | Refusal::TicketUsed
            | Refusal::TicketCancelled
            | Refusal::IdempotencyKeyReused
            | Refusal::LimitExceeded
            | Refusal::TooManyUnpaid { .. }
            | Refusal::NoSuchMovie
            | Refusal::NoSuchAuditorium
            | Refusal::TitleTaken
            | Refusal::MovieEnded
            | Refusal::ShowsToCome
            | Refusal::AuditoriumTaken { .. } => {}
        }
        match row {
            Some(row) if status == StatusCode::CONFLICT => problem.about(row, now),
            _ => problem,
        }
    }

    fn about(mut self, row: &Reservation, now: Time) -> Self {
        self.members.current_status = Some(row.status);
        self.members.allowed_actions = Some(row.allowed_actions(now));
        self
    }
}

/// Where in the request it is.
fn pointer(unfit: &UnfitShowtime) -> &'static str {
    match unfit {
        UnfitShowtime::StartsAt => "/startsAt",
        UnfitShowtime::SalesOpenAt => "/salesOpenAt",
        UnfitShowtime::SalesCloseAt => "/salesCloseAt",
        UnfitShowtime::MaxPartySize => "/maxPartySize",
        UnfitShowtime::Grades(_) | UnfitShowtime::Audiences(_) | UnfitShowtime::Free => "/prices",
    }
}

fn explain(refusal: &Refusal) -> (StatusCode, String) {
    let conflict = StatusCode::CONFLICT;
    let illegal = StatusCode::UNPROCESSABLE_ENTITY;
    match refusal {
        Refusal::SoldOut => (conflict, "no places are left in this grade".into()),
        Refusal::SalesClosed => (conflict, "this showtime is not on sale".into()),
        Refusal::AgeRestricted => (illegal, "this film is for adults only".into()),
        Refusal::PartySize { max } => (illegal, format!("at most {max} people per reservation")),
        Refusal::NotOffered => (illegal, "this grade is not sold to this audience".into()),
        Refusal::AccessibleSeatOnly { .. } => {
            (illegal, "wheelchair places go to wheelchair users and their companions".into())
        }
        Refusal::AmountMismatch { expected } => {
            (illegal, format!("the amount to pay is {} won", expected.get()))
        }
        Refusal::PaymentInProgress => (conflict, "a payment is already under way".into()),
        Refusal::WrongState => (conflict, "the reservation's status does not allow this".into()),
        Refusal::DeadlinePassed => (conflict, "the deadline has passed".into()),
        Refusal::UnknownSeats { .. } => {
            (StatusCode::NOT_FOUND, "no such seat in this showtime".into())
        }
        Refusal::SeatCount { wanted, given } => {
            (illegal, format!("{wanted} different seats are needed, {given} were given"))
        }
        Refusal::WrongGrade { .. } => (illegal, "the seats are of another grade".into()),
        Refusal::SeatsUnavailable { .. } => (conflict, "some of the seats are taken".into()),
        Refusal::SingleSeatGap { .. } => (illegal, "this would leave a single seat alone".into()),
        Refusal::CancelWindowClosed { .. } => {
            (conflict, "it is too late to cancel here; please ask at the box office".into())
        }
        Refusal::CancellationInProgress => {
            (conflict, "something else of it is being cancelled; please wait for that".into())
        }
        Refusal::TicketUsed => (conflict, "somebody has already come in with a ticket".into()),
        Refusal::AlreadyUsed { .. } => (conflict, "somebody has already come in with this".into()),
        Refusal::TicketCancelled => (StatusCode::GONE, "this ticket was cancelled".into()),
        Refusal::TooEarly { .. } => (StatusCode::TOO_EARLY, "the gate is not open yet".into()),
        Refusal::UnknownTickets { .. } => {
            (StatusCode::NOT_FOUND, "no such ticket in this reservation".into())
        }
        Refusal::TicketsCancelled { .. } => {
            (conflict, "some of the tickets were cancelled before".into())
        }
        Refusal::LimitExceeded => (conflict, "this was asked for as often as it may be".into()),
        Refusal::TooManyUnpaid { max } => (
            conflict,
            format!("at most {max} unpaid reservations of one showtime: pay for one, or cancel it"),
        ),
        Refusal::NoSuchMovie => (StatusCode::NOT_FOUND, "no such movie".into()),
        Refusal::NoSuchAuditorium => (StatusCode::NOT_FOUND, "no such auditorium".into()),
        Refusal::Unfit(unfit) => (illegal, unfit.to_string()),
        Refusal::TitleTaken => {
            (conflict, "another film has this title: tell them apart, say by the year".into())
        }
        Refusal::MovieEnded => (conflict, "the run of this film has ended".into()),
        Refusal::ShowsToCome => (conflict, "it has shows to come: give them up first".into()),
        Refusal::AuditoriumTaken { by } => (conflict, format!("it shows {by} at that time")),
        Refusal::IdempotencyKeyReused => {
            (illegal, "this Idempotency-Key was used for another request".into())
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let (unreachable, error) = (error.is_unreachable(), chain_of(&error));
        if unreachable {
            tracing::warn!(error, "store unreachable");
            return Self::unavailable();
        }
        tracing::error!(error, "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something broke on our side")
    }
}

fn chain_of(error: &dyn std::error::Error) -> String {
    let mut chain = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        chain.push_str(": ");
        chain.push_str(&cause.to_string());
        source = cause.source();
    }
    chain
}

impl IntoResponse for Problem {
    /// The document itself is written by [`render`], which knows the request.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(seconds) = self.retry_after_secs {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response.extensions_mut().insert(self);
        response
    }
}

pub(crate) async fn no_such_route() -> Problem {
    Problem::not_found("resource")
}

pub(crate) async fn no_such_method() -> Problem {
    let detail = "this resource does not have that method";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
}

/// Traces the request, writes problem documents and echoes the request id. Whatever error reaches
/// this place without a document (the framework's own rejections) gets one.
pub(crate) async fn render(request: Request, next: Next) -> Response {
    let context = trace::begun(&request);
    let asked = Asked::of(&request, &context);
    let log = tracing::info_span!(
        "request",
        request.id = asked.request_id,
        trace.id = asked.trace_id,
        route = trace::route(&request),
    );
    let mut response = next.run(request).with_context(context.clone()).instrument(log).await;
    let status = response.status();
    trace::ended(&context, status);
    if status.is_client_error() || status.is_server_error() {
        let problem = response.extensions_mut().remove::<Problem>();
        let problem = problem.unwrap_or_else(|| bare(status));
        response = document(&problem, &asked, response);
    }
    if let Ok(id) = HeaderValue::from_str(&asked.request_id) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

fn bare(status: StatusCode) -> Problem {
    let code = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "too-large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported-media-type",
        StatusCode::METHOD_NOT_ALLOWED => "method-not-allowed",
        StatusCode::NOT_FOUND => "not-found",
        _ if status.is_client_error() => "malformed",
        _ => "internal",
    };
    Problem::new(status, code, status.canonical_reason().unwrap_or_default())
}

fn document(problem: &Problem, asked: &Asked, bare: Response) -> Response {
    let document = Document {
        r#type: format!("/problems/{}", problem.code),
        title: title(problem.code, asked.language),
        status: problem.status.as_u16(),
        detail: &problem.detail,
        instance: &asked.path,
        code: problem.code,
        trace_id: &asked.trace_id,
        members: &problem.members,
    };
    let body = serde_json::to_vec(&document).expect("plain data has a JSON form");
    let (mut parts, _) = bare.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let problem_json = HeaderValue::from_static("application/problem+json");
    parts.headers.insert(header::CONTENT_TYPE, problem_json);
    Response::from_parts(parts, body.into())
}
