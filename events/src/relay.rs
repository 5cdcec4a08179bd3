//! The relay: gives committed events their positions, soon after their commit.

use domain::words::EventType;
use std::time::Duration;
use store::Store;
use tokio::sync::watch;
use tokio::time::sleep;

/// Events of which no word came to this process are found this late at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What comes within this time leaves in one transaction.
const GATHER_FOR: Duration = Duration::from_millis(10);

/// Until it is told to quit. Any number may run: the store lets one at a time give positions.
pub async fn run(store: Store, mut quit: watch::Receiver<bool>) {
    let mut changes = store.changes().watch();
    loop {
        tokio::select! {
            // Also when it has fallen behind: something has changed.
            _ = changes.recv() => {}
            () = sleep(LOOK_EVERY) => {}
            _ = quit.changed() => return,
        }
        sleep(GATHER_FOR).await;
        changes = changes.resubscribe();
        loop {
            match store.relay().await {
                Ok(fed) if fed.is_empty() => break,
                // Each event is counted once in a fleet, by the relay that gave it its position.
                Ok(fed) => fed.iter().for_each(count),
                Err(error) => {
                    tracing::warn!(?error, "the feed does not move on");
                    sleep(LOOK_EVERY).await;
                    break;
                }
            }
        }
    }
}

fn count(kind: &EventType) {
    metrics::counter!("marquee_events_total", "type" => kind.as_str()).increment(1);
}
