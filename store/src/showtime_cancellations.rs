//! Showtimes that the house gives up (T22, R17): sales are closed and the showtime is CANCELLED in
//! one transaction; then the pump pages through its reservations until the last one has ended.

use crate::audit_entries::Deed;
use crate::cancellations::{cancellation_in, insert_undo, new_id, save_cancellation};
use crate::reservations::Attend;
use crate::row::{int, number, text, time, time_or_null, word};
use crate::writer::{Tx, left};
use crate::{Store, StoreError, capacity, payments, repeated};
use domain::audit_entry::facts;
use domain::cancellation::showtime::GivenUp;
use domain::ids::{ReservationId, ShowtimeId};
use domain::person::Person;
use domain::reservation::{ATTEND_AGAIN, CLOSE_AFTER_END};
use domain::time::Time;
use domain::won::Won;
use domain::words::StaffAction;
use std::time::Duration;

/// Reservations that are looked up at a time.
const PAGE: i64 = 50;
/// While reservations are on their way to their end, they are counted this often at first …
const COUNT_AGAIN: Duration = Duration::from_secs(1);
/// … and this often when it takes longer.
const COUNT_AGAIN_MAX: Duration = Duration::from_secs(5);

/// How the wish to give a showtime up was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShowtimeDecision {
    Done,
    /// It had been given up before.
    Already,
    /// Its show is over: those who came have seen it.
    Over,
    NotFound,
}

/// How far the undoing of a showtime's reservations is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShowtimeProgress {
    pub reason: String,
    pub began_at: Time,
    pub ended_at: Option<Time>,
    /// All that are undone for this.
    pub total: u32,
    pub done: u32,
    /// Being undone.
    pub running: u32,
    /// A refund was refused for good: staff has to act.
    pub blocked: u32,
    /// The pump has not come to them yet.
    pub waiting: u32,
    pub refunded: Won,
}

/// A due showtime that was taken.
#[derive(Debug, Clone)]
pub struct DueShowtime {
    pub id: ShowtimeId,
    wakes: u32,
}

impl Store {
    /// T22, the first part. From its commit on no reservation is made: whoever has claimed capacity
    /// before is seen by the listing, which comes after (R17).
    pub async fn cancel_showtime(
        &self,
        staff: &Person,
        id: &ShowtimeId,
        reason: &str,
    ) -> Result<ShowtimeDecision, StoreError> {
        repeated(|| self.try_cancel_showtime(staff, id, reason)).await
    }

    async fn try_cancel_showtime(
        &self,
        staff: &Person,
        id: &ShowtimeId,
        reason: &str,
    ) -> Result<ShowtimeDecision, StoreError> {
        let now = self.now();
        let mut tx = self.begin().await?;
        let given_up = sqlx::query(
            "update showtime set status = 'CANCELLED' \
             where showtime_id = $1 and status <> 'CANCELLED' and ends_at > $2",
        )
        .bind(id.as_str())
        .bind(now.minus(CLOSE_AFTER_END).as_millis())
        .execute(&mut *tx)
        .await?;
        if given_up.rows_affected() == 0 {
            let status: Option<String> =
                sqlx::query_scalar("select status from showtime where showtime_id = $1")
                    .bind(id.as_str())
                    .fetch_optional(&mut *tx)
                    .await?;
            let decision = match status.as_deref() {
                None => ShowtimeDecision::NotFound,
                Some("CANCELLED") => ShowtimeDecision::Already,
                Some(_) => ShowtimeDecision::Over,
            };
            return left(tx, decision).await;
        }
        sqlx::query(
            "insert into showtime_cancellation (showtime_id, reason, cancelled_at, attend_at, wakes) \
             values ($1, $2, $3, $3, 0)",
        )
        .bind(id.as_str())
        .bind(reason)
        .bind(now.as_millis())
        .execute(&mut *tx)
        .await?;
        self.audit_deed(&mut tx, staff, &deed(id)).await?;
        sqlx::query("update capacity_pool set open = 0 where showtime_id = $1")
            .bind(id.as_str())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        self.changes().here().tell_owed();
        Ok(ShowtimeDecision::Done)
    }

    /// As [`Store::take_due_cancellations`].
    pub async fn take_due_showtimes(&self, limit: i64) -> Result<Vec<DueShowtime>, StoreError> {
        let now = self.now();
        let any = "select 1 from showtime_cancellation where attend_at <= $1 limit 1";
        if !self.any_due(any, now).await? {
            return Ok(Vec::new());
        }
        let mut tx = self.begin().await?;
        let sql = self.engine.locking(
            "select showtime_id, wakes from showtime_cancellation where attend_at <= $1 \
             order by attend_at limit $2",
            "select showtime_id, wakes from showtime_cancellation where attend_at <= $1 \
             order by attend_at limit $2 for update skip locked",
        );
        let found = sqlx::query(sql).bind(now.as_millis()).bind(limit).fetch_all(&mut *tx).await?;
        let mut due = Vec::new();
        for found in &found {
            let id: ShowtimeId = word(found, "showtime_id")?;
            let wakes: u32 = number(found, "wakes")?;
            // Whoever takes it and dies leaves it to the next.
            let again = now.plus(ATTEND_AGAIN);
            attend_at(&mut tx, &id, (Some(again), wakes + 1)).await?;
            due.push(DueShowtime { id, wakes });
        }
        tx.commit().await?;
        Ok(due)
    }

    /// T22, the second part: undoes all reservations of a showtime that was taken, a page at a time.
    /// What it has come to is what the rows say, so it may be cut off anywhere.
    pub async fn give_up_reservations(&self, due: &DueShowtime) -> Result<(), StoreError> {
        let mut after = String::new();
        loop {
            let page = self.to_give_up(&due.id, &after).await?;
            for id in &page {
                if let Err(error) = self.give_up(id).await {
                    tracing::error!(?error, reservation.id = %id, "cannot undo {id} yet");
                }
            }
            match page.last() {
                Some(last) => after = last.to_string(),
                None => break,
            }
        }
        self.count_again(due).await
    }

    /// Live reservations that are not being undone for this.
    async fn to_give_up(
        &self,
        id: &ShowtimeId,
        after: &str,
    ) -> Result<Vec<ReservationId>, StoreError> {
        sqlx::query(
            "select reservation_id from reservation where showtime_id = $1 \
             and reservation_id > $2 and status not in ('CANCELLED', 'EXPIRED', 'COMPLETED') \
             and (status_reason is null or status_reason <> 'SHOWTIME_CANCELLED') \
             order by reservation_id limit $3",
        )
        .bind(id.as_str())
        .bind(after)
        .bind(PAGE)
        .fetch_all(self.readers())
        .await?
        .iter()
        .map(|row| word(row, "reservation_id"))
        .collect()
    }

    async fn give_up(&self, id: &ReservationId) -> Result<(), StoreError> {
        repeated(|| async {
            let mut tx = self.begin().await?;
            let Some(mut row) = self.lock(&mut tx, id).await? else { return left(tx, ()).await };
            let open = match &row.open_cancellation {
                Some(open) => Some(cancellation_in(&mut tx, open).await?),
                None => None,
            };
            let mut released = false;
            let events = match row.give_up(self.now(), new_id()?, open) {
                GivenUp::Nothing | GivenUp::Later => return left(tx, ()).await,
                GivenUp::Follows => Vec::new(),
                GivenUp::Ended(events) => {
                    payments::abandon_attempt(&mut tx, &row).await?;
                    released = true;
                    events
                }
                GivenUp::Opened(undo, events) => {
                    insert_undo(&mut tx, &undo).await?;
                    events
                }
                GivenUp::Raised(undo, events) => {
                    save_cancellation(&mut tx, &undo).await?;
                    sqlx::query("update cancellation set reason = $2 where cancellation_id = $1")
                        .bind(undo.id.as_str())
                        .bind(undo.reason.as_str())
                        .execute(&mut *tx)
                        .await?;
                    events
                }
            };
            self.record(&mut tx, &mut row, &events, Attend::Now).await?;
            if released {
                capacity::release_held(&mut tx, &row).await?;
            }
            self.commit(tx, &row).await
        })
        .await
    }

    /// It has ended when its last reservation has; until then it is looked at again.
    async fn count_again(&self, due: &DueShowtime) -> Result<(), StoreError> {
        let now = self.now();
        let live: i64 = sqlx::query_scalar(
            "select count(*) from reservation where showtime_id = $1 \
             and status not in ('CANCELLED', 'EXPIRED', 'COMPLETED')",
        )
        .bind(due.id.as_str())
        .fetch_one(self.readers())
        .await?;
        let mut tx = self.begin().await?;
        if live > 0 {
            let pause = (COUNT_AGAIN * 2u32.pow(due.wakes.min(8))).min(COUNT_AGAIN_MAX);
            attend_at(&mut tx, &due.id, (Some(now.plus(pause)), due.wakes + 1)).await?;
        } else {
            attend_at(&mut tx, &due.id, (None, 0)).await?;
            sqlx::query("update showtime_cancellation set ended_at = $2 where showtime_id = $1")
                .bind(due.id.as_str())
                .bind(now.as_millis())
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Whether a showtime was given up; from here on it will not be before this transaction ends.
    pub(crate) async fn is_given_up(
        &self,
        tx: &mut Tx,
        id: &ShowtimeId,
    ) -> Result<bool, StoreError> {
        let sql = self.engine.locking(
            "select status from showtime where showtime_id = $1",
            "select status from showtime where showtime_id = $1 for share",
        );
        let status: String = sqlx::query_scalar(sql).bind(id.as_str()).fetch_one(&mut **tx).await?;
        Ok(status == "CANCELLED")
    }

    /// Nothing when it was not given up.
    pub async fn showtime_progress(
        &self,
        id: &ShowtimeId,
    ) -> Result<Option<ShowtimeProgress>, StoreError> {
        let found = sqlx::query(
            "select reason, cancelled_at, ended_at from showtime_cancellation \
             where showtime_id = $1",
        )
        .bind(id.as_str())
        .fetch_optional(self.readers())
        .await?;
        let Some(found) = found else { return Ok(None) };
        let mut progress = ShowtimeProgress {
            reason: text(&found, "reason")?,
            began_at: time(&found, "cancelled_at")?,
            ended_at: time_or_null(&found, "ended_at")?,
            total: 0,
            done: 0,
            running: 0,
            blocked: 0,
            waiting: 0,
            refunded: Won::ZERO,
        };
        let rows = sqlx::query(HOW_FAR).bind(id.as_str()).fetch_all(self.readers()).await?;
        for row in &rows {
            let reservations: u32 = number(row, "reservations")?;
            progress.total += reservations;
            match text(row, "state")?.as_str() {
                "done" => progress.done += reservations,
                "blocked" => progress.blocked += reservations,
                "running" => progress.running += reservations,
                _ => progress.waiting += reservations,
            }
            let refunded = progress.refunded.get() + int(row, "refunded")?;
            progress.refunded =
                Won::parse(refunded).map_err(|why| crate::row::broken("refunded", why))?;
        }
        Ok(Some(progress))
    }
}

/// A row for each state, of those that were live when the showtime was given up.
const HOW_FAR: &str = "select state, count(*) as reservations, cast(sum(refunded) as bigint) as refunded from ( \
     select r.refunded, case \
     when r.status in ('CANCELLED', 'EXPIRED', 'COMPLETED') then 'done' \
     when r.status_reason is null or r.status_reason <> 'SHOWTIME_CANCELLED' then 'waiting' \
     when c.state = 'BLOCKED' then 'blocked' else 'running' end as state \
     from reservation r left join cancellation c on c.cancellation_id = r.open_cancellation \
     where r.showtime_id = $1 and (r.status_reason = 'SHOWTIME_CANCELLED' \
     or r.status not in ('CANCELLED', 'EXPIRED', 'COMPLETED'))) as concerned group by state";

async fn attend_at(
    tx: &mut Tx,
    id: &ShowtimeId,
    (at, wakes): (Option<Time>, u32),
) -> Result<(), StoreError> {
    sqlx::query(
        "update showtime_cancellation set attend_at = $2, wakes = $3 where showtime_id = $1",
    )
    .bind(id.as_str())
    .bind(at.map(Time::as_millis))
    .bind(i64::from(wakes))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn deed(id: &ShowtimeId) -> Deed {
    Deed {
        action: StaffAction::CancelShowtime,
        target: format!("/showtimes/{id}"),
        before: facts([]),
        after: facts([("status", "CANCELLED")]),
    }
}
