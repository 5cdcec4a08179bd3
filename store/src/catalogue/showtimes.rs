//! Showtimes that staff puts on. An auditorium shows one thing at a time, and what has ended is not
//! shown again.

use super::ListedShowtime;
use super::movies::{Added, Catalogued};
use crate::audit_entries::Deed;
use crate::idempotency::RequestKey;
use crate::row::{broken, number, to_json, word};
use crate::writer::{Tx, left};
use crate::{Store, StoreError, fresh, repeated};
use domain::audit_entry::facts;
use domain::catalogue::{NewShowtime, Showtime};
use domain::ids::{AuditoriumId, ShowtimeId};
use domain::person::Person;
use domain::refusal::Refusal;
use domain::words::{Grade, MovieStatus, ShowtimeStatus, StaffAction};
use std::collections::BTreeMap;

/// Showtimes of an auditorium that overlap with one from start to end, but for those given up. None is
/// longer than a day, which spares the look at all that have been.
macro_rules! at_that_time {
    ($auditorium:literal, $start:literal, $end:literal, $given_up:literal) => {
        concat!(
            "auditorium_id = ",
            $auditorium,
            " and starts_at < ",
            $end,
            " and ends_at > ",
            $start,
            " and starts_at > ",
            $start,
            " - 86400000 and status <> ",
            $given_up
        )
    };
}

/// Those who put something on in one auditorium in the same moment are few.
const TURNS_MAX: u32 = 100;

impl Store {
    /// A showtime that is on sale as it says, with all seats of its auditorium.
    pub async fn add_showtime(
        &self,
        staff: &Person,
        new: &NewShowtime,
        key: Option<&RequestKey>,
    ) -> Result<Catalogued<ListedShowtime>, StoreError> {
        let id = ShowtimeId::parse(fresh::id('s')).map_err(|why| broken("showtime_id", why))?;
        let (id, replayed) = match repeated(|| self.try_add_showtime(staff, &id, new, key)).await? {
            Added::New => (id, false),
            Added::Before(id) => (id, true),
            Added::Refused(refusal) => return Ok(Catalogued::Refused(refusal)),
        };
        let found = self.showtime(&id).await?;
        let found = found.ok_or_else(|| broken("showtime_id", "no such showtime"))?;
        Ok(if replayed { Catalogued::Replayed(found) } else { Catalogued::Done(found) })
    }

    async fn try_add_showtime(
        &self,
        staff: &Person,
        id: &ShowtimeId,
        new: &NewShowtime,
        key: Option<&RequestKey>,
    ) -> Result<Added<ShowtimeId>, StoreError> {
        let sellable = self.seats_per_grade(&new.auditorium_id).await?;
        let mut tx = self.begin().await?;
        if let Some(before) = self.asked_before(&mut tx, key, id.as_str()).await? {
            return left(tx, before).await;
        }
        let Some(movie) = self.lock_movie(&mut tx, &new.movie_id).await? else {
            return left(tx, Added::Refused(Refusal::NoSuchMovie)).await;
        };
        if movie.status == MovieStatus::Ended {
            return left(tx, Added::Refused(Refusal::MovieEnded)).await;
        }
        if sellable.is_empty() {
            return left(tx, Added::Refused(Refusal::NoSuchAuditorium)).await;
        }
        let grades = sellable.keys().copied().collect();
        let showtime = match new.clone().put_on(id.clone(), &movie, grades, self.now()) {
            Ok(showtime) => showtime,
            Err(unfit) => return left(tx, Added::Refused(Refusal::Unfit(unfit))).await,
        };
        if let Some(by) = put_on(&mut tx, &showtime, &sellable).await? {
            let taken = match by == *id {
                true => Added::New, // a try before had taken effect
                false => Added::Refused(Refusal::AuditoriumTaken { by }),
            };
            return left(tx, taken).await;
        }
        let deed = Deed {
            action: StaffAction::AddShowtime,
            target: format!("/showtimes/{id}"),
            before: facts([]),
            after: facts([
                ("movie", movie.id.as_str()),
                ("auditorium", showtime.auditorium_id.as_str()),
                ("startsAtMillis", &showtime.starts_at.as_millis().to_string()),
                ("cancelPolicy", showtime.cancel_policy.as_str()),
                ("prices", &to_json(&showtime.prices)),
            ]),
        };
        self.audit_deed(&mut tx, staff, &deed).await?;
        tx.commit().await?;
        Ok(Added::New)
    }

    /// Empty where there is no such auditorium.
    async fn seats_per_grade(
        &self,
        auditorium: &AuditoriumId,
    ) -> Result<BTreeMap<Grade, u32>, StoreError> {
        sqlx::query(
            "select grade, count(*) as seats from seat where auditorium_id = $1 group by grade",
        )
        .bind(auditorium.as_str())
        .fetch_all(self.readers())
        .await?
        .iter()
        .map(|row| Ok((word(row, "grade")?, number(row, "seats")?)))
        .collect()
    }
}

/// A showtime with its pools; or else what is there already: the showtime itself, or another one in
/// its auditorium at that time.
pub(super) async fn put_on(
    tx: &mut Tx,
    showtime: &Showtime,
    sellable: &BTreeMap<Grade, u32>,
) -> Result<Option<ShowtimeId>, StoreError> {
    for _ in 0..TURNS_MAX {
        if insert_showtime(tx, showtime).await? {
            for (grade, places) in sellable {
                sqlx::query(
                    "insert into capacity_pool (showtime_id, grade, open, sellable, held, sold) \
                     values ($1, $2, 1, $3, 0, 0)",
                )
                .bind(showtime.id.as_str())
                .bind(grade.as_str())
                .bind(i64::from(*places))
                .execute(&mut **tx)
                .await?;
            }
            return Ok(None);
        }
        let there = sqlx::query(concat!(
            "select showtime_id from showtime where showtime_id = $1 or (",
            at_that_time!("$2", "$3", "$4", "$5"),
            ") limit 1"
        ))
        .bind(showtime.id.as_str())
        .bind(showtime.auditorium_id.as_str())
        .bind(showtime.starts_at.as_millis())
        .bind(showtime.ends_at.as_millis())
        .bind(ShowtimeStatus::Cancelled.as_str())
        .fetch_optional(&mut **tx)
        .await?;
        if let Some(row) = there {
            return Ok(Some(word(&row, "showtime_id")?));
        }
        // Somebody else had this turn of the auditorium, for another time.
    }
    Err(StoreError::Broken(format!("no free turn in auditorium {}", showtime.auditorium_id)))
}

/// False when it is there already, something else is shown at that time, or another one has taken
/// this turn: two at once see nothing of each other, and the index lets one of them through.
async fn insert_showtime(tx: &mut Tx, showtime: &Showtime) -> Result<bool, StoreError> {
    let inserted = sqlx::query(concat!(
        "insert into showtime (showtime_id, movie_id, auditorium_id, starts_at, ends_at, \
         sales_open_at, sales_close_at, status, cancel_policy, max_party_size, prices, turn) \
         select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, \
         (select coalesce(max(turn), 0) + 1 from showtime where auditorium_id = $3) \
         where not exists (select 1 from showtime where ",
        at_that_time!("$3", "$4", "$5", "$12"),
        ") on conflict do nothing"
    ))
    .bind(showtime.id.as_str())
    .bind(showtime.movie_id.as_str())
    .bind(showtime.auditorium_id.as_str())
    .bind(showtime.starts_at.as_millis())
    .bind(showtime.ends_at.as_millis())
    .bind(showtime.sales_open_at.as_millis())
    .bind(showtime.sales_close_at.as_millis())
    .bind(showtime.status.as_str())
    .bind(showtime.cancel_policy.as_str())
    .bind(i64::from(showtime.max_party_size))
    .bind(to_json(&showtime.prices))
    .bind(ShowtimeStatus::Cancelled.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}
