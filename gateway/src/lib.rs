//! Payment companies. Today one: the house gateway, which has all verbs.
//!
//! The contract that every company's adapter keeps (design 3, Money): one key has one effect at
//! most, and its definitive answer is given again to any later delivery.

pub mod house;

use domain::payment::Answer;

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
