//! What a client asks: one operation on one order, once under one key.

use crate::answer::Refusal;
use crate::faults::Verb;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The shortest and the longest idempotency key, in characters.
const KEY_CHARS: std::ops::RangeInclusive<usize> = 16..=256;
/// The longest order id, in characters.
pub(crate) const ORDER_CHARS_MAX: usize = 128;
/// The longest name of a payment method, in characters.
const METHOD_CHARS_MAX: usize = 32;
/// The largest amount that is taken, in won.
const AMOUNT_WON_MAX: i64 = 1_000_000_000;

/// One delivery, parsed. Two equal deliveries ask for the same single effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) key: Key,
    pub(crate) order: OrderId,
    pub(crate) operation: Operation,
    pub(crate) amount: Won,
    pub(crate) face: Face,
    /// What the client wrote to it, where its tongue lets it.
    pub(crate) note: Option<String>,
}

/// The tongue that a call came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Face {
    House,
    Toss,
    PortOne,
}

impl Delivery {
    /// Reads the body of a delivery; unknown fields are left alone, as payment companies do.
    pub(crate) fn parse(
        key: Key,
        order: OrderId,
        operation: Operation,
        body: &[u8],
    ) -> Result<Self, Invalid> {
        let Terms { amount, method } =
            serde_json::from_slice(body).map_err(|error| Invalid(error.to_string()))?;
        if operation == Operation::Approve {
            check_method(method.as_deref())?;
        }
        Ok(Self { key, order, operation, amount, face: Face::House, note: None })
    }
}

/// The body of a delivery.
#[derive(Deserialize)]
struct Terms {
    amount: Won,
    method: Option<String>,
}

fn check_method(method: Option<&str>) -> Result<(), Invalid> {
    let fits = method.is_some_and(|name| (1..=METHOD_CHARS_MAX).contains(&name.len()));
    if fits { Ok(()) } else { Err(Invalid::because("an approval names its method")) }
}

/// The idempotency key: the name of one effect.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Key(String);

impl Key {
    pub(crate) fn parse(text: impl Into<String>) -> Result<Self, Invalid> {
        let text = text.into();
        if KEY_CHARS.contains(&text.len()) && is_plain(&text) {
            Ok(Self(text))
        } else {
            Err(Invalid::because("a key is 16 to 256 letters, digits, '-' and '_'"))
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Key {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(text)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The client's name for one payment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct OrderId(String);

impl OrderId {
    pub(crate) fn parse(text: impl Into<String>) -> Result<Self, Invalid> {
        let text = text.into();
        if (1..=ORDER_CHARS_MAX).contains(&text.len()) && is_plain(&text) {
            Ok(Self(text))
        } else {
            Err(Invalid::because("an order id is 1 to 128 letters, digits, '-' and '_'"))
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for OrderId {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(text)
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// What is done with the money of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Operation {
    /// By the customer, in the browser; approves what the client then captures.
    Authorize,
    Approve,
    Capture,
    Void,
    Refund,
}

impl Operation {
    /// The operation that a path's last segment names.
    pub(crate) fn of_path(segment: &str) -> Option<Self> {
        match segment {
            "approve" => Some(Self::Approve),
            "capture" => Some(Self::Capture),
            "void" => Some(Self::Void),
            "refund" => Some(Self::Refund),
            _ => None,
        }
    }

    /// How the company says no for reasons of its own, where it may.
    pub(crate) fn refusal(self) -> Option<Refusal> {
        match self {
            Self::Authorize | Self::Approve => Some(Refusal::CardDeclined),
            Self::Capture => Some(Refusal::CaptureRefused),
            Self::Refund => Some(Refusal::RefundRefused),
            Self::Void => None,
        }
    }
}

impl From<Operation> for Verb {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Authorize => Self::Authorize,
            Operation::Approve => Self::Approve,
            Operation::Capture => Self::Capture,
            Operation::Void => Self::Void,
            Operation::Refund => Self::Refund,
        }
    }
}

/// An amount of money that can be asked for, in won; never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64")]
pub(crate) struct Won(i64);

impl Won {
    pub(crate) fn get(self) -> i64 {
        self.0
    }

    /// Another amount, for an answer that is wrong.
    pub(crate) fn misread(self) -> Self {
        Self(self.0 + 1)
    }
}

impl TryFrom<i64> for Won {
    type Error = Invalid;
    fn try_from(won: i64) -> Result<Self, Invalid> {
        if (1..=AMOUNT_WON_MAX).contains(&won) {
            Ok(Self(won))
        } else {
            Err(Invalid(format!("an amount is 1 to {AMOUNT_WON_MAX} won")))
        }
    }
}

/// A request that cannot be understood; says why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invalid(pub(crate) String);

impl Invalid {
    pub(crate) fn because(reason: &str) -> Self {
        Self(reason.to_owned())
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
