//! The timeline: what happened to one reservation, append-only; all that is told to anyone.

use crate::ids::{CancellationId, PaymentAttemptId, TicketId};
use crate::time::Time;
use crate::won::{Percent, Won};
use crate::words::{Actor, EventType, ReservationStatus, StatusReason};
use serde::{Deserialize, Serialize};

/// One thing that happened. Its place (`seq`) and time are given when it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub kind: EventType,
    pub actor: Actor,
    pub detail: Detail,
}

/// An event with its place and time.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub seq: i64,
    pub kind: EventType,
    pub actor: Actor,
    /// The reservation's status after the step.
    pub status: ReservationStatus,
    pub detail: Detail,
    pub at: Time,
}

impl Event {
    pub fn new(kind: EventType, actor: Actor) -> Self {
        Self { kind, actor, detail: Detail::default() }
    }

    #[must_use]
    pub fn payment(mut self, attempt: PaymentAttemptId, amount: Won) -> Self {
        self.detail.payment_id = Some(attempt);
        self.detail.amount = Some(amount);
        self
    }

    #[must_use]
    pub fn party(mut self, size: u32) -> Self {
        self.detail.party_size = Some(size);
        self
    }

    #[must_use]
    pub fn seats(mut self, numbers: &[String]) -> Self {
        self.detail.seat_numbers = numbers.to_vec();
        self
    }

    #[must_use]
    pub fn ticket(mut self, ticket: TicketId, seat_number: String) -> Self {
        self.detail.ticket_id = Some(ticket);
        self.detail.seat_numbers = vec![seat_number];
        self
    }

    #[must_use]
    pub fn reason(mut self, reason: Option<StatusReason>) -> Self {
        self.detail.reason = reason;
        self
    }

    #[must_use]
    pub fn cancellation(mut self, id: CancellationId, percent: Percent, amount: Won) -> Self {
        self.detail.cancellation_id = Some(id);
        self.detail.percent = Some(percent);
        self.detail.amount = Some(amount);
        self
    }
}

/// What an event says beside its type; absent where it has nothing to say. Never personal data.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = EventData))]
#[serde(rename_all = "camelCase", default)]
pub struct Detail {
    /// How many are to come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub party_size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<PaymentAttemptId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Won>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seat_numbers: Vec<String>,
    /// The seats that were given up for these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub old_seat_numbers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket_id: Option<TicketId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancellation_id: Option<CancellationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<Percent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<StatusReason>,
    /// The gateway's own code of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts_left: Option<u32>,
    /// Where somebody came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    /// How long a deferred payment was likely to wait, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_secs: Option<u64>,
}
