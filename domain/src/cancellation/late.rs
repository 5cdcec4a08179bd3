//! T26: an approval surfaces that nobody waits for any more, because its attempt was declined or
//! abandoned, or because the reservation has ended. It is undone by a cancellation of its own; the
//! reservation stays as it is, whatever it is: no resurrection, no ticket, and no other money moves.

use super::{Accepted, Cancellation};
use crate::ids::{CancellationId, PaymentAttemptId};
use crate::reservation::Reservation;
use crate::time::Time;
use crate::timeline::Event;
use crate::won::{Percent, Won};
use crate::words::{Actor, AttemptStatus, EventType, Operation, Scope, StatusReason};

/// Which money a cancellation gives back that is no part of the deal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateApproval {
    pub attempt_id: PaymentAttemptId,
    pub amount: Won,
    /// Void; or refund, where the gateway has taken the money as well.
    pub back: Operation,
}

impl AttemptStatus {
    /// Whether an approval of such an attempt is one that nobody waits for.
    pub const fn awaits_no_approval(self) -> bool {
        match self {
            Self::Declined | Self::Abandoned | Self::Lapsed => true,
            Self::Pending
            | Self::Approved
            | Self::Captured
            | Self::Voided
            | Self::Refunded
            | Self::PartiallyRefunded => false,
        }
    }
}

impl Reservation {
    pub fn undo_late_approval(
        &self,
        now: Time,
        id: CancellationId,
        late: LateApproval,
    ) -> (Cancellation, Vec<Event>) {
        let (reason, actor) = (StatusReason::LateApproval, Actor::Gateway);
        let mut asked = Event::new(EventType::CancellationRequested, actor)
            .reason(Some(reason))
            .cancellation(id.clone(), Percent::ALL, late.amount);
        asked.detail.payment_id = Some(late.attempt_id.clone());
        let money = Event::new(EventType::PaymentCancellationRequested, actor)
            .payment(late.attempt_id.clone(), late.amount);
        let (scope, percent, price) = (Scope::Whole, Percent::ALL, late.amount);
        let accepted = Accepted { id, scope, reason, actor, percent, price };
        let mut cancellation = Cancellation::new(now, self, accepted);
        cancellation.late = Some(Box::new(late));
        (cancellation, vec![asked, money])
    }

    /// What was paid of the deal stays as it is.
    pub(super) fn return_late_approval(
        &mut self,
        now: Time,
        cancellation: &mut Cancellation,
    ) -> Vec<Event> {
        cancellation.money_returned_at = Some(now);
        let newest = self.attempt_id() == cancellation.attempt_id(self);
        if let (true, Some(status)) = (newest, cancellation.returned_status(self)) {
            self.set_attempt(status);
        }
        vec![cancellation.payment_event(self, EventType::PaymentCancelled)]
    }
}

impl Cancellation {
    /// How its money is to be returned; nothing when none was taken.
    pub fn back(&self, row: &Reservation) -> Option<Operation> {
        match &self.late {
            Some(late) => self.money_returned_at.is_none().then_some(late.back),
            None => row.money_to_return(),
        }
    }

    /// Whose money it returns.
    pub fn attempt_id(&self, row: &Reservation) -> Option<PaymentAttemptId> {
        self.late.as_ref().map(|late| late.attempt_id.clone()).or_else(|| row.attempt_id())
    }

    /// The attempt's status when the money has gone back.
    pub fn returned_status(&self, row: &Reservation) -> Option<AttemptStatus> {
        match self.late.as_ref().map(|late| late.back) {
            Some(Operation::Refund) => Some(AttemptStatus::Refunded),
            Some(_) => Some(AttemptStatus::Voided),
            None => row.attempt.map(|attempt| attempt.status),
        }
    }

    pub(super) fn payment_event(&self, row: &Reservation, kind: EventType) -> Event {
        let attempt = self.attempt_id(row).expect("money moves for an attempt");
        Event::new(kind, Actor::Gateway).payment(attempt, self.amount)
    }
}
