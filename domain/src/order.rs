//! What the gateway's books say about one order, whether or not our rows know it.

use crate::audit::LedgerEntry;
use crate::won::Won;
use crate::words::Operation;

/// The money of one order by the gateway's books.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Order {
    approved: i64,
    captured: i64,
    refunded: i64,
    voided: bool,
}

impl Order {
    /// What all of these entries come to.
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a LedgerEntry>) -> Self {
        let mut order = Self::default();
        entries.into_iter().for_each(|entry| order.take(entry));
        order
    }

    /// One more line of the books.
    pub fn take(&mut self, entry: &LedgerEntry) {
        if !entry.done {
            return;
        }
        match entry.operation {
            Operation::Approve => self.approved += entry.amount.get(),
            Operation::Capture => self.captured += entry.amount.get(),
            Operation::Void => self.voided = true,
            Operation::Refund => self.refunded += entry.amount.get(),
        }
    }

    /// How the money goes back that is reserved or taken; nothing when there is none.
    pub fn way_back(&self) -> Option<(Operation, Won)> {
        let (operation, held) = match self {
            // What the customer approved, the books of the company's calls need not tell.
            Self { captured: 1.., .. } => (Operation::Refund, self.captured - self.refunded),
            Self { voided: true, .. } => return None,
            Self { approved, .. } => (Operation::Void, *approved),
        };
        Won::parse(held).ok().filter(|won| won.get() > 0).map(|won| (operation, won))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{CallKey, PaymentAttemptId};
    use crate::time::Time;

    fn way_back(lines: &[(Operation, i64, bool)]) -> Option<(Operation, i64)> {
        let entries = lines.iter().map(|(operation, won, done)| LedgerEntry {
            seq: 1,
            key: CallKey::parse("key").unwrap(),
            attempt_id: PaymentAttemptId::parse("r-1").unwrap(),
            operation: *operation,
            amount: Won::parse(*won).unwrap(),
            done: *done,
            at: Time::from_millis(0),
        });
        let back = Order::of(&entries.collect::<Vec<_>>()).way_back();
        back.map(|(operation, won)| (operation, won.get()))
    }

    #[test]
    fn reserved_money_is_voided_and_taken_money_refunded_as_far_as_it_is_there() {
        use Operation::{Approve, Capture, Refund, Void};
        assert_eq!(way_back(&[]), None);
        assert_eq!(way_back(&[(Approve, 9, false)]), None);
        assert_eq!(way_back(&[(Approve, 9, true)]), Some((Void, 9)));
        assert_eq!(way_back(&[(Approve, 9, true), (Void, 9, false)]), Some((Void, 9)));
        assert_eq!(way_back(&[(Approve, 9, true), (Void, 9, true)]), None);
        assert_eq!(way_back(&[(Approve, 9, true), (Capture, 9, true)]), Some((Refund, 9)));
        let taken = [(Approve, 9, true), (Capture, 9, true), (Refund, 4, true)];
        assert_eq!(way_back(&taken), Some((Refund, 5)));
        assert_eq!(way_back(&[taken.as_slice(), &[(Refund, 5, true)]].concat()), None);
        assert_eq!(way_back(&[(Capture, 9, true)]), Some((Refund, 9)));
    }
}
