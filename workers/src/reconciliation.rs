//! Reconciliation: reads the gateway's own books where it has any, page by page from where it left
//! off, and has the store compare them with our rows.

use gateway::Gateway;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use tokio::sync::watch;

/// What nobody told us is found this late at most.
const READ_EVERY: Duration = Duration::from_secs(10);

pub(crate) struct Reconciliation {
    pub(crate) store: Store,
    pub(crate) gateway: Arc<dyn Gateway>,
}

impl Reconciliation {
    /// Until it is told to quit. A gateway or store that does not answer costs nothing but time.
    pub(crate) async fn run(self, mut quit: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(READ_EVERY) => {}
                _ = quit.changed() => return,
            }
            let read = tokio::select! {
                read = self.read_on() => read,
                _ = quit.changed() => return,
            };
            if let Err(error) = read {
                tracing::warn!(error = format!("{error:#}"), "the gateway's books were not read");
            }
        }
    }

    /// All pages that there are now.
    async fn read_on(&self) -> anyhow::Result<()> {
        loop {
            let after = self.store.ledger_position().await?;
            let Some(page) = self.gateway.ledger(after) else { return Ok(()) };
            let books = page.await?;
            let Some(end) = books.end else { return Ok(()) };
            self.store.reconcile(&books.entries).await?;
            self.store.ledger_compared(end).await?;
        }
    }
}
