//! How a process ends: it says that it is not ready, takes nothing new, and finishes what is under
//! way in a stated time.

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

/// Gives those who ask whether it is ready this long to hear that it is not. Who asks a second time
/// is in a hurry.
pub(crate) async fn drained(within: Duration) {
    tokio::select! {
        () = tokio::time::sleep(within) => {}
        _ = asked_to_stop() => {}
    }
}

/// Waits for what is under way, but not for ever, and not for who asks a second time: nothing is
/// lost by cutting it off.
pub(crate) async fn in_time(stopped: impl Future<Output = ()>) {
    tokio::select! {
        () = stopped => return,
        () = tokio::time::sleep(STOPS_WITHIN) => {}
        _ = asked_to_stop() => {}
    }
    tracing::warn!("not everything stopped in time; the next start carries on from the store");
}
