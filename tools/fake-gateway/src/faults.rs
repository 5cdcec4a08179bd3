//! The fault script: how slow the gateway is and what goes wrong next.

use crate::answer::Refusal;
use crate::delivery::{ORDER_CHARS_MAX, Operation, OrderId};
use anyhow::ensure;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest latency that a script may ask for, in milliseconds.
pub const LATENCY_MILLIS_MAX: u64 = 600_000;
/// The most overrides that a script may hold; the tests of one run stay far below.
pub const OVERRIDES_MAX: usize = 10_000;

/// The script for all orders, with overrides for some. Counters go down as they are used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Faults {
    /// The shortest and the longest time that an approval takes, in milliseconds.
    pub approve_millis: [u64; 2],
    /// The shortest and the longest time that any other operation takes, in milliseconds.
    pub other_millis: [u64; 2],
    /// How many approvals are declined next.
    pub decline_next: u64,
    /// Whether every approval is declined; `decline_next` then stays as it is.
    pub decline_always: bool,
    /// How many captures are refused next.
    pub refuse_capture_next: u64,
    /// How many refunds are refused next.
    pub refuse_refund_next: u64,
    /// How many of the next effects are made and kept, but never answered.
    pub lose_answers_next: u64,
    /// How many of the next deliveries are cut off before any effect.
    pub drop_requests_next: u64,
    /// How many of the next deliveries are answered with 503 before any effect.
    pub fail_next: u64,
    /// Overrides by the beginning of the order id; the longest beginning that fits counts.
    pub orders: BTreeMap<String, OrderFaults>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            approve_millis: [400, 620],
            other_millis: [20, 60],
            decline_next: 0,
            decline_always: false,
            refuse_capture_next: 0,
            refuse_refund_next: 0,
            lose_answers_next: 0,
            drop_requests_next: 0,
            fail_next: 0,
            orders: BTreeMap::new(),
        }
    }
}

/// The script for some orders: what is given overrides, what is absent stays as for all orders.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct OrderFaults {
    /// See [`Faults::approve_millis`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approve_millis: Option<[u64; 2]>,
    /// See [`Faults::other_millis`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_millis: Option<[u64; 2]>,
    /// See [`Faults::decline_next`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decline_next: Option<u64>,
    /// See [`Faults::decline_always`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decline_always: Option<bool>,
    /// See [`Faults::refuse_capture_next`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refuse_capture_next: Option<u64>,
    /// See [`Faults::refuse_refund_next`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refuse_refund_next: Option<u64>,
    /// See [`Faults::lose_answers_next`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lose_answers_next: Option<u64>,
    /// See [`Faults::drop_requests_next`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop_requests_next: Option<u64>,
    /// See [`Faults::fail_next`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_next: Option<u64>,
}

/// What a counter of the script counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Decline,
    RefuseCapture,
    RefuseRefund,
    LoseAnswer,
    DropRequest,
    Fail,
}

impl Faults {
    /// Says what is wrong with a script that cannot be played.
    pub fn check(&self) -> anyhow::Result<()> {
        check_range(self.approve_millis)?;
        check_range(self.other_millis)?;
        ensure!(self.orders.len() <= OVERRIDES_MAX, "at most {OVERRIDES_MAX} overrides are kept");
        for (prefix, faults) in &self.orders {
            check_override(prefix, faults)?;
        }
        Ok(())
    }

    /// Sets one override and leaves the others alone.
    pub(crate) fn set(&mut self, prefix: String, faults: OrderFaults) -> anyhow::Result<()> {
        check_override(&prefix, &faults)?;
        let fits = self.orders.len() < OVERRIDES_MAX || self.orders.contains_key(&prefix);
        ensure!(fits, "at most {OVERRIDES_MAX} overrides are kept");
        self.orders.insert(prefix, faults);
        Ok(())
    }

    /// How long this operation takes this time.
    pub(crate) fn latency(&mut self, operation: Operation, order: &OrderId) -> Duration {
        let own = own(&mut self.orders, order);
        let [from, to] = match operation {
            Operation::Approve => own.and_then(|o| o.approve_millis).unwrap_or(self.approve_millis),
            Operation::Capture | Operation::Void | Operation::Refund => {
                own.and_then(|o| o.other_millis).unwrap_or(self.other_millis)
            }
        };
        Duration::from_millis(fastrand::u64(from..=to))
    }

    /// The refusal that the script has for an operation that the rules allow.
    pub(crate) fn refusal(&mut self, operation: Operation, order: &OrderId) -> Option<Refusal> {
        match operation {
            Operation::Approve => {
                let declined = self.declines_always(order) || self.take(Fault::Decline, order);
                declined.then_some(Refusal::CardDeclined)
            }
            Operation::Capture => {
                self.take(Fault::RefuseCapture, order).then_some(Refusal::CaptureRefused)
            }
            Operation::Refund => {
                self.take(Fault::RefuseRefund, order).then_some(Refusal::RefundRefused)
            }
            Operation::Void => None,
        }
    }

    /// Whether this fault strikes this order now; if so, it is used up once.
    pub(crate) fn take(&mut self, fault: Fault, order: &OrderId) -> bool {
        if let Some(left) = own(&mut self.orders, order).and_then(|own| own.counter(fault)) {
            return use_up(left);
        }
        use_up(match fault {
            Fault::Decline => &mut self.decline_next,
            Fault::RefuseCapture => &mut self.refuse_capture_next,
            Fault::RefuseRefund => &mut self.refuse_refund_next,
            Fault::LoseAnswer => &mut self.lose_answers_next,
            Fault::DropRequest => &mut self.drop_requests_next,
            Fault::Fail => &mut self.fail_next,
        })
    }

    fn declines_always(&mut self, order: &OrderId) -> bool {
        let own = own(&mut self.orders, order);
        own.and_then(|own| own.decline_always).unwrap_or(self.decline_always)
    }
}

impl OrderFaults {
    fn counter(&mut self, fault: Fault) -> Option<&mut u64> {
        match fault {
            Fault::Decline => self.decline_next.as_mut(),
            Fault::RefuseCapture => self.refuse_capture_next.as_mut(),
            Fault::RefuseRefund => self.refuse_refund_next.as_mut(),
            Fault::LoseAnswer => self.lose_answers_next.as_mut(),
            Fault::DropRequest => self.drop_requests_next.as_mut(),
            Fault::Fail => self.fail_next.as_mut(),
        }
    }
}

/// The override whose prefix is the longest that this order begins with.
fn own<'a>(
    orders: &'a mut BTreeMap<String, OrderFaults>,
    order: &OrderId,
) -> Option<&'a mut OrderFaults> {
    let order = order.as_str();
    let prefix_chars =
        (1..=order.len()).rev().find(|&chars| orders.contains_key(&order[..chars]))?;
    orders.get_mut(&order[..prefix_chars])
}

fn use_up(left: &mut u64) -> bool {
    let strikes = *left > 0;
    *left = left.saturating_sub(1);
    strikes
}

fn check_override(prefix: &str, faults: &OrderFaults) -> anyhow::Result<()> {
    let fits = OrderId::parse(prefix).is_ok();
    ensure!(fits, "a prefix is 1 to {ORDER_CHARS_MAX} letters, digits, '-' and '_'");
    for range in [faults.approve_millis, faults.other_millis].into_iter().flatten() {
        check_range(range)?;
    }
    Ok(())
}

fn check_range([from, to]: [u64; 2]) -> anyhow::Result<()> {
    ensure!(from <= to, "a latency goes from the shortest to the longest");
    ensure!(to <= LATENCY_MILLIS_MAX, "a latency is at most {LATENCY_MILLIS_MAX} milliseconds");
    Ok(())
}
