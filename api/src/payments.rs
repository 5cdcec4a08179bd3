//! Payments: asked for under a reservation, listed and read anywhere.

use crate::App;
use crate::body::{At, M, Money, ReservationBody};
use crate::caller::{Anyone, Caller};
use crate::etag;
use crate::idempotency::{KeyHeader, key_of};
use crate::json::Json;
use crate::outcome::{Decided, id, seen_reservation};
use crate::paging::{Page, PageQuery, Paging};
use crate::problem::Problem;
use crate::query::Query;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::ids::{CancellationId, CustomerId, PaymentAttemptId, ReservationId};
use domain::payment::{Authorization, Payment, Refund};
use domain::reservation::{Pay, Reservation};
use domain::won::Won;
use domain::words::{Actor, AttemptStatus, Method, PaymentStatus, ReservationStatus};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use store::payments::PayCommand;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(pay, list_of_reservation))
        .routes(routes!(list))
        .routes(routes!(read))
}

const AUTHORIZATION_CHARS_MAX: usize = 300;

#[derive(Deserialize, ToSchema)]
#[schema(as = PayRequest)]
struct PayBody {
    method: Method,
    amount: Money,
    /// What the provider's own form gave the browser.
    #[schema(pattern = "^[!-~]{1,300}$")]
    authorization: Option<String>,
}

impl PayBody {
    fn parse(self, reservation_id: ReservationId) -> Result<PayCommand, Problem> {
        let amount = Won::parse(self.amount.value)
            .map_err(|error| Problem::mistake("/amount/value", error.to_string()))?;
        let long = |text: &String| text.is_empty() || text.len() > AUTHORIZATION_CHARS_MAX;
        if self.authorization.as_ref().is_some_and(long) {
            let message = format!("1 to {AUTHORIZATION_CHARS_MAX} characters");
            return Err(Problem::mistake("/authorization", message));
        }
        let pay = Pay { method: self.method, amount, actor: Actor::Customer };
        Ok(PayCommand { reservation_id, pay, authorization: self.authorization.map(Authorization) })
    }
}

/// Pays for a reservation.
///
/// 202: not known within two seconds, or waiting for its turn. 402 `payment-declined`; 409
/// `wrong-state`, `payment-in-progress`, `deadline-passed`; 422 `amount-mismatch`.
#[utoipa::path(
    post, path = "/reservations/{id}/payments", operation_id = "pay",
    params(KeyHeader),
    request_body = PayBody,
    responses((status = 201, body = ReservationBody), (status = 202, body = ReservationBody)),
    security(("bearer" = ["customer"]))
)]
async fn pay(
    State(app): State<App>,
    Caller(caller): Caller,
    headers: HeaderMap,
    Path(reservation): Path<String>,
    Json { value, digest }: Json<PayBody>,
) -> Result<Response, Problem> {
    let key = key_of(&app, &headers, &caller, "POST /reservations/{id}/payments", &digest)?;
    let command = value.parse(id(reservation, "reservation")?)?;
    let decision = app.store.pay(&caller, &command, key.as_ref()).await?;
    let decided = Decided::from(&app, decision)?.settled(&app, payment_known).await?;
    match decided.row.status {
        ReservationStatus::PaymentPending
        | ReservationStatus::PaymentDeferred
        | ReservationStatus::Cancelling => decided.answer(&app, StatusCode::ACCEPTED).await,
        _ if decided.row.payment_status() == PaymentStatus::Declined => {
            Err(Problem::declined(&decided.row, app.store.now()))
        }
        ReservationStatus::Reserved
        | ReservationStatus::PaymentApproved
        | ReservationStatus::SeatSelected
        | ReservationStatus::Ticketed
        | ReservationStatus::Cancelled
        | ReservationStatus::Expired
        | ReservationStatus::Completed => decided.answer(&app, StatusCode::CREATED).await,
    }
}

/// A wait that is likely to be longer is not worth holding the customer up for.
const WORTH_WAITING: Duration = Duration::from_secs(10);

/// Its outcome is known, or will not be soon.
fn payment_known(row: &Reservation) -> bool {
    match row.status {
        ReservationStatus::PaymentPending => false,
        ReservationStatus::PaymentDeferred => {
            row.estimated_at.is_some_and(|at| at.since(row.updated_at) > WORTH_WAITING)
        }
        ReservationStatus::Reserved
        | ReservationStatus::PaymentApproved
        | ReservationStatus::SeatSelected
        | ReservationStatus::Ticketed
        | ReservationStatus::Cancelling
        | ReservationStatus::Cancelled
        | ReservationStatus::Expired
        | ReservationStatus::Completed => true,
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Payment)]
struct PaymentBody {
    id: PaymentAttemptId,
    reservation_id: ReservationId,
    attempt: u32,
    method: Method,
    amount: M,
    status: AttemptStatus,
    approved_at: Option<At>,
    approval_ends_at: Option<At>,
    captured_at: Option<At>,
    refunded: M,
    refunds: Vec<RefundBody>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Refund)]
struct RefundBody {
    cancellation_id: CancellationId,
    amount: M,
    at: At,
}

impl From<Refund> for RefundBody {
    fn from(refund: Refund) -> Self {
        let Refund { cancellation_id, amount, at } = refund;
        Self { cancellation_id, amount: M(amount), at: At(at) }
    }
}

impl From<Payment> for PaymentBody {
    fn from(payment: Payment) -> Self {
        let Payment { attempt, refunds } = payment;
        Self {
            id: attempt.id,
            reservation_id: attempt.reservation_id,
            attempt: attempt.n,
            method: attempt.method,
            amount: M(attempt.amount),
            status: attempt.status,
            approved_at: attempt.approved_at.map(At),
            approval_ends_at: attempt.approval_ends_at.map(At),
            captured_at: attempt.captured_at.map(At),
            refunded: M(attempt.refunded),
            refunds: refunds.into_iter().map(RefundBody::from).collect(),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
struct ListQuery {
    reservation_id: Option<String>,
}

/// The caller's payments, or those of one reservation.
#[utoipa::path(
    get, path = "/payments", operation_id = "listPayments",
    params(PageQuery, ListQuery),
    responses((status = 200, body = Page<PaymentBody>), (status = 304)),
    security(("bearer" = ["customer"]))
)]
async fn list(
    State(app): State<App>,
    Anyone(person): Anyone,
    page: Paging,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    match query.reservation_id {
        Some(text) => {
            let row = seen_reservation(&app, &person, text).await?;
            page_of(&app, &row.customer_id, Some(&row.id), &page).await
        }
        None => page_of(&app, &person.id, None, &page).await,
    }
}

/// The payments of a reservation.
#[utoipa::path(
    get, path = "/reservations/{id}/payments", operation_id = "listPaymentsOfReservation",
    params(PageQuery),
    responses((status = 200, body = Page<PaymentBody>), (status = 304)),
    security(("bearer" = ["customer"]))
)]
async fn list_of_reservation(
    State(app): State<App>,
    Anyone(person): Anyone,
    page: Paging,
    Path(reservation): Path<String>,
) -> Result<Response, Problem> {
    let row = seen_reservation(&app, &person, reservation).await?;
    page_of(&app, &row.customer_id, Some(&row.id), &page).await
}

async fn page_of(
    app: &App,
    customer: &CustomerId,
    reservation: Option<&ReservationId>,
    page: &Paging,
) -> Result<Response, Problem> {
    let before = page.after()?;
    let found = app.store.payments(customer, reservation, before.as_ref(), page.fetch()).await?;
    Ok(page.answer(found, |payment| payment.attempt.id.to_string(), PaymentBody::from))
}

/// One payment, with what was given back.
#[utoipa::path(
    get, path = "/payments/{id}", operation_id = "readPayment",
    responses((status = 200, body = PaymentBody), (status = 304)),
    security(("bearer" = ["customer"]))
)]
async fn read(
    State(app): State<App>,
    Anyone(person): Anyone,
    headers: HeaderMap,
    Path(payment): Path<String>,
) -> Result<Response, Problem> {
    let id: PaymentAttemptId = id(payment, "payment")?;
    let reservation = id.reservation().ok_or_else(|| Problem::not_found("payment"))?;
    let row = seen_reservation(&app, &person, reservation.to_string()).await?;
    let found = app.store.payment(&row.customer_id, &id).await?;
    let found = found.ok_or_else(|| Problem::not_found("payment"))?;
    Ok(etag::answer(&headers, &PaymentBody::from(found)))
}
