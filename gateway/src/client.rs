//! What all adapters share: how long an answer is waited for, and how paths are put together.

use reqwest::{Client, Url};
use std::time::Duration;

/// How long one delivery or inquiry is waited for. A slow answer is inquired later, never given up.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(3);
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long the companies let a customer's authorisation stand.
pub(crate) const AUTHORIZED_FOR: Duration = Duration::from_secs(10 * 60);

pub(crate) fn client() -> reqwest::Result<Client> {
    Client::builder().timeout(ANSWER_WITHIN).connect_timeout(CONNECT_WITHIN).no_proxy().build()
}

/// The address below a company's root.
pub(crate) fn below(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    url.path_segments_mut().expect("an http URL has a path").pop_if_empty().extend(segments);
    url
}
