//! NHN Cloud's face: AlimTalk of KakaoTalk Bizmessage v2.3, long texts of SMS v3.0.
//! <https://docs.nhncloud.com/ko/Notification/KakaoTalk%20Bizmessage/ko/alimtalk-api-guide/>

use crate::Company;
use crate::faults::{Channel, Fault};
use crate::outbox::New;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) fn routes() -> Router<Company> {
    Router::new()
        .route("/alimtalk/v2.3/appkeys/{key}/messages", post(send_alimtalk))
        .route("/alimtalk/v2.3/appkeys/{key}/messages/{request}/{recipient}", get(alimtalk))
        .route("/sms/v3.0/appKeys/{key}/sender/mms", post(send_text))
        .route("/sms/v3.0/appKeys/{key}/sender/mms/{request}", get(text))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AlimTalk {
    sender_key: String,
    template_code: String,
    recipient_list: Vec<Recipient>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Text {
    body: String,
    send_no: String,
    recipient_list: Vec<Recipient>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipient {
    recipient_no: String,
    #[serde(default)]
    template_parameter: BTreeMap<String, String>,
}

async fn send_alimtalk(
    State(company): State<Company>,
    headers: HeaderMap,
    Json(ask): Json<AlimTalk>,
) -> Response {
    if !known(&company, &headers) {
        return failed(-1001, "Invalid secretKey.");
    }
    let key = headers.get("x-nc-api-idempotency-key").and_then(|key| key.to_str().ok());
    if key.is_some_and(|key| company.desk().outbox.find_key(key).is_some()) {
        return failed(
            -1005,
            "The same 'X-NC-API-IDEMPOTENCY-KEY' was used within the last 10 minute.",
        );
    }
    let Some(recipient) = ask.recipient_list.into_iter().next() else {
        return failed(-2002, "The 'recipientList' must not be null.");
    };
    let variables: BTreeMap<_, _> = recipient
        .template_parameter
        .into_iter()
        .map(|(name, value)| (format!("#{{{name}}}"), value))
        .collect();
    let Some(text) = company.written(&ask.template_code, &variables) else {
        return failed(-3016, "Not exist template, or a parameter is missing.");
    };
    let new = New {
        company: "NHN Cloud",
        channel: Channel::AlimTalk,
        to: recipient.recipient_no,
        from: ask.sender_key,
        text,
        key: key.map(str::to_owned),
        arrives: true,
    };
    take(&company, new, |number| {
        let results = json!([{ "recipientSeq": 1, "resultCode": 0, "resultMessage": "SUCCESS" }]);
        let message = json!({ "requestId": format!("R{number}"), "sendResults": results });
        json!({ "header": success(), "message": message })
    })
}

async fn send_text(
    State(company): State<Company>,
    headers: HeaderMap,
    Json(ask): Json<Text>,
) -> Response {
    if !known(&company, &headers) {
        return failed(-1001, "Invalid secretKey.");
    }
    let Some(recipient) = ask.recipient_list.into_iter().next() else {
        return failed(-2002, "The 'recipientList' must not be null.");
    };
    let new = New {
        company: "NHN Cloud",
        channel: Channel::Sms,
        to: recipient.recipient_no,
        from: ask.send_no,
        text: ask.body,
        key: None,
        arrives: true,
    };
    take(&company, new, |number| {
        let results = json!([{ "recipientSeq": 1, "resultCode": 0, "resultMessage": "SUCCESS" }]);
        let data = json!({ "requestId": format!("R{number}"), "sendResultList": results });
        json!({ "header": success(), "body": { "data": data } })
    })
}

/// Takes a message and answers so, unless the script has it otherwise.
fn take(company: &Company, new: New, answer: impl FnOnce(u64) -> Value) -> Response {
    let mut desk = company.desk();
    match desk.script.strike(new.channel, &new.to) {
        None => Json(answer(desk.outbox.take(new))).into_response(),
        Some(Fault::NoKakaoTalk) => {
            Json(answer(desk.outbox.take(New { arrives: false, ..new }))).into_response()
        }
        Some(Fault::LoseAnswer) => {
            desk.outbox.take(new);
            StatusCode::GATEWAY_TIMEOUT.into_response()
        }
        Some(Fault::Down) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Some(Fault::Busy) => {
            (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")]).into_response()
        }
        Some(Fault::Refuse) => failed(-3012, "refused"),
    }
}

async fn alimtalk(
    State(company): State<Company>,
    headers: HeaderMap,
    Path((_, request, _)): Path<(String, String, String)>,
) -> Response {
    let Some(arrived) = arrived(&company, &headers, &request) else {
        return failed(-1016, "there is no such message");
    };
    // 3018: the number has no KakaoTalk.
    let (status, code) = if arrived { ("COMPLETED", "0") } else { ("FAILED", "3018") };
    let message = json!({ "requestId": request, "messageStatus": status, "resultCode": code });
    Json(json!({ "header": success(), "message": message })).into_response()
}

async fn text(
    State(company): State<Company>,
    headers: HeaderMap,
    Path((_, request)): Path<(String, String)>,
    Query(_): Query<BTreeMap<String, String>>,
) -> Response {
    let Some(arrived) = arrived(&company, &headers, &request) else {
        return failed(-1016, "there is no such message");
    };
    let (status, code) = if arrived { ("3", "1000") } else { ("0", "2000") };
    let data = json!({ "requestId": request, "msgStatus": status, "resultCode": code });
    Json(json!({ "header": success(), "body": { "data": data } })).into_response()
}

fn arrived(company: &Company, headers: &HeaderMap, request: &str) -> Option<bool> {
    let number = request.strip_prefix('R')?.parse().ok()?;
    known(company, headers).then(|| Some(company.desk().outbox.find(number)?.arrived))?
}

fn known(company: &Company, headers: &HeaderMap) -> bool {
    headers.get("x-secret-key").is_some_and(|key| key.as_bytes() == company.0.secret.as_bytes())
}

fn success() -> Value {
    json!({ "isSuccessful": true, "resultCode": 0, "resultMessage": "SUCCESS" })
}

/// NHN answers 200 also when it fails.
fn failed(code: i64, message: &str) -> Response {
    let header = json!({ "isSuccessful": false, "resultCode": code, "resultMessage": message });
    Json(json!({ "header": header })).into_response()
}
