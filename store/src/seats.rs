//! Seat assignments. The unique index on the live seat of a showtime decides who has it.

use crate::idempotency::RequestKey;
use crate::reservations::Attend;
use crate::row::{broken, number, text, word};
use crate::seat_map::views;
use crate::writer::{Tx, left};
use crate::{Decision, Store, StoreError, capacity, fresh, repeated};
use domain::catalogue::Seat;
use domain::ids::{AssignmentId, CustomerId, ReservationId, SeatId, ShowtimeId};
use domain::refusal::Refusal;
use domain::reservation::{PlanSeats, Reservation};
use domain::seats::judge;
use domain::words::{Actor, Grade, ReservationStatus, SeatKind};
use sqlx::any::AnyRow;

/// A seat that a reservation has or had.
#[derive(Debug, Clone)]
pub struct AssignedSeat {
    pub assignment_id: AssignmentId,
    pub seat_id: SeatId,
    pub number: String,
    pub grade: Grade,
    pub kind: SeatKind,
    pub live: bool,
}

/// Best seats are picked again when others were faster; each pick sees the newest map.
const PICKS_MAX: u32 = 20;

/// Whether the seat rules have seen a selection. They read the whole map, which is no work for a
/// transaction that holds up all others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Judged {
    Legal,
    NotYet,
}

/// What became of a claim.
enum Claimed {
    All,
    Taken(Vec<SeatId>),
}

impl Store {
    /// T12, T13: the customer chooses seats; T17: or others. The same set again is answered as the
    /// first time.
    pub async fn select_seats(
        &self,
        owner: &CustomerId,
        id: &ReservationId,
        chosen: &[SeatId],
        key: Option<&RequestKey>,
    ) -> Result<Decision, StoreError> {
        let Some(row) = self.reservation(id).await?.filter(|row| row.customer_id == *owner) else {
            return Ok(Decision::NotFound);
        };
        let mut sorted = chosen.to_vec();
        sorted.sort();
        let judged = match row.status {
            ReservationStatus::Ticketed => return self.change_seats(row, &sorted, key).await,
            ReservationStatus::PaymentApproved => {
                let map = self.seat_map(&row.showtime.showtime_id).await?;
                if let Err(refusal) = judge(&views(&map), &row.party, row.grade, &sorted) {
                    return Ok(Decision::Refused(refusal.into(), Some(row)));
                }
                Judged::Legal
            }
            _ => Judged::NotYet,
        };
        repeated(|| self.try_select_seats(owner, id, (&sorted, judged), key)).await
    }

    async fn try_select_seats(
        &self,
        owner: &CustomerId,
        id: &ReservationId,
        (sorted, judged): (&[SeatId], Judged),
        key: Option<&RequestKey>,
    ) -> Result<Decision, StoreError> {
        let mut tx = self.begin().await?;
        let mut row = match self.command(&mut tx, id, Some(owner), key).await? {
            Ok(row) => row,
            Err(decision) => return left(tx, decision).await,
        };
        if let Err(refusal) = row.may_select_seats() {
            let mine = self.live_seats(&mut tx, id).await?;
            let mut mine: Vec<SeatId> = mine.into_iter().map(|seat| seat.seat_id).collect();
            mine.sort();
            let same = mine == sorted;
            let decision = match row.status {
                ReservationStatus::SeatSelected | ReservationStatus::Ticketed if same => {
                    Decision::Done(row)
                }
                _ => Decision::Refused(refusal, Some(row)),
            };
            return left(tx, decision).await;
        }
        if judged == Judged::NotYet {
            // The approval came between the first look and the lock: one moment too late.
            return left(tx, Decision::Refused(Refusal::WrongState, Some(row))).await;
        }
        match self.assign(&mut tx, &mut row, sorted, Actor::Customer, Attend::Now).await? {
            Claimed::All => {
                self.commit(tx, &row).await?;
                Ok(Decision::Done(row))
            }
            Claimed::Taken(seats) => {
                tx.rollback().await?;
                let row = self.reservation(id).await?;
                Ok(Decision::Refused(Refusal::SeatsUnavailable { seats }, row))
            }
        }
    }

    /// T12 by the plan. Seats of the plan that others took are dropped from it (T13); best seats
    /// that others took are picked again.
    pub async fn assign_plan_seats(&self, id: &ReservationId) -> Result<(), StoreError> {
        for _ in 0..PICKS_MAX {
            let Some(row) = self.reservation(id).await? else { return Ok(()) };
            let Some(plan) = &row.plan else { return Ok(()) };
            let showtime = &row.showtime.showtime_id;
            let pick = match &plan.seats {
                PlanSeats::Dropped => return Ok(()),
                PlanSeats::Best => {
                    let map = self.seat_map(showtime).await?;
                    self.picks.best(showtime, map, &row.party, row.grade)
                }
                PlanSeats::Ids(seats) => {
                    let map = self.seat_map(showtime).await?;
                    let legal = judge(&views(&map), &row.party, row.grade, seats).is_ok();
                    legal.then(|| self.picks.named(showtime, seats.clone()))
                }
            };
            let Some(pick) = pick else { return self.drop_plan_seats(id).await };
            if repeated(|| self.try_assign_plan_seats(id, pick.sorted())).await? {
                return Ok(());
            }
        }
        Err(StoreError::Broken(format!("no seats to be had for {id} in {PICKS_MAX} picks")))
    }

    /// False when somebody else was faster.
    async fn try_assign_plan_seats(
        &self,
        id: &ReservationId,
        pick: &[SeatId],
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let Some(mut row) = self.lock(&mut tx, id).await? else { return left(tx, true).await };
        if row.may_select_seats().is_err() || !row.plan_has_seats() {
            return left(tx, true).await;
        }
        match self.assign(&mut tx, &mut row, pick, Actor::System, Attend::Later).await? {
            Claimed::Taken(_) => left(tx, false).await,
            Claimed::All => {
                self.commit(tx, &row).await?;
                Ok(true)
            }
        }
    }

    async fn drop_plan_seats(&self, id: &ReservationId) -> Result<(), StoreError> {
        repeated(|| async {
            let mut tx = self.begin().await?;
            let Some(mut row) = self.lock(&mut tx, id).await? else { return left(tx, ()).await };
            if row.may_select_seats().is_err() || !row.plan_has_seats() {
                return left(tx, ()).await;
            }
            let events = row.drop_plan_seats(self.now(), self.deadlines());
            self.record(&mut tx, &mut row, &events, Attend::Later).await?;
            self.commit(tx, &row).await
        })
        .await
    }

    /// All or nothing: one insert per seat in id order, so that two overlapping sets never wait for
    /// each other (R3).
    async fn assign(
        &self,
        tx: &mut Tx,
        row: &mut Reservation,
        sorted: &[SeatId],
        actor: Actor,
        attend: Attend,
    ) -> Result<Claimed, StoreError> {
        let mut taken = Vec::new();
        for seat in sorted {
            if !self.claim_seat(tx, &row.showtime.showtime_id, seat, Some(&row.id)).await? {
                taken.push(seat.clone());
            }
        }
        if !taken.is_empty() {
            return Ok(Claimed::Taken(taken));
        }
        let numbers = self.live_seats(tx, &row.id).await?.into_iter().map(|seat| seat.number);
        let events = row.select_seats(numbers.collect(), actor);
        self.record(tx, row, &events, attend).await?;
        capacity::sell(tx, row).await?;
        Ok(Claimed::All)
    }

    /// For a reservation, or for the house. False when somebody else has it.
    pub(crate) async fn claim_seat(
        &self,
        tx: &mut Tx,
        showtime: &ShowtimeId,
        seat: &SeatId,
        owner: Option<&ReservationId>,
    ) -> Result<bool, StoreError> {
        let inserted = sqlx::query(
            "insert into seat_assignment (assignment_id, showtime_id, seat_id, \
             reservation_id, live, assigned_at) values ($1, $2, $3, $4, 1, $5) \
             on conflict do nothing",
        )
        .bind(fresh::id('a'))
        .bind(showtime.as_str())
        .bind(seat.as_str())
        .bind(owner.map(|owner| owner.as_str().to_owned()))
        .bind(self.now().as_millis())
        .execute(&mut **tx)
        .await?;
        Ok(inserted.rows_affected() == 1)
    }

    /// Frees by fence: the assignment is named, so a late repeat cannot free a later owner (R16).
    /// How many were freed: one or none.
    pub(crate) async fn free_assignment(
        &self,
        tx: &mut Tx,
        fence: &AssignmentId,
    ) -> Result<u64, StoreError> {
        let freed = sqlx::query(
            "update seat_assignment set live = 0, freed_at = $2 \
             where assignment_id = $1 and live = 1",
        )
        .bind(fence.as_str())
        .bind(self.now().as_millis())
        .execute(&mut **tx)
        .await?;
        Ok(freed.rows_affected())
    }

    pub(crate) async fn live_seats(
        &self,
        tx: &mut Tx,
        id: &ReservationId,
    ) -> Result<Vec<AssignedSeat>, StoreError> {
        let found = sqlx::query(
            "select a.assignment_id, a.seat_id, a.live, s.number, s.grade, s.kind \
             from seat_assignment a join seat s on s.seat_id = a.seat_id \
             where a.reservation_id = $1 and a.live = 1 order by s.y, s.x, a.seat_id",
        )
        .bind(id.as_str())
        .fetch_all(&mut **tx)
        .await?;
        found.iter().map(assigned_seat).collect()
    }

    /// The seats that a reservation has, or had when it was undone.
    pub async fn assigned_seats(
        &self,
        id: &ReservationId,
    ) -> Result<Vec<AssignedSeat>, StoreError> {
        sqlx::query(
            "select a.assignment_id, a.seat_id, a.live, s.number, s.grade, s.kind \
             from seat_assignment a join seat s on s.seat_id = a.seat_id \
             where a.reservation_id = $1 order by s.y, s.x, a.assignment_id",
        )
        .bind(id.as_str())
        .fetch_all(self.readers())
        .await?
        .iter()
        .map(assigned_seat)
        .collect()
    }
}

pub(crate) fn seat(row: &AnyRow) -> Result<Seat, StoreError> {
    Ok(Seat {
        id: word(row, "seat_id")?,
        row: text(row, "seat_row")?,
        number: text(row, "number")?,
        grade: word(row, "grade")?,
        kind: word(row, "kind")?,
        block: text(row, "block")?,
        x: number(row, "x")?,
        y: number(row, "y")?,
    })
}

fn assigned_seat(row: &AnyRow) -> Result<AssignedSeat, StoreError> {
    Ok(AssignedSeat {
        assignment_id: word(row, "assignment_id")?,
        seat_id: word(row, "seat_id")?,
        number: text(row, "number")?,
        grade: word(row, "grade")?,
        kind: word(row, "kind")?,
        live: crate::row::int(row, "live").map_err(|why| broken("live", why))? == 1,
    })
}
