//! Load of an open model: requests go out when their time has come, whether or not earlier ones
//! have been answered, and how long one takes counts from that time.

use crate::http::Http;
use crate::statistics::Latencies;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// One answer, or none.
pub(crate) struct Answered {
    /// None where the connection failed.
    pub(crate) status: Option<u16>,
    /// Since the moment when the request was to be sent.
    pub(crate) took: Duration,
}

/// Sends each request at its time and waits for all answers.
pub(crate) async fn offer(
    http: &Arc<Http>,
    arrivals: Vec<Duration>,
    mut request: impl FnMut(usize) -> anyhow::Result<Request<Full<Bytes>>>,
) -> anyhow::Result<Vec<Answered>> {
    let began = Instant::now();
    let mut sent = JoinSet::new();
    for (n, arrival) in arrivals.into_iter().enumerate() {
        let due = began + arrival;
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        let (http, request) = (http.clone(), request(n)?);
        sent.spawn(async move {
            let status = http.send(request).await.ok().map(|answer| answer.status.as_u16());
            Answered { status, took: due.elapsed() }
        });
    }
    Ok(sent.join_all().await)
}

/// How many have this status, and how long they took.
pub(crate) fn with_status(answers: &[Answered], status: u16) -> Latencies {
    let fit = answers.iter().filter(|answer| answer.status == Some(status));
    Latencies::new(fit.map(|answer| answer.took).collect())
}
