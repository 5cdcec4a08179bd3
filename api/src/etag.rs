//! ETags: polling costs a 304 where nothing has changed.

use crate::json::digest;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Answers with the body, tagged by its content.
pub(crate) fn answer(headers: &HeaderMap, body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).expect("plain data has a JSON form");
    let tag = format!("\"{}\"", &digest(&body)[..32]);
    answer_tagged(headers, &tag, body)
}

/// Answers with the body under a tag of its own.
pub(crate) fn answer_as(headers: &HeaderMap, tag: &str, body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).expect("plain data has a JSON form");
    answer_tagged(headers, &format!("\"{tag}\""), body)
}

fn answer_tagged(headers: &HeaderMap, tag: &str, body: Vec<u8>) -> Response {
    let etag = HeaderValue::from_str(tag).expect("tags are plain ASCII");
    if matches(headers, tag) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response();
    }
    let json = HeaderValue::from_static("application/json");
    let private = HeaderValue::from_static("private, no-cache");
    let headers =
        [(header::ETAG, etag), (header::CONTENT_TYPE, json), (header::CACHE_CONTROL, private)];
    (headers, body).into_response()
}

fn matches(headers: &HeaderMap, tag: &str) -> bool {
    let asked = headers.get_all(header::IF_NONE_MATCH).iter();
    asked.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|given| {
        let given = given.trim();
        given == "*" || given.trim_start_matches("W/") == tag
    })
}
