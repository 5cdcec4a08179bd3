//! The tongues of other companies, spoken over the same books: one order, one payment.

pub(crate) mod portone;
pub(crate) mod toss;

use crate::answer::{Answer, Moment, Outcome, Refusal};
use crate::delivery::{Invalid, Key, Operation, OrderId};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// A payment as these tongues tell of it.
#[derive(Debug, Clone)]
pub(crate) struct Payment {
    pub(crate) order: OrderId,
    pub(crate) amount: i64,
    pub(crate) state: State,
    pub(crate) requested_at: Moment,
    pub(crate) paid_at: Option<Moment>,
    pub(crate) cancels: Vec<Arc<Answer>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The customer or the company said no.
    Failed,
    /// The customer authorised it, and it can be confirmed.
    Authorized,
    /// Nobody confirmed it in time.
    Expired,
    Paid,
}

impl Payment {
    /// The payment that an order's answers make. None where the customer was never asked.
    pub(crate) fn of(answers: &[Arc<Answer>]) -> Option<Self> {
        let first = answers.first()?;
        let mut payment = Self {
            order: first.order_id.clone(),
            amount: first.amount.get(),
            state: State::Failed,
            requested_at: first.at,
            paid_at: None,
            cancels: Vec::new(),
        };
        for answer in answers {
            payment.turn(answer);
        }
        Some(payment)
    }

    fn turn(&mut self, answer: &Arc<Answer>) {
        let done = answer.outcome == Outcome::Done;
        match answer.operation {
            Operation::Authorize | Operation::Approve if done => {
                let ended = answer.approval_ends_at.is_none_or(|at| at <= Moment::now());
                self.state = if ended { State::Expired } else { State::Authorized };
                (self.amount, self.requested_at) = (answer.amount.get(), answer.at);
            }
            Operation::Capture if done => {
                (self.state, self.paid_at) = (State::Paid, Some(answer.at));
            }
            // A company that refuses to confirm ends the payment.
            Operation::Capture if answer.code == Some(Refusal::CaptureRefused) => {
                self.state = State::Failed;
            }
            Operation::Void if done => self.state = State::Failed,
            Operation::Refund if done => self.cancels.push(answer.clone()),
            Operation::Authorize
            | Operation::Approve
            | Operation::Capture
            | Operation::Void
            | Operation::Refund => {}
        }
    }

    pub(crate) fn cancelled(&self) -> i64 {
        self.cancels.iter().map(|answer| answer.amount.get()).sum()
    }
}

/// The key for a call that came without one.
fn own_key(operation: &str, order: &OrderId) -> Result<Key, Invalid> {
    Key::parse(format!("{operation}-{order}-{:016x}", fastrand::u64(..)))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Invalid> {
    serde_json::from_slice(body).map_err(|error| Invalid(error.to_string()))
}
