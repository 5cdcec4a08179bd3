//! TossPayments' core API: read, confirm, cancel.

use super::{Payment, State, own_key, read};
use crate::answer::{Answer, Outcome, Refusal};
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
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

const KEY_PREFIX: &str = "tviva_";
const CANCEL_REASON_CHARS_MAX: usize = 200;

pub(crate) fn routes() -> Router<Gateway> {
    Router::new()
        .route("/v1/payments/{payment_key}", get(read_by_key))
        .route("/v1/payments/orders/{order}", get(read_by_order))
        .route("/v1/payments/confirm", post(confirm))
        .route("/v1/payments/{payment_key}/cancel", post(cancel))
}

/// The company's name for the payment of an order.
pub(crate) fn payment_key(order: &OrderId) -> String {
    format!("{KEY_PREFIX}{order}")
}

/// A payment as it is read, and as a webhook tells of it.
pub(crate) fn payment_body(payment: &Payment) -> Value {
    let cancelled = payment.cancelled();
    let status = match payment.state {
        State::Failed => "ABORTED",
        State::Authorized => "IN_PROGRESS",
        State::Expired => "EXPIRED",
        State::Paid if cancelled == 0 => "DONE",
        State::Paid if cancelled < payment.amount => "PARTIAL_CANCELED",
        State::Paid => "CANCELED",
    };
    let cancels = payment.cancels.iter().map(|cancel| {
        json!({
            "transactionKey": format!("{}_{}", payment_key(&payment.order), cancel.key),
            "cancelAmount": cancel.amount, "cancelReason": cancel.note, "canceledAt": cancel.at,
            "cancelStatus": "DONE",
        })
    });
    let cancels: Vec<Value> = cancels.collect();
    json!({
        "version": "2022-11-16", "mId": "tvivarepublica", "type": "NORMAL", "currency": "KRW",
        "paymentKey": payment_key(&payment.order), "orderId": payment.order, "orderName": "영화표",
        "status": status, "method": "카드", "totalAmount": payment.amount,
        "balanceAmount": payment.amount - cancelled, "requestedAt": payment.requested_at,
        "approvedAt": payment.paid_at,
        "cancels": if cancels.is_empty() { Value::Null } else { Value::from(cancels) },
    })
}

async fn read_by_key(
    App(gateway): App<Gateway>,
    ConnectInfo(hangup): ConnectInfo<Hangup>,
    headers: HeaderMap,
    Path(payment_key): Path<String>,
) -> Response {
    match order_of(&payment_key) {
        Some(order) => read_payment(&gateway, &hangup, &headers, &order).await,
        None => not_found(),
    }
}

async fn read_by_order(
    App(gateway): App<Gateway>,
    ConnectInfo(hangup): ConnectInfo<Hangup>,
    headers: HeaderMap,
    Path(order): Path<String>,
) -> Response {
    match OrderId::parse(order) {
        Ok(order) => read_payment(&gateway, &hangup, &headers, &order).await,
        Err(_) => not_found(),
    }
}

async fn read_payment(
    gateway: &Gateway,
    hangup: &Hangup,
    headers: &HeaderMap,
    order: &OrderId,
) -> Response {
    if let Some(error) = stranger(headers) {
        return error;
    }
    match gateway.read(order).await {
        Ok(answers) => told(gateway, &answers),
        Err(ending) => failed(ending, hangup),
    }
}

fn told(gateway: &Gateway, answers: &[Arc<Answer>]) -> Response {
    let Some(payment) = Payment::of(answers) else { return not_found() };
    let mut body = payment_body(&payment);
    if gateway.misleads(&payment.order, Fault::WrongAmount) {
        body["totalAmount"] = json!(payment.amount + 1);
    }
    if gateway.misleads(&payment.order, Fault::UnknownStatus) {
        body["status"] = json!("WAITING_FOR_AN_OMEN");
    }
    Json(body).into_response()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfirmBody {
    payment_key: String,
    order_id: OrderId,
    amount: Won,
}

async fn confirm(
    App(gateway): App<Gateway>,
    ConnectInfo(hangup): ConnectInfo<Hangup>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(error) = stranger(&headers) {
        return error;
    }
    let ConfirmBody { payment_key: named, order_id: order, amount } = match read(&body) {
        Ok(body) => body,
        Err(invalid) => return bad(&invalid),
    };
    if named != payment_key(&order) {
        return not_found();
    }
    let key = match scoped(&gateway, &headers, Operation::Capture, &order) {
        Ok(key) => key,
        Err(invalid) => return bad(&invalid),
    };
    let operation = Operation::Capture;
    carry_out(
        &gateway,
        &hangup,
        Delivery { key, order, operation, amount, face: Face::Toss, note: None },
    )
    .await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CancelBody {
    cancel_reason: String,
    cancel_amount: Option<Won>,
}

async fn cancel(
    App(gateway): App<Gateway>,
    ConnectInfo(hangup): ConnectInfo<Hangup>,
    headers: HeaderMap,
    Path(payment_key): Path<String>,
    body: Bytes,
) -> Response {
    if let Some(error) = stranger(&headers) {
        return error;
    }
    let Some(order) = order_of(&payment_key) else { return not_found() };
    let CancelBody { cancel_reason, cancel_amount } = match read(&body) {
        Ok(body) => body,
        Err(invalid) => return bad(&invalid),
    };
    if cancel_reason.is_empty() || cancel_reason.chars().count() > CANCEL_REASON_CHARS_MAX {
        return bad(&Invalid::because("cancelReason has 1 to 200 characters"));
    }
    let answers = match gateway.read(&order).await {
        Ok(answers) => answers,
        Err(ending) => return failed(ending, &hangup),
    };
    let Some(payment) = Payment::of(&answers) else { return not_found() };
    let rest = Won::try_from(payment.amount - payment.cancelled());
    let Some(amount) = cancel_amount.or(rest.ok()) else { return refused(Refusal::AlreadyVoided) };
    let key = match scoped(&gateway, &headers, Operation::Refund, &order) {
        Ok(key) => key,
        Err(invalid) => return bad(&invalid),
    };
    let (operation, note) = (Operation::Refund, Some(cancel_reason));
    carry_out(&gateway, &hangup, Delivery { key, order, operation, amount, face: Face::Toss, note })
        .await
}

async fn carry_out(gateway: &Gateway, hangup: &Hangup, delivery: Delivery) -> Response {
    match gateway.deliver(delivery).await {
        Ending::Answered(answer) if answer.outcome == Outcome::Done => {
            let order = &answer.order_id;
            let answers = gateway.answers_until(order, &answer.key);
            let Some(payment) = Payment::of(&answers) else { return not_found() };
            let mut body = payment_body(&payment);
            if answer.operation == Operation::Capture {
                body["totalAmount"] = json!(answer.amount);
            }
            Json(body).into_response()
        }
        Ending::Answered(answer) => refused(answer.code.unwrap_or(Refusal::CaptureRefused)),
        ending => failed(ending, hangup),
    }
}

/// The key's scope is the URL, not the body: one key names one confirmation at most, whatever it
/// confirms, and one cancel of each payment.
fn scoped(
    gateway: &Gateway,
    headers: &HeaderMap,
    operation: Operation,
    order: &OrderId,
) -> Result<Key, Invalid> {
    let (word, same_url): (&str, fn(&Answer, &OrderId) -> bool) = match operation {
        Operation::Capture => ("confirm", |_, _| true),
        _ => ("cancel", |answer, order| answer.order_id == *order),
    };
    let Some(key) = headers.get("idempotency-key").and_then(|value| value.to_str().ok()) else {
        return own_key(word, order);
    };
    let key = Key::parse(key)?;
    match gateway.answer(&key) {
        Some(known) if known.operation != operation || !same_url(&known, order) => {
            Key::parse(format!("{key}-{word}-{order}"))
        }
        _ => Ok(key),
    }
}

fn order_of(payment_key: &str) -> Option<OrderId> {
    payment_key.strip_prefix(KEY_PREFIX).and_then(|order| OrderId::parse(order).ok())
}

/// Who does not come with HTTP Basic, a test key for a name, and no password.
fn stranger(headers: &HeaderMap) -> Option<Response> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| BASE64_STANDARD.decode(value.strip_prefix("Basic ")?).ok());
    let given = given.and_then(|bytes| String::from_utf8(bytes).ok());
    let fits = given.is_some_and(|text| text.starts_with("test_sk") && text.ends_with(':'));
    let message = "인증되지 않은 시크릿 키 혹은 클라이언트 키 입니다.";
    (!fits).then(|| error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED_KEY", message))
}

fn refused(code: Refusal) -> Response {
    let (status, code, message) = match code {
        Refusal::CardDeclined | Refusal::CaptureRefused => {
            (400, "INVALID_REJECT_CARD", "카드 사용이 거절되었습니다.")
        }
        Refusal::AlreadyCaptured | Refusal::AlreadyApproved => {
            (400, "ALREADY_PROCESSED_PAYMENT", "이미 처리된 결제 입니다.")
        }
        Refusal::NotApproved | Refusal::ApprovalEnded => {
            (404, "NOT_FOUND_PAYMENT_SESSION", "결제 시간이 만료되었습니다.")
        }
        Refusal::NotCaptured => (403, "NOT_CANCELABLE_PAYMENT", "취소 할 수 없는 결제 입니다."),
        Refusal::AlreadyVoided => (400, "ALREADY_CANCELED_PAYMENT", "이미 취소된 결제 입니다."),
        Refusal::AmountExceeded => (403, "NOT_CANCELABLE_AMOUNT", "취소 할 수 없는 금액 입니다."),
        Refusal::AmountMismatch => (400, "INVALID_REQUEST", "금액이 다릅니다."),
        Refusal::RefundRefused => (400, "REFUND_REJECTED", "환불이 거절됐습니다."),
    };
    error(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), code, message)
}

fn failed(ending: Ending, hangup: &Hangup) -> Response {
    let (status, code) = match ending {
        Ending::Silence | Ending::Answered(_) => return hangup.close(),
        Ending::NotFound => return not_found(),
        Ending::Overloaded => (StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS"),
        Ending::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "UNKNOWN_PAYMENT_ERROR"),
        // The company's own mistakes come with a status that blames the client.
        Ending::Broken => (StatusCode::BAD_REQUEST, "PROVIDER_ERROR"),
        Ending::InProgress => (StatusCode::CONFLICT, "IDEMPOTENT_REQUEST_PROCESSING"),
        Ending::KeyReused => (StatusCode::BAD_REQUEST, "INVALID_IDEMPOTENCY_KEY"),
    };
    let mut response = error(status, code, "잠시 후 다시 시도해주세요.");
    if [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&status) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn bad(Invalid(reason): &Invalid) -> Response {
    error(StatusCode::BAD_REQUEST, "INVALID_REQUEST", reason)
}

fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "NOT_FOUND_PAYMENT", "존재하지 않는 결제 정보 입니다.")
}

fn error(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({ "code": code, "message": message }))).into_response()
}
