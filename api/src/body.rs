//! The JSON that leaves: the reservation and what its parts have in common (specification 2.6).

use crate::json::whole;
use domain::cancellation::Cancellation;
use domain::ids::{
    CancellationId, CustomerId, PaymentAttemptId, ReservationId, SeatId, ShowtimeId, TicketId,
};
use domain::reservation::{Action, Plan, PlanSeats, Reservation};
use domain::ticket::Ticket;
use domain::time::Time;
use domain::won::Won;
use domain::words::{
    Audience, CancellationState, Grade, Method, PaymentStatus, ReservationStatus, Scope, SeatKind,
    SeatStatus, StatusReason, TicketStatus,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use store::seats::AssignedSeat;
use store::{Store, StoreError};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

pub(crate) const TIME_ZONE: &str = "Asia/Seoul";

/// An instant as RFC 3339 in UTC with milliseconds.
#[derive(Debug, Clone, Copy, ToSchema)]
#[schema(as = Instant, value_type = String, format = DateTime)]
pub(crate) struct At(pub(crate) Time);

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let at = jiff::Timestamp::from_millisecond(self.0.as_millis()).unwrap_or_default();
        serializer.collect_str(&format_args!("{at:.3}"))
    }
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let at = jiff::Timestamp::deserialize(deserializer)?;
        Ok(Self(Time::from_millis(at.as_millisecond())))
    }
}

/// An amount, shown as [`Money`].
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(into = "Money")]
pub(crate) struct M(pub(crate) Won);

/// An amount with its currency.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Money {
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    #[serde(deserialize_with = "whole")]
    pub(crate) value: i64,
    currency: Currency,
}

/// Won is the only one.
#[derive(Serialize, Deserialize, ToSchema)]
enum Currency {
    #[serde(rename = "KRW")]
    Won,
}

impl From<M> for Money {
    fn from(M(amount): M) -> Self {
        Self { value: amount.get(), currency: Currency::Won }
    }
}

impl PartialSchema for M {
    fn schema() -> RefOr<Schema> {
        Money::schema()
    }
}

impl ToSchema for M {
    fn name() -> Cow<'static, str> {
        Money::name()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Money::schemas(schemas);
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Reservation)]
pub(crate) struct ReservationBody {
    id: ReservationId,
    code: String,
    customer_id: CustomerId,
    showtime_id: ShowtimeId,
    movie_title: String,
    starts_at: At,
    time_zone: &'static str,
    grade: Grade,
    admissions: Vec<AdmissionBody>,
    party_size: u32,
    amount: M,
    plan: Option<PlanBody>,
    pub(crate) status: ReservationStatus,
    status_label: &'static str,
    status_reason: Option<StatusReason>,
    version: i64,
    created_at: At,
    deadline_at: Option<At>,
    pub(crate) server_time: At,
    allowed_actions: Vec<Action>,
    payment: PaymentPart,
    seats: Vec<SeatPart>,
    tickets: Vec<TicketPart>,
    cancellation: Option<CancellationBody>,
    links: Links,
    #[serde(flatten)]
    pub(crate) report: ReportPart,
    /// Only in the answer to somebody who was not known: their bearer token from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) guest_token: Option<String>,
}

/// Only in answers to the report's form.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReportForm)]
pub(crate) struct ReportPart {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) customer_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) movie_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reservation_status: Option<&'static str>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Admission)]
pub(crate) struct AdmissionBody {
    pub(crate) r#type: Audience,
    #[serde(deserialize_with = "whole")]
    pub(crate) count: u32,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Plan)]
struct PlanBody {
    method: Method,
    /// Null: they were taken by others, and the customer chooses.
    seats: Option<PlanSeatsBody>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "\"best\" or a list of seat ids")]
#[schema(as = PlanSeats)]
pub(crate) enum PlanSeatsBody {
    Best(Best),
    Ids(Vec<SeatId>),
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Best {
    Best,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PaymentSummary)]
struct PaymentPart {
    id: Option<PaymentAttemptId>,
    /// The order id that the customer authorises at the gateway next, while one may pay.
    next_id: Option<PaymentAttemptId>,
    status: PaymentStatus,
    attempts_left: u32,
    refunded: M,
    estimated_at: Option<At>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AssignedSeat)]
struct SeatPart {
    seat_id: SeatId,
    number: String,
    grade: Grade,
    kind: SeatKind,
    state: SeatStatus,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Ticket)]
pub(crate) struct TicketPart {
    id: TicketId,
    code: String,
    seat_number: String,
    audience: Audience,
    price: M,
    status: TicketStatus,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Cancellation)]
pub(crate) struct CancellationBody {
    id: CancellationId,
    pub(crate) state: CancellationState,
    scope: Scope,
    reason: StatusReason,
    ticket_ids: Vec<TicketId>,
    percent: u8,
    amount: M,
    steps: Vec<StepBody>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CancellationStep)]
struct StepBody {
    name: &'static str,
    state: &'static str,
    at: Option<At>,
}

#[derive(Serialize, ToSchema)]
struct Links {
    #[serde(rename = "self")]
    itself: String,
}

impl ReservationBody {
    /// The row with its seats, tickets and cancellation; what cannot exist yet is not asked for.
    pub(crate) async fn of(store: &Store, row: &Reservation) -> Result<Self, StoreError> {
        let seats = match row.seats {
            SeatStatus::None => Vec::new(),
            _ => store.assigned_seats(&row.id).await?,
        };
        let tickets = match row.tickets {
            TicketStatus::None => Vec::new(),
            _ => store.tickets(&row.id).await?,
        };
        let cancellation = match row.has_cancellation() {
            false => None,
            true => store.latest_cancellation(&row.id).await?,
        };
        let cancellation = cancellation.map(|undo| CancellationBody::of(&undo, row, &tickets));
        Ok(Self::put_together(row, &seats, tickets, cancellation, store.now()))
    }

    fn put_together(
        row: &Reservation,
        seats: &[AssignedSeat],
        tickets: Vec<Ticket>,
        cancellation: Option<CancellationBody>,
        now: Time,
    ) -> Self {
        Self {
            id: row.id.clone(),
            code: row.code.clone(),
            customer_id: row.customer_id.clone(),
            showtime_id: row.showtime.showtime_id.clone(),
            movie_title: row.showtime.movie_title.clone(),
            starts_at: At(row.showtime.starts_at),
            time_zone: TIME_ZONE,
            grade: row.grade,
            admissions: admissions(row),
            party_size: row.party.size(),
            amount: M(row.amount),
            plan: row.plan.as_ref().map(plan),
            status: row.status,
            status_label: row.status.label(),
            status_reason: row.reason,
            version: row.version,
            created_at: At(row.created_at),
            deadline_at: row.deadline_at.map(At),
            server_time: At(now),
            allowed_actions: row.allowed_actions(now),
            payment: PaymentPart {
                id: row.attempt_id(),
                next_id: row.next_attempt_id(now),
                status: row.payment_status(),
                attempts_left: row.attempts_left,
                refunded: M(row.refunded),
                estimated_at: row.estimated_at.map(At),
            },
            seats: seats
                .iter()
                .filter(|seat| !was_left(seat, &tickets))
                .map(|seat| seat_part(seat, row))
                .collect(),
            tickets: tickets
                .into_iter()
                .filter(|ticket| !ticket.was_exchanged())
                .map(TicketPart::from)
                .collect(),
            cancellation,
            links: Links { itself: format!("/reservations/{}", row.id) },
            report: ReportPart::default(),
            guest_token: None,
        }
    }
}

fn admissions(row: &Reservation) -> Vec<AdmissionBody> {
    row.party.counts().map(|(r#type, count)| AdmissionBody { r#type, count }).collect()
}

fn plan(plan: &Plan) -> PlanBody {
    let seats = match &plan.seats {
        PlanSeats::Best => Some(PlanSeatsBody::Best(Best::Best)),
        PlanSeats::Ids(ids) => Some(PlanSeatsBody::Ids(ids.clone())),
        PlanSeats::Dropped => None,
    };
    PlanBody { method: plan.method, seats }
}

fn seat_part(seat: &AssignedSeat, row: &Reservation) -> SeatPart {
    let state = if seat.live { row.seats } else { SeatStatus::Cancelled };
    SeatPart {
        seat_id: seat.seat_id.clone(),
        number: seat.number.clone(),
        grade: seat.grade,
        kind: seat.kind,
        state,
    }
}

/// Others were taken for it: it is no longer of this reservation.
fn was_left(seat: &AssignedSeat, tickets: &[Ticket]) -> bool {
    let of_it = |ticket: &&Ticket| ticket.assignment_id == seat.assignment_id;
    tickets.iter().find(of_it).is_some_and(Ticket::was_exchanged)
}

impl From<Ticket> for TicketPart {
    fn from(ticket: Ticket) -> Self {
        let Ticket { id, code, seat_number, audience, price, status, .. } = ticket;
        Self { id, code, seat_number, audience, price: M(price), status }
    }
}

impl CancellationBody {
    /// The undo with its steps; a step whose part never existed is skipped.
    pub(crate) fn of(undo: &Cancellation, row: &Reservation, tickets: &[Ticket]) -> Self {
        let set = tickets.iter().filter(|ticket| ticket.cancellation_id.as_ref() == Some(&undo.id));
        let ticket_ids: Vec<TicketId> = set.map(|ticket| ticket.id.clone()).collect();
        let step = |name, existed: bool, at: Option<Time>| {
            let state = match at {
                Some(_) if existed => "DONE",
                None if existed => "WAITING",
                Some(_) | None => "SKIPPED",
            };
            StepBody { name, state, at: at.filter(|_| existed).map(At) }
        };
        let money = undo.back(row).is_some() || row.open_call.is_some();
        // What returns a late approval touches no seats.
        let deal = undo.late.is_none();
        Self {
            id: undo.id.clone(),
            state: undo.state,
            scope: undo.scope,
            reason: undo.reason,
            percent: undo.percent.get(),
            amount: M(undo.amount),
            steps: vec![
                step("tickets", !ticket_ids.is_empty(), undo.tickets_revoked_at),
                step("seats", deal && row.seats != SeatStatus::None, undo.seats_freed_at),
                step("money", money || undo.money_returned_at.is_some(), undo.money_returned_at),
            ],
            ticket_ids,
        }
    }
}
