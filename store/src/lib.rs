//! All SQL of Marquee: one module per noun, one text for SQLite and PostgreSQL.
//!
//! Every command is one transaction that locks the reservation row, lets `domain` judge it, and
//! records the step: event, status, version, mypage document. Lock order everywhere: reservation,
//! seats by id, pool last.

mod clock;
mod dialect;
mod fresh;
mod line;
mod notify;
mod picks;
mod row;
mod writer;

pub mod attend;
pub mod attention;
pub mod audit;
pub mod audit_entries;
pub mod backlog;
pub mod blocked_refunds;
pub mod blocked_seats;
pub mod cancellations;
pub mod capacity;
pub mod catalogue;
pub mod changes;
pub mod check_ins;
pub mod deliveries;
pub mod erasures;
pub mod exchanges;
pub mod feed;
pub mod gateway_calls;
pub mod idempotency;
pub mod late_approvals;
pub mod mypage;
pub mod notices;
pub mod payments;
pub mod reservations;
pub mod reserve;
pub mod restored;
pub mod seat_map;
pub mod seats;
pub mod settling;
pub mod showtime_cancellations;
pub mod tickets;
pub mod timeline;
pub mod webhooks;

use domain::refusal::Refusal;
use domain::reservation::{Deadlines, Reservation};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

pub use clock::Clock;
pub use writer::Tx;

/// The store: where it is, its clock and the customers' deadlines.
#[derive(Clone)]
pub struct Store {
    engine: Arc<dialect::Engine>,
    clock: Clock,
    deadlines: Deadlines,
    changes: changes::Changes,
    layouts: seat_map::Layouts,
    picks: picks::Picks,
    counted: line::Counted,
    /// Milliseconds since 1970 UTC; see [`Store::spare_deadlines_until`].
    spared_until: Arc<AtomicI64>,
    /// When the pump last passed by, likewise; 0 before it did.
    pump_passed_at: Arc<AtomicI64>,
    /// When the pump last took a due row, likewise.
    pump_took_at: Arc<AtomicI64>,
}

/// Something broke. Not a refusal.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("the schema could not be prepared")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The row changed between reading and writing in spite of its lock: a bug.
    #[error("reservation {0} changed under its lock")]
    Stale(String),
    #[error("stored data is broken: {0}")]
    Broken(String),
    #[error("{0}")]
    Setup(String),
    #[error("the gateway's ledger cannot be read")]
    Ledger(#[source] std::io::Error),
}

impl StoreError {
    /// The database cannot be reached at all; asking again later may help.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Database(
                sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed,
            ) => true,
            Self::Database(sqlx::Error::Database(error)) => dialect::was_shut_down(error.as_ref()),
            _ => false,
        }
    }

    fn may_be_repeated(&self) -> bool {
        match self {
            // Waiting for a connection was long enough.
            Self::Database(sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) => false,
            Self::Database(sqlx::Error::Database(error)) => {
                dialect::was_interrupted(error.as_ref())
            }
            _ => self.is_unreachable(),
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone)]
pub enum Decision {
    /// It took effect; this is the row after it.
    Done(Reservation),
    /// It had been asked before under this key; this is the row as it is now.
    Replayed(Reservation),
    /// The rules say no; the row, where there is one, is unchanged.
    Refused(Refusal, Option<Reservation>),
    NotFound,
}

/// Commands cut off by the database (deadlock, lost connection) are tried this often.
const TRIES_MAX: u32 = 5;

/// Repeats a transaction that the database cut off. What is unsure about a COMMIT has been looked up
/// before (`Store::commit`); where that could not be done either, a repeat must be harmless: a
/// create has its id from before the first try, everything else is judged by the row again.
pub(crate) async fn repeated<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    for _ in 1..TRIES_MAX {
        match attempt().await {
            Err(error) if error.may_be_repeated() => {
                tracing::warn!(error = ?error, "transaction cut off, repeating it");
            }
            ended => return ended,
        }
    }
    attempt().await
}

impl Store {
    /// Opens the database named by the URL (`sqlite://FILE` or `postgres://…`) and brings its
    /// schema up to date.
    pub async fn open(url: &str, clock: Clock, deadlines: Deadlines) -> Result<Self, StoreError> {
        let engine = dialect::Engine::open(url).await?;
        let changes = engine.changes(url);
        Ok(Self::on(engine, changes, clock, deadlines))
    }

    /// Opens the database as it is, also beside a running system: nothing is written to it.
    pub async fn open_to_read(url: &str) -> Result<Self, StoreError> {
        let engine = dialect::Engine::open_to_read(url).await?;
        let changes = changes::Changes::new(None);
        Ok(Self::on(engine, changes, Clock::System, Deadlines::default()))
    }

    fn on(
        engine: dialect::Engine,
        changes: changes::Changes,
        clock: Clock,
        deadlines: Deadlines,
    ) -> Self {
        Self {
            engine: Arc::new(engine),
            clock,
            deadlines,
            changes,
            layouts: seat_map::Layouts::default(),
            picks: picks::Picks::default(),
            counted: line::Counted::default(),
            spared_until: Arc::default(),
            pump_passed_at: Arc::default(),
            pump_took_at: Arc::default(),
        }
    }

    pub fn now(&self) -> domain::time::Time {
        self.clock.now()
    }

    pub fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }

    pub fn changes(&self) -> &changes::Changes {
        &self.changes
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("select 1").fetch_one(self.readers()).await?;
        Ok(())
    }

    /// Lets another role of PostgreSQL read and write what there is, and change no schema.
    pub async fn grant_to(&self, role: &str) -> Result<(), StoreError> {
        self.engine.grant_to(role).await
    }

    pub(crate) fn readers(&self) -> &sqlx::AnyPool {
        self.engine.readers()
    }

    /// The only way to write.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(self.engine.begin().await?)
    }

    /// Commits a step of this reservation and tells those who watch it. An error from COMMIT leaves
    /// the outcome open: the row says which it was.
    pub(crate) async fn commit(&self, tx: Tx, row: &Reservation) -> Result<(), StoreError> {
        if let Err(error) = tx.commit().await {
            let stored = self.reservation(&row.id).await?;
            let ours = |stored: &Reservation| {
                let same = (stored.version, stored.updated_at, stored.status)
                    == (row.version, row.updated_at, row.status);
                // Only its own create can have made the row; it may have moved on since.
                same || row.version == 1
            };
            if !stored.as_ref().is_some_and(ours) {
                return Err(error.into());
            }
        }
        self.changes.tell(row);
        Ok(())
    }
}
