//! What the gateway knows: every answer it gave, and where each order's money stands.

use crate::answer::{Answer, Moment, Now, Outcome, Refusal};
use crate::delivery::{Delivery, Key, Operation, OrderId, Won};
use crate::payment::Payment;
use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// One line of the journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The place in the journal, from 1 and without gaps.
    pub(crate) seq: u64,
    pub(crate) answer: Answer,
}

/// The journal in memory, plus what has been decided and is not yet in the journal.
///
/// A decision moves the order's money at once, so that the next decision builds on it. The answer
/// can be seen only after it is in the journal. Both go in the order of `seq`.
#[derive(Default)]
pub(crate) struct Books {
    /// The answers in the journal; the one with `seq` n stands at n - 1.
    answers: Vec<Arc<Answer>>,
    by_key: HashMap<Key, usize>,
    orders: HashMap<OrderId, Order>,
    /// How many entries have been decided, in the journal or not.
    decided: u64,
}

#[derive(Default)]
struct Order {
    payment: Payment,
    answers: Vec<usize>,
}

/// One item of the ledger.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LedgerItem {
    pub(crate) seq: u64,
    key: Key,
    order_id: OrderId,
    operation: Operation,
    amount: Won,
    outcome: Outcome,
    at: Moment,
}

/// Which part of the ledger is asked for.
pub(crate) struct LedgerPage {
    /// Only items with a larger `seq`.
    pub(crate) after: u64,
    pub(crate) order: Option<OrderId>,
    pub(crate) limit: usize,
}

impl Books {
    /// The books that a journal leads to.
    pub(crate) fn replay(entries: Vec<Entry>) -> anyhow::Result<Self> {
        let mut books = Self::default();
        for entry in entries {
            let seq = entry.seq;
            books.replay_one(entry).with_context(|| format!("entry {seq}"))?;
        }
        Ok(books)
    }

    fn replay_one(&mut self, entry: Entry) -> anyhow::Result<()> {
        let Answer { operation, amount, at, approval_ends_at, .. } = entry.answer;
        let now = Now { at, ends_at: approval_ends_at.unwrap_or(at) };
        ensure!(entry.seq == self.decided + 1, "it does not follow entry {}", self.decided);
        ensure!(!self.by_key.contains_key(&entry.answer.key), "its key has an answer already");
        if entry.answer.outcome == Outcome::Done {
            let order = self.orders.entry(entry.answer.order_id.clone()).or_default();
            match order.payment.after(operation, amount, now) {
                Ok(payment) => order.payment = payment,
                Err(refusal) => bail!("it cannot have been done: {refusal:?}"),
            }
        }
        self.decided += 1;
        self.publish(entry);
        Ok(())
    }

    /// How many answers are in the journal.
    pub(crate) fn len(&self) -> usize {
        self.answers.len()
    }

    /// The definitive answer to a key.
    pub(crate) fn answer(&self, key: &Key) -> Option<&Arc<Answer>> {
        self.by_key.get(key).map(|&place| &self.answers[place])
    }

    /// All answers of an order that are in the journal, oldest first.
    pub(crate) fn answers_of(&self, order: &OrderId) -> Vec<Arc<Answer>> {
        let places = self.orders.get(order).map_or(&[][..], |order| &order.answers);
        places.iter().map(|&place| self.answers[place].clone()).collect()
    }

    /// Decides a delivery. Where the rules allow it, `scripted` may still refuse.
    pub(crate) fn decide(
        &mut self,
        delivery: Delivery,
        now: Now,
        scripted: impl FnOnce(&Delivery) -> Option<Refusal>,
    ) -> Entry {
        let order = self.orders.entry(delivery.order.clone()).or_default();
        let refusal = match order.payment.after(delivery.operation, delivery.amount, now) {
            Err(refusal) => Some(refusal),
            Ok(payment) => {
                let refusal = scripted(&delivery);
                if refusal.is_none() {
                    order.payment = payment;
                }
                refusal
            }
        };
        self.decided += 1;
        Entry { seq: self.decided, answer: Answer::new(delivery, refusal, now) }
    }

    /// Makes an answer visible that is in the journal.
    pub(crate) fn publish(&mut self, entry: Entry) -> Arc<Answer> {
        let place = self.answers.len();
        assert_eq!(entry.seq, place as u64 + 1, "entries are published in the journal's order");
        let answer = Arc::new(entry.answer);
        self.by_key.insert(answer.key.clone(), place);
        self.orders.entry(answer.order_id.clone()).or_default().answers.push(place);
        self.answers.push(answer.clone());
        answer
    }

    /// A page of the ledger, and where the next one starts if there is one.
    pub(crate) fn ledger(&self, page: &LedgerPage) -> (Vec<LedgerItem>, Option<u64>) {
        let after = usize::try_from(page.after).unwrap_or(usize::MAX);
        let mut items: Vec<LedgerItem> = match &page.order {
            None => {
                (after..self.answers.len()).map(|p| self.item(p)).take(page.limit + 1).collect()
            }
            Some(order) => {
                let places = self.orders.get(order).map_or(&[][..], |order| &order.answers);
                let from = places.partition_point(|&place| place < after);
                places[from..].iter().map(|&p| self.item(p)).take(page.limit + 1).collect()
            }
        };
        if items.len() <= page.limit {
            return (items, None);
        }
        items.truncate(page.limit);
        let next = items.last().map(|item| item.seq);
        (items, next)
    }

    fn item(&self, place: usize) -> LedgerItem {
        let answer = &self.answers[place];
        LedgerItem {
            seq: place as u64 + 1,
            key: answer.key.clone(),
            order_id: answer.order_id.clone(),
            operation: answer.operation,
            amount: answer.amount,
            outcome: answer.outcome,
            at: answer.at,
        }
    }
}
