//! Who waits for a reservation, or for the feed, hears of a change after the commit: in this process
//! at once, in others over PostgreSQL's NOTIFY. Words get lost; whoever waits for one looks anyway.

use domain::ids::ReservationId;
use domain::reservation::Reservation;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::{Notify, broadcast, mpsc, watch};

/// How many changes a slow watcher may lag behind; then it looks at the row anyway.
const LAG_MAX: usize = 1_024;

#[derive(Clone)]
pub struct Changes {
    here: Here,
    /// Where this process's changes are passed on to others; None on SQLite.
    outside: Option<mpsc::Sender<Change>>,
}

/// Those who wait in this process.
#[derive(Clone)]
pub(crate) struct Here {
    changed: broadcast::Sender<(ReservationId, i64)>,
    owed: Arc<Notify>,
    fed: watch::Sender<()>,
}

/// What changed, in the words of NOTIFY.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Change {
    Reservation {
        id: ReservationId,
        version: i64,
        /// Whether the pump has something to do.
        owed: bool,
    },
    /// The feed has new events.
    Fed,
}

impl Changes {
    pub(crate) fn new(outside: Option<mpsc::Sender<Change>>) -> Self {
        let changed = broadcast::channel(LAG_MAX).0;
        let here = Here { changed, owed: Arc::default(), fed: watch::channel(()).0 };
        Self { here, outside }
    }

    /// Ids and versions of reservations, as they change.
    pub fn watch(&self) -> broadcast::Receiver<(ReservationId, i64)> {
        self.here.changed.subscribe()
    }

    /// Returns when some row has become due; may return without.
    pub async fn owed(&self) {
        self.here.owed.notified().await;
    }

    /// Changes whenever the feed has new events.
    pub fn fed(&self) -> watch::Receiver<()> {
        self.here.fed.subscribe()
    }

    pub(crate) fn here(&self) -> &Here {
        &self.here
    }

    pub(crate) fn tell(&self, row: &Reservation) {
        let due = row.attend_at.is_some_and(|at| at <= row.updated_at);
        let owed = due || row.open_cancellation.is_some();
        self.tell_everywhere(Change::Reservation {
            id: row.id.clone(),
            version: row.version,
            owed,
        });
    }

    pub(crate) fn tell_fed(&self) {
        self.tell_everywhere(Change::Fed);
    }

    fn tell_everywhere(&self, change: Change) {
        if let Some(outside) = &self.outside {
            // Full: the others look by themselves, a little later.
            outside.try_send(change.clone()).ok();
        }
        self.here.tell(change);
    }
}

impl Here {
    pub(crate) fn tell(&self, change: Change) {
        match change {
            Change::Reservation { id, version, owed } => {
                // An error only says that nobody watches.
                self.changed.send((id, version)).ok();
                if owed {
                    self.tell_owed();
                }
            }
            Change::Fed => {
                self.fed.send_replace(());
            }
        }
    }

    pub(crate) fn tell_owed(&self) {
        self.owed.notify_one();
    }
}
