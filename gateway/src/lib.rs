//! Payment companies: the house gateway, which has all verbs, TossPayments and PortOne, where the
//! customer authorises in the browser.

pub mod breaker;
pub mod callback;
pub mod house;
pub mod limiter;
pub mod portone;
pub mod toss;

mod client;

use domain::audit::LedgerEntry;
use domain::payment::{Answer, GatewayCall, PaymentAttempt};
use std::pin::Pin;
use std::time::Duration;

/// A payment company's server.
///
/// The contract that every company's adapter keeps (design 3, Money): one key has one effect at
/// most, and its definitive answer is given again to any later delivery.
pub trait Gateway: Send + Sync {
    /// Sends the frozen body under its key. Late, doubled or repeated deliveries are harmless.
    fn deliver<'a>(&'a self, call: &'a GatewayCall) -> Asked<'a>;

    /// What became of a key that was sent before.
    fn inquire<'a>(&'a self, call: &'a GatewayCall) -> Asked<'a>;

    /// Whether it charges later, without the customer: approving is a call then. Else the customer
    /// authorises in the browser, and approving is reading that.
    fn charges_later(&self) -> bool {
        true
    }

    /// What the customer authorised for this attempt, where the company does not charge later.
    fn read_authorization<'a>(&'a self, _attempt: &'a PaymentAttempt) -> Asked<'a> {
        Box::pin(async { Err(Unknown::Misfit("nothing to read".to_owned())) })
    }

    /// A page of the company's own books from after this place, oldest first; nothing where it
    /// has none.
    fn ledger(&self, _after: u64) -> Option<Page<'_>> {
        None
    }
}

/// A page of a company's books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Books {
    pub entries: Vec<LedgerEntry>,
    /// The place of its last line, which may be no operation of ours; nothing when it is empty.
    pub end: Option<u64>,
}

/// A page of a company's books, on its way.
pub type Page<'a> = Pin<Box<dyn Future<Output = Result<Books, Unknown>> + Send + 'a>>;

/// What a gateway was asked, on its way.
pub type Asked<'a> = Pin<Box<dyn Future<Output = Result<Outcome, Unknown>> + Send + 'a>>;

/// What became of a delivery or an inquiry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The gateway's definitive answer to this key.
    Known(Answer),
    /// The gateway, or the customer, works on it.
    InProgress,
    /// The gateway has never seen this key. Never an outcome of the payment: deliver again.
    NotFound,
}

/// No answer came, or none that can be trusted: the outcome is unknown and has to be inquired.
#[derive(Debug, thiserror::Error)]
pub enum Unknown {
    #[error("the gateway did not answer")]
    NoAnswer(#[from] reqwest::Error),
    #[error("the gateway answered {status}")]
    NotDefinitive { status: u16 },
    /// An error that says nothing about the payment, whatever its status.
    #[error("the gateway answered {code}")]
    Temporary { code: String },
    #[error("the gateway has too much to do")]
    TooMany { retry_after: Option<Duration> },
    #[error("the gateway's answer does not fit the question: {0}")]
    Misfit(String),
}
