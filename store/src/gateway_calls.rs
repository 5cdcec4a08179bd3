//! Gateway calls: opened before they are sent, recorded when their answer is known (design 3,
//! Money). One call without an answer per reservation at most.

use crate::cancellations::{cancellation_in, open_undo, save_cancellation};
use crate::payments::{attempt_in, save_attempt};
use crate::reservations::Attend;
use crate::row::{broken, json, time, to_json, word, word_or_null};
use crate::writer::{Tx, left};
use crate::{Store, StoreError, capacity, repeated};
use domain::cancellation::OwesUndo;
use domain::ids::{CallKey, PaymentAttemptId, ReservationId};
use domain::payment::{Answer, CallBody, GatewayCall, LAPSED, PaymentAttempt};
use domain::reservation::{Declined, OpenCall, Reservation};
use domain::time::Time;
use domain::timeline::Event;
use domain::words::{Actor, CallState, Capacity, Operation, ReservationStatus, StatusReason};
use sqlx::any::AnyRow;

/// What became of the wish to open a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// It is written and has not been sent: deliver it.
    Fresh(GatewayCall),
    /// It was sent before and nobody knows the answer: inquire first.
    Sent(GatewayCall),
    /// The reservation does not owe it (any more): send nothing.
    NotOwed,
}

impl Store {
    /// Writes the call before it is sent, or joins the one that was sent, or says that it is not
    /// owed. One call without an answer per reservation at most.
    pub async fn open_call(
        &self,
        id: &ReservationId,
        operation: Operation,
    ) -> Result<Opened, StoreError> {
        repeated(|| self.try_open_call(id, operation)).await
    }

    async fn try_open_call(
        &self,
        id: &ReservationId,
        operation: Operation,
    ) -> Result<Opened, StoreError> {
        let mut tx = self.begin().await?;
        let Some(mut row) = self.lock(&mut tx, id).await? else {
            return left(tx, Opened::NotOwed).await;
        };
        if let Some(open) = &row.open_call {
            if open.operation != operation {
                return left(tx, Opened::NotOwed).await;
            }
            let call = call_in(&mut tx, &open.key).await?;
            return left(tx, call.map_or(Opened::NotOwed, Opened::Sent)).await;
        }
        if !row.may_open(operation) {
            return left(tx, Opened::NotOwed).await;
        }
        let Some(call) = self.new_call(&mut tx, &row, operation).await? else {
            return left(tx, Opened::NotOwed).await;
        };
        insert_call(&mut tx, &call).await?;
        row.open(OpenCall { key: call.key.clone(), operation });
        self.record(&mut tx, &mut row, &[], Attend::Later).await?;
        self.commit(tx, &row).await?;
        Ok(Opened::Fresh(call))
    }

    async fn new_call(
        &self,
        tx: &mut Tx,
        row: &Reservation,
        operation: Operation,
    ) -> Result<Option<GatewayCall>, StoreError> {
        let attempt_id = row.attempt_id().ok_or_else(|| broken("attempt_n", "missing"))?;
        let attempt = attempt_in(tx, &attempt_id).await?;
        let (cancellation_id, amount) = match (operation, &row.open_cancellation) {
            (Operation::Void | Operation::Refund, Some(id)) => {
                let undo = cancellation_in(tx, id).await?;
                if undo.owes(row) != OwesUndo::Money {
                    // A ticket of its set lives, or it was refused for good and waits for staff.
                    return Ok(None);
                }
                let all = operation == Operation::Void;
                (Some(id.clone()), if all { attempt.amount } else { undo.amount })
            }
            _ => (None, attempt.amount),
        };
        Ok(Some(GatewayCall {
            key: GatewayCall::key_of(&attempt_id, operation, cancellation_id.as_ref()),
            reservation_id: row.id.clone(),
            attempt_id,
            operation,
            cancellation_id,
            body: CallBody { amount, method: attempt.method, authorization: attempt.authorization },
            state: CallState::Sent,
            opened_at: self.now(),
        }))
    }

    /// Records the definitive answer to one key, once; whoever comes later changes nothing. The one
    /// function for activities, inquiries, callbacks and staff.
    pub async fn record_answer(&self, key: &CallKey, answer: &Answer) -> Result<(), StoreError> {
        repeated(|| self.try_record_answer(key, answer)).await
    }

    async fn try_record_answer(&self, key: &CallKey, answer: &Answer) -> Result<(), StoreError> {
        let now = self.now();
        let mut tx = self.begin().await?;
        let Some(call) = call_in(&mut tx, key).await? else {
            return Err(broken("gateway_call", format!("no call {key}")));
        };
        let Some(mut row) = self.lock(&mut tx, &call.reservation_id).await? else {
            return Err(broken("gateway_call", "no reservation"));
        };
        if row.open_call.as_ref().is_none_or(|open| open.key != *key) {
            return left(tx, ()).await;
        }
        know_call(&mut tx, key, answer, now).await?;
        row.open_call = None;
        let had = row.capacity;
        let events = match call.operation {
            Operation::Approve => self.approved(&mut tx, &mut row, answer).await?,
            Operation::Capture => self.captured(&mut tx, &mut row, answer).await?,
            Operation::Void | Operation::Refund => {
                self.returned(&mut tx, &mut row, call.operation, answer).await?
            }
        };
        save_attempt(&mut tx, &row, &call.attempt_id, answer, now).await?;
        self.record(&mut tx, &mut row, &events, Attend::Later).await?;
        if had == Capacity::Held && row.capacity == Capacity::Released {
            capacity::release_held(&mut tx, &row).await?;
        }
        self.commit(tx, &row).await
    }

    /// Records what the customer authorised, where approving is reading: T5, T6, T7. Nothing when it
    /// is not owed any more. There is no call that could be sent, so the deadline stays.
    pub async fn record_authorization(
        &self,
        attempt_id: &PaymentAttemptId,
        answer: &Answer,
    ) -> Result<(), StoreError> {
        repeated(|| self.try_record_authorization(attempt_id, answer)).await
    }

    async fn try_record_authorization(
        &self,
        attempt_id: &PaymentAttemptId,
        answer: &Answer,
    ) -> Result<(), StoreError> {
        let Some(id) = attempt_id.reservation() else { return Ok(()) };
        let mut tx = self.begin().await?;
        let Some(mut row) = self.lock(&mut tx, &id).await? else { return left(tx, ()).await };
        if row.attempt_id().as_ref() != Some(attempt_id) || !row.may_open(Operation::Approve) {
            return left(tx, ()).await;
        }
        let had = row.capacity;
        let events = self.approved(&mut tx, &mut row, answer).await?;
        save_attempt(&mut tx, &row, attempt_id, answer, self.now()).await?;
        self.record(&mut tx, &mut row, &events, Attend::Later).await?;
        if had == Capacity::Held && row.capacity == Capacity::Released {
            capacity::release_held(&mut tx, &row).await?;
        }
        self.commit(tx, &row).await
    }

    /// The attempt that owes an approval now, for those who read what the customer authorised.
    pub async fn owed_approval(
        &self,
        id: &ReservationId,
    ) -> Result<Option<PaymentAttempt>, StoreError> {
        let Some(row) = self.reservation(id).await? else { return Ok(None) };
        let Some(attempt_id) = row.attempt_id() else { return Ok(None) };
        if !row.may_open(Operation::Approve) {
            return Ok(None);
        }
        let payment = self.payment(&row.customer_id, &attempt_id).await?;
        Ok(payment.map(|payment| payment.attempt))
    }

    /// The call of an order that was sent and has no answer yet.
    pub async fn sent_call(
        &self,
        attempt_id: &PaymentAttemptId,
    ) -> Result<Option<GatewayCall>, StoreError> {
        let found = sqlx::query(
            "select key, reservation_id, attempt_id, operation, cancellation_id, body, state, \
             opened_at from gateway_call where attempt_id = $1 and state = 'SENT'",
        )
        .bind(attempt_id.as_str())
        .fetch_optional(self.readers())
        .await?;
        found.map(|row| call(&row)).transpose()
    }

    /// T5, T6, T7, T25.
    async fn approved(
        &self,
        tx: &mut Tx,
        row: &mut Reservation,
        answer: &Answer,
    ) -> Result<Vec<Event>, StoreError> {
        let now = self.now();
        let waited_for = row.status != ReservationStatus::Cancelling;
        match answer {
            Answer::Done { approval_ends_at } if waited_for && now < row.showtime.starts_at => {
                Ok(row.approve(now, *approval_ends_at, self.deadlines()))
            }
            Answer::Done { .. } => {
                let mut events = row.approve_in_vain();
                if waited_for {
                    let late = StatusReason::LateApproval;
                    events.extend(open_undo(self, tx, row, late, Actor::System).await?);
                }
                Ok(events)
            }
            Answer::Refused { code } if waited_for => {
                match row.decline(now, code, self.deadlines()) {
                    Declined::PayAgain(events) | Declined::Ended(events) => Ok(events),
                }
            }
            Answer::Refused { code } => Ok(row.decline_in_vain(code)),
            Answer::Lapsed if waited_for => match row.lapse(now, self.deadlines()) {
                Declined::PayAgain(events) | Declined::Ended(events) => Ok(events),
            },
            Answer::Lapsed => Ok(row.lapse_in_vain()),
        }
    }

    /// The capture's answer; refused for good → T14.
    async fn captured(
        &self,
        tx: &mut Tx,
        row: &mut Reservation,
        answer: &Answer,
    ) -> Result<Vec<Event>, StoreError> {
        let code = match answer {
            Answer::Done { .. } => return Ok(row.capture()),
            Answer::Refused { code } => code,
            Answer::Lapsed => LAPSED,
        };
        let mut events = row.refuse_capture(code);
        if row.status != ReservationStatus::Cancelling {
            let reason = StatusReason::PaymentDeclined;
            events.extend(open_undo(self, tx, row, reason, Actor::System).await?);
        }
        Ok(events)
    }

    /// Step d of an undo.
    async fn returned(
        &self,
        tx: &mut Tx,
        row: &mut Reservation,
        operation: Operation,
        answer: &Answer,
    ) -> Result<Vec<Event>, StoreError> {
        let Some(id) = row.open_cancellation.clone() else {
            return Err(broken("open_cancellation", "money is returned for a cancellation"));
        };
        let mut cancellation = cancellation_in(tx, &id).await?;
        let events = match answer {
            Answer::Done { .. } => row.return_money(self.now(), &mut cancellation, operation),
            // Nothing is left that could be taken, which is what a void is for.
            Answer::Lapsed if operation == Operation::Void => {
                row.return_money(self.now(), &mut cancellation, operation)
            }
            Answer::Lapsed => row.block_refund(&mut cancellation, LAPSED),
            Answer::Refused { code } => {
                tracing::error!(reservation.id = %row.id, cancellation.id = %id, code,
                    "gateway refuses to return money for {}", row.id);
                row.block_refund(&mut cancellation, code)
            }
        };
        save_cancellation(tx, &cancellation).await?;
        Ok(events)
    }
}

async fn insert_call(tx: &mut Tx, call: &GatewayCall) -> Result<(), StoreError> {
    sqlx::query(
        "insert into gateway_call (key, reservation_id, attempt_id, operation, cancellation_id, \
         body, state, opened_at) values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(call.key.as_str())
    .bind(call.reservation_id.as_str())
    .bind(call.attempt_id.as_str())
    .bind(call.operation.as_str())
    .bind(call.cancellation_id.as_ref().map(|id| id.as_str().to_owned()))
    .bind(to_json(&call.body))
    .bind(call.state.as_str())
    .bind(call.opened_at.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn know_call(
    tx: &mut Tx,
    key: &CallKey,
    answer: &Answer,
    now: Time,
) -> Result<(), StoreError> {
    sqlx::query(
        "update gateway_call set state = 'KNOWN', answer = $2, known_at = $3 \
         where key = $1 and state = 'SENT'",
    )
    .bind(key.as_str())
    .bind(to_json(answer))
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn call_in(tx: &mut Tx, key: &CallKey) -> Result<Option<GatewayCall>, StoreError> {
    let found = sqlx::query(
        "select key, reservation_id, attempt_id, operation, cancellation_id, body, state, \
         opened_at from gateway_call where key = $1",
    )
    .bind(key.as_str())
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = found else { return Ok(None) };
    Ok(Some(call(&row)?))
}

pub(crate) fn call(row: &AnyRow) -> Result<GatewayCall, StoreError> {
    Ok(GatewayCall {
        key: word(row, "key")?,
        reservation_id: word(row, "reservation_id")?,
        attempt_id: word(row, "attempt_id")?,
        operation: word(row, "operation")?,
        cancellation_id: word_or_null(row, "cancellation_id")?,
        body: json(row, "body")?,
        state: word(row, "state")?,
        opened_at: time(row, "opened_at")?,
    })
}
