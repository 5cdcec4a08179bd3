//! What all adapters share: how long an answer is waited for, and how paths are put together.

use crate::Unknown;
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Response, StatusCode, Url};
use std::time::Duration;

/// How long one delivery or inquiry is waited for. A slow answer is inquired later, never given up.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(3);
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long the companies let a customer's authorisation stand.
pub(crate) const AUTHORIZED_FOR: Duration = Duration::from_secs(10 * 60);

pub(crate) fn client() -> reqwest::Result<Client> {
    Client::builder().timeout(ANSWER_WITHIN).connect_timeout(CONNECT_WITHIN).no_proxy().build()
}

/// The company has too much to do, and may say in how many seconds to come back.
pub(crate) fn too_many(response: &Response) -> Option<Unknown> {
    let secs =
        response.headers().get(RETRY_AFTER).and_then(|secs| secs.to_str().ok()?.parse().ok());
    let too_many = Unknown::TooMany { retry_after: secs.map(Duration::from_secs) };
    (response.status() == StatusCode::TOO_MANY_REQUESTS).then_some(too_many)
}

/// The address below a company's root.
pub(crate) fn below(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    url.path_segments_mut().expect("an http URL has a path").pop_if_empty().extend(segments);
    url
}
