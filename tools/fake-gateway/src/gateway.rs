//! The gateway at work: what becomes of one delivery.

mod counts;

use crate::answer::{Answer, Moment};
use crate::books::{Books, Entry, LedgerItem, LedgerPage};
use crate::delivery::{Delivery, Key, OrderId};
use crate::faults::{Fault, Faults};
use crate::gateway::counts::{Counts, DeliveryCount};
use crate::journal::Sheet;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// The most deliveries that are worked on at a time; more are answered with 503.
pub(crate) const WORKING_MAX: usize = 20_000;

/// One gateway, shared by all connections.
#[derive(Clone)]
pub(crate) struct Gateway {
    state: Arc<Mutex<State>>,
    pen: mpsc::Sender<Sheet>,
}

/// All that changes; under one lock, so that each decision is made at one instant.
struct State {
    books: Books,
    faults: Faults,
    working: HashMap<Key, Delivery>,
    counts: Counts,
}

/// How a delivery ends for the client that sent it.
pub(crate) enum Ending {
    /// The definitive answer, for the first or for the hundredth time.
    Answered(Arc<Answer>),
    /// The connection is closed without a word.
    Silence,
    /// Nothing was done, and the same may be tried again.
    Unavailable,
    /// Another delivery of this key is being worked on.
    InProgress,
    /// The key names another effect.
    KeyReused,
}

/// What is known about a key.
pub(crate) enum Inquiry {
    Answered(Arc<Answer>),
    InProgress,
    NotFound,
}

impl Gateway {
    pub(crate) fn new(books: Books, faults: Faults, pen: mpsc::Sender<Sheet>) -> Self {
        let counts = Counts::default();
        let state = State { books, faults, working: HashMap::new(), counts };
        Self { state: Arc::new(Mutex::new(state)), pen }
    }

    /// Carries out one delivery, or repeats what came of an earlier one with the same key.
    pub(crate) async fn deliver(&self, delivery: Delivery) -> Ending {
        let latency = match self.state().admit(&delivery) {
            Admission::Work(latency) => latency,
            Admission::End(ending) => return ending,
        };
        // A client that hangs up ends only this wait; the work goes on.
        let work = tokio::spawn(self.clone().work(delivery, latency));
        work.await.unwrap_or(Ending::Silence)
    }

    async fn work(self, delivery: Delivery, latency: Duration) -> Ending {
        tokio::time::sleep(latency).await;
        let (lost, written) = self.decide(delivery);
        match written.await {
            Ok(answer) if !lost => Ending::Answered(answer),
            // Without the journal there is no answer, so its failure is silence as well.
            Ok(_) | Err(_) => Ending::Silence,
        }
    }

    /// Makes the effect and sends it to the journal, at one instant.
    fn decide(&self, delivery: Delivery) -> (bool, oneshot::Receiver<Arc<Answer>>) {
        let (written, waiter) = oneshot::channel();
        let mut state = self.state();
        let State { books, faults, .. } = &mut *state;
        let lost = faults.take(Fault::LoseAnswer, &delivery.order);
        let entry = books.decide(delivery, Moment::now(), |delivery| {
            faults.refusal(delivery.operation, &delivery.order)
        });
        // Still under the lock, so that the journal has the order of the decisions. This fails
        // only when the writer has failed; then the sheet drops, and the waiter hears of it.
        if self.pen.try_send(Sheet { entry, written }).is_err() {
            tracing::error!("the journal takes no more entries");
        }
        (lost, waiter)
    }

    /// What the journal's writer calls with each entry that is safe. Holds no pen: the writer
    /// must be able to notice that all pens are gone.
    pub(crate) fn publisher(&self) -> impl Fn(Entry) -> Arc<Answer> + Send + 'static {
        let state = self.state.clone();
        move |entry| {
            let mut state = hold(&state);
            state.working.remove(&entry.answer.key);
            state.books.publish(entry)
        }
    }

    /// Looks a key up.
    pub(crate) fn inquire(&self, key: &Key) -> Inquiry {
        let state = self.state();
        match state.books.answer(key) {
            Some(answer) => Inquiry::Answered(answer.clone()),
            None if state.working.contains_key(key) => Inquiry::InProgress,
            None => Inquiry::NotFound,
        }
    }

    /// Reads a page of the ledger.
    pub(crate) fn ledger(&self, page: &LedgerPage) -> (Vec<LedgerItem>, Option<u64>) {
        self.state().books.ledger(page)
    }

    /// How many times each key was delivered, oldest key first.
    pub(crate) fn delivery_counts(&self, order: Option<&OrderId>) -> Vec<DeliveryCount> {
        self.state().counts.list(order)
    }

    /// Reads or changes the fault script.
    pub(crate) fn with_faults<T>(&self, act: impl FnOnce(&mut Faults) -> T) -> T {
        act(&mut self.state().faults)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        hold(&self.state)
    }
}

fn hold(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("only a bug in the books panics under the lock, and then nothing is sure")
}

/// Whether a delivery is to be worked on.
enum Admission {
    Work(Duration),
    End(Ending),
}

impl State {
    fn admit(&mut self, delivery: &Delivery) -> Admission {
        let Delivery { key, order, operation, .. } = delivery;
        self.counts.count(key, order);
        if self.faults.take(Fault::DropRequest, order) {
            return Admission::End(Ending::Silence);
        }
        if self.faults.take(Fault::Fail, order) {
            return Admission::End(Ending::Unavailable);
        }
        if let Some(ending) = self.earlier(delivery) {
            return Admission::End(ending);
        }
        if self.working.len() >= WORKING_MAX {
            return Admission::End(Ending::Unavailable);
        }
        self.working.insert(key.clone(), delivery.clone());
        Admission::Work(self.faults.latency(*operation, order))
    }

    /// How this delivery ends because of an earlier one with the same key.
    fn earlier(&self, delivery: &Delivery) -> Option<Ending> {
        if let Some(answer) = self.books.answer(&delivery.key) {
            return Some(if answer.answers(delivery) {
                Ending::Answered(answer.clone())
            } else {
                Ending::KeyReused
            });
        }
        let working = self.working.get(&delivery.key)?;
        Some(if working == delivery { Ending::InProgress } else { Ending::KeyReused })
    }
}
