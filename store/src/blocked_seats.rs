//! Seats that the house keeps back: assignments to nobody. A blocked seat is one place less to sell,
//! and none is blocked that was promised.

use crate::audit_entries::Deed;
use crate::row::word;
use crate::writer::{Tx, left};
use crate::{Store, StoreError, repeated};
use domain::audit_entry::facts;
use domain::ids::{SeatId, ShowtimeId};
use domain::person::Person;
use domain::refusal::Refusal;
use domain::words::{Grade, StaffAction};
use std::collections::BTreeMap;

/// What becomes of seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Blocked,
    Free,
}

/// How it ended.
#[derive(Debug)]
pub enum BlockDecision {
    /// So many seats were changed; the others were so already.
    Done(usize),
    Refused(Refusal),
}

impl Store {
    /// Blocks or frees some seats of a showtime, all or none of them.
    pub async fn block_seats(
        &self,
        staff: &Person,
        showtime: &ShowtimeId,
        seats: &[SeatId],
        wanted: Wanted,
    ) -> Result<BlockDecision, StoreError> {
        let mut sorted = seats.to_vec();
        sorted.sort();
        sorted.dedup();
        let decision = repeated(|| self.try_block_seats(staff, showtime, &sorted, wanted)).await?;
        if let BlockDecision::Done(1..) = decision {
            self.changes().tell_seats(showtime.clone());
        }
        Ok(decision)
    }

    async fn try_block_seats(
        &self,
        staff: &Person,
        showtime: &ShowtimeId,
        sorted: &[SeatId],
        wanted: Wanted,
    ) -> Result<BlockDecision, StoreError> {
        let mut tx = self.begin().await?;
        let refused = |refusal| BlockDecision::Refused(refusal);
        let grades = match grades(&mut tx, showtime, sorted).await? {
            Ok(grades) => grades,
            Err(seats) => return left(tx, refused(Refusal::UnknownSeats { seats })).await,
        };
        let mut changed = BTreeMap::<Grade, i64>::new();
        let mut names = Vec::new();
        let mut taken = Vec::new();
        for (seat, grade) in sorted.iter().zip(grades) {
            let done = match wanted {
                Wanted::Blocked => self.claim_seat(&mut tx, showtime, seat, None).await?,
                Wanted::Free => self.unblock(&mut tx, showtime, seat).await?,
            };
            if done {
                *changed.entry(grade).or_default() += 1;
                names.push(seat.as_str());
            } else if !has(&mut tx, showtime, seat, wanted).await? {
                taken.push(seat.clone());
            }
        }
        if !taken.is_empty() {
            return left(tx, refused(Refusal::SeatsUnavailable { seats: taken })).await;
        }
        for (grade, places) in &changed {
            let places = match wanted {
                Wanted::Blocked => -places,
                Wanted::Free => *places,
            };
            // The last places may be promised to people who have not chosen yet.
            if !resized(&mut tx, showtime, *grade, places).await? {
                return left(tx, refused(Refusal::SoldOut)).await;
            }
        }
        if !names.is_empty() {
            let deed = Deed {
                action: match wanted {
                    Wanted::Blocked => StaffAction::BlockSeats,
                    Wanted::Free => StaffAction::FreeSeats,
                },
                target: format!("/showtimes/{showtime}/seatmap"),
                before: facts([]),
                after: facts([("seats", names.join(" ").as_str())]),
            };
            self.audit_deed(&mut tx, staff, &deed).await?;
        }
        tx.commit().await?;
        Ok(BlockDecision::Done(names.len()))
    }

    /// False when the house does not have it.
    async fn unblock(
        &self,
        tx: &mut Tx,
        showtime: &ShowtimeId,
        seat: &SeatId,
    ) -> Result<bool, StoreError> {
        let freed = sqlx::query(
            "update seat_assignment set live = 0, freed_at = $3 where showtime_id = $1 \
             and seat_id = $2 and live = 1 and reservation_id is null",
        )
        .bind(showtime.as_str())
        .bind(seat.as_str())
        .bind(self.now().as_millis())
        .execute(&mut **tx)
        .await?;
        Ok(freed.rows_affected() == 1)
    }
}

/// The grade of each seat, or those that this showtime does not have.
async fn grades(
    tx: &mut Tx,
    showtime: &ShowtimeId,
    seats: &[SeatId],
) -> Result<Result<Vec<Grade>, Vec<SeatId>>, StoreError> {
    let (mut grades, mut unknown) = (Vec::new(), Vec::new());
    for seat in seats {
        let found = sqlx::query(
            "select s.grade from seat s join showtime t on t.auditorium_id = s.auditorium_id \
             where t.showtime_id = $1 and s.seat_id = $2",
        )
        .bind(showtime.as_str())
        .bind(seat.as_str())
        .fetch_optional(&mut **tx)
        .await?;
        match found {
            Some(row) => grades.push(word(&row, "grade")?),
            None => unknown.push(seat.clone()),
        }
    }
    Ok(if unknown.is_empty() { Ok(grades) } else { Err(unknown) })
}

/// Whether a seat is already as it is wanted.
async fn has(
    tx: &mut Tx,
    showtime: &ShowtimeId,
    seat: &SeatId,
    wanted: Wanted,
) -> Result<bool, StoreError> {
    let blocked: Option<i64> = sqlx::query_scalar(
        "select case when reservation_id is null then cast(1 as bigint) else cast(0 as bigint) end \
         from seat_assignment where showtime_id = $1 and seat_id = $2 and live = 1",
    )
    .bind(showtime.as_str())
    .bind(seat.as_str())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(match wanted {
        Wanted::Blocked => blocked == Some(1),
        Wanted::Free => blocked.is_none(),
    })
}

/// So many places more or less to sell; false when they are promised.
async fn resized(
    tx: &mut Tx,
    showtime: &ShowtimeId,
    grade: Grade,
    places: i64,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "update capacity_pool set sellable = sellable + $3 \
         where showtime_id = $1 and grade = $2 and held + sold <= sellable + $3",
    )
    .bind(showtime.as_str())
    .bind(grade.as_str())
    .bind(places)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}
