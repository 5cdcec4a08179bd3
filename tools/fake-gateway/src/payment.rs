//! The rules: what may be done with the money of one order.

use crate::answer::{Moment, Now, Refusal};
use crate::delivery::{Operation, Won};

/// Where the money of one order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Payment {
    /// Nothing was approved. A declined approval may be tried again under another key.
    #[default]
    Untouched,
    Approved {
        amount: Won,
        ends_at: Moment,
    },
    Voided,
    Captured {
        amount: Won,
        refunded_won: i64,
    },
}

impl Payment {
    /// Where the money stands after this operation, or why it stays where it is.
    pub(crate) fn after(
        self,
        operation: Operation,
        amount: Won,
        now: Now,
    ) -> Result<Payment, Refusal> {
        match operation {
            Operation::Authorize => self.lapsed(now.at).approve(amount, now.ends_at),
            Operation::Approve => self.approve(amount, now.ends_at),
            Operation::Capture => self.capture(amount, now.at),
            Operation::Void => self.void(amount),
            Operation::Refund => self.refund(amount),
        }
    }

    /// Where it stands when nobody captured it in time.
    fn lapsed(self, at: Moment) -> Self {
        match self {
            Payment::Approved { ends_at, .. } if ends_at <= at => Payment::Untouched,
            standing => standing,
        }
    }

    fn approve(self, amount: Won, ends_at: Moment) -> Result<Payment, Refusal> {
        match self {
            Payment::Untouched => Ok(Payment::Approved { amount, ends_at }),
            Payment::Approved { .. } => Err(Refusal::AlreadyApproved),
            Payment::Voided => Err(Refusal::AlreadyVoided),
            Payment::Captured { .. } => Err(Refusal::AlreadyCaptured),
        }
    }

    fn capture(self, asked: Won, at: Moment) -> Result<Payment, Refusal> {
        match self {
            Payment::Untouched => Err(Refusal::NotApproved),
            Payment::Approved { amount, .. } if amount != asked => Err(Refusal::AmountMismatch),
            Payment::Approved { ends_at, .. } if ends_at <= at => Err(Refusal::ApprovalEnded),
            Payment::Approved { amount, .. } => Ok(Payment::Captured { amount, refunded_won: 0 }),
            Payment::Voided => Err(Refusal::AlreadyVoided),
            Payment::Captured { .. } => Err(Refusal::AlreadyCaptured),
        }
    }

    fn void(self, asked: Won) -> Result<Payment, Refusal> {
        match self {
            Payment::Untouched => Err(Refusal::NotApproved),
            Payment::Approved { amount, .. } if amount != asked => Err(Refusal::AmountMismatch),
            Payment::Approved { .. } => Ok(Payment::Voided),
            Payment::Voided => Err(Refusal::AlreadyVoided),
            Payment::Captured { .. } => Err(Refusal::AlreadyCaptured),
        }
    }

    fn refund(self, asked: Won) -> Result<Payment, Refusal> {
        match self {
            Payment::Untouched | Payment::Approved { .. } => Err(Refusal::NotCaptured),
            Payment::Voided => Err(Refusal::AlreadyVoided),
            Payment::Captured { amount, refunded_won } => {
                let refunded_won = refunded_won + asked.get();
                if refunded_won > amount.get() {
                    return Err(Refusal::AmountExceeded);
                }
                Ok(Payment::Captured { amount, refunded_won })
            }
        }
    }
}
