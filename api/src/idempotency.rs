//! The Idempotency-Key header: its form, its scope, and what a repeat is answered with.

use crate::App;
use crate::problem::Problem;
use axum::http::{HeaderMap, StatusCode};
use domain::ids::CustomerId;
use store::idempotency::RequestKey;
use utoipa::IntoParams;

/// Marks answers to repeats.
pub(crate) const REPLAYED: (&str, &str) = ("idempotency-replayed", "true");

const KEY_CHARS_MAX: usize = 255;

/// How the header is described.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described: the header is read beside the caller and the route")]
pub(crate) struct KeyHeader {
    /// Makes a repeat the same request: 1 to 255 visible characters, kept for 24 hours.
    #[param(rename = "Idempotency-Key", pattern = "^[!-~]{1,255}$")]
    key: Option<String>,
}

/// The key of this request, if it has one; 400 when it is unfit, or missing where it is required.
pub(crate) fn key_of(
    app: &App,
    headers: &HeaderMap,
    caller: &CustomerId,
    route: &'static str,
    digest: &str,
) -> Result<Option<RequestKey>, Problem> {
    let Some(key) = headers.get("idempotency-key") else {
        if app.require_idempotency_key {
            let detail = "send an Idempotency-Key, so that a repeat cannot act twice";
            return Err(Problem::new(StatusCode::BAD_REQUEST, "idempotency-key-missing", detail));
        }
        return Ok(None);
    };
    let key = key.as_bytes();
    let fits = (1..=KEY_CHARS_MAX).contains(&key.len());
    let visible = key.iter().all(|byte| (0x21..=0x7e).contains(byte));
    if !(fits && visible) {
        return Err(Problem::malformed("Idempotency-Key: 1 to 255 visible ASCII characters"));
    }
    Ok(Some(RequestKey {
        principal: caller.to_string(),
        route,
        key: String::from_utf8_lossy(key).into_owned(),
        request_hash: digest.to_owned(),
    }))
}
