//! The reservation row: creating it, locking it, saving it, reading it.

use crate::row::{
    int, json, json_or_null, number, text, time, time_or_null, to_json, word, word_or_null,
};
use crate::timeline::append;
use crate::writer::Tx;
use crate::{Store, StoreError, mypage};
use domain::ids::{CustomerId, ReservationId};
use domain::reservation::{LatestAttempt, OpenCall, Reservation, SoldShowtime};
use domain::time::Time;
use domain::timeline::Event;
use domain::words::{ReservationStatus, Settler};
use sqlx::any::AnyRow;

/// When the pump is to look at a row that was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attend {
    /// Somebody other than its run changed it: the run has to be woken.
    Now,
    /// Its run changed it and goes on by itself.
    Later,
}

macro_rules! columns {
    () => {
        "reservation_id, code, customer_id, showtime_id, movie_title, theater_name, \
         auditorium_name, starts_at, ends_at, cancel_policy, grade, party, prices, amount, status, \
         status_reason, capacity, plan, attempts_left, attempt_n, attempt_method, attempt_status, \
         estimated_at, approval_ends_at, open_call, open_operation, open_settler, \
         open_cancellation, refunded, seat_status, seat_numbers, ticket_status, check_in, \
         deadline_at, attend_at, wakes, created_at, updated_at, version, last_seq"
    };
}

impl Store {
    pub async fn reservation(&self, id: &ReservationId) -> Result<Option<Reservation>, StoreError> {
        sqlx::query(concat!("select ", columns!(), " from reservation where reservation_id = $1"))
            .bind(id.as_str())
            .fetch_optional(self.readers())
            .await?
            .map(|row| reservation(&row))
            .transpose()
    }

    /// A customer's reservations, newest first, from after the id `before`.
    pub async fn reservations_of(
        &self,
        customer: &CustomerId,
        status: Option<ReservationStatus>,
        before: Option<&ReservationId>,
        limit: i64,
    ) -> Result<Vec<Reservation>, StoreError> {
        sqlx::query(concat!(
            "select ",
            columns!(),
            " from reservation where customer_id = $1 \
             and ($2 is null or status = $2) and ($3 is null or reservation_id < $3) \
             order by reservation_id desc limit $4"
        ))
        .bind(customer.as_str())
        .bind(status.map(|status| status.as_str().to_owned()))
        .bind(before.map(|id| id.as_str().to_owned()))
        .bind(limit)
        .fetch_all(self.readers())
        .await?
        .iter()
        .map(reservation)
        .collect()
    }

    /// The one that this code, in capital letters, is of.
    pub async fn reservation_by_code(&self, code: &str) -> Result<Option<Reservation>, StoreError> {
        sqlx::query(concat!("select ", columns!(), " from reservation where code = $1"))
            .bind(code.to_owned())
            .fetch_optional(self.readers())
            .await?
            .map(|row| reservation(&row))
            .transpose()
    }

    /// Those that were made under this name, newest first.
    pub async fn reservations_by_name(
        &self,
        name: &str,
        limit: i64,
    ) -> Result<Vec<Reservation>, StoreError> {
        sqlx::query(concat!(
            "select ",
            columns!(),
            " from reservation where reservation_id in \
             (select reservation_id from contact where name = $1 \
             order by reservation_id desc limit $2) order by reservation_id desc"
        ))
        .bind(name.to_owned())
        .bind(limit)
        .fetch_all(self.readers())
        .await?
        .iter()
        .map(reservation)
        .collect()
    }

    /// How many reservations stand where. Reads all of them: for operators, not for customers.
    pub async fn count_by_status(&self) -> Result<Vec<(ReservationStatus, u64)>, StoreError> {
        sqlx::query("select status, count(*) as count from reservation group by status")
            .fetch_all(self.readers())
            .await?
            .iter()
            .map(|row| Ok((word(row, "status")?, number(row, "count")?)))
            .collect()
    }

    pub async fn contact_name(&self, id: &ReservationId) -> Result<Option<String>, StoreError> {
        let name: Option<Option<String>> =
            sqlx::query_scalar("select name from contact where reservation_id = $1")
                .bind(id.as_str())
                .fetch_optional(self.readers())
                .await?;
        Ok(name.flatten())
    }

    /// The row, locked until the transaction ends: whoever decides about it waits here.
    pub(crate) async fn lock(
        &self,
        tx: &mut Tx,
        id: &ReservationId,
    ) -> Result<Option<Reservation>, StoreError> {
        let sql = self.engine.locking(
            concat!("select ", columns!(), " from reservation where reservation_id = $1"),
            concat!(
                "select ",
                columns!(),
                " from reservation where reservation_id = $1 for update"
            ),
        );
        let found = sqlx::query(sql).bind(id.as_str()).fetch_optional(&mut **tx).await?;
        found.map(|row| reservation(&row)).transpose()
    }

    /// Records a step: events, status and version, mypage document. The condition on the version
    /// is what makes two deciders of the same row impossible, whatever the lock did.
    pub(crate) async fn record(
        &self,
        tx: &mut Tx,
        row: &mut Reservation,
        events: &[Event],
        attend: Attend,
    ) -> Result<(), StoreError> {
        let now = self.now();
        row.version += 1;
        row.updated_at = now;
        row.last_seq += i64::try_from(events.len()).expect("a step has few events");
        row.attend_at = match attend {
            Attend::Now => Some(now),
            Attend::Later => row.next_attend(now, 0),
        };
        save(tx, row).await?;
        if !events.is_empty() {
            append(tx, row, events).await?;
            mypage::put(tx, row).await?;
        }
        Ok(())
    }
}

async fn save(tx: &mut Tx, row: &Reservation) -> Result<(), StoreError> {
    let updated = sqlx::query(
        "update reservation set status = $3, status_reason = $4, capacity = $5, plan = $6, \
         attempts_left = $7, attempt_n = $8, attempt_method = $9, attempt_status = $10, \
         open_call = $11, open_operation = $12, open_cancellation = $13, refunded = $14, \
         seat_status = $15, seat_numbers = $16, ticket_status = $17, deadline_at = $18, \
         attend_at = $19, wakes = 0, updated_at = $20, version = $2, last_seq = $21, \
         approval_ends_at = $22, check_in = $23, party = $24, estimated_at = $25, \
         open_settler = $26 \
         where reservation_id = $1 and version = $2 - 1",
    )
    .bind(row.id.as_str())
    .bind(row.version)
    .bind(row.status.as_str())
    .bind(row.reason.map(|reason| reason.as_str().to_owned()))
    .bind(row.capacity.as_str())
    .bind(row.plan.as_ref().map(to_json))
    .bind(i64::from(row.attempts_left))
    .bind(row.attempt.map(|attempt| i64::from(attempt.n)))
    .bind(row.attempt.map(|attempt| attempt.method.as_str().to_owned()))
    .bind(row.attempt.map(|attempt| attempt.status.as_str().to_owned()))
    .bind(row.open_call.as_ref().map(|call| call.key.as_str().to_owned()))
    .bind(row.open_call.as_ref().map(|call| call.operation.as_str().to_owned()))
    .bind(row.open_cancellation.as_ref().map(|id| id.as_str().to_owned()))
    .bind(row.refunded.get())
    .bind(row.seats.as_str())
    .bind(to_json(&row.seat_numbers))
    .bind(row.tickets.as_str())
    .bind(row.deadline_at.map(Time::as_millis))
    .bind(row.attend_at.map(Time::as_millis))
    .bind(row.updated_at.as_millis())
    .bind(row.last_seq)
    .bind(row.approval_ends_at.map(Time::as_millis))
    .bind(row.check_in.as_ref().map(to_json))
    .bind(to_json(&row.party))
    .bind(row.estimated_at.map(Time::as_millis))
    .bind(row.open_call.as_ref().map(|call| call.settler.as_str().to_owned()))
    .execute(&mut **tx)
    .await?;
    if updated.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Stale(row.id.to_string())) }
}

pub(crate) fn reservation(row: &AnyRow) -> Result<Reservation, StoreError> {
    let attempt = match (word_or_null(row, "attempt_method")?, word_or_null(row, "attempt_status")?)
    {
        (Some(method), Some(status)) => {
            Some(LatestAttempt { n: number(row, "attempt_n")?, method, status })
        }
        _ => None,
    };
    let open_call = match (word_or_null(row, "open_call")?, word_or_null(row, "open_operation")?) {
        (Some(key), Some(operation)) => {
            let settler = word_or_null(row, "open_settler")?.unwrap_or(Settler::Gateway);
            Some(OpenCall { key, operation, settler })
        }
        _ => None,
    };
    Ok(Reservation {
        id: word(row, "reservation_id")?,
        code: text(row, "code")?,
        customer_id: word(row, "customer_id")?,
        showtime: SoldShowtime {
            showtime_id: word(row, "showtime_id")?,
            movie_title: text(row, "movie_title")?,
            theater_name: text(row, "theater_name")?,
            auditorium_name: text(row, "auditorium_name")?,
            starts_at: time(row, "starts_at")?,
            ends_at: time(row, "ends_at")?,
            cancel_policy: word(row, "cancel_policy")?,
        },
        grade: word(row, "grade")?,
        party: json(row, "party")?,
        prices: json(row, "prices")?,
        amount: number(row, "amount")?,
        status: word(row, "status")?,
        reason: word_or_null(row, "status_reason")?,
        capacity: word(row, "capacity")?,
        plan: json_or_null(row, "plan")?,
        attempts_left: number(row, "attempts_left")?,
        attempt,
        estimated_at: time_or_null(row, "estimated_at")?,
        approval_ends_at: time_or_null(row, "approval_ends_at")?,
        open_call,
        open_cancellation: word_or_null(row, "open_cancellation")?,
        refunded: number(row, "refunded")?,
        seats: word(row, "seat_status")?,
        seat_numbers: json(row, "seat_numbers")?,
        tickets: word(row, "ticket_status")?,
        check_in: json_or_null(row, "check_in")?,
        deadline_at: time_or_null(row, "deadline_at")?,
        attend_at: time_or_null(row, "attend_at")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
        version: int(row, "version")?,
        last_seq: int(row, "last_seq")?,
    })
}

/// The columns that [`reservation`] reads.
pub(crate) use columns as reservation_columns;
