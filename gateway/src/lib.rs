//! Payment companies. Today one: the house gateway, which has all verbs.

pub mod house;

use domain::payment::{Answer, GatewayCall};
use std::pin::Pin;

/// A payment company's server.
///
/// The contract that every company's adapter keeps (design 3, Money): one key has one effect at
/// most, and its definitive answer is given again to any later delivery.
pub trait Gateway: Send + Sync {
    /// Sends the frozen body under its key. Late, doubled or repeated deliveries are harmless.
    fn deliver<'a>(&'a self, call: &'a GatewayCall) -> Asked<'a>;

    /// What became of a key that was sent before.
    fn inquire<'a>(&'a self, call: &'a GatewayCall) -> Asked<'a>;
}

/// What a gateway was asked, on its way.
pub type Asked<'a> = Pin<Box<dyn Future<Output = Result<Outcome, Unknown>> + Send + 'a>>;

/// What became of a delivery or an inquiry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The gateway's definitive answer to this key.
    Known(Answer),
    /// The gateway works on it.
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
    #[error("the gateway's answer does not fit the question: {0}")]
    Misfit(String),
}
