//! What staff settles by hand: calls whose answer never came, and what the gateway's books say
//! against ours.

use crate::audit_entries::Deed;
use crate::gateway_calls::{Taken, call, call_in};
use crate::reservations::Attend;
use crate::writer::{Tx, left};
use crate::{Decision, Store, StoreError, repeated};
use domain::audit_entry::facts;
use domain::ids::{CallKey, ReservationId};
use domain::payment::{Answer, GatewayCall};
use domain::person::Person;
use domain::refund_account::Reference;
use domain::refusal::Refusal;
use domain::words::{Actor, StaffAction};

/// What staff says became of a call, and how that is to be found again.
#[derive(Debug, Clone)]
pub struct Settlement {
    pub answer: Answer,
    pub reference: Reference,
}

impl Store {
    pub async fn gateway_call(&self, key: &CallKey) -> Result<Option<GatewayCall>, StoreError> {
        sqlx::query(
            "select key, reservation_id, attempt_id, operation, cancellation_id, body, state, \
             late, opened_at from gateway_call where key = $1",
        )
        .bind(key.as_str())
        .fetch_optional(self.readers())
        .await?
        .map(|row| call(&row))
        .transpose()
    }

    /// Records what staff found out, by the same function as any answer. A call that has its
    /// answer keeps it: then only a contradiction under this key can be closed.
    pub async fn settle_call(
        &self,
        staff: &Person,
        key: &CallKey,
        settlement: &Settlement,
    ) -> Result<Decision, StoreError> {
        repeated(|| async {
            let mut tx = self.begin().await?;
            let Some(call) = call_in(&mut tx, key).await? else {
                return left(tx, Decision::NotFound).await;
            };
            let Some(mut row) = self.lock(&mut tx, &call.reservation_id).await? else {
                return left(tx, Decision::NotFound).await;
            };
            let taken = Taken { actor: Actor::Staff, attend: Attend::Now };
            let answer = &settlement.answer;
            let was_sent = self.take_answer(&mut tx, &mut row, &call, answer, taken).await?;
            if was_sent {
                self.attend_undos_now(&mut tx, &row.id).await?;
            } else if !self.close_contradiction(&mut tx, key).await? {
                return left(tx, Decision::Refused(Refusal::WrongState, Some(row))).await;
            }
            let before = if was_sent { "SENT" } else { "CONTRADICTED" };
            self.audit_deed(&mut tx, staff, &settled(key, before, settlement)).await?;
            self.commit(tx, &row).await?;
            Ok(Decision::Done(row))
        })
        .await
    }

    /// A contradiction under a key that is none of ours; false when there is none.
    pub async fn settle_stranger(
        &self,
        staff: &Person,
        key: &CallKey,
        settlement: &Settlement,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        if !self.close_contradiction(&mut tx, key).await? {
            return left(tx, false).await;
        }
        self.audit_deed(&mut tx, staff, &settled(key, "CONTRADICTED", settlement)).await?;
        tx.commit().await?;
        Ok(true)
    }

    pub(crate) async fn close_contradiction(
        &self,
        tx: &mut Tx,
        key: &CallKey,
    ) -> Result<bool, StoreError> {
        let closed = sqlx::query(
            "update contradiction set settled_at = $2 where key = $1 and settled_at is null",
        )
        .bind(key.as_str())
        .bind(self.now().as_millis())
        .execute(&mut **tx)
        .await?;
        Ok(closed.rows_affected() == 1)
    }

    /// Has the running undos of a reservation attended now.
    pub(crate) async fn attend_undos_now(
        &self,
        tx: &mut Tx,
        id: &ReservationId,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update cancellation set attend_at = $2, wakes = 0 \
             where reservation_id = $1 and state = 'RUNNING'",
        )
        .bind(id.as_str())
        .bind(self.now().as_millis())
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}

fn settled(key: &CallKey, before: &str, Settlement { answer, reference }: &Settlement) -> Deed {
    let outcome = match answer {
        Answer::Done { .. } => "DONE",
        Answer::Refused { .. } => "REFUSED",
        Answer::Lapsed => "LAPSED",
    };
    Deed {
        action: StaffAction::SettleCall,
        target: format!("/admin/gateway-calls/{key}"),
        before: facts([("state", before)]),
        after: facts([("outcome", outcome), ("reference", reference.as_str())]),
    }
}
