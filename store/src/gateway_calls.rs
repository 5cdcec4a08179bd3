//! Gateway calls: opened before they are sent, recorded when their answer is known (design 3,
//! Money). One call without an answer per reservation at most.

use crate::blocked_refunds::account_in;
use crate::cancellations::{cancellation_in, open_undo, save_cancellation};
use crate::payments::{attempt_in, save_attempt};
use crate::reservations::Attend;
use crate::row::{broken, int, json, json_or_null, time, to_json, word, word_or_null};
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
            if open.operation != operation || row.waits_for_staff() {
                return left(tx, Opened::NotOwed).await;
            }
            let Some(call) = call_in(&mut tx, &open.key).await? else {
                return left(tx, Opened::NotOwed).await;
            };
            if !call.outlived_its_key(self.now()) {
                return left(tx, Opened::Sent(call)).await;
            }
            tracing::error!(reservation.id = %row.id, "no answer to {} as long as its key lived: \
                staff has to settle it", call.key);
            row.leave_call_to_staff();
            self.record(&mut tx, &mut row, &[], Attend::Later).await?;
            self.commit(tx, &row).await?;
            return Ok(Opened::NotOwed);
        }
        if !row.may_open(operation) {
            return left(tx, Opened::NotOwed).await;
        }
        let Some(call) = self.new_call(&mut tx, &row, operation).await? else {
            return left(tx, Opened::NotOwed).await;
        };
        insert_call(&mut tx, &call).await?;
        row.open(OpenCall::sent(call.key.clone(), operation));
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
        let (cancellation_id, key, amount) = match (operation, &row.open_cancellation) {
            (Operation::Void | Operation::Refund, Some(id)) => {
                let undo = cancellation_in(tx, id).await?;
                if undo.owes(row) != OwesUndo::Money {
                    // A ticket of its set lives, or it was refused for good and waits for staff.
                    return Ok(None);
                }
                let key = GatewayCall::key_of_try(&attempt_id, operation, id, undo.refund_try);
                let all = operation == Operation::Void;
                (Some(id.clone()), key, if all { attempt.amount } else { undo.amount })
            }
            _ => (None, GatewayCall::key_of(&attempt_id, operation, None), attempt.amount),
        };
        let PaymentAttempt { method, authorization, .. } = attempt;
        let account = account_in(tx, &key).await?;
        Ok(Some(GatewayCall {
            key,
            reservation_id: row.id.clone(),
            attempt_id,
            operation,
            cancellation_id,
            body: CallBody { amount, method, authorization, account },
            state: CallState::Sent,
            late: false,
            opened_at: self.now(),
        }))
    }

    /// Records the definitive answer to one key, once; whoever comes later changes nothing. The one
    /// function for activities, inquiries, callbacks and staff.
    pub async fn record_answer(&self, key: &CallKey, answer: &Answer) -> Result<(), StoreError> {
        repeated(|| self.try_record_answer(key, answer)).await
    }

    async fn try_record_answer(&self, key: &CallKey, answer: &Answer) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let Some(call) = call_in(&mut tx, key).await? else {
            return Err(broken("gateway_call", format!("no call {key}")));
        };
        let Some(mut row) = self.lock(&mut tx, &call.reservation_id).await? else {
            return Err(broken("gateway_call", "no reservation"));
        };
        let taken = Taken { actor: Actor::Gateway, attend: Attend::Later };
        if self.take_answer(&mut tx, &mut row, &call, answer, taken).await? {
            return self.commit(tx, &row).await;
        }
        if self.contradicted(&mut tx, &mut row, &call, answer).await? {
            return self.commit(tx, &row).await;
        }
        left(tx, ()).await
    }

    /// Takes the answer to a call in the transaction that has locked its row; false when it is
    /// known already.
    pub(crate) async fn take_answer(
        &self,
        tx: &mut Tx,
        row: &mut Reservation,
        call: &GatewayCall,
        answer: &Answer,
        taken: Taken,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let open = row.open_call.as_ref().is_some_and(|open| open.key == call.key);
        let late = call.late && known_answer_in(tx, &call.key).await?.is_none();
        if !open && !late {
            return Ok(false);
        }
        know_call(tx, &call.key, answer, now).await?;
        if open {
            row.open_call = None;
        }
        let had = row.capacity;
        let mut events = match call.operation {
            Operation::Approve => self.approved(tx, row, answer).await?,
            Operation::Capture => self.captured(tx, row, answer).await?,
            Operation::Void | Operation::Refund => self.returned(tx, row, call, answer).await?,
        };
        if taken.actor == Actor::Staff {
            for event in events.iter_mut().filter(|event| event.actor == Actor::Gateway) {
                event.actor = Actor::Staff;
            }
        }
        if !late {
            save_attempt(tx, row, &call.attempt_id, answer, now).await?;
        }
        self.record(tx, row, &events, taken.attend).await?;
        if had == Capacity::Held && row.capacity == Capacity::Released {
            capacity::release_held(tx, row).await?;
        }
        Ok(true)
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
             late, opened_at from gateway_call where attempt_id = $1 and state = 'SENT'",
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
        call: &GatewayCall,
        answer: &Answer,
    ) -> Result<Vec<Event>, StoreError> {
        let Some(id) = &call.cancellation_id else {
            return Err(broken("cancellation_id", "money is returned for a cancellation"));
        };
        let mut undo = cancellation_in(tx, id).await?;
        let events = match answer {
            Answer::Done { .. } => row.return_money(self.now(), &mut undo, call.operation),
            // Nothing is left that could be taken, which is what a void is for.
            Answer::Lapsed if call.operation == Operation::Void => {
                row.return_money(self.now(), &mut undo, call.operation)
            }
            Answer::Lapsed => row.block_refund(&mut undo, LAPSED),
            Answer::Refused { code } => {
                tracing::error!(reservation.id = %row.id, cancellation.id = %id, code,
                    "gateway refuses to return money for {}", row.id);
                row.block_refund(&mut undo, code)
            }
        };
        if undo.late.is_some() && undo.money_returned_at.is_some() {
            self.save_returned(tx, row, &undo).await?;
        }
        save_cancellation(tx, &undo).await?;
        Ok(events)
    }
}

/// Who brings an answer, and whether the run has to be woken for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) actor: Actor,
    pub(crate) attend: Attend,
}

pub(crate) async fn insert_call(tx: &mut Tx, call: &GatewayCall) -> Result<(), StoreError> {
    sqlx::query(
        "insert into gateway_call (key, reservation_id, attempt_id, operation, cancellation_id, \
         body, state, late, opened_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(call.key.as_str())
    .bind(call.reservation_id.as_str())
    .bind(call.attempt_id.as_str())
    .bind(call.operation.as_str())
    .bind(call.cancellation_id.as_ref().map(|id| id.as_str().to_owned()))
    .bind(to_json(&call.body))
    .bind(call.state.as_str())
    .bind(i64::from(call.late))
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

/// The answer to a key, when it is known.
pub(crate) async fn known_answer_in(
    tx: &mut Tx,
    key: &CallKey,
) -> Result<Option<Answer>, StoreError> {
    let found = sqlx::query("select answer from gateway_call where key = $1")
        .bind(key.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    found.map_or(Ok(None), |row| json_or_null(&row, "answer"))
}

pub(crate) async fn call_in(tx: &mut Tx, key: &CallKey) -> Result<Option<GatewayCall>, StoreError> {
    let found = sqlx::query(
        "select key, reservation_id, attempt_id, operation, cancellation_id, body, state, \
         late, opened_at from gateway_call where key = $1",
    )
    .bind(key.as_str())
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = found else { return Ok(None) };
    let mut call = call(&row)?;
    if call.operation == Operation::Refund {
        call.body.account = account_in(tx, key).await?;
    }
    Ok(Some(call))
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
        late: int(row, "late")? == 1,
        opened_at: time(row, "opened_at")?,
    })
}
