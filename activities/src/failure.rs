//! The one place that decides how an activity fails. Refusals are values and never come here; what
//! does come is retried without end, after a pause that fits its kind.

use std::time::Duration;
use temporalio_common::error::ApplicationFailure;
use temporalio_sdk::activities::ActivityError;

/// Why a step could not be finished now. Every kind is retried.
#[derive(Debug, thiserror::Error)]
pub enum Unfinished {
    #[error("the store failed")]
    Store(#[from] store::StoreError),
    /// Sent, and nobody knows the answer: the next try inquires.
    #[error("outcome unknown")]
    Unknown(#[from] gateway::Unknown),
    #[error("the gateway works on it")]
    InProgress,
    /// The customer is still at it, or an authorisation has not lapsed yet: that may take minutes.
    #[error("the gateway waits")]
    NotYet,
    /// Nothing was written and nothing was sent.
    #[error(transparent)]
    LeftAlone(#[from] gateway::limiter::LeftAlone),
    #[error("this process knows no gateway")]
    NoGateway,
    /// The step was done and is still owed at the same version: going on would spin.
    #[error("the step changed nothing")]
    NoProgress,
}

/// The gateway's answer to a call in progress is due soon.
const IN_PROGRESS_AGAIN: Duration = Duration::from_millis(500);

/// Every activity's `?` would do without this, and lose the kind that the Temporal UI shows.
pub(crate) fn failed(why: Unfinished) -> ActivityError {
    let (kind, again) = match &why {
        Unfinished::Store(_) => ("StoreFailed", None),
        Unfinished::Unknown(_) => ("OutcomeUnknown", None),
        Unfinished::InProgress => ("InProgress", Some(IN_PROGRESS_AGAIN)),
        Unfinished::NotYet => ("NotYet", None),
        Unfinished::LeftAlone(left) => ("GatewayLeftAlone", Some(left.again_after)),
        Unfinished::NoGateway => ("NoGateway", None),
        Unfinished::NoProgress => ("NoProgress", None),
    };
    let failure = ApplicationFailure::builder(anyhow::Error::new(why)).type_name(kind.to_owned());
    let failure = match again {
        Some(pause) => failure.next_retry_delay(pause).build(),
        None => failure.build(),
    };
    ActivityError::application(failure)
}
