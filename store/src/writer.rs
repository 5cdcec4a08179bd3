//! Transactions. On PostgreSQL each has a connection of the pool. SQLite has one writer: there
//! transactions take turns on one connection, each inside a savepoint, and the first to finish
//! queues a committer behind all who wait, so one fsync serves many (group commit).

use crate::StoreError;
use sqlx::AnyConnection;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

/// One transaction. Dropping it undoes it.
pub enum Tx {
    Pooled(sqlx::Transaction<'static, sqlx::Any>),
    Turn(Turn),
}

/// One transaction's turn on SQLite's writer; it is there until the turn ends.
pub struct Turn(Option<OwnedMutexGuard<Writer>>);

const HELD: &str = "a turn holds the writer until it ends";

impl Deref for Tx {
    type Target = AnyConnection;
    fn deref(&self) -> &AnyConnection {
        match self {
            Self::Pooled(tx) => tx,
            Self::Turn(turn) => &turn.0.as_ref().expect(HELD).conn,
        }
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        match self {
            Self::Pooled(tx) => tx,
            Self::Turn(turn) => &mut turn.0.as_mut().expect(HELD).conn,
        }
    }
}

/// SQLite's one writing connection.
pub(crate) struct Writer {
    conn: AnyConnection,
    /// The turns that have ended and wait for their common COMMIT.
    batch: Vec<oneshot::Sender<bool>>,
    /// A turn began and did not end: its caller failed or was dropped.
    torn: bool,
}

impl Writer {
    pub(crate) fn new(conn: AnyConnection) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self { conn, batch: Vec::new(), torn: false }))
    }

    async fn run(&mut self, sql: &'static str) -> sqlx::Result<()> {
        sqlx::raw_sql(sql).execute(&mut self.conn).await.map(|_| ())
    }

    async fn start_turn(&mut self) -> sqlx::Result<()> {
        if self.torn && !self.batch.is_empty() && self.run("rollback to turn").await.is_err() {
            // SQLite has rolled the whole batch back by itself (disk full, I/O error).
            self.batch.clear();
        }
        if self.batch.is_empty() {
            if self.torn {
                // Fails where SQLite has rolled back by itself, which is just as well.
                self.run("rollback").await.ok();
            }
            self.torn = true;
            self.run("begin immediate; savepoint turn").await?;
        }
        self.torn = true;
        Ok(())
    }

    /// Ends a turn, keeping what it wrote or not. Also one that wrote nothing joins the batch: it
    /// may have read what the batch has yet to commit.
    async fn end_turn(&mut self, ending: Ending, caller: oneshot::Sender<bool>) {
        let sql = match ending {
            Ending::Kept => "release turn; savepoint turn",
            Ending::Undone => "rollback to turn; release turn; savepoint turn",
        };
        if self.run(sql).await.is_ok() {
            self.batch.push(caller);
            self.torn = false;
        }
    }

    async fn commit_batch(&mut self) {
        let whole = !self.torn || self.run("rollback to turn").await.is_ok();
        let committed = whole && self.run("commit").await.is_ok();
        if !committed {
            self.run("rollback").await.ok();
        }
        self.torn = false;
        for caller in self.batch.drain(..) {
            // A caller that has gone away needs no answer.
            caller.send(committed).ok();
        }
    }
}

#[derive(Clone, Copy)]
enum Ending {
    Kept,
    Undone,
}

pub(crate) async fn take_turn(writer: &Arc<Mutex<Writer>>) -> sqlx::Result<Tx> {
    let mut turn = writer.clone().lock_owned().await;
    turn.start_turn().await?;
    Ok(Tx::Turn(Turn(Some(turn))))
}

impl Tx {
    /// Durable when it returns. An error leaves the outcome open.
    pub async fn commit(self) -> sqlx::Result<()> {
        match self {
            Self::Pooled(tx) => tx.commit().await,
            Self::Turn(turn) => turn.end(Ending::Kept).await,
        }
    }

    /// Undoes it. What it has read is durable when this returns, so that it may be told.
    pub async fn rollback(self) -> sqlx::Result<()> {
        match self {
            Self::Pooled(tx) => tx.rollback().await,
            Self::Turn(turn) => turn.end(Ending::Undone).await,
        }
    }
}

/// Ends a transaction that changes nothing, and answers with what it found.
pub(crate) async fn left<T>(tx: Tx, found: T) -> Result<T, StoreError> {
    tx.rollback().await?;
    Ok(found)
}

impl Turn {
    async fn end(mut self, ending: Ending) -> sqlx::Result<()> {
        let turn = self.0.take().expect(HELD);
        let (caller, committed) = oneshot::channel();
        // In a task of its own, so that a caller that goes away cannot cut the statements in two.
        tokio::spawn(end(turn, ending, caller));
        match committed.await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(sqlx::Error::Protocol("the batch was not committed".into())),
        }
    }
}

impl Drop for Turn {
    /// A caller that failed or went away: the turn is undone and the write lock given back.
    fn drop(&mut self) {
        let Some(turn) = self.0.take() else { return };
        // Without a runtime the next turn clears up behind this one.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(end(turn, Ending::Undone, oneshot::channel().0));
        }
    }
}

async fn end(mut turn: OwnedMutexGuard<Writer>, ending: Ending, caller: oneshot::Sender<bool>) {
    turn.end_turn(ending, caller).await;
    if turn.batch.len() == 1 {
        // The fair lock lets all turns that wait now go first; they join this batch.
        let writer = OwnedMutexGuard::mutex(&turn).clone();
        drop(turn);
        writer.lock().await.commit_batch().await;
    }
}
