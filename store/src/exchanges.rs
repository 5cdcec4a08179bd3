//! Other seats for a reservation that has its tickets (T17): new ones claimed, old ones freed,
//! tickets given for tickets, all or nothing in one transaction.

use crate::idempotency::{Claim, RequestKey};
use crate::reservations::Attend;
use crate::row::word;
use crate::seat_map::views;
use crate::seats::AssignedSeat;
use crate::writer::{Tx, left};
use crate::{Decision, Store, StoreError, repeated};
use domain::ids::SeatId;
use domain::party::Party;
use domain::refusal::Refusal;
use domain::reservation::{Exchange, Reservation};
use domain::seats::{SeatState, judge};
use domain::words::{Actor, Audience};

impl Store {
    /// The rules read the whole map, before the transaction; `row` is as it was read just then.
    pub(crate) async fn change_seats(
        &self,
        row: Reservation,
        sorted: &[SeatId],
        key: Option<&RequestKey>,
    ) -> Result<Decision, StoreError> {
        let mut judged = None;
        if row.may_change_seats(self.now(), Actor::Customer).is_ok() {
            match self.judge_exchange(&row, sorted).await? {
                Ok(()) => judged = Some(&row.party),
                Err(refusal) if self.is_new(key).await? => {
                    return Ok(Decision::Refused(refusal, Some(row)));
                }
                // A repeat of what took effect is answered by that, whatever the map is now.
                Err(_) => {}
            }
        }
        repeated(|| self.try_change_seats(&row, (sorted, judged), key)).await
    }

    /// The seat rules, with the seats that the reservation has as free: it leaves them.
    async fn judge_exchange(
        &self,
        row: &Reservation,
        sorted: &[SeatId],
    ) -> Result<Result<(), Refusal>, StoreError> {
        let had = self.assigned_seats(&row.id).await?.into_iter().filter(|seat| seat.live);
        let had: Vec<SeatId> = had.map(|seat| seat.seat_id).collect();
        if Exchange::of(&had, sorted).is_none() {
            return Ok(Ok(()));
        }
        let mut map = self.seat_map(&row.showtime.showtime_id).await?;
        for seat in &mut map {
            if had.contains(&seat.seat.id) {
                seat.state = SeatState::Available;
            }
        }
        Ok(judge(&views(&map), &row.party, row.grade, sorted).map_err(Refusal::from))
    }

    async fn is_new(&self, key: Option<&RequestKey>) -> Result<bool, StoreError> {
        match key {
            None => Ok(true),
            Some(key) => Ok(self.claimed(key).await? == Claim::First),
        }
    }

    async fn try_change_seats(
        &self,
        known: &Reservation,
        (sorted, judged): (&[SeatId], Option<&Party>),
        key: Option<&RequestKey>,
    ) -> Result<Decision, StoreError> {
        let mut tx = self.begin().await?;
        let mut row = match self.command(&mut tx, &known.id, Some(&known.customer_id), key).await? {
            Ok(row) => row,
            Err(decision) => return left(tx, decision).await,
        };
        let had = self.live_seats(&mut tx, &row.id).await?;
        let ids: Vec<SeatId> = had.iter().map(|seat| seat.seat_id.clone()).collect();
        let exchange = Exchange::of(&ids, sorted);
        if exchange.is_none() {
            return left(tx, Decision::Done(row)).await;
        }
        if let Err(refusal) = row.may_change_seats(self.now(), Actor::Customer) {
            return left(tx, Decision::Refused(refusal, Some(row))).await;
        }
        if judged != Some(&row.party) {
            // It was ticketed, or some of its tickets were cancelled, in just this moment.
            return left(tx, Decision::Refused(Refusal::WrongState, Some(row))).await;
        }
        // As in an undo: no seat is freed while its ticket lives.
        let people = self.take_back(&mut tx, &row, &exchange, &had).await?;
        let taken = self.exchange(&mut tx, &row, &exchange, &had).await?;
        if !taken.is_empty() {
            tx.rollback().await?;
            let row = self.reservation(&known.id).await?;
            return Ok(Decision::Refused(Refusal::SeatsUnavailable { seats: taken }, row));
        }
        self.settle(&mut tx, &mut row, &exchange, people).await?;
        self.commit(tx, &row).await?;
        Ok(Decision::Done(row))
    }

    /// Old and new seats in one id order, so that two who want each other's never wait for each
    /// other. The new ones that others have.
    async fn exchange(
        &self,
        tx: &mut Tx,
        row: &Reservation,
        exchange: &Exchange,
        had: &[AssignedSeat],
    ) -> Result<Vec<SeatId>, StoreError> {
        let mut both: Vec<&SeatId> = exchange.claimed.iter().chain(&exchange.given_up).collect();
        both.sort();
        let mut taken = Vec::new();
        for seat in both {
            match had.iter().find(|mine| mine.seat_id == *seat) {
                Some(mine) => {
                    self.free_assignment(tx, &mine.assignment_id).await?;
                }
                None if self
                    .claim_seat(tx, &row.showtime.showtime_id, seat, Some(&row.id))
                    .await? => {}
                None => taken.push(seat.clone()),
            }
        }
        Ok(taken)
    }

    /// Revokes the tickets of the seats that are left; whose they were.
    async fn take_back(
        &self,
        tx: &mut Tx,
        row: &Reservation,
        exchange: &Exchange,
        had: &[AssignedSeat],
    ) -> Result<Vec<Audience>, StoreError> {
        let mut people = Vec::new();
        for left in had.iter().filter(|seat| exchange.given_up.contains(&seat.seat_id)) {
            let revoked = sqlx::query(
                "update ticket set status = 'CANCELLED', revoked_at = $2 \
                 where assignment_id = $1 and status = 'ISSUED' returning audience",
            )
            .bind(left.assignment_id.as_str())
            .bind(self.now().as_millis())
            .fetch_optional(&mut **tx)
            .await?;
            let ticket = revoked.ok_or_else(|| StoreError::Stale(row.id.to_string()))?;
            people.push(word(&ticket, "audience")?);
        }
        Ok(people)
    }

    /// Whoever had a ticket for a seat that is left gets one for a new seat.
    async fn settle(
        &self,
        tx: &mut Tx,
        row: &mut Reservation,
        exchange: &Exchange,
        people: Vec<Audience>,
    ) -> Result<(), StoreError> {
        let mut seats = self.live_seats(tx, &row.id).await?;
        let numbers = seats.iter().map(|seat| seat.number.clone()).collect();
        seats.retain(|seat| exchange.claimed.contains(&seat.seat_id));
        self.issue(tx, row, people, &seats).await?;
        let events = row.change_seats(numbers, Actor::Customer);
        self.record(tx, row, &events, Attend::Later).await
    }
}
