//! Refunds that the gateway refused for good: staff supplies another account, or says how the
//! money went back outside.

use crate::audit_entries::Deed;
use crate::cancellations::{cancellation_in, save_cancellation};
use crate::idempotency::RequestKey;
use crate::reservations::Attend;
use crate::row::{broken, text};
use crate::writer::{Tx, left};
use crate::{Decision, Store, StoreError, repeated};
use domain::audit_entry::facts;
use domain::cancellation::Cancellation;
use domain::cancellation::blocked::DELAY_TOLD_AFTER;
use domain::ids::{CallKey, CancellationId};
use domain::payment::GatewayCall;
use domain::person::Person;
use domain::refund_account::{Reference, RefundAccount};
use domain::reservation::Reservation;
use domain::time::Time;
use domain::won::Won;
use domain::words::{AttemptStatus, CancellationState, Operation, StaffAction};

/// What staff found for a refund that was refused.
#[derive(Debug, Clone)]
pub enum WayOut {
    /// The gateway is to pay it to this account.
    Account(RefundAccount),
    /// It was paid without the gateway.
    Outside(Reference),
}

impl Store {
    /// A blocked cancellation runs again.
    pub async fn unblock_refund(
        &self,
        staff: &Person,
        id: &CancellationId,
        way: &WayOut,
        key: Option<&RequestKey>,
    ) -> Result<Decision, StoreError> {
        repeated(|| self.try_unblock_refund(staff, id, way, key)).await
    }

    async fn try_unblock_refund(
        &self,
        staff: &Person,
        id: &CancellationId,
        way: &WayOut,
        key: Option<&RequestKey>,
    ) -> Result<Decision, StoreError> {
        let Some(found) = self.cancellation(id).await? else { return Ok(Decision::NotFound) };
        let mut tx = self.begin().await?;
        let mut row = match self.command(&mut tx, &found.reservation_id, None, key).await? {
            Ok(row) => row,
            Err(decision) => return left(tx, decision).await,
        };
        let mut undo = cancellation_in(&mut tx, id).await?;
        let judged = match way {
            WayOut::Account(_) => row.refund_again(self.now(), &mut undo).map(|()| Vec::new()),
            WayOut::Outside(how) => row.return_outside(self.now(), &mut undo, how.clone()),
        };
        let events = match judged {
            Ok(events) => events,
            Err(refusal) => return left(tx, Decision::Refused(refusal, Some(row))).await,
        };
        match way {
            WayOut::Account(account) => insert_account(&mut tx, &row, &undo, account).await?,
            WayOut::Outside(_) => self.save_returned(&mut tx, &row, &undo).await?,
        }
        save_cancellation(&mut tx, &undo).await?;
        self.record(&mut tx, &mut row, &events, Attend::Later).await?;
        self.audit_deed(&mut tx, staff, &unblocked(&undo, way)).await?;
        self.commit(tx, &row).await?;
        Ok(Decision::Done(row))
    }

    /// Tells the customer that an undo takes long, once; the pump asks whenever it attends one.
    pub async fn tell_delay(&self, id: &CancellationId) -> Result<(), StoreError> {
        let Some(found) = self.cancellation(id).await? else { return Ok(()) };
        if self.now().since(found.requested_at) < DELAY_TOLD_AFTER || found.delay_told_at.is_some()
        {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        let Some(mut row) = self.lock(&mut tx, &found.reservation_id).await? else {
            return left(tx, ()).await;
        };
        let mut undo = cancellation_in(&mut tx, id).await?;
        let events = row.tell_delay(self.now(), &mut undo);
        if events.is_empty() {
            return left(tx, ()).await;
        }
        sqlx::query("update cancellation set delay_told_at = $2 where cancellation_id = $1")
            .bind(id.as_str())
            .bind(undo.delay_told_at.map(Time::as_millis))
            .execute(&mut *tx)
            .await?;
        self.record(&mut tx, &mut row, &events, Attend::Later).await?;
        self.commit(tx, &row).await
    }

    /// The attempt's own row after its money went back outside, or after a late approval did.
    pub(crate) async fn save_returned(
        &self,
        tx: &mut Tx,
        row: &Reservation,
        undo: &Cancellation,
    ) -> Result<(), StoreError> {
        let missing = || broken("attempt_n", "missing");
        let (id, status) =
            undo.attempt_id(row).zip(undo.returned_status(row)).ok_or_else(missing)?;
        let refunded = match status {
            AttemptStatus::Refunded if undo.late.is_some() => undo.amount,
            _ if undo.late.is_some() => Won::ZERO,
            _ => row.refunded,
        };
        sqlx::query(
            "update payment_attempt set status = $2, refunded = $3 where payment_attempt_id = $1",
        )
        .bind(id.as_str())
        .bind(status.as_str())
        .bind(refunded.get())
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}

fn unblocked(undo: &Cancellation, way: &WayOut) -> Deed {
    let refund_try = undo.refund_try.to_string();
    let (action, fact) = match way {
        // The account is personal data: the entry says only which try it is for.
        WayOut::Account(_) => (StaffAction::RefundToAccount, ("try", refund_try.as_str())),
        WayOut::Outside(how) => (StaffAction::ReturnOutside, ("reference", how.as_str())),
    };
    Deed {
        action,
        target: format!("/admin/cancellations/{}", undo.id),
        before: facts([("state", CancellationState::Blocked.as_str())]),
        after: facts([("state", undo.state.as_str()), fact]),
    }
}

async fn insert_account(
    tx: &mut Tx,
    row: &Reservation,
    undo: &Cancellation,
    account: &RefundAccount,
) -> Result<(), StoreError> {
    let attempt = undo.attempt_id(row).ok_or_else(|| broken("attempt_n", "missing"))?;
    let key = GatewayCall::key_of_try(&attempt, Operation::Refund, &undo.id, undo.refund_try);
    sqlx::query(
        "insert into refund_account (key, reservation_id, bank_code, account_number, holder) \
         values ($1, $2, $3, $4, $5)",
    )
    .bind(key.as_str())
    .bind(row.id.as_str())
    .bind(account.bank_code())
    .bind(account.number())
    .bind(account.holder())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The account that belongs to this key, if staff has supplied one.
pub(crate) async fn account_in(
    tx: &mut Tx,
    key: &CallKey,
) -> Result<Option<RefundAccount>, StoreError> {
    let found =
        sqlx::query("select bank_code, account_number, holder from refund_account where key = $1")
            .bind(key.as_str())
            .fetch_optional(&mut **tx)
            .await?;
    let Some(row) = found else { return Ok(None) };
    let (bank, number, holder) =
        (text(&row, "bank_code")?, text(&row, "account_number")?, text(&row, "holder")?);
    let account = RefundAccount::parse(&bank, &number, &holder);
    account.map(Some).map_err(|why| broken("refund_account", why))
}
