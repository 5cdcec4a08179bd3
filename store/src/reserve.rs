//! Making a reservation: capacity claimed, the row and its first event written, all or nothing.

use crate::idempotency::{Claim, RequestKey};
use crate::row::{broken, to_json};
use crate::timeline::append;
use crate::writer::{Tx, left};
use crate::{Decision, Store, StoreError, capacity, fresh, idempotency, mypage, repeated};
use domain::catalogue::{Pool, Showtime};
use domain::ids::{CustomerId, ReservationId};
use domain::party::{Party, UNPAID_MAX};
use domain::refusal::Refusal;
use domain::reservation::{Plan, Reservation, SoldShowtime};
use domain::time::Time;
use domain::won::Won;
use domain::words::{
    AgeRating, Capacity, Grade, Language, ReservationStatus, SeatStatus, TicketStatus,
};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What a customer asks for.
#[derive(Debug, Clone)]
pub struct NewReservation {
    pub customer_id: CustomerId,
    pub offer: Offer,
    pub grade: Grade,
    pub party: Party,
    pub plan: Option<Plan>,
    pub contact: Contact,
    /// May hold any number unpaid.
    pub unlimited: bool,
    /// The trace that it is part of, as W3C writes it; nothing where nobody collects traces.
    pub trace_parent: Option<String>,
}

/// A showtime with the names that people read, and with its capacity as it was just then.
#[derive(Debug, Clone)]
pub struct Offer {
    pub showtime: Showtime,
    pub pools: Vec<Pool>,
    pub movie_title: String,
    pub age_rating: AgeRating,
    pub theater_name: String,
    pub auditorium_name: String,
}

/// Personal data: stored in one table, never in events, histories, ids or logs.
#[derive(Clone, Default)]
pub struct Contact {
    pub name: Option<String>,
    pub phone: Option<String>,
    pub language: Language,
}

impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contact { .. }")
    }
}

/// Codes are drawn again when one is taken, and so are places among the unpaid; 2^40 codes and few
/// who reserve twice at once make a second draw rare.
const DRAWS_MAX: u32 = 5;
const CODE_CHARACTERS: usize = 8;

impl Store {
    /// T1, T2: claims capacity and creates the reservation, or says why not.
    pub async fn reserve(
        &self,
        new: &NewReservation,
        key: Option<&RequestKey>,
    ) -> Result<Decision, StoreError> {
        let wait = self.wait_ahead().await?;
        let id =
            ReservationId::parse(fresh::id('r')).map_err(|why| broken("reservation_id", why))?;
        let tries = AtomicU32::new(0);
        repeated(|| async {
            let again = tries.fetch_add(1, Ordering::Relaxed) > 0;
            if again && let Some(row) = self.reservation(&id).await? {
                return Ok(Decision::Done(row)); // the try before had taken effect
            }
            self.try_reserve(&id, new, wait, key).await
        })
        .await
    }

    async fn try_reserve(
        &self,
        id: &ReservationId,
        new: &NewReservation,
        wait: Duration,
        key: Option<&RequestKey>,
    ) -> Result<Decision, StoreError> {
        let now = self.now();
        let mut row = match judge(new, now) {
            Ok(amount) => new_row(id, new, amount, now),
            Err(refusal) => return self.refused_unless_replayed(key, refusal).await,
        };
        let events = row.reserve(wait, self.deadlines());
        if let Err(refusal) = new.offer.room(new.grade, &new.party) {
            // Spares a sold-out create its inserts; the pool's own update below decides.
            return self.refused_unless_replayed(key, refusal).await;
        }
        let mut tx = self.begin().await?;
        if let Some(key) = key {
            match idempotency::claim(&mut tx, key, row.id.as_str(), now).await? {
                Claim::First => {}
                Claim::Repeated(resource) => {
                    tx.rollback().await?;
                    return self.replay(&resource).await;
                }
                Claim::OtherBody => {
                    let reused = Refusal::IdempotencyKeyReused;
                    return left(tx, Decision::Refused(reused, None)).await;
                }
            }
        }
        row.attend_at = match row.status {
            // Waits without a run until `Store::let_into_line`, or until its turn should have come.
            ReservationStatus::PaymentDeferred => row.next_attend(now, 0),
            _ => Some(now),
        };
        row.last_seq = i64::try_from(events.len()).expect("a create has few events");
        if !insert(&mut tx, &mut row, new).await? {
            let refusal = Refusal::TooManyUnpaid { max: UNPAID_MAX };
            return left(tx, Decision::Refused(refusal, None)).await;
        }
        insert_contact(&mut tx, &row.id, &new.contact).await?;
        if row.attempt.is_some() {
            self.insert_attempt(&mut tx, &row, None).await?;
        }
        append(&mut tx, &row, &events).await?;
        mypage::put(&mut tx, &row).await?;
        if !capacity::claim(&mut tx, &row).await? {
            let refusal = capacity::why_not(&mut tx, &row).await?;
            return left(tx, Decision::Refused(refusal, None)).await;
        }
        self.commit(tx, &row).await?;
        self.joins_line(&row);
        Ok(Decision::Done(row))
    }

    /// A repeat of a create that took effect is answered by it, also when the same create would be
    /// refused today.
    pub async fn refused_unless_replayed(
        &self,
        key: Option<&RequestKey>,
        refusal: Refusal,
    ) -> Result<Decision, StoreError> {
        let Some(key) = key else { return Ok(Decision::Refused(refusal, None)) };
        match self.claimed(key).await? {
            Claim::First => Ok(Decision::Refused(refusal, None)),
            Claim::Repeated(resource) => self.replay(&resource).await,
            Claim::OtherBody => Ok(Decision::Refused(Refusal::IdempotencyKeyReused, None)),
        }
    }

    pub(crate) async fn replay(&self, resource: &str) -> Result<Decision, StoreError> {
        let id = ReservationId::parse(resource).map_err(|why| broken("resource", why))?;
        let row = self.reservation(&id).await?;
        Ok(row.map_or(Decision::NotFound, Decision::Replayed))
    }
}

impl Offer {
    fn room(&self, grade: Grade, party: &Party) -> Result<(), Refusal> {
        let mut of_grade = self.pools.iter().filter(|pool| pool.grade == grade);
        match of_grade.next() {
            Some(pool) if !pool.open => Err(Refusal::SalesClosed),
            Some(pool) if pool.remaining() >= party.size() => Ok(()),
            _ => Err(Refusal::SoldOut),
        }
    }
}

/// T1's guard, but for the capacity, which the pool itself decides.
fn judge(new: &NewReservation, now: Time) -> Result<Won, Refusal> {
    let showtime = &new.offer.showtime;
    if !showtime.on_sale(now) {
        return Err(Refusal::SalesClosed);
    }
    if new.party.size() > showtime.max_party_size {
        return Err(Refusal::PartySize { max: showtime.max_party_size });
    }
    if !new.party.fits_grade(new.grade) {
        return Err(Refusal::AccessibleSeatOnly { seats: Vec::new() });
    }
    if !new.party.may_see(new.offer.age_rating) {
        return Err(Refusal::AgeRestricted);
    }
    new.party.price(&showtime.prices, new.grade).ok_or(Refusal::NotOffered)
}

fn new_row(id: &ReservationId, new: &NewReservation, amount: Won, now: Time) -> Reservation {
    let showtime = &new.offer.showtime;
    Reservation {
        id: id.clone(),
        code: String::new(),
        customer_id: new.customer_id.clone(),
        showtime: SoldShowtime {
            showtime_id: showtime.id.clone(),
            movie_title: new.offer.movie_title.clone(),
            theater_name: new.offer.theater_name.clone(),
            auditorium_name: new.offer.auditorium_name.clone(),
            starts_at: showtime.starts_at,
            ends_at: showtime.ends_at,
            cancel_policy: showtime.cancel_policy,
        },
        grade: new.grade,
        party: new.party.clone(),
        prices: showtime.prices.get(&new.grade).cloned().unwrap_or_default(),
        amount,
        status: ReservationStatus::Reserved,
        reason: None,
        capacity: Capacity::Held,
        plan: new.plan.clone(),
        attempts_left: 0,
        attempt: None,
        estimated_at: None,
        approval_ends_at: None,
        open_call: None,
        open_cancellation: None,
        refunded: Won::ZERO,
        seats: SeatStatus::None,
        seat_numbers: Vec::new(),
        tickets: TicketStatus::None,
        check_in: None,
        deadline_at: None,
        attend_at: None,
        created_at: now,
        updated_at: now,
        version: 1,
        last_seq: 0,
    }
}

/// False when the customer has as many unpaid ones as there may be.
async fn insert(
    tx: &mut Tx,
    row: &mut Reservation,
    new: &NewReservation,
) -> Result<bool, StoreError> {
    let limited = row.plan.is_none() && !new.unlimited;
    for _ in 0..DRAWS_MAX {
        row.code = fresh::code(CODE_CHARACTERS);
        let place = match limited {
            true => match unpaid_place(tx, row).await? {
                Some(place) => Some(place),
                None => return Ok(false),
            },
            false => None,
        };
        let inserted = sqlx::query(
            "insert into reservation (reservation_id, code, customer_id, showtime_id, movie_title, \
             theater_name, auditorium_name, starts_at, ends_at, cancel_policy, grade, party, \
             amount, status, capacity, plan, attempts_left, refunded, seat_status, seat_numbers, \
             ticket_status, deadline_at, attend_at, wakes, created_at, updated_at, version, \
             last_seq, prices, attempt_n, attempt_method, attempt_status, estimated_at, \
             trace_parent, unpaid_place) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, \
             $16, $17, 0, $18, '[]', $19, $20, $21, 0, $22, $22, 1, $23, $24, $25, $26, $27, $28, $29, $30) \
             on conflict do nothing",
        )
        .bind(row.id.as_str())
        .bind(row.code.as_str())
        .bind(row.customer_id.as_str())
        .bind(row.showtime.showtime_id.as_str())
        .bind(row.showtime.movie_title.as_str())
        .bind(row.showtime.theater_name.as_str())
        .bind(row.showtime.auditorium_name.as_str())
        .bind(row.showtime.starts_at.as_millis())
        .bind(row.showtime.ends_at.as_millis())
        .bind(row.showtime.cancel_policy.as_str())
        .bind(row.grade.as_str())
        .bind(to_json(&row.party))
        .bind(row.amount.get())
        .bind(row.status.as_str())
        .bind(row.capacity.as_str())
        .bind(row.plan.as_ref().map(to_json))
        .bind(i64::from(row.attempts_left))
        .bind(row.seats.as_str())
        .bind(row.tickets.as_str())
        .bind(row.deadline_at.map(Time::as_millis))
        .bind(row.attend_at.map(Time::as_millis))
        .bind(row.created_at.as_millis())
        .bind(row.last_seq)
        .bind(to_json(&row.prices))
        .bind(row.attempt.map(|attempt| i64::from(attempt.n)))
        .bind(row.attempt.map(|attempt| attempt.method.as_str().to_owned()))
        .bind(row.attempt.map(|attempt| attempt.status.as_str().to_owned()))
        .bind(row.estimated_at.map(Time::as_millis))
        .bind(new.trace_parent.clone())
        .bind(place)
        .execute(&mut **tx)
        .await?;
        if inserted.rows_affected() == 1 {
            return Ok(true);
        }
    }
    Err(StoreError::Broken("no free reservation code".to_owned()))
}

/// The first of a customer's places for unpaid ones that is free; the index decides.
async fn unpaid_place(tx: &mut Tx, row: &Reservation) -> Result<Option<i64>, StoreError> {
    let sql = "select unpaid_place from reservation where customer_id = $1 and showtime_id = $2 \
               and unpaid_place is not null \
               and status in ('RESERVED', 'PAYMENT_PENDING', 'PAYMENT_DEFERRED')";
    let had: Vec<i64> = sqlx::query_scalar(sql)
        .bind(row.customer_id.as_str())
        .bind(row.showtime.showtime_id.as_str())
        .fetch_all(&mut **tx)
        .await?;
    Ok((0..i64::from(UNPAID_MAX)).find(|place| !had.contains(place)))
}

async fn insert_contact(
    tx: &mut Tx,
    id: &ReservationId,
    contact: &Contact,
) -> Result<(), StoreError> {
    if contact.name.is_none() && contact.phone.is_none() {
        return Ok(());
    }
    sqlx::query(
        "insert into contact (reservation_id, name, phone, language) values ($1, $2, $3, $4)",
    )
    .bind(id.as_str())
    .bind(contact.name.clone())
    .bind(contact.phone.clone())
    .bind(contact.language.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(())
}
