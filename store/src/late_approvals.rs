//! T26 and contradictions: what the gateway says that our rows do not know. An approval that
//! nobody waits for is undone, whoever finds it; anything else of that kind is put before people.

use crate::blocked_refunds::account_in;
use crate::cancellations::{insert_cancellation, new_id, save_cancellation};
use crate::gateway_calls::{Opened, call_in, insert_call, known_answer_in};
use crate::payments::{attempt, attempt_columns, attempt_in};
use crate::reservations::Attend;
use crate::row::{broken, json_or_null, to_json, word};
use crate::writer::{Tx, left};
use crate::{Store, StoreError, repeated};
use domain::audit::LedgerEntry;
use domain::cancellation::OwesUndo;
use domain::cancellation::late::LateApproval;
use domain::ids::{CallKey, CancellationId, PaymentAttemptId};
use domain::payment::{Answer, CallBody, GatewayCall, PaymentAttempt};
use domain::reservation::Reservation;
use domain::words::{CallState, CancellationState, Operation};
use std::collections::BTreeMap;

/// What became of an approval that the gateway tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It is, or is about to be, what our rows say.
    Known,
    /// Nobody waits for it: it is being undone, now or already.
    Undone,
    /// No attempt of ours.
    Strange,
}

/// How far the gateway's books have been compared.
const LEDGER: &str = "ledger";

impl Store {
    /// This attempt, if an approval of it is one that nobody waits for and that was not found yet.
    pub async fn unawaited_attempt(
        &self,
        id: &PaymentAttemptId,
    ) -> Result<Option<PaymentAttempt>, StoreError> {
        let found = sqlx::query(concat!(
            "select ",
            attempt_columns!(),
            " from payment_attempt a where payment_attempt_id = $1 and not exists \
             (select 1 from cancellation where late_attempt_id = a.payment_attempt_id)"
        ))
        .bind(id.as_str())
        .fetch_optional(self.readers())
        .await?;
        let found = found.map(|row| attempt(&row)).transpose()?;
        Ok(found.filter(|attempt| attempt.status.awaits_no_approval()))
    }

    /// The gateway has money of an attempt, by callback or by its books. What nobody waits for is
    /// undone under a key of its own; the reservation stays as it is (T26).
    pub async fn approval_found(&self, late: &LateApproval) -> Result<Found, StoreError> {
        repeated(|| async {
            let Some(id) = late.attempt_id.reservation() else { return Ok(Found::Strange) };
            let mut tx = self.begin().await?;
            let Some(mut row) = self.lock(&mut tx, &id).await? else {
                return left(tx, Found::Strange).await;
            };
            let found = self.undo_late(&mut tx, &mut row, late).await?;
            match found {
                (found, true) => {
                    self.commit(tx, &row).await?;
                    self.changes().here().tell_owed();
                    Ok(found)
                }
                (found, false) => left(tx, found).await,
            }
        })
        .await
    }

    /// What was found, and whether anything was written.
    async fn undo_late(
        &self,
        tx: &mut Tx,
        row: &mut Reservation,
        late: &LateApproval,
    ) -> Result<(Found, bool), StoreError> {
        let newest = row.attempt.map_or(0, |attempt| attempt.n);
        let mut ours = (1..=newest).map(|n| PaymentAttemptId::nth(&row.id, n));
        if !ours.any(|id| id == late.attempt_id) {
            return Ok((Found::Strange, false));
        }
        let attempt = attempt_in(tx, &late.attempt_id).await?;
        if late_undo_in(tx, late).await?.is_some() {
            return Ok((Found::Undone, false));
        }
        if !attempt.status.awaits_no_approval() {
            return Ok((Found::Known, false));
        }
        tracing::error!(reservation.id = %row.id, payment.id = %late.attempt_id,
            "the gateway has money of {}, which is {}: giving it back", late.attempt_id,
            attempt.status);
        let (undo, events) = row.undo_late_approval(self.now(), new_id()?, late.clone());
        // Two that find it at once: the row's lock lets one of them through, its index stands
        // behind.
        insert_cancellation(tx, &undo).await?;
        self.record(tx, row, &events, Attend::Later).await?;
        Ok((Found::Undone, true))
    }

    /// An answer to a key that has one already, in the transaction that has locked the row. True
    /// when it says something else, and something was written about it.
    pub(crate) async fn contradicted(
        &self,
        tx: &mut Tx,
        row: &mut Reservation,
        call: &GatewayCall,
        answer: &Answer,
    ) -> Result<bool, StoreError> {
        let known = known_answer_in(tx, &call.key).await?;
        let not_done = matches!(known, Some(Answer::Refused { .. } | Answer::Lapsed));
        let (true, Answer::Done { .. }) = (not_done, answer) else {
            return Ok(false);
        };
        tracing::error!(reservation.id = %row.id, "{} was refused, and now it is done", call.key);
        let amount = call.body.amount;
        if call.operation == Operation::Approve {
            let attempt_id = call.attempt_id.clone();
            let late = LateApproval { attempt_id, amount, back: Operation::Void };
            let (found, written) = self.undo_late(tx, row, &late).await?;
            if found == Found::Undone {
                return Ok(written);
            }
        }
        let entry = LedgerEntry {
            seq: 0,
            key: call.key.clone(),
            attempt_id: call.attempt_id.clone(),
            operation: call.operation,
            amount,
            done: true,
            at: self.now(),
        };
        self.put_before_people(tx, &entry).await?;
        Ok(true)
    }

    /// Opens or joins the call that returns a late approval.
    pub async fn open_late_call(&self, id: &CancellationId) -> Result<Opened, StoreError> {
        repeated(|| async {
            let Some(mut undo) = self.lock_undo(id, OwesUndo::Money).await? else {
                return Ok(Opened::NotOwed);
            };
            let Some(late) = undo.cancellation.late.clone() else {
                return left(undo.tx, Opened::NotOwed).await;
            };
            let (n, tx) = (undo.cancellation.refund_try, &mut undo.tx);
            let key = GatewayCall::key_of_try(&late.attempt_id, late.back, id, n);
            if let Some(call) = call_in(tx, &key).await? {
                if !call.outlived_its_key(self.now()) {
                    return left(undo.tx, Opened::Sent(call)).await;
                }
                tracing::error!("no answer to {key} as long as it lived: staff has to settle it");
                undo.cancellation.state = CancellationState::Blocked;
                undo.cancellation.attend_at = None;
                save_cancellation(tx, &undo.cancellation).await?;
                undo.tx.commit().await?;
                return Ok(Opened::NotOwed);
            }
            let method = attempt_in(tx, &late.attempt_id).await?.method;
            let account = account_in(tx, &key).await?;
            let call = GatewayCall {
                key,
                reservation_id: undo.row.id.clone(),
                attempt_id: late.attempt_id,
                operation: late.back,
                cancellation_id: Some(id.clone()),
                body: CallBody { amount: late.amount, method, authorization: None, account },
                state: CallState::Sent,
                late: true,
                opened_at: self.now(),
            };
            insert_call(tx, &call).await?;
            undo.tx.commit().await?;
            Ok(Opened::Fresh(call))
        })
        .await
    }

    /// Compares a page of the gateway's books with our rows. What is done there and not known here
    /// is undone or put before people.
    pub async fn reconcile(&self, entries: &[LedgerEntry]) -> Result<(), StoreError> {
        let known = self.known_of(entries).await?;
        for entry in entries.iter().filter(|entry| entry.done) {
            match known.get(&entry.key) {
                // Written before it was sent, and without an answer: its run asks for it.
                Some(None | Some(Answer::Done { .. })) => continue,
                Some(Some(Answer::Refused { .. } | Answer::Lapsed)) | None => {}
            }
            if entry.operation == Operation::Approve {
                let (attempt_id, amount) = (entry.attempt_id.clone(), entry.amount);
                let late = LateApproval { attempt_id, amount, back: Operation::Void };
                if self.approval_found(&late).await? == Found::Undone {
                    continue;
                }
            }
            let mut tx = self.begin().await?;
            self.put_before_people(&mut tx, entry).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Our calls under the keys of these entries, with their answers.
    async fn known_of(
        &self,
        entries: &[LedgerEntry],
    ) -> Result<BTreeMap<CallKey, Option<Answer>>, StoreError> {
        let keys: Vec<&CallKey> = entries.iter().map(|entry| &entry.key).collect();
        let sql = self.engine.listed(
            "select key, answer from gateway_call \
             where key in (select value from json_each($1))",
            "select key, answer from gateway_call \
             where key in (select json_array_elements_text(cast($1 as json)))",
        );
        let rows = sqlx::query(sql).bind(to_json(&keys)).fetch_all(self.readers()).await?;
        rows.iter().map(|row| Ok((word(row, "key")?, json_or_null(row, "answer")?))).collect()
    }

    async fn put_before_people(&self, tx: &mut Tx, entry: &LedgerEntry) -> Result<(), StoreError> {
        let put = sqlx::query(
            "insert into contradiction (key, attempt_id, operation, amount, found_at) \
             values ($1, $2, $3, $4, $5) on conflict do nothing",
        )
        .bind(entry.key.as_str())
        .bind(entry.attempt_id.as_str())
        .bind(entry.operation.as_str())
        .bind(entry.amount.get())
        .bind(self.now().as_millis())
        .execute(&mut **tx)
        .await?;
        if put.rows_affected() == 1 {
            tracing::error!("the gateway has done {}, and our rows do not know it", entry.key);
        }
        Ok(())
    }

    /// Until where the gateway's books have been compared.
    pub async fn ledger_position(&self) -> Result<u64, StoreError> {
        let found: Option<i64> = sqlx::query_scalar("select position from reading where name = $1")
            .bind(LEDGER)
            .fetch_optional(self.readers())
            .await?;
        u64::try_from(found.unwrap_or(0)).map_err(|why| broken("position", why))
    }

    /// Several workers may read at once: the position only goes on.
    pub async fn ledger_compared(&self, position: u64) -> Result<(), StoreError> {
        let position = i64::try_from(position).map_err(|why| broken("position", why))?;
        let mut tx = self.begin().await?;
        sqlx::query(
            "insert into reading (name, position) values ($1, $2) on conflict (name) do update \
             set position = excluded.position where reading.position < excluded.position",
        )
        .bind(LEDGER)
        .bind(position)
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }
}

async fn late_undo_in(
    tx: &mut Tx,
    late: &LateApproval,
) -> Result<Option<CancellationId>, StoreError> {
    let found = sqlx::query("select cancellation_id from cancellation where late_attempt_id = $1")
        .bind(late.attempt_id.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    found.map(|row| word(&row, "cancellation_id")).transpose()
}
