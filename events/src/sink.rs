//! A sink follows the feed with a cursor of its own. What it was sent and could not mark is sent
//! again, from the cursor on: at least once, in order per reservation.

use domain::feed::Entry;
use std::time::Duration;
use store::Store;
use store::feed::Hold;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// A process that dies leaves its sinks to others after this.
const LEASE: Duration = Duration::from_secs(10);
/// So long before the lease ends it is renewed, and another process tries to take over.
const RENEW_EVERY: Duration = Duration::from_secs(3);
/// Events that are sent before they are marked as sent.
const BATCH: i64 = 1_000;
/// After a failure.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Where events go.
pub trait Sink: Send {
    /// Its name in the store.
    const NAME: &'static str;

    /// Returns when all of them have arrived. After an error, or when it is dropped before its end,
    /// some may have; they are sent again, all in the same order.
    fn send(&mut self, entries: &[Entry]) -> impl Future<Output = Result<(), SendError>> + Send;
}

/// What the other side, or the way there, said.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SendError(pub String);

/// Sends the feed to the sink until it is told to quit, while no other process does.
pub async fn follow<S: Sink>(store: Store, mut sink: S, mut quit: watch::Receiver<bool>) {
    let holder = uuid::Uuid::new_v4().to_string();
    let hold = Hold { sink: S::NAME, holder, lease: LEASE };
    loop {
        let pause = tokio::select! {
            pause = held(&store, &hold, &mut sink) => pause,
            _ = quit.changed() => break,
        };
        tokio::select! {
            () = sleep(pause) => {}
            _ = quit.changed() => break,
        }
    }
    store.release_sink(&hold).await.ok();
}

/// Sends for as long as the sink is ours and all goes well; then says how long to wait.
async fn held<S: Sink>(store: &Store, hold: &Hold, sink: &mut S) -> Duration {
    let mut position = match store.hold_sink(hold).await {
        Ok(Some(position)) => position,
        Ok(None) => return RENEW_EVERY,
        Err(error) => return failed(hold, &error),
    };
    let mut fed = store.changes().fed();
    let mut renew = interval(RENEW_EVERY);
    renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let entries = match store.feed(position, BATCH).await {
            Ok(entries) => entries,
            Err(error) => return failed(hold, &error),
        };
        let last = entries.last().map(|entry| entry.position);
        let sending = async {
            match last {
                Some(_) => sink.send(&entries).await,
                None => {
                    fed.changed().await.ok();
                    Ok(())
                }
            }
        };
        let renewing = async {
            loop {
                renew.tick().await;
                match store.hold_sink(hold).await {
                    Ok(Some(_)) if last.is_some() => {}
                    // What came without a word, from another process, is looked for.
                    Ok(Some(_)) => return None,
                    Ok(None) => return Some(RENEW_EVERY),
                    Err(error) => return Some(failed(hold, &error)),
                }
            }
        };
        // Both go on at once: who sends may itself be in the middle of a transaction.
        let pause = tokio::select! {
            sent = sending => sent.err().map(|error| failed(hold, &error)),
            pause = renewing => pause,
        };
        if let Some(pause) = pause {
            return pause;
        }
        let Some(last) = last else { continue };
        match store.sink_sent(hold, last).await {
            Ok(true) => position = last,
            Ok(false) => return RENEW_EVERY,
            Err(error) => return failed(hold, &error),
        }
    }
}

fn failed(hold: &Hold, error: &dyn std::error::Error) -> Duration {
    tracing::warn!(sink = hold.sink, error = %error, "events wait");
    AGAIN_AFTER
}
