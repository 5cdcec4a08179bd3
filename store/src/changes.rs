//! Who waits for a reservation hears of its change after the commit: in this process at once, in
//! others over PostgreSQL's NOTIFY. Words get lost; whoever waits for one looks at the row anyway.

use domain::ids::ReservationId;
use domain::reservation::Reservation;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::{Notify, broadcast, mpsc};

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
}

/// One reservation's change, in the words of NOTIFY.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Change {
    id: ReservationId,
    version: i64,
    /// Whether the pump has something to do.
    owed: bool,
}

impl Changes {
    pub(crate) fn new(outside: Option<mpsc::Sender<Change>>) -> Self {
        let here = Here { changed: broadcast::channel(LAG_MAX).0, owed: Arc::default() };
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

    pub(crate) fn here(&self) -> &Here {
        &self.here
    }

    pub(crate) fn tell(&self, row: &Reservation) {
        let due = row.attend_at.is_some_and(|at| at <= row.updated_at);
        let owed = due || row.open_cancellation.is_some();
        let change = Change { id: row.id.clone(), version: row.version, owed };
        if let Some(outside) = &self.outside {
            // Full: the others look by themselves, a little later.
            outside.try_send(change.clone()).ok();
        }
        self.here.tell(change);
    }
}

impl Here {
    pub(crate) fn tell(&self, change: Change) {
        let Change { id, version, owed } = change;
        // An error only says that nobody watches.
        self.changed.send((id, version)).ok();
        if owed {
            self.tell_owed();
        }
    }

    pub(crate) fn tell_owed(&self) {
        self.owed.notify_one();
    }
}
