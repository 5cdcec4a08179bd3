//! A store with a database of its own, a clock moved by hand, and a small catalogue.

mod audit;
pub(super) mod catalogue;
mod raw;
pub(super) mod steps;

use domain::reservation::Deadlines;
use domain::time::Time;
use sqlx::AnyPool;
use sqlx::any::AnyPoolOptions;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;
use store::{Clock, Store};
use tempfile::TempDir;
use tokio::sync::Barrier;

/// When every test begins, in milliseconds since 1970 UTC.
const BEGINNING: i64 = 1_800_000_000_000;
/// Connections of the test's own, past the store.
const RAW_CONNECTIONS: u32 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    Sqlite,
    Postgres,
}

pub(super) struct Fixture {
    pub(super) store: Store,
    /// The same database, past the store: to look at rows and to damage them.
    raw: AnyPool,
    url: String,
    engine: Engine,
    clock: Arc<AtomicI64>,
    customers: AtomicU32,
    _folder: Option<TempDir>,
}

/// What has to hold when a test ends.
pub(super) enum Ending {
    /// No invariant is broken.
    Audited,
    /// The test took a guard away, and looks at the damage itself.
    Damaged,
}

impl Ending {
    pub(super) fn audited() -> Self {
        Self::Audited
    }

    pub(super) fn damaged() -> Self {
        Self::Damaged
    }
}

pub(super) fn on_sqlite(ending: Ending, test: impl AsyncFnOnce(&Fixture)) {
    let folder = TempDir::with_prefix("marquee-store-").expect("the temp folder is writable");
    let url = format!("sqlite://{}", folder.path().join("test.db").display());
    run(Engine::Sqlite, url, Some(folder), ending, test);
}

pub(super) fn on_postgres(ending: Ending, test: impl AsyncFnOnce(&Fixture)) {
    let Some(cluster) = crate::postgres::cluster() else { return };
    run(Engine::Postgres, cluster.database(), None, ending, test);
}

/// One runtime per test: a store shared by two loses its committer with the first.
fn run(
    engine: Engine,
    url: String,
    folder: Option<TempDir>,
    ending: Ending,
    test: impl AsyncFnOnce(&Fixture),
) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be started");
    runtime.block_on(async {
        let clock = Arc::new(AtomicI64::new(BEGINNING));
        let fixture = Fixture {
            store: open(&url, &clock).await,
            raw: AnyPoolOptions::new()
                .max_connections(RAW_CONNECTIONS)
                .connect(&url)
                .await
                .expect("the store has just opened this database"),
            url,
            engine,
            clock,
            customers: AtomicU32::new(0),
            _folder: folder,
        };
        catalogue::put(&fixture.store).await;
        test(&fixture).await;
        match ending {
            Ending::Audited => assert_eq!(fixture.violations().await, Vec::<String>::new()),
            Ending::Damaged => {}
        }
    });
}

async fn open(url: &str, clock: &Arc<AtomicI64>) -> Store {
    let clock = Clock::Manual(clock.clone());
    Store::open(url, clock, Deadlines::default()).await.expect("an empty database can be opened")
}

impl Fixture {
    pub(super) fn advance(&self, by: Duration) {
        let millis = i64::try_from(by.as_millis()).expect("tests last no ages");
        self.clock.fetch_add(millis, Ordering::SeqCst);
    }

    pub(super) fn set_time(&self, now: Time) {
        self.clock.store(now.as_millis(), Ordering::SeqCst);
    }

    /// Another store on the same database, as after a restart.
    pub(super) async fn reopened(&self) -> Store {
        open(&self.url, &self.clock).await
    }

    /// Another node on the same database, whose clock is fast.
    pub(super) async fn node_ahead(&self, by: Duration) -> Store {
        let ahead = i64::try_from(by.as_millis()).expect("clocks are not off by ages");
        let now = self.clock.load(Ordering::SeqCst) + ahead;
        open(&self.url, &Arc::new(AtomicI64::new(now))).await
    }
}

/// Runs all tasks at once, each from the same moment on, and returns their answers in order.
pub(super) async fn together<F>(tasks: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let tasks: Vec<F> = tasks.into_iter().collect();
    let start = Arc::new(Barrier::new(tasks.len()));
    let running: Vec<_> = tasks
        .into_iter()
        .map(|task| {
            let start = start.clone();
            tokio::spawn(async move {
                start.wait().await;
                task.await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in running {
        answers.push(task.await.expect("no task of a race panics"));
    }
    answers
}
