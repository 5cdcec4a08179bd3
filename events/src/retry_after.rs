//! How long somebody who turned us away wants to be left alone.

use reqwest::Response;
use reqwest::header::RETRY_AFTER;
use std::time::Duration;

/// `Retry-After` in seconds; its other form, a date, is not understood.
pub(crate) fn retry_after(response: &Response) -> Option<Duration> {
    let secs = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(secs))
}
