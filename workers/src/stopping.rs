//! How a process ends in an orderly way.

use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// A stopping process waits this long for requests, workers and wakes.
const STOPS_WITHIN: Duration = Duration::from_secs(10);

/// Returns on Ctrl-C or SIGTERM.
pub(crate) async fn asked_to_stop() -> anyhow::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    tokio::select! {
        asked = tokio::signal::ctrl_c() => asked?,
        _ = term.recv() => {}
    }
    Ok(())
}

/// Waits for what is under way, but not for ever: nothing is lost by cutting it off.
pub(crate) async fn in_time(stopped: impl Future<Output = ()>) {
    if tokio::time::timeout(STOPS_WITHIN, stopped).await.is_err() {
        tracing::warn!("not everything stopped in time; the next start carries on from the store");
    }
}
