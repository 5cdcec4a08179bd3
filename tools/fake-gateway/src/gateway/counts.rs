//! How many times each key was delivered, for the newest keys.

use crate::delivery::{Key, OrderId};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// The most keys that are counted; the oldest are forgotten.
const COUNTED_KEYS_MAX: usize = 50_000;

/// The counts, in the order in which the keys came first. Gone with the process.
#[derive(Default)]
pub(crate) struct Counts {
    by_arrival: BTreeMap<u64, Counted>,
    arrivals: HashMap<Key, u64>,
    next_arrival: u64,
}

struct Counted {
    key: Key,
    order: OrderId,
    count: u64,
}

/// How many times one key was delivered.
#[derive(Serialize)]
pub(crate) struct DeliveryCount {
    key: Key,
    count: u64,
}

impl Counts {
    /// Counts one delivery. A key belongs to the order that it came with first.
    pub(crate) fn count(&mut self, key: &Key, order: &OrderId) {
        let known = self.arrivals.get(key).and_then(|arrival| self.by_arrival.get_mut(arrival));
        if let Some(counted) = known {
            counted.count += 1;
            return;
        }
        let counted = Counted { key: key.clone(), order: order.clone(), count: 1 };
        self.by_arrival.insert(self.next_arrival, counted);
        self.arrivals.insert(key.clone(), self.next_arrival);
        self.next_arrival += 1;
        if self.by_arrival.len() > COUNTED_KEYS_MAX
            && let Some((_, oldest)) = self.by_arrival.pop_first()
        {
            self.arrivals.remove(&oldest.key);
        }
    }

    /// The counts of one order, or of all.
    pub(crate) fn list(&self, order: Option<&OrderId>) -> Vec<DeliveryCount> {
        self.by_arrival
            .values()
            .filter(|counted| order.is_none_or(|order| *order == counted.order))
            .map(|counted| DeliveryCount { key: counted.key.clone(), count: counted.count })
            .collect()
    }
}
