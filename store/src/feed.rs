//! The feed: positions for committed timeline events, given by one relay at a time, and how far each
//! sink has come. A place in the timeline is no cursor: PostgreSQL commits out of order, so a reader
//! that has seen 8 may never see 7, which is committed later.

use crate::row::{int, text, time, word};
use crate::timeline::recorded;
use crate::writer::left;
use crate::{Store, StoreError, repeated};
use domain::feed::Entry;
use domain::time::Time;
use domain::words::EventType;
use sqlx::any::AnyRow;
use std::time::Duration;

/// So many reservations are moved on in one transaction.
const RESERVATIONS_MAX: i64 = 500;

/// Who sends what of a sink: one process at a time, as long as it keeps saying so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    pub sink: &'static str,
    /// Names the process.
    pub holder: String,
    /// After so long without a word from it another may take over.
    pub lease: Duration,
}

/// Of a timeline `t` and its reservation `r`.
macro_rules! entry_columns {
    () => {
        "t.position, t.reservation_id, t.seq, t.type, t.actor, t.status, t.detail, t.at, \
         r.customer_id, r.showtime_id, r.movie_title, r.theater_name, r.starts_at"
    };
}
pub(crate) use entry_columns;

impl Store {
    /// Gives the next positions to committed events that have none: all of some reservations, the
    /// ones that have waited longest, each in its own order. Says of which kinds they are; nothing when
    /// there is none, or when another relay is at it.
    pub async fn relay(&self) -> Result<Vec<EventType>, StoreError> {
        let unfed: Option<i64> =
            sqlx::query_scalar("select seq from timeline where position is null limit 1")
                .fetch_optional(self.readers())
                .await?;
        if unfed.is_none() {
            return Ok(Vec::new());
        }
        repeated(|| self.try_relay()).await
    }

    async fn try_relay(&self) -> Result<Vec<EventType>, StoreError> {
        let mut tx = self.begin().await?;
        // The row elects the relay: who has its lock gives positions, and commits them in order.
        let sql = self.engine.locking(
            "select position from reading where name = 'feed'",
            "select position from reading where name = 'feed' for update skip locked",
        );
        let last: Option<i64> = sqlx::query_scalar(sql).fetch_optional(&mut *tx).await?;
        let Some(last) = last else { return left(tx, Vec::new()).await };
        let fed = sqlx::query(
            "with unfed as (select reservation_id, seq, \
               max(at) over (partition by reservation_id order by seq) as at from timeline \
               where position is null and reservation_id in (select reservation_id from timeline \
               where position is null order by at limit $2)), \
             placed as (select reservation_id, seq, \
               row_number() over (order by at, reservation_id, seq) as place from unfed) \
             update timeline set position = $1 + placed.place from placed \
             where timeline.reservation_id = placed.reservation_id and timeline.seq = placed.seq \
             returning type",
        )
        .bind(last)
        .bind(RESERVATIONS_MAX)
        .fetch_all(&mut *tx)
        .await?;
        let fed: Vec<_> = fed.iter().map(|row| word(row, "type")).collect::<Result<_, _>>()?;
        sqlx::query("update reading set position = position + $1 where name = 'feed'")
            .bind(i64::try_from(fed.len()).unwrap_or(i64::MAX))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        self.changes().tell_fed();
        Ok(fed)
    }

    /// The feed in order, from after the position `after`.
    pub async fn feed(&self, after: i64, limit: i64) -> Result<Vec<Entry>, StoreError> {
        read_feed(self.readers(), after, limit).await
    }

    /// The position of the newest event; 0 before there is any.
    pub async fn feed_end(&self) -> Result<i64, StoreError> {
        let last = sqlx::query_scalar("select max(position) from timeline where position > 0")
            .fetch_one(self.readers())
            .await?;
        Ok(Option::unwrap_or(last, 0))
    }

    /// Takes or keeps a sink, and says up to where it has been sent; nothing while another has it.
    pub async fn hold_sink(&self, hold: &Hold) -> Result<Option<i64>, StoreError> {
        let now = self.now();
        let mut tx = self.begin().await?;
        sqlx::query(
            "insert into sink (name, position, holder, held_until) values ($1, 0, $2, 0) \
             on conflict (name) do nothing",
        )
        .bind(hold.sink)
        .bind(&hold.holder)
        .execute(&mut *tx)
        .await?;
        let position = sqlx::query_scalar(
            "update sink set holder = $2, held_until = $3 \
             where name = $1 and (holder = $2 or held_until <= $4) returning position",
        )
        .bind(hold.sink)
        .bind(&hold.holder)
        .bind(hold.until(now))
        .bind(now.as_millis())
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(position)
    }

    /// Everything up to this position has left. Says whether the sink is still held.
    pub async fn sink_sent(&self, hold: &Hold, position: i64) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let moved = sqlx::query(
            "update sink set position = $3, held_until = $4 \
             where name = $1 and holder = $2 and position <= $3",
        )
        .bind(hold.sink)
        .bind(&hold.holder)
        .bind(position)
        .bind(hold.until(self.now()))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(moved.rows_affected() == 1)
    }

    /// Gives a sink back, so that another process need not wait for the lease to end.
    pub async fn release_sink(&self, hold: &Hold) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query("update sink set held_until = 0 where name = $1 and holder = $2")
            .bind(hold.sink)
            .bind(&hold.holder)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }
}

impl Hold {
    fn until(&self, now: Time) -> i64 {
        now.plus(self.lease).as_millis()
    }
}

pub(crate) async fn read_feed<'e>(
    from: impl sqlx::AnyExecutor<'e>,
    after: i64,
    limit: i64,
) -> Result<Vec<Entry>, StoreError> {
    sqlx::query(concat!(
        "select ",
        entry_columns!(),
        " from timeline t join reservation r on r.reservation_id = t.reservation_id \
         where t.position > $1 order by t.position limit $2"
    ))
    .bind(after)
    .bind(limit)
    .fetch_all(from)
    .await?
    .iter()
    .map(entry)
    .collect()
}

pub(crate) fn entry(row: &AnyRow) -> Result<Entry, StoreError> {
    Ok(Entry {
        position: int(row, "position")?,
        reservation_id: word(row, "reservation_id")?,
        customer_id: word(row, "customer_id")?,
        showtime_id: word(row, "showtime_id")?,
        movie_title: text(row, "movie_title")?,
        theater_name: text(row, "theater_name")?,
        starts_at: time(row, "starts_at")?,
        event: recorded(row)?,
    })
}
