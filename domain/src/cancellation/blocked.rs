//! Money that does not go back: the customer is told when it takes long, and a refund that was
//! refused for good waits for staff: another account, or a payment outside.

use super::Cancellation;
use crate::refund_account::Reference;
use crate::refusal::Refusal;
use crate::reservation::Reservation;
use crate::time::Time;
use crate::timeline::Event;
use crate::words::{Actor, CancellationState, EventType, Operation};
use std::time::Duration;

/// After this long the customer is told that the money takes longer (specification 1.3, "undo").
pub const DELAY_TOLD_AFTER: Duration = Duration::from_secs(3600);

impl Reservation {
    /// Tells the customer, once; nothing when it is not that late, or when no money is awaited.
    pub fn tell_delay(&self, now: Time, cancellation: &mut Cancellation) -> Vec<Event> {
        let running = cancellation.state == CancellationState::Running;
        let long = now.since(cancellation.requested_at) >= DELAY_TOLD_AFTER;
        let awaited = cancellation.money_returned_at.is_none() && cancellation.back(self).is_some();
        if !(running && long && awaited) || cancellation.delay_told_at.is_some() {
            return Vec::new();
        }
        cancellation.delay_told_at = Some(now);
        let mut event = cancellation.payment_event(self, EventType::RefundDelayed);
        event.actor = Actor::System;
        vec![event]
    }

    /// Staff has found another account: the cancellation runs again. The old key has its answer,
    /// so the next try has a key of its own.
    pub fn refund_again(&self, now: Time, cancellation: &mut Cancellation) -> Result<(), Refusal> {
        let blocked = cancellation.state == CancellationState::Blocked;
        if !blocked || cancellation.back(self) != Some(Operation::Refund) {
            return Err(Refusal::WrongState);
        }
        cancellation.state = CancellationState::Running;
        cancellation.refund_try += 1;
        cancellation.attend_at = Some(now);
        Ok(())
    }

    /// Staff has returned the money outside of the gateway: what is left is to close.
    pub fn return_outside(
        &mut self,
        now: Time,
        cancellation: &mut Cancellation,
        reference: Reference,
    ) -> Result<Vec<Event>, Refusal> {
        let Some(operation) = cancellation.back(self) else { return Err(Refusal::WrongState) };
        if cancellation.state != CancellationState::Blocked {
            return Err(Refusal::WrongState);
        }
        let mut events = self.return_money(now, cancellation, operation);
        for event in &mut events {
            event.actor = Actor::Staff;
        }
        cancellation.state = CancellationState::Running;
        cancellation.returned_outside = Some(reference);
        cancellation.attend_at = Some(now);
        Ok(events)
    }
}
