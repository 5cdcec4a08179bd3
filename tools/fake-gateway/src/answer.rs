//! The definitive answer to one key, as it is given and as it is kept.

use crate::delivery::{Delivery, Key, Operation, OrderId, Won};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How long an approval can be captured, in hours.
const APPROVAL_HOURS: i64 = 7 * 24;

/// What the gateway said to one key, once and for all.
///
/// The order of the fields is part of the promise that a repeated answer is equal to the byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    pub(crate) key: Key,
    pub(crate) order_id: OrderId,
    pub(crate) operation: Operation,
    pub(crate) amount: Won,
    pub(crate) outcome: Outcome,
    pub(crate) code: Option<Refusal>,
    pub(crate) at: Moment,
    pub(crate) approval_ends_at: Option<Moment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

impl Answer {
    /// The answer to a delivery that was decided now; what it approves ends then.
    pub(crate) fn new(delivery: Delivery, refusal: Option<Refusal>, now: Now) -> Self {
        let Delivery { key, order, operation, amount, face: _, note } = delivery;
        let Now { at, ends_at } = now;
        let outcome = if refusal.is_some() { Outcome::Refused } else { Outcome::Done };
        let approves = matches!(operation, Operation::Authorize | Operation::Approve);
        let approval_ends_at = (approves && outcome == Outcome::Done).then_some(ends_at);
        Self {
            key,
            order_id: order,
            operation,
            amount,
            outcome,
            code: refusal,
            at,
            approval_ends_at,
            note,
        }
    }

    /// The same answer with another amount than was moved.
    pub(crate) fn misread(&self) -> Self {
        Self { amount: self.amount.misread(), ..self.clone() }
    }

    /// Whether this delivery asks what this answer answered.
    pub(crate) fn answers(&self, delivery: &Delivery) -> bool {
        self.key == delivery.key
            && self.order_id == delivery.order
            && self.operation == delivery.operation
            && self.amount == delivery.amount
    }
}

/// The instant of a decision, and how long what it approves stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) at: Moment,
    pub(crate) ends_at: Moment,
}

/// Whether the money was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Outcome {
    Done,
    Refused,
}

/// Why the money was not moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Refusal {
    CardDeclined,
    AlreadyApproved,
    NotApproved,
    ApprovalEnded,
    AlreadyCaptured,
    NotCaptured,
    AlreadyVoided,
    AmountExceeded,
    AmountMismatch,
    CaptureRefused,
    RefundRefused,
}

/// An instant in whole milliseconds; always written with three decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(Timestamp);

impl Moment {
    pub(crate) fn now() -> Self {
        Self::from_timestamp(Timestamp::now())
    }

    /// When an approval that is given now can no longer be captured.
    pub(crate) fn approval_end(self) -> Self {
        Self(self.0.saturating_add(SignedDuration::from_hours(APPROVAL_HOURS)).unwrap_or(self.0))
    }

    pub(crate) fn plus_millis(self, millis: u64) -> Self {
        let more = SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX));
        Self(self.0.saturating_add(more).unwrap_or(self.0))
    }

    pub(crate) fn as_millis(self) -> i64 {
        self.0.as_millisecond()
    }

    fn from_timestamp(timestamp: Timestamp) -> Self {
        let whole = Timestamp::from_millisecond(timestamp.as_millisecond());
        Self(whole.expect("the milliseconds of a timestamp are a timestamp"))
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.3}", self.0))
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let timestamp: Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        Ok(Self::from_timestamp(timestamp))
    }
}
