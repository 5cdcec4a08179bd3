//! The gateway's HTTP routes: payments for its clients, the rest for those who test them.

use crate::books::{LedgerItem, LedgerPage};
use crate::delivery::{Delivery, Invalid, Key, Operation, OrderId};
use crate::faces::{portone, toss};
use crate::faults::{Faults, Rule, Script};
use crate::gateway::{Ending, Gateway};
use crate::hangup::Hangup;
use crate::widget;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The largest body that is read, in bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// The most items on one page of the ledger.
const LEDGER_ITEMS_MAX: usize = 1000;

/// All routes of the gateway.
pub(crate) fn router(gateway: Gateway) -> Router {
    Router::new()
        .route("/v1/payments/{order}/{operation}", post(deliver))
        .route("/v1/operations/{key}", get(inquire))
        .route("/ledger", get(ledger))
        .route("/deliveries", get(deliveries))
        .route("/faults", get(faults).put(replace_faults))
        .route("/faults/rules", post(add_rule))
        .route("/faults/rules/{id}", delete(remove_rule))
        .route("/load", get(load))
        .route("/livez", get(|| async { StatusCode::OK }))
        .merge(widget::routes())
        .nest("/toss", toss::routes())
        .nest("/portone", portone::routes())
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(gateway)
}

async fn deliver(
    State(gateway): State<Gateway>,
    ConnectInfo(hangup): ConnectInfo<Hangup>,
    Path((order, operation)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let operation = Operation::of_path(&operation).ok_or(Problem::NotFound)?;
    let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok());
    let key = Key::parse(key.unwrap_or_default())?;
    let delivery = Delivery::parse(key, OrderId::parse(order)?, operation, &body?)?;
    match gateway.deliver(delivery).await {
        Ending::InProgress => Err(Problem::InProgress),
        ending => ended(ending, &hangup),
    }
}

async fn inquire(
    State(gateway): State<Gateway>,
    ConnectInfo(hangup): ConnectInfo<Hangup>,
    Path(key): Path<String>,
) -> Result<Response, Problem> {
    let key = Key::parse(key)?;
    match gateway.inquire(&key).await {
        Ending::InProgress => {
            Ok(Json(json!({ "key": key, "outcome": "IN_PROGRESS" })).into_response())
        }
        Ending::Answered(answer) if gateway.mystifies(&key) => {
            Ok(Json(json!({ "key": answer.key, "outcome": "WAITING_FOR_AN_OMEN" })).into_response())
        }
        ending => ended(ending, &hangup),
    }
}

fn ended(ending: Ending, hangup: &Hangup) -> Result<Response, Problem> {
    match ending {
        Ending::Answered(answer) => Ok(Json(&*answer).into_response()),
        Ending::Silence => Ok(hangup.close()),
        Ending::Overloaded => Err(Problem::Overloaded),
        Ending::Unavailable => Err(Problem::Unavailable),
        Ending::Broken => Err(Problem::Broken),
        Ending::InProgress => Err(Problem::InProgress),
        Ending::KeyReused => Err(Problem::KeyReused),
        Ending::NotFound => Err(Problem::NotFound),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LedgerQuery {
    #[serde(default)]
    after: u64,
    order_id: Option<OrderId>,
    limit: Option<usize>,
}

impl TryFrom<LedgerQuery> for LedgerPage {
    type Error = Invalid;
    fn try_from(query: LedgerQuery) -> Result<Self, Invalid> {
        let limit = query.limit.unwrap_or(LEDGER_ITEMS_MAX);
        if !(1..=LEDGER_ITEMS_MAX).contains(&limit) {
            return Err(Invalid(format!("a page has 1 to {LEDGER_ITEMS_MAX} items")));
        }
        Ok(Self { after: query.after, order: query.order_id, limit })
    }
}

async fn ledger(
    State(gateway): State<Gateway>,
    query: Result<Query<LedgerQuery>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(query) = query?;
    let (items, next): (Vec<LedgerItem>, _) = gateway.ledger(&query.try_into()?);
    Ok(Json(json!({ "items": items, "nextCursor": next })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeliveriesQuery {
    order_id: Option<OrderId>,
}

async fn deliveries(
    State(gateway): State<Gateway>,
    query: Result<Query<DeliveriesQuery>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(query) = query?;
    Ok(Json(json!({ "items": gateway.delivery_counts(query.order_id.as_ref()) })))
}

async fn faults(State(gateway): State<Gateway>) -> Response {
    Json(gateway.with_script(|script| script.show())).into_response()
}

async fn replace_faults(
    State(gateway): State<Gateway>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let faults: Faults = read(&body?)?;
    faults.check()?;
    let shown = gateway.with_script(|script| {
        *script = Script::new(faults);
        script.show()
    });
    Ok(Json(shown).into_response())
}

async fn add_rule(
    State(gateway): State<Gateway>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let rule: Rule = read(&body?)?;
    let shown = gateway.with_script(|script| script.add(rule))?;
    Ok((StatusCode::CREATED, Json(shown)).into_response())
}

/// Answers with the rule as it stood, and how often it had struck.
async fn remove_rule(
    State(gateway): State<Gateway>,
    Path(id): Path<u64>,
) -> Result<Response, Problem> {
    let removed = gateway.with_script(|script| script.remove(id)).ok_or(Problem::NotFound)?;
    Ok(Json(removed).into_response())
}

async fn load(State(gateway): State<Gateway>) -> Response {
    Json(gateway.load()).into_response()
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Invalid> {
    serde_json::from_slice(body).map_err(|error| Invalid(error.to_string()))
}

/// Every response that is not the answer that was asked for.
enum Problem {
    /// 400
    Invalid(String),
    /// 404
    NotFound,
    /// 409
    InProgress,
    /// 413, or what else the framework finds wrong with a body
    Unreadable(BytesRejection),
    /// 422
    KeyReused,
    /// 429
    Overloaded,
    /// 500
    Broken,
    /// 503
    Unavailable,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, body) = match self {
            Problem::Invalid(reason) => {
                (StatusCode::BAD_REQUEST, json!({ "code": "INVALID_REQUEST", "message": reason }))
            }
            Problem::Unreadable(rejection) => (
                rejection.status(),
                json!({ "code": "INVALID_REQUEST", "message": rejection.body_text() }),
            ),
            Problem::NotFound => (StatusCode::NOT_FOUND, json!({ "code": "NOT_FOUND" })),
            Problem::InProgress => (StatusCode::CONFLICT, json!({ "code": "IN_PROGRESS" })),
            Problem::KeyReused => {
                (StatusCode::UNPROCESSABLE_ENTITY, json!({ "code": "KEY_REUSED" }))
            }
            Problem::Overloaded => {
                (StatusCode::TOO_MANY_REQUESTS, json!({ "code": "TOO_MANY_CALLS" }))
            }
            Problem::Broken => (StatusCode::INTERNAL_SERVER_ERROR, json!({ "code": "BROKEN" })),
            Problem::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, json!({ "code": "UNAVAILABLE" }))
            }
        };
        let mut response = (status, Json(body)).into_response();
        let later = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
        if later.contains(&status) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<Invalid> for Problem {
    fn from(Invalid(reason): Invalid) -> Self {
        Self::Invalid(reason)
    }
}

impl From<anyhow::Error> for Problem {
    fn from(reason: anyhow::Error) -> Self {
        Self::Invalid(reason.to_string())
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        Self::Unreadable(rejection)
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::Invalid(rejection.body_text())
    }
}
