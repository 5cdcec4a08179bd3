//! How much is under way and how long the oldest of it has waited, for those who watch the numbers.

use crate::row::{int, text, word};
use crate::{Store, StoreError};
use domain::attention::Worry;
use domain::time::Time;
use domain::words::ReservationStatus;
use std::collections::BTreeMap;
use std::time::Duration;

/// Beyond so many open reservations they are not counted to the end.
const COUNTED_MAX: i64 = 100_000;

const UNFED: &str = "select at from timeline where position is null order by at limit 1";
/// Of ten thousand that wait, whichever they are.
const OLDEST_NOTICE: &str = "select min(created_at) from (select created_at from notice \
     where attend_at is not null and state = 'PENDING' limit 10000) o";
const FAILING_WEBHOOK: &str =
    "select min(failing_since) from webhook_endpoint where state = 'ENABLED'";

/// What was under way when it was asked for.
#[derive(Debug)]
pub struct Backlog {
    /// Reservations that something is still to be done for, at most a hundred thousand in all.
    pub open: BTreeMap<ReservationStatus, u64>,
    /// Of each kind of worry, for how long the oldest has lasted; also while it may still.
    pub oldest: Vec<(Worry, Duration)>,
    /// Payments that wait for their turn at the gateway.
    pub waiting: u64,
    /// For how long the oldest event without a position has waited.
    pub unfed: Duration,
    /// How many events each sink still has to send.
    pub unsent: Vec<(String, u64)>,
    /// For how long the oldest notice has waited to be sent.
    pub notice: Duration,
    /// For how long nothing has arrived at the endpoint of a partner that has failed longest.
    pub webhook: Duration,
}

impl Store {
    pub async fn backlog(&self) -> Result<Backlog, StoreError> {
        let mut oldest = Vec::new();
        for &worry in Worry::EVERY {
            oldest.push((worry, self.oldest(worry).await?.unwrap_or_default()));
        }
        Ok(Backlog {
            open: self.open_by_status().await?,
            oldest,
            waiting: self.waiting_in_line().await?,
            unfed: self.since(UNFED).await?,
            unsent: self.unsent().await?,
            notice: self.since(OLDEST_NOTICE).await?,
            webhook: self.since(FAILING_WEBHOOK).await?,
        })
    }

    async fn open_by_status(&self) -> Result<BTreeMap<ReservationStatus, u64>, StoreError> {
        sqlx::query(
            "select status, count(*) as number from \
             (select status from reservation where attend_at is not null limit $1) o \
             group by status",
        )
        .bind(COUNTED_MAX)
        .fetch_all(self.readers())
        .await?
        .iter()
        .map(|row| Ok((word(row, "status")?, int(row, "number")?.unsigned_abs())))
        .collect()
    }

    /// How long ago it was; nothing is no time at all.
    async fn since(&self, sql: &'static str) -> Result<Duration, StoreError> {
        let since: Option<Option<i64>> =
            sqlx::query_scalar(sql).fetch_optional(self.readers()).await?;
        let since = since.flatten().map(|since| self.now().since(Time::from_millis(since)));
        Ok(since.unwrap_or_default())
    }

    async fn unsent(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let end = self.feed_end().await?;
        sqlx::query("select name, position from sink")
            .fetch_all(self.readers())
            .await?
            .iter()
            .map(|row| {
                let ahead = end.saturating_sub(int(row, "position")?);
                Ok((text(row, "name")?, u64::try_from(ahead).unwrap_or(0)))
            })
            .collect()
    }
}
