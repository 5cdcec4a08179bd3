//! The API on its listener, until it is told to stop.

use anyhow::{Context, bail};
use api::App;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Anybody who reaches the API may act for any customer, so only this machine may.
pub(crate) async fn listen_on_loopback(at: SocketAddr) -> anyhow::Result<TcpListener> {
    if !at.ip().is_loopback() {
        bail!("--listen {at}: without tokens the API listens on loopback only");
    }
    listen(at).await
}

pub(crate) async fn listen(at: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(at).await.with_context(|| {
        format!("cannot listen on {at}; stop what uses it, or choose another with --listen")
    })
}

pub(crate) fn serve(
    listener: TcpListener,
    app: App,
    mut quit: watch::Receiver<bool>,
) -> JoinHandle<()> {
    let router = api::router(app);
    tokio::spawn(async move {
        let stop = async move {
            quit.changed().await.ok();
        };
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop).await {
            tracing::error!(%error, "the API ended");
        }
    })
}
