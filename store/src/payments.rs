//! Payment attempts: asked for by the customer or the plan, read by anyone.

use crate::idempotency::RequestKey;
use crate::reservations::Attend;
use crate::row::{broken, int, number, time, time_or_null, word, word_or_null};
use crate::writer::{Tx, left};
use crate::{Decision, Store, StoreError, repeated};
use domain::ids::{CustomerId, PaymentAttemptId, ReservationId};
use domain::payment::{Answer, Authorization, Payment, PaymentAttempt, Refund};
use domain::reservation::{Pay, Reservation};
use domain::time::Time;
use domain::won::Won;
use domain::words::AttemptStatus;
use sqlx::any::AnyRow;
use std::time::Duration;

/// A wish to pay, with what the gateway's widget gave the browser.
#[derive(Debug, Clone)]
pub struct PayCommand {
    pub reservation_id: ReservationId,
    pub pay: Pay,
    pub authorization: Option<Authorization>,
}

macro_rules! attempt_columns {
    () => {
        "payment_attempt_id, reservation_id, n, method, amount, payer_grant, status, approved_at, \
         approval_ends_at, captured_at, refunded"
    };
}

impl Store {
    /// T4: a new payment attempt, by the customer; it takes the place of one that waits unsent (R27).
    pub async fn pay(
        &self,
        owner: &CustomerId,
        command: &PayCommand,
        key: Option<&RequestKey>,
    ) -> Result<Decision, StoreError> {
        let wait = self.wait_ahead().await?;
        repeated(|| async {
            let mut tx = self.begin().await?;
            let id = &command.reservation_id;
            let mut row = match self.command(&mut tx, id, Some(owner), key).await? {
                Ok(row) => row,
                Err(decision) => return left(tx, decision).await,
            };
            let waits_unsent = row.is_in_line();
            match row.pay(self.now(), command.pay, wait, self.deadlines()) {
                Ok(events) => {
                    if waits_unsent {
                        abandon_attempt(&mut tx, &row).await?;
                    }
                    self.insert_attempt(&mut tx, &row, command.authorization.as_ref()).await?;
                    self.record(&mut tx, &mut row, &events, Attend::Now).await?;
                    self.commit(tx, &row).await?;
                    self.joins_line(&row);
                    Ok(Decision::Done(row))
                }
                Err(refusal) => left(tx, Decision::Refused(refusal, Some(row))).await,
            }
        })
        .await
    }

    /// T4 by the plan. Nothing happens when it is not owed.
    pub async fn pay_by_plan(&self, id: &ReservationId) -> Result<(), StoreError> {
        repeated(|| async {
            let mut tx = self.begin().await?;
            let Some(mut row) = self.lock(&mut tx, id).await? else { return left(tx, ()).await };
            let Some(pay) = row.planned_pay() else { return left(tx, ()).await };
            // Its turn has come, so there is nothing to wait for.
            let paid = row.pay(self.now(), pay, Duration::ZERO, self.deadlines());
            let Ok(events) = paid else { return left(tx, ()).await };
            self.insert_attempt(&mut tx, &row, None).await?;
            self.record(&mut tx, &mut row, &events, Attend::Later).await?;
            self.commit(tx, &row).await
        })
        .await
    }

    /// T8, and T4 of a plan that nobody has begun to carry out: who waits long in line is told. True
    /// when they were. Nobody is woken: the line moves by itself.
    pub async fn defer(&self, id: &ReservationId) -> Result<bool, StoreError> {
        let wait = self.wait_ahead().await?;
        repeated(|| async {
            let mut tx = self.begin().await?;
            let Some(mut row) = self.lock(&mut tx, id).await? else { return left(tx, false).await };
            let had = row.attempt_id();
            let events = row.defer(self.now(), wait, self.deadlines());
            if events.is_empty() {
                return left(tx, false).await;
            }
            if row.attempt_id() != had {
                self.insert_attempt(&mut tx, &row, None).await?;
            }
            self.record(&mut tx, &mut row, &events, Attend::Later).await?;
            self.commit(tx, &row).await?;
            Ok(true)
        })
        .await
    }

    /// The row's newest attempt.
    pub(crate) async fn insert_attempt(
        &self,
        tx: &mut Tx,
        row: &Reservation,
        authorization: Option<&Authorization>,
    ) -> Result<(), StoreError> {
        let attempt = row.attempt.ok_or_else(|| broken("attempt_n", "missing"))?;
        sqlx::query(
            "insert into payment_attempt (payment_attempt_id, reservation_id, customer_id, n, \
             method, amount, payer_grant, status, refunded, created_at) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9)",
        )
        .bind(PaymentAttemptId::nth(&row.id, attempt.n).as_str().to_owned())
        .bind(row.id.as_str())
        .bind(row.customer_id.as_str())
        .bind(i64::from(attempt.n))
        .bind(attempt.method.as_str())
        .bind(row.amount.get())
        .bind(authorization.map(|given| given.0.clone()))
        .bind(attempt.status.as_str())
        .bind(self.now().as_millis())
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// Payments of a customer or of one reservation, newest first, from after the id `before`.
    pub async fn payments(
        &self,
        owner: &CustomerId,
        reservation: Option<&ReservationId>,
        before: Option<&PaymentAttemptId>,
        limit: i64,
    ) -> Result<Vec<Payment>, StoreError> {
        let found = sqlx::query(concat!(
            "select ",
            attempt_columns!(),
            " from payment_attempt where customer_id = $1 \
             and ($2 is null or reservation_id = $2) \
             and ($3 is null or payment_attempt_id < $3) \
             order by payment_attempt_id desc limit $4"
        ))
        .bind(owner.as_str())
        .bind(reservation.map(|id| id.as_str().to_owned()))
        .bind(before.map(|id| id.as_str().to_owned()))
        .bind(limit)
        .fetch_all(self.readers())
        .await?;
        let mut payments = Vec::new();
        for row in &found {
            payments.push(self.with_refunds(attempt(row)?).await?);
        }
        Ok(payments)
    }

    pub async fn payment(
        &self,
        owner: &CustomerId,
        id: &PaymentAttemptId,
    ) -> Result<Option<Payment>, StoreError> {
        let found = sqlx::query(concat!(
            "select ",
            attempt_columns!(),
            " from payment_attempt where payment_attempt_id = $1 and customer_id = $2"
        ))
        .bind(id.as_str())
        .bind(owner.as_str())
        .fetch_optional(self.readers())
        .await?;
        match found {
            Some(row) => Ok(Some(self.with_refunds(attempt(&row)?).await?)),
            None => Ok(None),
        }
    }

    /// Each cancellation of its reservation that has given money back gave back this attempt's: one
    /// at most was captured. A late approval has a cancellation of its own.
    async fn with_refunds(&self, attempt: PaymentAttempt) -> Result<Payment, StoreError> {
        if attempt.refunded == Won::ZERO {
            return Ok(Payment { attempt, refunds: Vec::new() });
        }
        let refunds = sqlx::query(
            "select cancellation_id, amount, money_returned_at from cancellation \
             where reservation_id = $1 and money_returned_at is not null \
             and (late_attempt_id = $2 or (late_attempt_id is null and not exists \
             (select 1 from cancellation where late_attempt_id = $2))) \
             order by money_returned_at, cancellation_id",
        )
        .bind(attempt.reservation_id.as_str())
        .bind(attempt.id.as_str())
        .fetch_all(self.readers())
        .await?
        .iter()
        .map(|row| {
            Ok(Refund {
                cancellation_id: word(row, "cancellation_id")?,
                amount: number(row, "amount")?,
                at: time(row, "money_returned_at")?,
            })
        })
        .collect::<Result<_, StoreError>>()?;
        Ok(Payment { attempt, refunds })
    }
}

pub(crate) async fn attempt_in(
    tx: &mut Tx,
    id: &PaymentAttemptId,
) -> Result<PaymentAttempt, StoreError> {
    let found = sqlx::query(concat!(
        "select ",
        attempt_columns!(),
        " from payment_attempt where payment_attempt_id = $1"
    ))
    .bind(id.as_str())
    .fetch_one(&mut **tx)
    .await?;
    attempt(&found)
}

/// Brings the attempt's own row to what the reservation's row says of it.
pub(crate) async fn save_attempt(
    tx: &mut Tx,
    row: &Reservation,
    id: &PaymentAttemptId,
    answer: &Answer,
    now: Time,
) -> Result<(), StoreError> {
    let Some(attempt) = row.attempt else { return Ok(()) };
    let at = |status| (attempt.status == status).then(|| now.as_millis());
    let ends_at = match answer {
        Answer::Done { approval_ends_at } => approval_ends_at.map(Time::as_millis),
        Answer::Refused { .. } | Answer::Lapsed => None,
    };
    sqlx::query(
        "update payment_attempt set status = $2, approved_at = coalesce(approved_at, $3), \
         approval_ends_at = coalesce(approval_ends_at, $4), \
         captured_at = coalesce(captured_at, $5), refunded = $6 \
         where payment_attempt_id = $1",
    )
    .bind(id.as_str())
    .bind(attempt.status.as_str())
    .bind(at(AttemptStatus::Approved))
    .bind(ends_at)
    .bind(at(AttemptStatus::Captured))
    .bind(row.refunded.get())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The reservation ended before its attempt was sent, or another takes its place.
pub(crate) async fn abandon_attempt(tx: &mut Tx, row: &Reservation) -> Result<(), StoreError> {
    sqlx::query(
        "update payment_attempt set status = 'ABANDONED' \
         where reservation_id = $1 and status = 'PENDING'",
    )
    .bind(row.id.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(crate) fn attempt(row: &AnyRow) -> Result<PaymentAttempt, StoreError> {
    Ok(PaymentAttempt {
        id: word(row, "payment_attempt_id")?,
        reservation_id: word(row, "reservation_id")?,
        n: u32::try_from(int(row, "n")?).map_err(|why| broken("n", why))?,
        method: word(row, "method")?,
        amount: number(row, "amount")?,
        authorization: word_or_null(row, "payer_grant")?.map(Authorization),
        status: word(row, "status")?,
        approved_at: time_or_null(row, "approved_at")?,
        approval_ends_at: time_or_null(row, "approval_ends_at")?,
        captured_at: time_or_null(row, "captured_at")?,
        refunded: number(row, "refunded")?,
    })
}

/// The columns that [`attempt`] reads.
pub(crate) use attempt_columns;
