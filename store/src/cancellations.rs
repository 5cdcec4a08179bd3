//! Cancellations: accepting them in one transaction and recording each step of the undo.

use crate::audit_entries::Deed;
use crate::idempotency::{Claim, RequestKey};
use crate::reservations::Attend;
use crate::row::{broken, number, time, time_or_null, word, word_or_null};
use crate::tickets::tickets_in;
use crate::writer::{Tx, left};
use crate::{Decision, Store, StoreError, capacity, fresh, idempotency, payments, repeated};
use domain::audit_entry::facts;
use domain::cancellation::asking::{Ask, Cancelling, Quote};
use domain::cancellation::late::LateApproval;
use domain::cancellation::{Cancellation, OwesUndo};
use domain::ids::{AssignmentId, CancellationId, CustomerId, ReservationId, TicketId};
use domain::person::Person;
use domain::refusal::Refusal;
use domain::reservation::Reservation;
use domain::ticket::Ticket;
use domain::time::Time;
use domain::timeline::Event;
use domain::words::{
    Actor, ReservationStatus, Role, Scope, StaffAction, StatusReason, TicketStatus,
};
use sqlx::any::AnyRow;

macro_rules! cancellation_columns {
    () => {
        "cancellation_id, reservation_id, scope, reason, actor, percent, price, amount, state, \
         requested_at, tickets_revoked_at, seats_freed_at, money_returned_at, refund_try, \
         returned_outside, delay_told_at, late_attempt_id, late_operation, attend_at"
    };
}

impl Store {
    /// T18, T19: the customer asks to end the reservation.
    pub async fn cancel(
        &self,
        owner: &CustomerId,
        id: &ReservationId,
        key: Option<&RequestKey>,
    ) -> Result<Decision, StoreError> {
        let customer = Person { id: owner.clone(), role: Role::Customer };
        repeated(|| self.try_cancel(&customer, id, None, key)).await
    }

    /// T18, T19 by staff, on anybody's behalf.
    pub async fn cancel_on_behalf(
        &self,
        staff: &Person,
        id: &ReservationId,
        key: Option<&RequestKey>,
    ) -> Result<Decision, StoreError> {
        repeated(|| self.try_cancel(staff, id, None, key)).await
    }

    /// T20: some tickets are given back, by their owner or by staff. All that are left is the same
    /// as to cancel.
    pub async fn cancel_tickets(
        &self,
        person: &Person,
        id: &ReservationId,
        tickets: &[TicketId],
        key: Option<&RequestKey>,
    ) -> Result<Decision, StoreError> {
        repeated(|| self.try_cancel(person, id, Some(tickets), key)).await
    }

    /// What this person's cancelling these tickets, or all, would give back now; nothing when they
    /// see no such reservation.
    pub async fn quote(
        &self,
        person: &Person,
        id: &ReservationId,
        tickets: Option<&[TicketId]>,
    ) -> Result<Option<(Result<Quote, Refusal>, Reservation)>, StoreError> {
        let seen =
            |row: &Reservation| person.confined_to().is_none_or(|owner| row.customer_id == *owner);
        let Some(row) = self.reservation(id).await?.filter(seen) else { return Ok(None) };
        let had = self.tickets(id).await?;
        let ask = Ask { actor: person.actor(), tickets };
        Ok(Some((row.quote(self.now(), ask, &had), row)))
    }

    async fn try_cancel(
        &self,
        person: &Person,
        id: &ReservationId,
        wanted: Option<&[TicketId]>,
        key: Option<&RequestKey>,
    ) -> Result<Decision, StoreError> {
        let now = self.now();
        let mut tx = self.begin().await?;
        let mut row = match self.command(&mut tx, id, person.confined_to(), key).await? {
            Ok(row) => row,
            Err(decision) => return left(tx, decision).await,
        };
        let had = row.status;
        let tickets = match row.tickets {
            TicketStatus::None => Vec::new(),
            _ => tickets_in(&mut tx, id).await?,
        };
        let ask = Ask { actor: person.actor(), tickets: wanted };
        let held = match row.cancel(now, new_id()?, ask, &tickets) {
            Err(refusal) => return left(tx, Decision::Refused(refusal, Some(row))).await,
            Ok(Cancelling::Already) => return left(tx, Decision::Done(row)).await,
            Ok(Cancelling::Ended(events)) => {
                payments::abandon_attempt(&mut tx, &row).await?;
                self.record(&mut tx, &mut row, &events, Attend::Now).await?;
                true
            }
            Ok(Cancelling::Accepted(cancellation, events)) => {
                insert_undo(&mut tx, &cancellation).await?;
                self.record(&mut tx, &mut row, &events, Attend::Now).await?;
                false
            }
            Ok(Cancelling::PartAccepted(cancellation, set, events)) => {
                insert_cancellation(&mut tx, &cancellation).await?;
                request_back(&mut tx, &cancellation, &set).await?;
                // The booking has nothing to do with it.
                self.record(&mut tx, &mut row, &events, Attend::Later).await?;
                false
            }
        };
        if person.actor() == Actor::Staff {
            self.audit_deed(&mut tx, person, &cancelled(&row, had)).await?;
        }
        if held {
            capacity::release_held(&mut tx, &row).await?;
        }
        self.commit(tx, &row).await?;
        Ok(Decision::Done(row))
    }

    /// The start of every person's command: the row is locked and, for those who are confined to
    /// one customer's, is that customer's; the key is taken.
    pub(crate) async fn command(
        &self,
        tx: &mut Tx,
        id: &ReservationId,
        owner: Option<&CustomerId>,
        key: Option<&RequestKey>,
    ) -> Result<Result<Reservation, Decision>, StoreError> {
        let Some(row) = self.lock(tx, id).await? else { return Ok(Err(Decision::NotFound)) };
        if owner.is_some_and(|owner| row.customer_id != *owner) {
            return Ok(Err(Decision::NotFound));
        }
        let Some(key) = key else { return Ok(Ok(row)) };
        // The row's lock comes first: two requests with one key take turns on it.
        match idempotency::claim(tx, key, id.as_str(), self.now()).await? {
            Claim::First => Ok(Ok(row)),
            Claim::Repeated(resource) if resource == id.as_str() => {
                Ok(Err(Decision::Replayed(row)))
            }
            Claim::Repeated(_) | Claim::OtherBody => {
                Ok(Err(Decision::Refused(Refusal::IdempotencyKeyReused, Some(row))))
            }
        }
    }

    pub async fn cancellation(
        &self,
        id: &CancellationId,
    ) -> Result<Option<Cancellation>, StoreError> {
        sqlx::query(concat!(
            "select ",
            cancellation_columns!(),
            " from cancellation where cancellation_id = $1"
        ))
        .bind(id.as_str())
        .fetch_optional(self.readers())
        .await?
        .map(|row| cancellation(&row))
        .transpose()
    }

    /// The newest cancellation of a reservation; where there is none, that of a late approval.
    pub async fn latest_cancellation(
        &self,
        id: &ReservationId,
    ) -> Result<Option<Cancellation>, StoreError> {
        sqlx::query(concat!(
            "select ",
            cancellation_columns!(),
            " from cancellation where reservation_id = $1 \
             order by case when late_attempt_id is null then 0 else 1 end, requested_at desc, \
             cancellation_id desc limit 1"
        ))
        .bind(id.as_str())
        .fetch_optional(self.readers())
        .await?
        .map(|row| cancellation(&row))
        .transpose()
    }

    /// All undos of a reservation, those of late approvals among them, oldest first.
    pub async fn cancellation_ids(
        &self,
        id: &ReservationId,
    ) -> Result<Vec<CancellationId>, StoreError> {
        sqlx::query(
            "select cancellation_id from cancellation where reservation_id = $1 \
             order by requested_at, cancellation_id",
        )
        .bind(id.as_str())
        .fetch_all(self.readers())
        .await?
        .iter()
        .map(|row| word(row, "cancellation_id"))
        .collect()
    }

    /// What a cancellation owes, with its reservation; nothing when there is none.
    pub async fn undo_owed(
        &self,
        id: &CancellationId,
    ) -> Result<Option<(Reservation, OwesUndo)>, StoreError> {
        let Some(cancellation) = self.cancellation(id).await? else { return Ok(None) };
        let row = self.reservation(&cancellation.reservation_id).await?;
        Ok(row.map(|row| {
            let owes = cancellation.owes(&row);
            (row, owes)
        }))
    }

    /// Step c: the seats of the set are freed and their capacity is released.
    pub async fn free_seats(&self, id: &CancellationId) -> Result<(), StoreError> {
        repeated(|| async {
            let Some(mut undo) = self.lock_undo(id, OwesUndo::Seats).await? else { return Ok(()) };
            let seated = !undo.row.seat_numbers.is_empty();
            let (fences, set) = self.seats_of(&mut undo).await?;
            let events = undo.row.free_seats(self.now(), &mut undo.cancellation, &set);
            let mut freed = 0;
            for fence in &fences {
                freed += self.free_assignment(&mut undo.tx, fence).await?;
            }
            save_cancellation(&mut undo.tx, &undo.cancellation).await?;
            self.record(&mut undo.tx, &mut undo.row, &events, Attend::Later).await?;
            if seated {
                capacity::release_sold(&mut undo.tx, &undo.row, freed).await?;
            } else {
                capacity::release_held(&mut undo.tx, &undo.row).await?;
            }
            self.commit(undo.tx, &undo.row).await
        })
        .await
    }

    /// The fences of an undo's seats; of a part also its tickets.
    async fn seats_of(
        &self,
        undo: &mut Undo,
    ) -> Result<(Vec<AssignmentId>, Vec<Ticket>), StoreError> {
        match undo.cancellation.scope {
            Scope::Whole => {
                let live = self.live_seats(&mut undo.tx, &undo.row.id).await?;
                Ok((live.into_iter().map(|seat| seat.assignment_id).collect(), Vec::new()))
            }
            Scope::Part => {
                let mut set = tickets_in(&mut undo.tx, &undo.row.id).await?;
                set.retain(|ticket| ticket.cancellation_id.as_ref() == Some(&undo.cancellation.id));
                Ok((set.iter().map(|ticket| ticket.assignment_id.clone()).collect(), set))
            }
        }
    }

    /// Step e: the undo is complete (T21).
    pub async fn close_cancellation(&self, id: &CancellationId) -> Result<(), StoreError> {
        repeated(|| async {
            let Some(mut undo) = self.lock_undo(id, OwesUndo::Close).await? else { return Ok(()) };
            let rest = undo.row.give_back_rest(self.now(), new_id()?, &mut undo.cancellation);
            let (rest, events) = match rest {
                Some((rest, events)) => (Some(rest), events),
                None => (None, undo.row.close_cancellation(&mut undo.cancellation)),
            };
            if undo.cancellation.late.is_none() {
                payments::abandon_attempt(&mut undo.tx, &undo.row).await?;
            }
            save_cancellation(&mut undo.tx, &undo.cancellation).await?;
            if let Some(rest) = rest {
                insert_cancellation(&mut undo.tx, &rest).await?;
            }
            self.record(&mut undo.tx, &mut undo.row, &events, Attend::Later).await?;
            self.commit(undo.tx, &undo.row).await
        })
        .await
    }

    /// Begins a step of an undo; nothing when this step is not what is owed.
    pub(crate) async fn lock_undo(
        &self,
        id: &CancellationId,
        step: OwesUndo,
    ) -> Result<Option<Undo>, StoreError> {
        let Some(found) = self.cancellation(id).await? else { return Ok(None) };
        let mut tx = self.begin().await?;
        let Some(row) = self.lock(&mut tx, &found.reservation_id).await? else {
            return left(tx, None).await;
        };
        let cancellation = cancellation_in(&mut tx, id).await?;
        if cancellation.owes(&row) != step {
            return left(tx, None).await;
        }
        Ok(Some(Undo { tx, row, cancellation }))
    }
}

/// One step of an undo under way.
pub(crate) struct Undo {
    pub(crate) tx: Tx,
    pub(crate) row: Reservation,
    pub(crate) cancellation: Cancellation,
}

/// Opens an undo inside a transaction that has locked the row; the caller records the events.
pub(crate) async fn open_undo(
    store: &Store,
    tx: &mut Tx,
    row: &mut Reservation,
    reason: StatusReason,
    actor: Actor,
) -> Result<Vec<Event>, StoreError> {
    let (cancellation, events) = row.undo(store.now(), new_id()?, reason, actor);
    insert_undo(tx, &cancellation).await?;
    Ok(events)
}

fn cancelled(row: &Reservation, had: ReservationStatus) -> Deed {
    Deed {
        action: StaffAction::CancelReservation,
        target: format!("/reservations/{}", row.id),
        before: facts([("status", had.as_str())]),
        after: facts([("status", row.status.as_str())]),
    }
}

pub(crate) fn new_id() -> Result<CancellationId, StoreError> {
    CancellationId::parse(fresh::id('c')).map_err(|why| broken("cancellation_id", why))
}

/// The new cancellation's row, and all tickets marked: from here scans refuse them.
pub(crate) async fn insert_undo(tx: &mut Tx, new: &Cancellation) -> Result<(), StoreError> {
    insert_cancellation(tx, new).await?;
    sqlx::query(
        "update ticket set status = 'CANCEL_REQUESTED', cancellation_id = $2 \
         where reservation_id = $1 and (status = 'ISSUED' \
         or (status = 'USED' and $3 = 'SHOWTIME_CANCELLED'))",
    )
    .bind(new.reservation_id.as_str())
    .bind(new.id.as_str())
    .bind(new.reason.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// All tickets of a part are marked, or none.
async fn request_back(tx: &mut Tx, new: &Cancellation, set: &[TicketId]) -> Result<(), StoreError> {
    for ticket in set {
        let marked = sqlx::query(
            "update ticket set status = 'CANCEL_REQUESTED', cancellation_id = $2 \
             where ticket_id = $1 and status = 'ISSUED'",
        )
        .bind(ticket.as_str())
        .bind(new.id.as_str())
        .execute(&mut **tx)
        .await?;
        if marked.rows_affected() == 0 {
            return Err(StoreError::Stale(new.reservation_id.to_string()));
        }
    }
    Ok(())
}

pub(crate) async fn insert_cancellation(tx: &mut Tx, new: &Cancellation) -> Result<(), StoreError> {
    sqlx::query(
        "insert into cancellation (cancellation_id, reservation_id, scope, reason, actor, percent, \
         price, amount, state, requested_at, attend_at, late_attempt_id, late_operation, wakes) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0)",
    )
    .bind(new.id.as_str())
    .bind(new.reservation_id.as_str())
    .bind(new.scope.as_str())
    .bind(new.reason.as_str())
    .bind(new.actor.as_str())
    .bind(i64::from(new.percent.get()))
    .bind(new.price.get())
    .bind(new.amount.get())
    .bind(new.state.as_str())
    .bind(new.requested_at.as_millis())
    .bind(new.attend_at.map(Time::as_millis))
    .bind(new.late.as_ref().map(|late| late.attempt_id.as_str().to_owned()))
    .bind(new.late.as_ref().map(|late| late.back.as_str().to_owned()))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(crate) async fn save_cancellation(tx: &mut Tx, row: &Cancellation) -> Result<(), StoreError> {
    sqlx::query(
        "update cancellation set state = $2, tickets_revoked_at = $3, seats_freed_at = $4, \
         money_returned_at = $5, attend_at = $6, percent = $7, amount = $8, refund_try = $9, \
         returned_outside = $10, delay_told_at = $11, wakes = 0 where cancellation_id = $1",
    )
    .bind(row.id.as_str())
    .bind(row.state.as_str())
    .bind(row.tickets_revoked_at.map(Time::as_millis))
    .bind(row.seats_freed_at.map(Time::as_millis))
    .bind(row.money_returned_at.map(Time::as_millis))
    .bind(row.attend_at.map(Time::as_millis))
    .bind(i64::from(row.percent.get()))
    .bind(row.amount.get())
    .bind(i64::from(row.refund_try))
    .bind(row.returned_outside.as_ref().map(|reference| reference.as_str().to_owned()))
    .bind(row.delay_told_at.map(Time::as_millis))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(crate) async fn cancellation_in(
    tx: &mut Tx,
    id: &CancellationId,
) -> Result<Cancellation, StoreError> {
    let found = sqlx::query(concat!(
        "select ",
        cancellation_columns!(),
        " from cancellation where cancellation_id = $1"
    ))
    .bind(id.as_str())
    .fetch_one(&mut **tx)
    .await?;
    cancellation(&found)
}

pub(crate) fn cancellation(row: &AnyRow) -> Result<Cancellation, StoreError> {
    Ok(Cancellation {
        id: word(row, "cancellation_id")?,
        reservation_id: word(row, "reservation_id")?,
        scope: word(row, "scope")?,
        reason: word(row, "reason")?,
        actor: word(row, "actor")?,
        percent: number(row, "percent")?,
        price: number(row, "price")?,
        amount: number(row, "amount")?,
        state: word(row, "state")?,
        requested_at: time(row, "requested_at")?,
        tickets_revoked_at: time_or_null(row, "tickets_revoked_at")?,
        seats_freed_at: time_or_null(row, "seats_freed_at")?,
        money_returned_at: time_or_null(row, "money_returned_at")?,
        refund_try: number(row, "refund_try")?,
        returned_outside: word_or_null(row, "returned_outside")?,
        delay_told_at: time_or_null(row, "delay_told_at")?,
        late: late_approval(row)?,
        attend_at: time_or_null(row, "attend_at")?,
    })
}

fn late_approval(row: &AnyRow) -> Result<Option<Box<LateApproval>>, StoreError> {
    let Some(attempt_id) = word_or_null(row, "late_attempt_id")? else { return Ok(None) };
    let (amount, back) = (number(row, "amount")?, word(row, "late_operation")?);
    Ok(Some(Box::new(LateApproval { attempt_id, amount, back })))
}

/// The columns that [`cancellation`] reads.
pub(crate) use cancellation_columns;
