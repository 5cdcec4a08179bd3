//! Who waits for a reservation inside this process hears of its change after the commit.

use domain::ids::ReservationId;
use domain::reservation::Reservation;
use std::sync::Arc;
use tokio::sync::{Notify, broadcast};

/// How many changes a slow watcher may lag behind; then it looks at the row anyway.
const LAG_MAX: usize = 1_024;

#[derive(Clone)]
pub struct Changes {
    changed: broadcast::Sender<(ReservationId, i64)>,
    owed: Arc<Notify>,
}

impl Default for Changes {
    fn default() -> Self {
        Self { changed: broadcast::channel(LAG_MAX).0, owed: Arc::default() }
    }
}

impl Changes {
    /// Ids and versions of reservations, as they change.
    pub fn watch(&self) -> broadcast::Receiver<(ReservationId, i64)> {
        self.changed.subscribe()
    }

    /// Returns when some row has become due; may return without.
    pub async fn owed(&self) {
        self.owed.notified().await;
    }

    pub(crate) fn tell(&self, row: &Reservation) {
        // An error only says that nobody watches.
        let _ = self.changed.send((row.id.clone(), row.version));
        let due = row.attend_at.is_some_and(|at| at <= row.updated_at);
        if due || row.open_cancellation.is_some() {
            self.owed.notify_one();
        }
    }
}
