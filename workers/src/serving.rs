//! The API on its listener, until it is told to stop.

use crate::config::AuthFlags;
use crate::metrics;
use anyhow::{Context, bail};
use api::App;
use api::caller::Trust;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use std::net::SocketAddr;
use std::path::Path;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use web::Sessions;

/// Where the API listens, and through how many proxies of ours people come.
pub(crate) struct Listening {
    listener: TcpListener,
    pub(crate) at: SocketAddr,
    proxies: usize,
}

/// Without tokens anybody who reaches the API may act for any customer, so only this machine may.
pub(crate) async fn listen_for(
    auth: &AuthFlags,
    session_key: Option<&Path>,
    at: SocketAddr,
) -> anyhow::Result<(Trust, Listening)> {
    let trust = auth.trust(session_key).await?;
    if matches!(trust, Trust::ThisMachine) && !at.ip().is_loopback() {
        bail!("--listen {at}: without tokens (--auth-keys) the API listens on loopback only");
    }
    let listener = listen(at, "--listen").await?;
    let at = listener.local_addr()?;
    Ok((trust, Listening { listener, at, proxies: auth.proxies }))
}

pub(crate) async fn listen(at: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(at).await.with_context(|| {
        format!("cannot listen on {at}; stop what uses it, or choose another with {flag}")
    })
}

/// Once it stops it takes no new connection, and its task ends with the last request.
pub(crate) fn serve(
    listening: Listening,
    app: App,
    sessions: Option<Sessions>,
    mut quit: watch::Receiver<bool>,
) -> JoinHandle<()> {
    let Listening { listener, at, proxies } = listening;
    let parting = middleware::from_fn_with_state(app.stopping.clone(), say_goodbye);
    let api = api::router(app);
    let served = metrics::of_requests(api.clone());
    println!("API        http://{at}   (bookings are taken from now on)");
    let router = match sessions {
        None => served,
        Some(sessions) => {
            println!("Pages      http://{at}/");
            web::before(api, served, sessions)
        }
    };
    let addressed = middleware::from_fn_with_state(proxies, api::address::note);
    let router = router.layer(addressed).layer(parting);
    tokio::spawn(async move {
        let stop = async move {
            quit.wait_for(|quit| *quit).await.ok();
        };
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        if let Err(error) = axum::serve(listener, service).with_graceful_shutdown(stop).await {
            tracing::error!(%error, "the API ended");
        }
    })
}

/// Before it stops each answer is the last on its connection, so that clients come back on another
/// one, and to another process.
async fn say_goodbye(
    State(stopping): State<watch::Receiver<bool>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    if *stopping.borrow() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
