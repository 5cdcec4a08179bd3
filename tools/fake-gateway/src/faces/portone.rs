//! PortOne's V2 API: read, confirm (manual approval), cancel.

use super::{Payment, State, own_key, read};
use crate::answer::{Outcome, Refusal};
use crate::delivery::{Delivery, Face, Invalid, Key, Operation, OrderId, Won};
use crate::faults::Fault;
use crate::gateway::{Ending, Gateway};
use crate::hangup::Hangup;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, State as App};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

const TOKEN_PREFIX: &str = "token_";

pub(crate) fn routes() -> Router<Gateway> {
    Router::new()
        .route("/payments/{payment_id}", get(read_payment))
        .route("/payments/{payment_id}/confirm", post(confirm))
        .route("/payments/{payment_id}/cancel", post(cancel))
}

/// What the widget gives the browser, and confirming asks for.
pub(crate) fn payment_token(order: &OrderId) -> String {
    format!("{TOKEN_PREFIX}{order}")
}

/// What a webhook tells of a payment.
pub(crate) fn webhook_body(payment: &Payment) -> Value {
    let cancelled = payment.cancelled();
    let kind = match payment.state {
        State::Failed | State::Expired => "Transaction.Failed",
        State::Authorized => "Transaction.Ready",
        State::Paid if cancelled == 0 => "Transaction.Paid",
        State::Paid if cancelled < payment.amount => "Transaction.PartialCancelled",
        State::Paid => "Transaction.Cancelled",
    };
    json!({
        "type": kind, "timestamp": crate::answer::Moment::now(),
        "data": {
            "storeId": "store-fake", "paymentId": payment.order,
            "transactionId": format!("tx_{}", payment.order),
        },
    })
}

fn payment_body(payment: &Payment) -> Value {
    let cancelled = payment.cancelled();
    let status = match payment.state {
        State::Failed | State::Expired => "FAILED",
        State::Authorized => "PENDING",
        State::Paid if cancelled == 0 => "PAID",
        State::Paid if cancelled < payment.amount => "PARTIAL_CANCELLED",
        State::Paid => "CANCELLED",
    };
    let cancellations: Vec<Value> = payment.cancels.iter().map(cancellation).collect();
    let paid = if payment.state == State::Paid { payment.amount } else { 0 };
    let mut body = json!({
        "status": status, "id": payment.order, "transactionId": format!("tx_{}", payment.order),
        "merchantId": "merchant-fake", "storeId": "store-fake", "orderName": "영화표",
        "currency": "KRW", "requestedAt": payment.requested_at, "paidAt": payment.paid_at,
        "amount": { "total": payment.amount, "paid": paid, "cancelled": cancelled },
        "cancellations": cancellations,
    });
    let reason = match payment.state {
        State::Expired => Some("EXPIRED"),
        State::Failed => Some("REJECTED"),
        State::Authorized | State::Paid => None,
    };
    if let Some(reason) = reason {
        body["failure"] = json!({ "reason": reason, "pgCode": reason, "pgMessage": reason });
    }
    body
}

fn cancellation(cancel: &std::sync::Arc<crate::answer::Answer>) -> Value {
    json!({
        "status": "SUCCEEDED", "id": format!("cancellation_{}", cancel.key),
        "totalAmount": cancel.amount, "reason": cancel.note, "cancelledAt": cancel.at,
    })
}

async fn read_payment(
    App(gateway): App<Gateway>,
    ConnectInfo(hangup): ConnectInfo<Hangup>,
    headers: HeaderMap,
    Path(payment_id): Path<String>,
) -> Response {
    if let Some(error) = stranger(&headers) {
        return error;
    }
    let Ok(order) = OrderId::parse(payment_id) else { return not_found() };
    let answers = match gateway.read(&order).await {
        Ok(answers) => answers,
        Err(ending) => return failed(ending, &hangup),
    };
    let Some(payment) = Payment::of(&answers) else { return not_found() };
    let mut body = payment_body(&payment);
    if gateway.misleads(&order, Fault::WrongAmount) {
        body["amount"]["total"] = json!(payment.amount + 1);
    }
    if gateway.misleads(&order, Fault::UnknownStatus) {
        body["status"] = json!("WAITING_FOR_AN_OMEN");
    }
    Json(body).into_response()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfirmBody {
    payment_token: String,
    total_amount: Option<Won>,
    currency: Option<String>,
}

async fn confirm(
    App(gateway): App<Gateway>,
    ConnectInfo(hangup): ConnectInfo<Hangup>,
    headers: HeaderMap,
    Path(payment_id): Path<String>,
    body: Bytes,
) -> Response {
    if let Some(error) = stranger(&headers) {
        return error;
    }
    let Ok(order) = OrderId::parse(payment_id) else { return not_found() };
    let body: ConfirmBody = match read(&body) {
        Ok(body) => body,
        Err(invalid) => return bad(&invalid),
    };
    if body.payment_token != payment_token(&order) {
        return error(StatusCode::BAD_REQUEST, "INVALID_PAYMENT_TOKEN");
    }
    let payment = match gateway.read(&order).await {
        Ok(answers) => Payment::of(&answers),
        Err(ending) => return failed(ending, &hangup),
    };
    let Some(payment) = payment else { return not_found() };
    let Ok(whole) = Won::try_from(payment.amount) else { return not_found() };
    if body.currency.is_some_and(|currency| currency != "KRW") {
        return refused(Refusal::AmountMismatch);
    }
    let key = match key_of(&headers, "confirm", &order) {
        Ok(key) => key,
        Err(invalid) => return bad(&invalid),
    };
    let (operation, amount) = (Operation::Capture, body.total_amount.unwrap_or(whole));
    let delivery = Delivery { key, order, operation, amount, face: Face::PortOne, note: None };
    match gateway.deliver(delivery).await {
        Ending::Answered(answer) if answer.outcome == Outcome::Done => {
            Json(json!({ "payment": { "status": "PAID", "paidAt": answer.at } })).into_response()
        }
        Ending::Answered(answer) => refused(answer.code.unwrap_or(Refusal::CaptureRefused)),
        ending => failed(ending, &hangup),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CancelBody {
    reason: String,
    amount: Option<Won>,
    current_cancellable_amount: Option<i64>,
}

async fn cancel(
    App(gateway): App<Gateway>,
    ConnectInfo(hangup): ConnectInfo<Hangup>,
    headers: HeaderMap,
    Path(payment_id): Path<String>,
    body: Bytes,
) -> Response {
    if let Some(error) = stranger(&headers) {
        return error;
    }
    let Ok(order) = OrderId::parse(payment_id) else { return not_found() };
    let body: CancelBody = match read(&body) {
        Ok(body) => body,
        Err(invalid) => return bad(&invalid),
    };
    let key = match key_of(&headers, "cancel", &order) {
        Ok(key) => key,
        Err(invalid) => return bad(&invalid),
    };
    let payment = match gateway.read(&order).await {
        Ok(answers) => Payment::of(&answers),
        Err(ending) => return failed(ending, &hangup),
    };
    let Some(payment) = payment else { return not_found() };
    let cancellable = payment.amount - payment.cancelled();
    // A repeat under its key is answered as before, whatever is left by now.
    let fresh = gateway.answer(&key).is_none();
    if fresh && body.current_cancellable_amount.is_some_and(|told| told != cancellable) {
        return error(StatusCode::CONFLICT, "CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN");
    }
    let amount = body.amount.or(Won::try_from(cancellable).ok());
    let Some(amount) = amount else { return refused(Refusal::AlreadyVoided) };
    let (operation, note) = (Operation::Refund, Some(body.reason));
    let delivery = Delivery { key, order, operation, amount, face: Face::PortOne, note };
    match gateway.deliver(delivery).await {
        Ending::Answered(answer) if answer.outcome == Outcome::Done => {
            Json(json!({ "cancellation": cancellation(&answer) })).into_response()
        }
        Ending::Answered(answer) => refused(answer.code.unwrap_or(Refusal::RefundRefused)),
        ending => failed(ending, &hangup),
    }
}

/// Keys may come in the quotes that structured headers ask for.
fn key_of(headers: &HeaderMap, word: &str, order: &OrderId) -> Result<Key, Invalid> {
    let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok());
    key.map_or_else(|| own_key(word, order), |key| Key::parse(key.trim_matches('"')))
}

fn stranger(headers: &HeaderMap) -> Option<Response> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let fits =
        given.and_then(|value| value.strip_prefix("PortOne ")).is_some_and(|s| !s.is_empty());
    (!fits).then(|| error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED"))
}

fn refused(code: Refusal) -> Response {
    let (status, kind) = match code {
        Refusal::CardDeclined | Refusal::CaptureRefused | Refusal::RefundRefused => {
            (StatusCode::BAD_GATEWAY, "PG_PROVIDER")
        }
        Refusal::AlreadyCaptured | Refusal::AlreadyApproved => {
            (StatusCode::CONFLICT, "ALREADY_PAID")
        }
        Refusal::NotApproved | Refusal::ApprovalEnded => {
            (StatusCode::BAD_REQUEST, "INVALID_PAYMENT_TOKEN")
        }
        Refusal::NotCaptured => (StatusCode::CONFLICT, "PAYMENT_NOT_PAID"),
        Refusal::AlreadyVoided => (StatusCode::CONFLICT, "PAYMENT_ALREADY_CANCELLED"),
        Refusal::AmountExceeded => {
            (StatusCode::CONFLICT, "CANCEL_AMOUNT_EXCEEDS_CANCELLABLE_AMOUNT")
        }
        Refusal::AmountMismatch => (StatusCode::BAD_REQUEST, "INFORMATION_MISMATCH"),
    };
    error(status, kind)
}

fn failed(ending: Ending, hangup: &Hangup) -> Response {
    let (status, kind) = match ending {
        Ending::Silence | Ending::Answered(_) => return hangup.close(),
        Ending::NotFound => return not_found(),
        Ending::Overloaded => (StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS"),
        Ending::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE"),
        Ending::Broken => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"),
        Ending::InProgress => (StatusCode::CONFLICT, "IDEMPOTENCY_OUTSTANDING_REQUEST"),
        Ending::KeyReused => (StatusCode::BAD_REQUEST, "INVALID_REQUEST"),
    };
    let mut response = error(status, kind);
    if [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&status) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn bad(Invalid(reason): &Invalid) -> Response {
    let body = json!({ "type": "INVALID_REQUEST", "message": reason });
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "PAYMENT_NOT_FOUND")
}

fn error(status: StatusCode, kind: &str) -> Response {
    (status, Json(json!({ "type": kind, "message": kind }))).into_response()
}
