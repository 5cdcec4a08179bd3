//! Showtimes that start when a test needs them to.

use super::{App, SOON, text};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// The store's own file, behind the back of whoever runs on it.
pub(crate) async fn open_store(data_dir: &Path) -> SqliteConnection {
    let file = data_dir.join("marquee.db");
    let options = SqliteConnectOptions::new().filename(file).busy_timeout(SOON);
    options.connect().await.expect("the store's file")
}

impl App {
    /// Puts a showtime on offer that starts and ends so soon, under this policy. Neither the catalogue
    /// nor staff has one as short as this: it is written into the store.
    pub(crate) async fn showtime_in(&self, from_to: Range<SignedDuration>, policy: &str) -> Value {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let like = self.somebody().own_showtime().await;
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}-soon-{n}", text(&like["id"]));
        let (starts_at, ends_at) =
            (Timestamp::now() + from_to.start, Timestamp::now() + from_to.end);
        // A refused command leaves the writer's turn open until the next command, which this is.
        self.somebody().reserve(1).await;
        let mut store = open_store(self.data_dir.path()).await;
        sqlx::query(
            "insert into showtime select $1, movie_id, auditorium_id, $2, $3, sales_open_at, $2, \
             status, $4, max_party_size, prices, $6 from showtime where showtime_id = $5",
        )
        .bind(&id)
        .bind(starts_at.as_millisecond())
        .bind(ends_at.as_millisecond())
        .bind(policy)
        .bind(text(&like["id"]))
        .bind(-1 - i64::from(n))
        .execute(&mut store)
        .await
        .expect("a new row");
        sqlx::query(
            "insert into capacity_pool select $1, grade, open, sellable, 0, 0 from capacity_pool \
             where showtime_id = $2",
        )
        .bind(&id)
        .bind(text(&like["id"]))
        .execute(&mut store)
        .await
        .expect("a new row");
        json!({"id": id})
    }
}
