//! The model of the payment company: one key, one effect, by the rules of the real stand-in
//! (`tools/fake-gateway/src/payment.rs`), and a ledger of all that it did.

use super::stage::{Asking, Point, Stage, Verdict};
use domain::ids::{CallKey, PaymentAttemptId};
use domain::payment::{Answer, CallBody, GatewayCall};
use domain::reservation::Reservation;
use domain::time::Time;
use domain::words::{CallState, Method, Operation};
use gateway::{Asked, Gateway, Outcome, Unknown};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// A planted bug of the gateway, to see that the simulation finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Honesty {
    Honest,
    /// Every delivery makes a new effect; no order has a memory.
    ForgetsKeys,
    /// Our own tongue takes silence for a yes.
    SilenceIsYes,
}

pub(super) struct ModelGateway {
    pub(super) stage: Stage,
    pub(super) clock: Arc<AtomicI64>,
    /// How long an approval can be captured.
    pub(super) lapse: Duration,
    pub(super) honesty: Honesty,
    books: Mutex<Books>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Money {
    Untouched,
    Approved { amount: i64, ends_at: Time },
    Voided,
    Captured { amount: i64, refunded: i64 },
}

/// One line of the ledger: the definitive answer to one key.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) call: GatewayCall,
    pub(super) answer: Answer,
    pub(super) at: Time,
}

#[derive(Default)]
struct Books {
    ledger: Vec<Entry>,
    orders: BTreeMap<PaymentAttemptId, Money>,
    /// What it works on: done at that time, whoever asks.
    working: Vec<(Time, GatewayCall, Verdict)>,
    /// Deliveries of keys that were answered long before (R28).
    late: Vec<GatewayCall>,
}

/// A delivery this long after the answer comes from a sender that was paused (R28).
const LATE_AFTER: Duration = Duration::from_secs(15);

impl ModelGateway {
    pub(super) fn new(stage: Stage, clock: Arc<AtomicI64>, lapse: Duration) -> Self {
        Self { stage, clock, lapse, honesty: Honesty::Honest, books: Mutex::default() }
    }

    /// All that was decided, in order.
    pub(super) fn ledger(&self) -> Vec<Entry> {
        self.books().ledger.clone()
    }

    pub(super) fn money(&self, attempt: &PaymentAttemptId) -> Money {
        self.books().orders.get(attempt).copied().unwrap_or(Money::Untouched)
    }

    /// It knows nothing of this attempt but refusals, and works on none of it.
    pub(super) fn is_untouched(&self, attempt: &PaymentAttemptId) -> bool {
        let books = self.books();
        let money = books.orders.get(attempt).copied().unwrap_or(Money::Untouched);
        let working = books.working.iter().any(|(_, call, _)| call.attempt_id == *attempt);
        money == Money::Untouched && !working
    }

    /// It approves an attempt under a key that is none of ours.
    pub(super) fn approves_after_all(
        &self,
        attempt: &PaymentAttemptId,
        row: &Reservation,
    ) -> CallKey {
        let key = CallKey::parse(format!("{attempt}-after-all")).expect("plain");
        let call = GatewayCall {
            key: key.clone(),
            reservation_id: row.id.clone(),
            attempt_id: attempt.clone(),
            operation: Operation::Approve,
            cancellation_id: None,
            body: CallBody {
                amount: row.amount,
                method: Method::Card,
                authorization: None,
                account: None,
            },
            state: CallState::Known,
            late: false,
            opened_at: self.now(),
        };
        let now = self.now();
        self.decide(&mut self.books(), &call, Verdict::Go, now);
        key
    }

    /// When it finishes the next thing that it works on.
    pub(super) fn next_done(&self) -> Option<Time> {
        self.books().working.iter().map(|(at, ..)| *at).min()
    }

    /// Deliveries since the last look that came long after their key's answer.
    pub(super) fn take_late(&self) -> Vec<GatewayCall> {
        std::mem::take(&mut self.books().late)
    }

    fn now(&self) -> Time {
        Time::from_millis(self.clock.load(Ordering::SeqCst))
    }

    /// The books as they are now: what was worked on until now is done.
    fn books(&self) -> MutexGuard<'_, Books> {
        let mut books = self.books.lock().expect("nobody panics under the lock");
        let now = self.now();
        let working = std::mem::take(&mut books.working);
        for (at, call, verdict) in working {
            if at <= now {
                self.decide(&mut books, &call, verdict, at);
            } else {
                books.working.push((at, call, verdict));
            }
        }
        books
    }

    async fn delivered(&self, call: &GatewayCall) -> Result<Outcome, Unknown> {
        let verdict = self.stage.park(Point::Send(Asking::Deliver, call.clone())).await;
        match verdict {
            Verdict::Lost => return silence(),
            Verdict::Unavailable => return unavailable(),
            Verdict::Slow(pause) => {
                let at = self.now().plus(pause);
                let mut books = self.books();
                let known = books.ledger.iter().any(|entry| entry.call.key == call.key)
                    || books.working.iter().any(|(_, working, _)| working.key == call.key);
                if !known {
                    books.working.push((at, call.clone(), Verdict::Go));
                }
                return silence();
            }
            Verdict::Go | Verdict::Doubled | Verdict::Refuse => {}
        }
        let answer = {
            let mut books = self.books();
            if books.working.iter().any(|(_, working, _)| working.key == call.key) {
                return Ok(Outcome::InProgress);
            }
            let now = self.now();
            self.decide(&mut books, call, verdict, now)
        };
        self.reply(Asking::Deliver, call, Outcome::Known(answer)).await
    }

    async fn inquired(&self, call: &GatewayCall) -> Result<Outcome, Unknown> {
        match self.stage.park(Point::Send(Asking::Inquire, call.clone())).await {
            Verdict::Lost | Verdict::Slow(_) => return silence(),
            Verdict::Unavailable => return unavailable(),
            Verdict::Go | Verdict::Doubled | Verdict::Refuse => {}
        }
        let outcome = {
            let books = self.books();
            let known = books.ledger.iter().find(|entry| entry.call.key == call.key);
            match known {
                Some(entry) => Outcome::Known(entry.answer.clone()),
                None if books.working.iter().any(|(_, working, _)| working.key == call.key) => {
                    Outcome::InProgress
                }
                None => Outcome::NotFound,
            }
        };
        self.reply(Asking::Inquire, call, outcome).await
    }

    async fn reply(
        &self,
        asking: Asking,
        call: &GatewayCall,
        outcome: Outcome,
    ) -> Result<Outcome, Unknown> {
        match self.stage.park(Point::Reply(asking, call.clone())).await {
            Verdict::Go | Verdict::Doubled | Verdict::Refuse => Ok(outcome),
            Verdict::Lost | Verdict::Slow(_) => silence(),
            Verdict::Unavailable => unavailable(),
        }
    }

    /// One key has one effect; its answer is given again.
    fn decide(&self, books: &mut Books, call: &GatewayCall, verdict: Verdict, now: Time) -> Answer {
        let known = books.ledger.iter().find(|entry| entry.call.key == call.key);
        if let Some(entry) = known.filter(|_| self.honesty != Honesty::ForgetsKeys) {
            if now.since(entry.at) >= LATE_AFTER {
                books.late.push(call.clone());
            }
            return entry.answer.clone();
        }
        let money = books.orders.get(&call.attempt_id).copied().unwrap_or(Money::Untouched);
        let money = if known.is_some() { Money::Untouched } else { money };
        let answer = match self.after(money, call, now) {
            Err(code) => Answer::Refused { code: code.to_owned() },
            // Every second customer authorised too long ago.
            Ok(_)
                if verdict == Verdict::Refuse
                    && call.operation == Operation::Approve
                    && books.ledger.len() % 2 == 1 =>
            {
                Answer::Lapsed
            }
            Ok(_) if verdict == Verdict::Refuse => {
                Answer::Refused { code: format!("{}_REFUSED", call.operation) }
            }
            Ok(money) => {
                books.orders.insert(call.attempt_id.clone(), money);
                let approved = match money {
                    Money::Approved { ends_at, .. } => Some(ends_at),
                    Money::Untouched | Money::Voided | Money::Captured { .. } => None,
                };
                Answer::Done { approval_ends_at: approved }
            }
        };
        books.ledger.push(Entry { call: call.clone(), answer: answer.clone(), at: now });
        answer
    }

    fn after(&self, money: Money, call: &GatewayCall, now: Time) -> Result<Money, &'static str> {
        let asked = call.body.amount.get();
        match (call.operation, money) {
            (Operation::Approve, Money::Untouched) => {
                Ok(Money::Approved { amount: asked, ends_at: now.plus(self.lapse) })
            }
            (Operation::Approve, Money::Approved { .. }) => Err("ALREADY_APPROVED"),
            (Operation::Capture | Operation::Void, Money::Untouched) => Err("NOT_APPROVED"),
            (Operation::Capture | Operation::Void, Money::Approved { amount, .. })
                if amount != asked =>
            {
                Err("AMOUNT_MISMATCH")
            }
            (Operation::Capture, Money::Approved { ends_at, .. }) if ends_at <= now => {
                Err("APPROVAL_ENDED")
            }
            (Operation::Capture, Money::Approved { amount, .. }) => {
                Ok(Money::Captured { amount, refunded: 0 })
            }
            (Operation::Void, Money::Approved { .. }) => Ok(Money::Voided),
            (Operation::Refund, Money::Untouched | Money::Approved { .. }) => Err("NOT_CAPTURED"),
            (Operation::Refund, Money::Captured { amount, refunded }) => {
                let refunded = refunded + asked;
                let fits = refunded <= amount;
                fits.then_some(Money::Captured { amount, refunded }).ok_or("AMOUNT_EXCEEDED")
            }
            (_, Money::Voided) => Err("ALREADY_VOIDED"),
            (_, Money::Captured { .. }) => Err("ALREADY_CAPTURED"),
        }
    }

    fn heard(&self, answered: Result<Outcome, Unknown>) -> Result<Outcome, Unknown> {
        match (self.honesty, answered) {
            (Honesty::SilenceIsYes, Err(_)) => {
                Ok(Outcome::Known(Answer::Done { approval_ends_at: None }))
            }
            (_, answered) => answered,
        }
    }
}

fn silence() -> Result<Outcome, Unknown> {
    Err(Unknown::Misfit("silence".to_owned()))
}

fn unavailable() -> Result<Outcome, Unknown> {
    Err(Unknown::NotDefinitive { status: 503 })
}

impl Gateway for ModelGateway {
    fn deliver<'a>(&'a self, call: &'a GatewayCall) -> Asked<'a> {
        Box::pin(async move { self.heard(self.delivered(call).await) })
    }

    fn inquire<'a>(&'a self, call: &'a GatewayCall) -> Asked<'a> {
        Box::pin(async move { self.heard(self.inquired(call).await) })
    }
}
