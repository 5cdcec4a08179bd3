//! The gateway at work: what becomes of one delivery.

mod counts;
mod gate;
mod load;

use crate::answer::{Answer, Moment};
use crate::books::{Books, Entry, LedgerItem, LedgerPage};
use crate::delivery::{Delivery, Key, OrderId};
use crate::faults::{Fault, Faults, Script, Verb};
use crate::gateway::counts::{Counts, DeliveryCount};
use crate::gateway::gate::Admission;
use crate::gateway::load::{Load, Place};
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
    load: Load,
    pen: mpsc::Sender<Sheet>,
}

/// All that changes; under one lock, so that each decision is made at one instant.
struct State {
    books: Books,
    script: Script,
    working: HashMap<Key, Delivery>,
    /// Deliveries that will be carried out after somebody has looked them up in vain.
    late: HashMap<Key, Delivery>,
    counts: Counts,
}

/// How a call ends for the client that made it.
pub(crate) enum Ending {
    /// The definitive answer, for the first or for the hundredth time.
    Answered(Arc<Answer>),
    /// The connection is closed without a word.
    Silence,
    /// More calls than are taken; the same may be tried again.
    Overloaded,
    /// Nothing was done, and the same may be tried again.
    Unavailable,
    /// Nothing was done because of a mistake of the gateway's own.
    Broken,
    /// Another delivery of this key is being worked on.
    InProgress,
    /// The key names another effect.
    KeyReused,
    /// Nothing is known of this.
    NotFound,
}

impl Gateway {
    pub(crate) fn new(books: Books, faults: Faults, pen: mpsc::Sender<Sheet>) -> Self {
        let state = State {
            books,
            script: Script::new(faults),
            working: HashMap::new(),
            late: HashMap::new(),
            counts: Counts::default(),
        };
        Self { state: Arc::new(Mutex::new(state)), load: Load::new(), pen }
    }

    /// Carries out one delivery, or repeats what came of an earlier one with the same key.
    pub(crate) async fn deliver(&self, delivery: Delivery) -> Ending {
        let twice = self.state().strikes(&delivery, Fault::Twice);
        let first = self.deliver_once(delivery.clone()).await;
        if twice { self.deliver_once(delivery).await } else { first }
    }

    async fn deliver_once(&self, delivery: Delivery) -> Ending {
        let admission = self.state().admit(&self.load, &delivery);
        let (latency, place) = match admission {
            Admission::Work(latency, place) => (latency, place),
            Admission::Stop(stop) => return stop.end().await,
            Admission::Repeat(answer) => return self.tell(&delivery, answer),
        };
        // A client that hangs up ends only this wait; the work goes on.
        let work = tokio::spawn(self.clone().work(delivery, latency, place));
        work.await.unwrap_or(Ending::Silence)
    }

    async fn work(self, delivery: Delivery, latency: Duration, place: Place) -> Ending {
        tokio::time::sleep(latency).await;
        let (lost, written) = self.decide(delivery.clone());
        let written = written.await;
        drop(place);
        match written {
            Ok(answer) if !lost => self.tell(&delivery, answer),
            // Without the journal there is no answer, so its failure is silence as well.
            Ok(_) | Err(_) => Ending::Silence,
        }
    }

    /// The answer as the client gets it.
    fn tell(&self, delivery: &Delivery, answer: Arc<Answer>) -> Ending {
        if self.state().strikes(delivery, Fault::WrongAmount) {
            return Ending::Answered(Arc::new(answer.misread()));
        }
        Ending::Answered(answer)
    }

    /// Makes the effect and sends it to the journal, at one instant.
    fn decide(&self, delivery: Delivery) -> (bool, oneshot::Receiver<Arc<Answer>>) {
        let (written, waiter) = oneshot::channel();
        let mut state = self.state();
        let lost = state.strikes(&delivery, Fault::LoseAnswer);
        let State { books, script, .. } = &mut *state;
        let entry =
            books.decide(delivery, Moment::now(), |Delivery { operation, order, .. }| {
                let verb = Verb::from(*operation);
                script.strike(verb, order.as_str(), &[Fault::Decline]).and(operation.refusal())
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
    pub(crate) async fn inquire(&self, key: &Key) -> Ending {
        let found = self.state().look_up(&self.load, key);
        let ending = match found {
            Ok(ending) => ending,
            Err(stop) => return stop.end().await,
        };
        let late = self.state().late.remove(key);
        if let (Ending::NotFound, Some(delivery)) = (&ending, late) {
            tokio::spawn(self.clone().deliver_late(delivery));
        }
        ending
    }

    async fn deliver_late(self, delivery: Delivery) {
        drop(self.deliver_once(delivery).await);
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
    pub(crate) fn with_script<T>(&self, act: impl FnOnce(&mut Script) -> T) -> T {
        act(&mut self.state().script)
    }

    /// How much the gateway is asked.
    pub(crate) fn load(&self) -> load::Shown {
        self.load.show()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        hold(&self.state)
    }
}

fn hold(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("only a bug in the books panics under the lock, and then nothing is sure")
}
