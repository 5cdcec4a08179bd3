//! What must differ between SQLite and PostgreSQL, side by side.

use crate::changes::Changes;
use crate::writer::{Tx, Writer, take_turn};
use crate::{StoreError, notify};
use sqlx::any::AnyPoolOptions;
use sqlx::migrate::Migrator;
use sqlx::{Any, AnyConnection, AnyPool, AssertSqlSafe, Connection, Transaction};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Reading connections to SQLite; measured enough for 60,000 reads/s on two cores.
const SQLITE_READERS: u32 = 4;
/// One hot row is served best by few connections (`store-notes`: 8 to 16).
const POSTGRES_CONNECTIONS: u32 = 12;
/// Then the database counts as unreachable. Long enough for the line that a crowd makes.
const ACQUIRE_WITHIN: Duration = Duration::from_secs(10);

/// PostgreSQL's own.
const ROLE_CHARS_MAX: usize = 63;

pub(crate) enum Engine {
    Sqlite { readers: AnyPool, writer: Arc<Mutex<Writer>> },
    Postgres { pool: AnyPool },
}

impl Engine {
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        match sqlite_file(url)? {
            Some(file) => Self::open_sqlite(file).await,
            None => Self::open_postgres(url).await,
        }
    }

    /// The database as it is: nothing is made, brought up to date or written.
    pub(crate) async fn open_to_read(url: &str) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        match sqlite_file(url)? {
            Some(file) => {
                let conn = AnyConnection::connect(&format!("sqlite://{file}?mode=ro")).await?;
                let readers = sqlite_readers(file).await?;
                Ok(Self::Sqlite { readers, writer: Writer::new(conn) })
            }
            None => Ok(Self::Postgres { pool: postgres_pool(url).await? }),
        }
    }

    async fn open_sqlite(file: &str) -> Result<Self, StoreError> {
        let mut conn = AnyConnection::connect(&format!("sqlite://{file}?mode=rwc")).await?;
        sqlx::raw_sql(
            "pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; \
             pragma busy_timeout = 5000; pragma secure_delete = on; pragma cache_size = -65536;",
        )
        .execute(&mut conn)
        .await?;
        migrations().run(&mut conn).await?;
        let readers = sqlite_readers(file).await?;
        Ok(Self::Sqlite { readers, writer: Writer::new(conn) })
    }

    async fn open_postgres(url: &str) -> Result<Self, StoreError> {
        let pool = postgres_pool(url).await?;
        // Ids and codes are compared and paged as text: any other collation would order them
        // differently than SQLite does.
        let collation: String = sqlx::query_scalar(
            "select cast(datcollate as text) from pg_database where datname = current_database()",
        )
        .fetch_one(&pool)
        .await?;
        if !matches!(collation.as_str(), "C" | "POSIX" | "C.UTF-8" | "C.utf8") {
            return Err(StoreError::Setup(format!(
                "the database sorts text by {collation}; create it with: \
                 create database … template template0 lc_collate 'C' lc_ctype 'C'"
            )));
        }
        // Who may not change the schema finds it as its owner has left it.
        let owner: i64 = sqlx::query_scalar(
            "select cast(count(*) as bigint) from pg_namespace \
             where nspname = current_schema() and has_schema_privilege(oid, 'create')",
        )
        .fetch_one(&pool)
        .await?;
        match owner {
            0 => find_migrated(&pool).await?,
            _ => migrations().run(&pool).await?,
        }
        Ok(Self::Postgres { pool })
    }

    /// SQLite means one process; PostgreSQL's processes tell each other.
    pub(crate) fn changes(&self, url: &str) -> Changes {
        match self {
            Self::Sqlite { .. } => Changes::new(None),
            Self::Postgres { .. } => {
                let (outside, outbox) = notify::outbox();
                let changes = Changes::new(Some(outside));
                let here = changes.here().clone();
                tokio::spawn(notify::exchange(url.to_owned(), here, outbox));
                changes
            }
        }
    }

    pub(crate) fn readers(&self) -> &AnyPool {
        match self {
            Self::Sqlite { readers, .. } => readers,
            Self::Postgres { pool } => pool,
        }
    }

    pub(crate) async fn begin(&self) -> sqlx::Result<Tx> {
        match self {
            Self::Sqlite { writer, .. } => take_turn(writer).await,
            Self::Postgres { pool } => {
                // In a task of its own: a `begin` that is dropped half way gives a connection back
                // to the pool that sits in a transaction, and later writes vanish in it.
                let pool = pool.clone();
                let begun = tokio::spawn(async move { pool.begin().await }).await;
                begun.map_err(|_| sqlx::Error::WorkerCrashed)?.map(Tx::Pooled)
            }
        }
    }

    /// A transaction that only reads, all of it as of one moment.
    pub(crate) async fn snapshot(&self) -> sqlx::Result<Transaction<'static, Any>> {
        let pool = self.readers().clone();
        let isolate = match self {
            // A reading transaction is a snapshot from its first statement on.
            Self::Sqlite { .. } => None,
            Self::Postgres { .. } => {
                Some("set transaction isolation level repeatable read read only")
            }
        };
        // In a task of its own, as every `begin`.
        let begun = tokio::spawn(async move {
            let mut tx = pool.begin().await?;
            if let Some(isolate) = isolate {
                sqlx::raw_sql(isolate).execute(&mut *tx).await?;
            }
            Ok(tx)
        });
        begun.await.map_err(|_| sqlx::Error::WorkerCrashed)?
    }

    /// Lets a role read and write rows, and nothing else. What staff did, it writes and never changes.
    pub(crate) async fn grant_to(&self, role: &str) -> Result<(), StoreError> {
        let Self::Postgres { pool } = self else {
            return Err(StoreError::Setup("SQLite knows no roles".to_owned()));
        };
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if role.is_empty() || role.len() > ROLE_CHARS_MAX || !role.chars().all(plain) {
            return Err(StoreError::Setup("a role is named with a-z, 0-9 and _".to_owned()));
        }
        let grants = format!(
            "revoke create on schema public from public, \"{role}\"; \
             revoke all on all tables in schema public from \"{role}\"; \
             grant usage on schema public to \"{role}\"; \
             grant select, insert, update, delete on all tables in schema public to \"{role}\"; \
             revoke insert, update, delete on _sqlx_migrations from \"{role}\"; \
             revoke update, delete on audit_entry from \"{role}\";"
        );
        sqlx::raw_sql(AssertSqlSafe(grants)).execute(pool).await?;
        Ok(())
    }

    /// Ends a `select` that takes the row's lock. SQLite has one writer and needs none.
    pub(crate) fn locking(&self, plain: &'static str, locked: &'static str) -> &'static str {
        match self {
            Self::Sqlite { .. } => plain,
            Self::Postgres { .. } => locked,
        }
    }

    /// A statement that reads the texts of a JSON list, by each engine's own function.
    pub(crate) fn listed(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite { .. } => sqlite,
            Self::Postgres { .. } => postgres,
        }
    }
}

/// The steps of the schema. Later releases may have gone on: a step adds what the release before does
/// without, and takes away only what that one does not use any more.
fn migrations() -> Migrator {
    let mut migrations = sqlx::migrate!();
    migrations.set_ignore_missing(true);
    migrations
}

async fn find_migrated(pool: &AnyPool) -> Result<(), StoreError> {
    let done = sqlx::query_scalar("select version from _sqlx_migrations where success")
        .fetch_all(pool)
        .await;
    let done: Vec<i64> = match done {
        Ok(done) => done,
        Err(sqlx::Error::Database(error)) if is_not_there(error.as_ref()) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    match migrations().iter().all(|step| done.contains(&step.version)) {
        true => Ok(()),
        false => Err(StoreError::Setup(
            "its schema is not this release's, and its role may not change it: \
             run `marquee migrate` as the owner, with --grant-to"
                .to_owned(),
        )),
    }
}

/// No such table, or not for this role.
fn is_not_there(error: &dyn sqlx::error::DatabaseError) -> bool {
    matches!(error.code().as_deref(), Some("42P01" | "42501"))
}

/// The file that the URL names; nothing when it is PostgreSQL's.
fn sqlite_file(url: &str) -> Result<Option<&str>, StoreError> {
    if let Some(file) = url.strip_prefix("sqlite://") {
        if file.is_empty() || file.contains([':', '?']) {
            // Anything else is a database of its own per connection, gone at the end.
            return Err(StoreError::Setup(
                "sqlite:// is followed by the name of a file".to_owned(),
            ));
        }
        return Ok(Some(file));
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(None);
    }
    Err(StoreError::Setup("the database URL starts with sqlite:// or postgres://".to_owned()))
}

async fn sqlite_readers(file: &str) -> sqlx::Result<AnyPool> {
    AnyPoolOptions::new()
        .max_connections(SQLITE_READERS)
        .acquire_timeout(ACQUIRE_WITHIN)
        .test_before_acquire(false)
        .connect(&format!("sqlite://{file}?mode=ro"))
        .await
}

async fn postgres_pool(url: &str) -> sqlx::Result<AnyPool> {
    AnyPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(ACQUIRE_WITHIN)
        .test_before_acquire(false)
        .connect(url)
        .await
}

/// PostgreSQL is going down or coming up; the connection is of no use any more.
pub(crate) fn was_shut_down(error: &dyn sqlx::error::DatabaseError) -> bool {
    matches!(error.code().as_deref(), Some("57P01" | "57P02" | "57P03"))
}

/// The database cut the transaction off, and the same again may succeed.
pub(crate) fn was_interrupted(error: &dyn sqlx::error::DatabaseError) -> bool {
    match error.code().as_deref() {
        // PostgreSQL: serialization failure, deadlock.
        Some("40001" | "40P01") => true,
        // SQLite: busy, locked.
        Some("5" | "6" | "517") => true,
        _ => was_shut_down(error),
    }
}
