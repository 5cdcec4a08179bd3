//! What those who operate a process ask it: alive, ready, its numbers. On a listener of its own,
//! because nobody else is to see these.

use crate::config::{OperationsFlags, Probe};
use crate::metrics::Metrics;
use crate::serving::listen;
use anyhow::ensure;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use temporalio_sdk::runtime::RuntimeOptions;
use tokio::sync::watch;
use tokio::time::timeout;

/// The store answers within this time, or the process is not ready.
const STORE_WITHIN: Duration = Duration::from_secs(2);
const PROBED_WITHIN: Duration = Duration::from_secs(3);

/// Whether the process does what it is there for, and will go on with it.
pub(crate) type Ready = Arc<dyn Fn() -> bool + Send + Sync>;

/// Ready when so many workers have begun, until it is told to quit. The sender counts those who have.
pub(crate) fn at_work(
    workers: usize,
    quit: watch::Receiver<bool>,
) -> (watch::Sender<usize>, Ready) {
    let (begun, have_begun) = watch::channel(0);
    (begun, Arc::new(move || *have_begun.borrow() == workers && !*quit.borrow()))
}

#[derive(Clone)]
struct Operations {
    store: Store,
    metrics: Metrics,
    ready: Ready,
}

/// Counts from now on, and serves on the address asked for as long as the process lives, also while it
/// stops. Returns what lets the SDK count as well.
pub(crate) async fn begin(
    flags: &OperationsFlags,
    store: &Store,
    ready: Ready,
) -> anyhow::Result<RuntimeOptions> {
    let Some(at) = flags.operations_listen else { return Ok(RuntimeOptions::default()) };
    let listener = listen(at, "--operations-listen").await?;
    println!("Operations http://{}/metrics, /livez, /readyz", listener.local_addr()?);
    let metrics = Metrics::begin()?;
    let sdk_options = metrics.sdk_options()?;
    let router = Router::new()
        .route("/livez", get(async || "ok"))
        .route("/readyz", get(is_ready))
        .route("/metrics", get(numbers))
        .with_state(Operations { store: store.clone(), metrics, ready });
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "no more numbers");
        }
    });
    Ok(sdk_options)
}

/// Asks the store and nobody else: bookings are taken while Temporal is down.
async fn is_ready(State(operations): State<Operations>) -> Response {
    let ready = (operations.ready)();
    let store = matches!(timeout(STORE_WITHIN, operations.store.ping()).await, Ok(Ok(())));
    let status = if ready && store { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"ready": ready, "store": store}))).into_response()
}

async fn numbers(State(operations): State<Operations>) -> Response {
    let text = operations.metrics.page(&operations.store).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// Asks the process that listens there, on this machine, whether it is ready.
pub(crate) async fn probe(options: Probe) -> anyhow::Result<()> {
    let port = options.operations_listen.port();
    let http = reqwest::Client::builder().timeout(PROBED_WITHIN).no_proxy().build()?;
    let answer = http.get(format!("http://127.0.0.1:{port}/readyz")).send().await?;
    let (status, said) = (answer.status(), answer.text().await?);
    ensure!(status.is_success(), "not ready: {said}");
    Ok(())
}
