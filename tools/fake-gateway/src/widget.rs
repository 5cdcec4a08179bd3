//! A stand-in for the window that the companies open in the customer's browser. Whoever asks here
//! is the customer: the order is authorised, and can be confirmed for a while.

use crate::answer::{Answer, Outcome};
use crate::delivery::{Delivery, Face, Key, Operation, OrderId, Won};
use crate::faces::{portone, toss};
use crate::gateway::{Ending, Gateway};
use crate::hangup::Hangup;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

pub(crate) fn routes() -> Router<Gateway> {
    Router::new()
        .route("/widget", get(|| async { Html(include_str!("widget.html")) }))
        .route("/widget/{company}/authorizations", post(authorize))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wish {
    order_id: OrderId,
    amount: Won,
}

async fn authorize(
    State(gateway): State<Gateway>,
    ConnectInfo(hangup): ConnectInfo<Hangup>,
    Path(company): Path<String>,
    Json(Wish { order_id: order, amount }): Json<Wish>,
) -> Response {
    let face = match company.as_str() {
        "toss" => Face::Toss,
        "portone" => Face::PortOne,
        _ => return (StatusCode::NOT_FOUND, Json(json!({ "code": "NOT_FOUND" }))).into_response(),
    };
    let key = Key::parse(format!("authorize-{order}-{:016x}", fastrand::u64(..)));
    let Ok(key) = key else { return refused("INVALID_REQUEST") };
    let operation = Operation::Authorize;
    let delivery = Delivery { key, order, operation, amount, face, note: None };
    match gateway.deliver(delivery).await {
        Ending::Answered(answer) if answer.outcome == Outcome::Done => authorized(face, &answer),
        Ending::Answered(_) => refused("REJECTED"),
        Ending::Silence => hangup.close(),
        Ending::Overloaded
        | Ending::Unavailable
        | Ending::Broken
        | Ending::InProgress
        | Ending::KeyReused
        | Ending::NotFound => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// What the browser takes to the client's server; `authorization` is the part that proves it.
fn authorized(face: Face, answer: &Answer) -> Response {
    let order = &answer.order_id;
    let authorization = match face {
        Face::Toss => toss::payment_key(order),
        Face::PortOne | Face::House => portone::payment_token(order),
    };
    let body = json!({
        "orderId": order, "amount": answer.amount, "authorization": authorization,
        "endsAt": answer.approval_ends_at,
    });
    (StatusCode::CREATED, Json(body)).into_response()
}

fn refused(code: &str) -> Response {
    (StatusCode::PAYMENT_REQUIRED, Json(json!({ "code": code }))).into_response()
}
