//! How long the line before the gateway is. It is counted about once a second by whoever asks, and
//! not for each who joins it.

use crate::row::{number, time_or_null};
use crate::{Store, StoreError};
use domain::line::Line;
use domain::reservation::Reservation;
use domain::time::Time;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

const COUNTED_EVERY: Duration = Duration::from_secs(1);

/// The condition of the index `reservation_in_line`, word by word.
macro_rules! in_line {
    () => {
        "open_call is null and (status in ('PAYMENT_PENDING', 'PAYMENT_DEFERRED') \
         or (status = 'RESERVED' and plan is not null))"
    };
}

/// Likewise of `reservation_outside`, and not let in yet.
macro_rules! outside {
    () => {
        "status = 'PAYMENT_DEFERRED' and open_call is null and version = 1 and wakes = 0 \
         and attend_at > $1"
    };
}

/// The line as it was counted last in this process; nothing before the first time.
#[derive(Clone, Default)]
pub(crate) struct Counted(Arc<Mutex<Option<Count>>>);

#[derive(Clone, Copy)]
struct Count {
    line: Line,
    /// Who has joined in this process since.
    joined: u64,
    /// When somebody last began to count; the others go by what is there meanwhile.
    begun_at: Time,
}

impl Store {
    /// How long somebody who joins the line now is likely to wait.
    pub async fn wait_ahead(&self) -> Result<Duration, StoreError> {
        let Count { line, joined, .. } = self.count().await?;
        Ok(line.wait(self.now(), joined))
    }

    /// How many payments wait for their turn at the gateway.
    pub async fn waiting_in_line(&self) -> Result<u64, StoreError> {
        let Count { line, joined, .. } = self.count().await?;
        Ok(line.waiting + joined)
    }

    /// This one may have joined the line.
    pub(crate) fn joins_line(&self, row: &Reservation) {
        if row.is_in_line()
            && let Some(count) = &mut *self.counted.lock()
        {
            count.joined += 1;
        }
    }

    /// Bookings that were deferred when they were made wait outside, without a run: they become due
    /// in the order of their coming, as long as no more than this many stand in line inside, or when
    /// their turn should have come. Runs for all of a crowd at once would keep Temporal from serving
    /// those whose turn it is.
    pub async fn let_into_line(&self, inside_max: u64) -> Result<(), StoreError> {
        let now = self.now().as_millis();
        let row = sqlx::query(concat!(
            "select (select count(*) from reservation where ",
            in_line!(),
            ") as waiting, (select count(*) from reservation where ",
            outside!(),
            ") as outside"
        ))
        .bind(now)
        .fetch_one(self.readers())
        .await?;
        let (waiting, outside): (u64, u64) = (number(&row, "waiting")?, number(&row, "outside")?);
        let room = inside_max.saturating_sub(waiting.saturating_sub(outside)).min(outside);
        if room == 0 {
            return Ok(());
        }
        let sql = self.engine.locking(
            concat!(
                "update reservation set attend_at = $1 where reservation_id in (select \
                 reservation_id from reservation where ",
                outside!(),
                " order by updated_at, reservation_id limit $2)"
            ),
            concat!(
                "update reservation set attend_at = $1 where reservation_id in (select \
                 reservation_id from reservation where ",
                outside!(),
                " order by updated_at, reservation_id limit $2 for update skip locked)"
            ),
        );
        let mut tx = self.begin().await?;
        sqlx::query(sql)
            .bind(now)
            .bind(i64::try_from(room).unwrap_or(i64::MAX))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        self.changes().here().tell_owed();
        Ok(())
    }

    async fn count(&self) -> Result<Count, StoreError> {
        let now = self.now();
        if let Some(count) = &mut *self.counted.lock() {
            if now.since(count.begun_at) < COUNTED_EVERY {
                return Ok(*count);
            }
            count.begun_at = now;
        }
        let line = self.count_line(now).await?;
        let count = Count { line, joined: 0, begun_at: now };
        *self.counted.lock() = Some(count);
        Ok(count)
    }

    async fn count_line(&self, at: Time) -> Result<Line, StoreError> {
        let row = sqlx::query(concat!(
            "select count(*) as waiting, min(updated_at) as oldest from reservation where ",
            in_line!()
        ))
        .fetch_one(self.readers())
        .await?;
        let waiting = number(&row, "waiting")?;
        let oldest_since = time_or_null(&row, "oldest")?;
        let answered = match oldest_since {
            Some(oldest) => self.answered_since(Line::answers_since(at, oldest)).await?,
            None => 0,
        };
        Ok(Line { at, waiting, oldest_since, answered })
    }

    async fn answered_since(&self, since: Time) -> Result<u64, StoreError> {
        let answered: i64 = sqlx::query_scalar(
            "select count(*) from gateway_call where operation = 'APPROVE' and known_at >= $1",
        )
        .bind(since.as_millis())
        .fetch_one(self.readers())
        .await?;
        Ok(u64::try_from(answered).unwrap_or(0))
    }
}

impl Counted {
    fn lock(&self) -> MutexGuard<'_, Option<Count>> {
        self.0.lock().expect("nobody panics under the lock")
    }
}
