//! A stand-in for companies that send messages to phones: AlimTalk and texts, with the faces of
//! Solapi and NHN Cloud. What it was given is shown as a phone would, on `/`, and as JSON on
//! `/outbox`. It fails when its fault script says so. All of it is gone with the process.

pub mod faults;
mod nhn;
mod outbox;
mod solapi;

use crate::faults::Script;
use crate::outbox::{Entry, Outbox};
use anyhow::Context;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::TcpListener;

/// The largest body that is read, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What it needs to run.
pub struct Options {
    /// Where clients connect.
    pub listener: TcpListener,
    /// The approved templates, by their ids.
    pub templates: BTreeMap<String, String>,
    /// What clients prove themselves with, with either face.
    pub secret: String,
}

/// Both faces work on this.
#[derive(Clone)]
struct Company(Arc<Inner>);

struct Inner {
    templates: BTreeMap<String, String>,
    secret: String,
    desk: Mutex<Desk>,
}

#[derive(Default)]
struct Desk {
    outbox: Outbox,
    script: Script,
}

impl Company {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.desk.lock().expect("nobody panics under the lock")
    }

    /// The text of a template; nothing when there is no such template, or a variable is missing.
    fn written(&self, template: &str, variables: &BTreeMap<String, String>) -> Option<String> {
        let text = self.0.templates.get(template)?.clone();
        let text = variables
            .iter()
            .fold(text, |text, (placeholder, value)| text.replace(placeholder.as_str(), value));
        (!text.contains("#{")).then_some(text)
    }
}

/// Serves until `shutdown` ends.
pub async fn serve(
    options: Options,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let Options { listener, templates, secret } = options;
    let address = listener.local_addr().context("read the address")?;
    tracing::info!(%address, "messages are taken on {address}");
    let company = Company(Arc::new(Inner { templates, secret, desk: Mutex::default() }));
    axum::serve(listener, router(company))
        .with_graceful_shutdown(shutdown)
        .await
        .context("serve the stand-in for message companies")
}

fn router(company: Company) -> Router {
    Router::new()
        .route("/", get(|| async { Html(include_str!("phone.html")) }))
        .route("/outbox", get(outbox))
        .route("/faults", get(faults).put(replace_faults))
        .route("/livez", get(|| async { StatusCode::OK }))
        .nest("/solapi", solapi::routes())
        .nest("/nhn", nhn::routes())
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(company)
}

async fn outbox(State(company): State<Company>) -> Json<Value> {
    let items: Vec<Entry> = company.desk().outbox.entries().cloned().collect();
    Json(json!({ "items": items }))
}

async fn faults(State(company): State<Company>) -> Json<Value> {
    Json(json!({ "rules": company.desk().script.rules() }))
}

async fn replace_faults(State(company): State<Company>, Json(script): Json<Script>) -> Json<Value> {
    let mut desk = company.desk();
    desk.script = script;
    Json(json!({ "rules": desk.script.rules() }))
}
