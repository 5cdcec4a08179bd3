//! PostgreSQL's LISTEN and NOTIFY: one connection of each process tells the others what changed
//! and hears what they changed.
//!
//! The words are sent after the commit, many at once, and not inside each transaction: NOTIFY takes
//! a lock that all committing transactions would queue for, each with its fsync.

use crate::changes::{Change, Here};
use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgListener, PgNotification};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;

const CHANNEL: &str = "marquee";
/// A payload is shorter than 8,000 bytes; a change has three ids of 128 at most.
const CHANGES_PER_WORD_MAX: usize = 16;
/// Changes that wait to be told.
const UNTOLD_MAX: usize = 4_096;
/// A lost connection is made again after this pause.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

#[derive(Serialize, Deserialize)]
struct Word {
    /// Which process tells it: its own words come back to it too.
    from: String,
    changes: Vec<Change>,
}

/// Changes on their way to other processes.
pub(crate) fn outbox() -> (mpsc::Sender<Change>, mpsc::Receiver<Change>) {
    mpsc::channel(UNTOLD_MAX)
}

/// Tells and hears until nobody can send changes any more.
pub(crate) async fn exchange(url: String, here: Here, mut outbox: mpsc::Receiver<Change>) {
    let myself = crate::fresh::id('n');
    loop {
        match connected(&url, &myself, &here, &mut outbox).await {
            Ok(()) => return,
            Err(error) => tracing::warn!(?error, "changes are not told to other processes"),
        }
        tokio::select! {
            () = sleep(AGAIN_AFTER) => {}
            () = closed(&mut outbox) => return,
        }
    }
}

/// Throws away what cannot be told, and returns when nobody can send any more.
async fn closed(outbox: &mut mpsc::Receiver<Change>) {
    while outbox.recv().await.is_some() {}
}

async fn connected(
    url: &str,
    myself: &str,
    here: &Here,
    outbox: &mut mpsc::Receiver<Change>,
) -> sqlx::Result<()> {
    let mut connection = PgListener::connect(url).await?;
    connection.eager_reconnect(false);
    connection.listen(CHANNEL).await?;
    // What was told meanwhile was missed.
    here.tell_owed();
    let mut changes = Vec::new();
    loop {
        tokio::select! {
            heard = connection.try_recv() => match heard? {
                Some(heard) => hear(&heard, myself, here),
                None => return Err(sqlx::Error::PoolClosed),
            },
            count = outbox.recv_many(&mut changes, CHANGES_PER_WORD_MAX) => {
                if count == 0 {
                    return Ok(());
                }
                let word = Word { from: myself.to_owned(), changes: std::mem::take(&mut changes) };
                let text = serde_json::to_string(&word).expect("plain data has a JSON form");
                let tell = sqlx::query("select pg_notify($1, $2)").bind(CHANNEL).bind(text);
                tell.execute(&mut connection).await?;
            }
        }
    }
}

fn hear(heard: &PgNotification, myself: &str, here: &Here) {
    match serde_json::from_str::<Word>(heard.payload()) {
        Ok(word) if word.from == myself => {}
        Ok(word) => word.changes.into_iter().for_each(|change| here.tell(change)),
        // Another release's words. What they are about is found by looking.
        Err(_) => here.tell_owed(),
    }
}
