//! Payment attempts and the calls to the gateway that carry them out.
//!
//! One key has one effect (design 3, Money): the key names reservation, attempt, operation and, for
//! an undo, the cancellation, and nothing that changes between tries.

use crate::ids::{CallKey, CancellationId, PaymentAttemptId, ReservationId};
use crate::refund_account::RefundAccount;
use crate::time::Time;
use crate::won::Won;
use crate::words::{AttemptStatus, CallState, Method, Operation};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Tries to pay that one reservation has.
pub const ATTEMPTS_MAX: u32 = 3;
/// Attempts that one reservation can have, with those that were abandoned before they were sent
/// (R27).
pub const ATTEMPTS_EVER_MAX: u32 = 10;

/// Gateways forget keys after 15 days (`providers.md`): from here on a call is neither delivered
/// nor inquired again, because the same key could have a second effect.
pub const KEY_LIVES_FOR: Duration = Duration::from_secs(14 * 24 * 3600);

/// The code of a refusal that staff found out: the gateway may never have seen that key.
pub const SETTLED_BY_STAFF: &str = "SETTLED_BY_STAFF";

/// What the gateway's widget gave the browser, for the gateway alone; never shown in logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Authorization(pub String);

impl std::fmt::Debug for Authorization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authorization(..)")
    }
}

/// One try to take money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentAttempt {
    pub id: PaymentAttemptId,
    pub reservation_id: ReservationId,
    pub n: u32,
    pub method: Method,
    pub amount: Won,
    /// Where the gateway needs none, nothing.
    pub authorization: Option<Authorization>,
    pub status: AttemptStatus,
    pub approved_at: Option<Time>,
    pub approval_ends_at: Option<Time>,
    pub captured_at: Option<Time>,
    pub refunded: Won,
}

/// A payment attempt with its refunds.
#[derive(Debug, Clone)]
pub struct Payment {
    pub attempt: PaymentAttempt,
    /// Oldest first.
    pub refunds: Vec<Refund>,
}

/// Money that was given back, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    pub cancellation_id: CancellationId,
    pub amount: Won,
    pub at: Time,
}

/// One delivery of money under one key, written before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayCall {
    pub key: CallKey,
    pub reservation_id: ReservationId,
    pub attempt_id: PaymentAttemptId,
    pub operation: Operation,
    pub cancellation_id: Option<CancellationId>,
    pub body: CallBody,
    pub state: CallState,
    /// It returns an approval that is no part of the deal (T26).
    pub late: bool,
    pub opened_at: Time,
}

/// What is sent, frozen when the call is opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallBody {
    pub amount: Won,
    pub method: Method,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization: Option<Authorization>,
    /// Where a refund goes, if not back the way it came. Frozen in a table of its own, because it
    /// is personal data.
    #[serde(skip)]
    pub account: Option<RefundAccount>,
}

/// The gateway's definitive answer to one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Answer {
    #[serde(rename_all = "camelCase")]
    Done {
        /// Until when an approval can be captured; only approvals have it.
        #[serde(default)]
        approval_ends_at: Option<Time>,
    },
    Refused {
        /// The gateway's own code.
        code: String,
    },
    /// What the customer authorised ended before anybody captured it.
    Lapsed,
}

/// The code that stands where a capture finds a lapsed authorisation.
pub const LAPSED: &str = "LAPSED";

impl GatewayCall {
    /// The gateway may have forgotten this key.
    pub fn outlived_its_key(&self, now: Time) -> bool {
        self.state == CallState::Sent && now.since(self.opened_at) >= KEY_LIVES_FOR
    }

    pub fn key_of(
        attempt: &PaymentAttemptId,
        operation: Operation,
        cancellation: Option<&CancellationId>,
    ) -> CallKey {
        let verb = operation.as_str().to_ascii_lowercase();
        let key = match cancellation {
            None => format!("{attempt}-{verb}"),
            Some(cancellation) => format!("{attempt}-{verb}-{cancellation}"),
        };
        CallKey::parse(key).expect("ids are short and plain, and so is their sum")
    }

    /// The key of the `n`th try, from 1, to return an order's money that a restored copy does not
    /// know. The answer to an earlier one was no.
    pub fn key_of_unknown(attempt: &PaymentAttemptId, operation: Operation, n: usize) -> CallKey {
        let key = Self::key_of(attempt, operation, None);
        CallKey::parse(format!("{key}-restored-{n}")).expect("a word more is short and plain, too")
    }

    /// The key of the `n`th try to return money, from 1. The answer to an earlier one was no.
    pub fn key_of_try(
        attempt: &PaymentAttemptId,
        operation: Operation,
        cancellation: &CancellationId,
        n: u32,
    ) -> CallKey {
        let first = Self::key_of(attempt, operation, Some(cancellation));
        if n <= 1 {
            return first;
        }
        CallKey::parse(format!("{first}-{n}")).expect("a number more is short and plain, too")
    }
}
