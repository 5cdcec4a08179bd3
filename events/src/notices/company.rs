//! A company that sends messages, and what its answers mean whatever its tongue.

use crate::notices::message::Message;
use crate::retry_after::retry_after;
use domain::words::Channel;
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use store::notices::{Notice, Sending};

/// An answer is waited for this long.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

pub type Asked<'a> = Pin<Box<dyn Future<Output = Sending> + Send + 'a>>;

pub trait Company: Send + Sync + 'static {
    /// Hands over the message of a notice, whose id is the key where the company removes duplicates.
    fn send<'a>(&'a self, notice: &'a Notice, message: &'a Message) -> Asked<'a>;

    /// Asks what became of a message that it took.
    fn inquire<'a>(&'a self, channel: Channel, receipt: &'a str) -> Asked<'a>;

    /// Whether a message that was first handed over so long ago reaches the customer once, however
    /// often it is handed over.
    fn removes_duplicates(&self, channel: Channel, since: Duration) -> bool;
}

pub(crate) fn client() -> reqwest::Result<Client> {
    Client::builder().timeout(ANSWER_WITHIN).connect_timeout(CONNECT_WITHIN).no_proxy().build()
}

/// The address below a company's root.
pub(crate) fn below(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    url.path_segments_mut().expect("an http URL has a path").pop_if_empty().extend(segments);
    url
}

/// The answer to a message that was handed over, or what having none means.
pub(crate) async fn handed_over(request: RequestBuilder) -> Result<Response, Sending> {
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) if error.is_connect() => return Err(refused("UNREACHABLE", Duration::ZERO)),
        Err(_) => return Err(Sending::Unknown),
    };
    match response.status() {
        // Turned away at the door.
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Err(refused("BUSY", retry_after(&response).unwrap_or_default()))
        }
        // Ours to mend: the message can still be sent then.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Err(refused("UNAUTHORIZED", Duration::ZERO))
        }
        status if status.is_server_error() => Err(Sending::Unknown),
        _ => Ok(response),
    }
}

fn refused(why: &str, pause: Duration) -> Sending {
    Sending::Refused { why: why.to_owned(), pause }
}
