//! Solapi's face: <https://developers.solapi.com/references/messages>.

use crate::Company;
use crate::faults::{Channel, Fault};
use crate::outbox::New;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::fmt::Write;

pub(crate) fn routes() -> Router<Company> {
    Router::new()
        .route("/messages/v4/send-many/detail", post(send))
        .route("/messages/v4/list", get(list))
}

#[derive(Deserialize)]
struct Ask {
    messages: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    to: String,
    from: String,
    text: Option<String>,
    kakao_options: Option<KakaoOptions>,
    #[serde(default)]
    custom_fields: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KakaoOptions {
    template_id: String,
    variables: BTreeMap<String, String>,
}

async fn send(
    State(company): State<Company>,
    headers: HeaderMap,
    Json(ask): Json<Ask>,
) -> Response {
    if !proven(&company, &headers) {
        let body = json!({ "errorCode": "SignatureDoesNotMatch", "errorMessage": "who is this?" });
        return (StatusCode::FORBIDDEN, Json(body)).into_response();
    }
    let (mut taken, mut failed) = (Vec::new(), Vec::new());
    for message in ask.messages {
        let channel =
            if message.kakao_options.is_some() { Channel::AlimTalk } else { Channel::Sms };
        let fault = company.desk().script.strike(channel, &message.to);
        match fault {
            Some(Fault::Down) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
            Some(Fault::Busy) => {
                return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")]).into_response();
            }
            Some(Fault::Refuse) => failed.push(refused("1062", &message.to)),
            Some(Fault::LoseAnswer | Fault::NoKakaoTalk) | None => {
                match take(&company, channel, message, fault != Some(Fault::NoKakaoTalk)) {
                    Ok(number) => taken.push(json!({
                        "messageId": format!("M{number}"), "statusCode": "2000",
                        "statusMessage": "정상 접수",
                    })),
                    Err(refused) => failed.push(refused),
                }
            }
        }
        if fault == Some(Fault::LoseAnswer) {
            return StatusCode::GATEWAY_TIMEOUT.into_response();
        }
    }
    let group = json!({ "groupId": "G1", "status": "SENDING", "count": { "total": taken.len() } });
    let body = json!({ "failedMessageList": failed, "groupInfo": group, "messageList": taken });
    Json(body).into_response()
}

fn take(
    company: &Company,
    channel: Channel,
    message: Message,
    arrives: bool,
) -> Result<u64, Value> {
    let Message { to, from, text, kakao_options, custom_fields } = message;
    let text = match kakao_options {
        Some(options) => company.written(&options.template_id, &options.variables),
        None => text,
    };
    let Some(text) = text else { return Err(refused("1030", &to)) };
    let key = custom_fields.get("noticeId").cloned();
    let new = New { company: "Solapi", channel, to, from, text, key, arrives };
    Ok(company.desk().outbox.take(new))
}

fn refused(code: &str, to: &str) -> Value {
    json!({ "to": to, "statusCode": code, "statusMessage": "접수 실패" })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListQuery {
    message_id: String,
}

async fn list(
    State(company): State<Company>,
    headers: HeaderMap,
    Query(ListQuery { message_id }): Query<ListQuery>,
) -> Response {
    if !proven(&company, &headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let number = message_id.strip_prefix('M').and_then(|number| number.parse().ok());
    let arrived = number.and_then(|number| Some(company.desk().outbox.find(number)?.arrived));
    let found = arrived.map(|arrived| {
        // 3104: the number has no KakaoTalk.
        let code = if arrived { "4000" } else { "3104" };
        (
            message_id.clone(),
            json!({ "messageId": message_id, "status": "COMPLETE", "statusCode": code }),
        )
    });
    let list: BTreeMap<_, _> = found.into_iter().collect();
    Json(json!({ "messageList": list })).into_response()
}

/// The signature of date and salt, by the secret that only the client knows.
fn proven(company: &Company, headers: &HeaderMap) -> bool {
    let given = headers.get("authorization").and_then(|value| value.to_str().ok());
    let Some(given) = given.and_then(|value| value.strip_prefix("HMAC-SHA256 ")) else {
        return false;
    };
    let parts: BTreeMap<&str, &str> =
        given.split(", ").filter_map(|part| part.split_once('=')).collect();
    let part = |name| parts.get(name).copied().unwrap_or_default();
    let mut mac = Hmac::<Sha256>::new_from_slice(company.0.secret.as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(part("date").as_bytes());
    mac.update(part("salt").as_bytes());
    let expected = mac.finalize().into_bytes().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a text takes all that is written");
        hex
    });
    !part("date").is_empty() && part("signature") == expected
}
