//! The activities of the cancellation.

use crate::World;
use crate::failure::{Unfinished, failed};
use domain::cancellation::OwesUndo;
use domain::ids::CancellationId;
use domain::words::Operation;
use std::sync::Arc;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use workflows::contract::{self, CancellationRef};

/// On queue `booking`: our own store only.
pub struct UndoActivities {
    pub world: World,
}

#[activities]
impl UndoActivities {
    #[activity(definition = contract::LookAtUndo)]
    pub async fn look_at_undo(
        self: Arc<Self>,
        _: ActivityContext,
        input: CancellationRef,
    ) -> Result<OwesUndo, ActivityError> {
        self.world.undo_owed(&input.cancellation_id).await.map_err(failed)
    }

    #[activity(definition = contract::FreeSeats)]
    pub async fn free_seats(
        self: Arc<Self>,
        _: ActivityContext,
        input: CancellationRef,
    ) -> Result<OwesUndo, ActivityError> {
        self.world.free_seats(&input.cancellation_id).await.map_err(failed)
    }

    #[activity(definition = contract::CloseCancellation)]
    pub async fn close_cancellation(
        self: Arc<Self>,
        _: ActivityContext,
        input: CancellationRef,
    ) -> Result<OwesUndo, ActivityError> {
        self.world.close_cancellation(&input.cancellation_id).await.map_err(failed)
    }
}

/// On queue `payment`.
pub struct UndoPaymentActivities {
    pub world: World,
}

#[activities]
impl UndoPaymentActivities {
    #[activity(definition = contract::SettleCall)]
    pub async fn settle_call(
        self: Arc<Self>,
        _: ActivityContext,
        input: CancellationRef,
    ) -> Result<OwesUndo, ActivityError> {
        self.world.settle_call(&input.cancellation_id).await.map_err(failed)
    }

    #[activity(definition = contract::ReturnMoney)]
    pub async fn return_money(
        self: Arc<Self>,
        _: ActivityContext,
        input: CancellationRef,
    ) -> Result<OwesUndo, ActivityError> {
        self.world.return_money(&input.cancellation_id).await.map_err(failed)
    }
}

/// On queue `ticket`.
pub struct UndoTicketActivities {
    pub world: World,
}

#[activities]
impl UndoTicketActivities {
    #[activity(definition = contract::RevokeTickets)]
    pub async fn revoke_tickets(
        self: Arc<Self>,
        _: ActivityContext,
        input: CancellationRef,
    ) -> Result<OwesUndo, ActivityError> {
        self.world.revoke_tickets(&input.cancellation_id).await.map_err(failed)
    }
}

/// Each step is an ensure: what is recorded already is not repeated. It answers with what the
/// cancellation owes next, and fails when that is the same step again, since the workflow would
/// spin.
impl World {
    pub async fn undo_owed(&self, id: &CancellationId) -> Result<OwesUndo, Unfinished> {
        let owed = self.store.undo_owed(id).await?;
        Ok(owed.map_or(OwesUndo::Nothing, |(_, owes)| owes))
    }

    /// Step a: the open call is brought to KNOWN.
    pub async fn settle_call(&self, id: &CancellationId) -> Result<OwesUndo, Unfinished> {
        let Some((row, OwesUndo::Settle)) = self.store.undo_owed(id).await? else {
            return self.undo_owed(id).await;
        };
        if let Some(open) = &row.open_call {
            self.carry_out(&row.id, open.operation).await?;
        }
        self.undo_moved_on(id, OwesUndo::Settle).await
    }

    /// Step b.
    pub async fn revoke_tickets(&self, id: &CancellationId) -> Result<OwesUndo, Unfinished> {
        self.store.revoke_tickets(id).await?;
        self.undo_moved_on(id, OwesUndo::Tickets).await
    }

    /// Step c.
    pub async fn free_seats(&self, id: &CancellationId) -> Result<OwesUndo, Unfinished> {
        self.store.free_seats(id).await?;
        self.undo_moved_on(id, OwesUndo::Seats).await
    }

    /// Step d.
    pub async fn return_money(&self, id: &CancellationId) -> Result<OwesUndo, Unfinished> {
        let Some((row, OwesUndo::Money)) = self.store.undo_owed(id).await? else {
            return self.undo_owed(id).await;
        };
        let undo = self.store.cancellation(id).await?;
        if undo.is_some_and(|undo| undo.late.is_some()) {
            self.return_late_approval(id).await?;
            return self.undo_moved_on(id, OwesUndo::Money).await;
        }
        let sent = row.open_call.as_ref().map(|call| call.operation);
        let operation: Option<Operation> = sent.or(row.money_to_return());
        if let Some(operation) = operation {
            self.carry_out(&row.id, operation).await?;
        }
        self.undo_moved_on(id, OwesUndo::Money).await
    }

    /// Step e.
    pub async fn close_cancellation(&self, id: &CancellationId) -> Result<OwesUndo, Unfinished> {
        self.store.close_cancellation(id).await?;
        self.undo_moved_on(id, OwesUndo::Close).await
    }

    async fn undo_moved_on(
        &self,
        id: &CancellationId,
        done: OwesUndo,
    ) -> Result<OwesUndo, Unfinished> {
        let owes = self.undo_owed(id).await?;
        if owes == done { Err(Unfinished::NoProgress) } else { Ok(owes) }
    }
}
