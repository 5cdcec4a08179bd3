//! Rows that owe work, and deadlines. The pump takes due rows from here and starts or wakes their
//! workflows; a booking's own timer calls the same deadline function.

use crate::audit_entries::Deed;
use crate::cancellations::open_undo;
use crate::reservations::{Attend, reservation, reservation_columns};
use crate::row::{number, text, text_or_null, word};
use crate::writer::left;
use crate::{Store, StoreError, capacity, check_ins, payments, repeated};
use domain::audit_entry::facts;
use domain::ids::{CancellationId, ReservationId};
use domain::person::Person;
use domain::reservation::{ATTEND_AGAIN_MAX, Expiry, Owes, Reservation, attend_again_after};
use domain::time::Time;
use domain::words::{Actor, StaffAction};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The pump passes by every second; away this long, the machine was frozen.
const PUMP_AWAY_AFTER: Duration = Duration::from_secs(10);

const ANY_RESERVATION: &str = "select 1 from reservation where attend_at <= $1 limit 1";
const ANY_CANCELLATION: &str = "select 1 from cancellation where attend_at <= $1 limit 1";

macro_rules! due_cancellations {
    () => {
        "select cancellation_id, wakes, (select trace_parent from reservation \
         where reservation.reservation_id = cancellation.reservation_id) as trace_parent \
         from cancellation where attend_at <= $1"
    };
}

/// A due reservation that was taken: its row, and how often it was woken in vain since it changed.
#[derive(Debug, Clone)]
pub struct DueReservation {
    pub row: Reservation,
    pub wakes: u32,
    pub trace_parent: Option<String>,
}

impl DueReservation {
    /// It stands as it was made, and nobody has started its run yet.
    pub fn is_new(&self) -> bool {
        self.row.version == 1 && self.wakes == 0
    }
}

/// A due cancellation that was taken.
#[derive(Debug, Clone)]
pub struct DueCancellation {
    pub id: CancellationId,
    pub wakes: u32,
    /// Its reservation's.
    pub trace_parent: Option<String>,
}

impl Store {
    /// Takes the oldest due reservations and pushes their `attend_at` on, so that no other pump
    /// takes them and that work which stays owed comes back, later each time.
    pub async fn take_due_reservations(
        &self,
        limit: i64,
    ) -> Result<Vec<DueReservation>, StoreError> {
        let now = self.now();
        if !self.any_due(ANY_RESERVATION, now).await? {
            return Ok(Vec::new());
        }
        let mut tx = self.begin().await?;
        let sql = self.engine.locking(
            concat!(
                "select ",
                reservation_columns!(),
                ", trace_parent from reservation where attend_at <= $1 order by attend_at limit $2"
            ),
            concat!(
                "select ",
                reservation_columns!(),
                ", trace_parent from reservation where attend_at <= $1 order by attend_at limit $2 \
                 for update skip locked"
            ),
        );
        let found = sqlx::query(sql).bind(now.as_millis()).bind(limit).fetch_all(&mut *tx).await?;
        let mut due = Vec::new();
        for found in &found {
            let wakes: u32 = number(found, "wakes")?;
            // A row that cannot be read holds up no other.
            let row = reservation(found);
            let next = match &row {
                Ok(row) => row.next_attend(now, wakes),
                Err(_) => Some(now.plus(ATTEND_AGAIN_MAX)),
            };
            let id = text(found, "reservation_id")?;
            sqlx::query(
                "update reservation set attend_at = $2, wakes = $3 where reservation_id = $1",
            )
            .bind(id.as_str())
            .bind(next.map(Time::as_millis))
            .bind(i64::from(wakes) + 1)
            .execute(&mut *tx)
            .await?;
            match row {
                Ok(row) => {
                    let trace_parent = text_or_null(found, "trace_parent")?;
                    due.push(DueReservation { row, wakes, trace_parent });
                }
                Err(error) => tracing::error!(?error, reservation.id = id, "cannot read {id}"),
            }
        }
        tx.commit().await?;
        self.pump_took_at.store(now.as_millis(), Ordering::SeqCst);
        Ok(due)
    }

    /// As [`Store::take_due_reservations`]. A running cancellation always owes work.
    pub async fn take_due_cancellations(
        &self,
        limit: i64,
    ) -> Result<Vec<DueCancellation>, StoreError> {
        let now = self.now();
        if !self.any_due(ANY_CANCELLATION, now).await? {
            return Ok(Vec::new());
        }
        let mut tx = self.begin().await?;
        let sql = self.engine.locking(
            concat!(due_cancellations!(), " order by attend_at limit $2"),
            concat!(due_cancellations!(), " order by attend_at limit $2 for update skip locked"),
        );
        let found = sqlx::query(sql).bind(now.as_millis()).bind(limit).fetch_all(&mut *tx).await?;
        let mut due = Vec::new();
        for found in &found {
            let (id, wakes): (CancellationId, u32) =
                (word(found, "cancellation_id")?, number(found, "wakes")?);
            sqlx::query(
                "update cancellation set attend_at = $2, wakes = $3 where cancellation_id = $1",
            )
            .bind(id.as_str())
            .bind(now.plus(attend_again_after(wakes)).as_millis())
            .bind(i64::from(wakes) + 1)
            .execute(&mut *tx)
            .await?;
            let trace_parent = text_or_null(found, "trace_parent")?;
            due.push(DueCancellation { id, wakes, trace_parent });
        }
        tx.commit().await?;
        self.pump_took_at.store(now.as_millis(), Ordering::SeqCst);
        Ok(due)
    }

    /// A look without a transaction, so that an idle pump costs no fsync.
    pub(crate) async fn any_due(&self, sql: &'static str, now: Time) -> Result<bool, StoreError> {
        let found = sqlx::query(sql).bind(now.as_millis()).fetch_optional(self.readers()).await?;
        Ok(found.is_some())
    }

    /// The workflow of a row that was taken could not be reached: it is due again after `pause`,
    /// unless it has changed meanwhile.
    pub async fn give_back_reservation(
        &self,
        due: &DueReservation,
        pause: Duration,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "update reservation set attend_at = $3, wakes = $4 \
             where reservation_id = $1 and version = $2 and wakes = $4 + 1",
        )
        .bind(due.row.id.as_str())
        .bind(due.row.version)
        .bind(self.now().plus(pause).as_millis())
        .bind(i64::from(due.wakes))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    pub async fn give_back_cancellation(
        &self,
        due: &DueCancellation,
        pause: Duration,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "update cancellation set attend_at = $2, wakes = $3 \
             where cancellation_id = $1 and wakes = $3 + 1 and attend_at is not null",
        )
        .bind(due.id.as_str())
        .bind(self.now().plus(pause).as_millis())
        .bind(i64::from(due.wakes))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Staff has a reservation attended now, with its undo if there is one; nothing when there is
    /// no such reservation.
    pub async fn nudge(
        &self,
        staff: &Person,
        id: &ReservationId,
    ) -> Result<Option<Reservation>, StoreError> {
        let now = self.now();
        let mut tx = self.begin().await?;
        let Some(row) = self.lock(&mut tx, id).await? else { return left(tx, None).await };
        sqlx::query("update reservation set attend_at = $2, wakes = 0 where reservation_id = $1")
            .bind(id.as_str())
            .bind(now.as_millis())
            .execute(&mut *tx)
            .await?;
        self.attend_undos_now(&mut tx, id).await?;
        let deed = Deed {
            action: StaffAction::Nudge,
            target: format!("/reservations/{id}"),
            before: facts([("status", row.status.as_str())]),
            after: facts([("status", row.status.as_str())]),
        };
        self.audit_deed(&mut tx, staff, &deed).await?;
        tx.commit().await?;
        self.changes().here().tell_owed();
        Ok(Some(row))
    }

    /// No deadline is carried out before this instant: time in which we could not act is never
    /// the customer's (specification 1.3).
    pub fn spare_deadlines_until(&self, until: Time) {
        self.spared_until.fetch_max(until.as_millis(), Ordering::SeqCst);
    }

    /// The pump passes by. When it was away for long (a frozen machine), deadlines are spared for
    /// the grace, because nobody could act meanwhile.
    pub fn pump_passes(&self, grace: Duration) {
        if self.pump_is_away() {
            self.spare_deadlines_until(self.now().plus(grace));
        }
        self.pump_passed_at.store(self.now().as_millis(), Ordering::SeqCst);
    }

    pub(crate) fn pump_is_away(&self) -> bool {
        let passed_at = Time::from_millis(self.pump_passed_at.load(Ordering::SeqCst));
        passed_at > Time::from_millis(0) && self.now().since(passed_at) > PUMP_AWAY_AFTER
    }

    /// Also while the pump has yet to notice that it was away.
    pub(crate) fn spared_until(&self) -> Time {
        let spared = Time::from_millis(self.spared_until.load(Ordering::SeqCst));
        if self.pump_is_away() { spared.max(self.now().plus(PUMP_AWAY_AFTER)) } else { spared }
    }

    /// What a reservation owes now; a deadline that has passed is carried out first, or, while
    /// deadlines are spared, waited for. Nothing when there is no such reservation.
    pub async fn look(&self, id: &ReservationId) -> Result<Owes, StoreError> {
        let Some(row) = self.reservation(id).await? else { return Ok(Owes::Nothing) };
        match row.owes() {
            Owes::Await(until) if until <= self.now() => {
                let spared = self.spared_until();
                if self.now() < spared {
                    return Ok(Owes::Await(spared));
                }
                self.pass_time(id, Attend::Later).await?;
                let row = self.reservation(id).await?;
                Ok(row.map_or(Owes::Nothing, |row| row.owes()))
            }
            owes => Ok(owes),
        }
    }

    /// The pump's part: carries out a passed deadline or the end of the show, if it is due. True
    /// when it was: the row is due anew then.
    pub async fn attend_time(&self, row: &Reservation) -> Result<bool, StoreError> {
        let now = self.now();
        let deadline_due = row.deadline_at.is_some_and(|at| at <= now);
        let over = row.over_at() <= now;
        let deadline_passes = deadline_due && now >= self.spared_until();
        if deadline_passes || (over && !deadline_due) {
            return self.pass_time(&row.id, Attend::Now).await;
        }
        Ok(false)
    }

    /// T11, T15, T24 in one transaction; false when none is due.
    async fn pass_time(&self, id: &ReservationId, attend: Attend) -> Result<bool, StoreError> {
        repeated(|| async {
            let now = self.now();
            let mut tx = self.begin().await?;
            let Some(mut row) = self.lock(&mut tx, id).await? else { return left(tx, false).await };
            let mut released = false;
            let events = match row.pass_deadline(now) {
                Expiry::NotDue => {
                    let events = row.complete(now);
                    if !events.is_empty() {
                        if self.is_given_up(&mut tx, &row.showtime.showtime_id).await? {
                            return left(tx, false).await;
                        }
                        check_ins::mark_no_shows(&mut tx, &row).await?;
                    }
                    events
                }
                Expiry::Undo(reason) => {
                    open_undo(self, &mut tx, &mut row, reason, Actor::System).await?
                }
                Expiry::Ended(events) => {
                    payments::abandon_attempt(&mut tx, &row).await?;
                    released = true;
                    events
                }
            };
            if events.is_empty() {
                return left(tx, false).await;
            }
            self.record(&mut tx, &mut row, &events, attend).await?;
            if released {
                capacity::release_held(&mut tx, &row).await?;
            }
            self.commit(tx, &row).await?;
            Ok(true)
        })
        .await
    }
}
