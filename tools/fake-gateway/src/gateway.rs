//! The gateway at work: what becomes of one delivery.

mod counts;
mod gate;
mod load;

use crate::answer::{Answer, Moment, Now};
use crate::books::{Books, Entry, LedgerItem, LedgerPage};
use crate::delivery::{Delivery, Face, Key, Operation, OrderId};
use crate::faults::{Fault, Faults, Script, Verb};
use crate::gateway::counts::{Counts, DeliveryCount};
use crate::gateway::gate::Admission;
use crate::gateway::load::{Load, Place};
use crate::journal::Sheet;
use crate::webhooks::Webhooks;
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
    webhooks: Option<Webhooks>,
    pen: mpsc::Sender<Sheet>,
}

/// All that changes; under one lock, so that each decision is made at one instant.
struct State {
    books: Books,
    script: Script,
    working: HashMap<Key, Delivery>,
    /// Deliveries that will be carried out after somebody has looked them up in vain.
    late: Vec<Delivery>,
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
    pub(crate) fn new(
        books: Books,
        faults: Faults,
        webhooks: Option<Webhooks>,
        pen: mpsc::Sender<Sheet>,
    ) -> Self {
        let state = State {
            books,
            script: Script::new(faults),
            working: HashMap::new(),
            late: Vec::new(),
            counts: Counts::default(),
        };
        Self { state: Arc::new(Mutex::new(state)), load: Load::new(), webhooks, pen }
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
        if written.is_ok() {
            self.send_webhooks(&delivery).await;
        }
        match written {
            Ok(answer) if !lost => self.tell(&delivery, answer),
            // Without the journal there is no answer, so its failure is silence as well.
            Ok(_) | Err(_) => Ending::Silence,
        }
    }

    /// Tells the client of what changed, where its tongue has webhooks. Returns at once, unless they
    /// are to come before the answer.
    async fn send_webhooks(&self, delivery: &Delivery) {
        let Some(webhooks) = self.webhooks.clone().filter(|_| delivery.face != Face::House) else {
            return;
        };
        let (answers, never, twice, early) = {
            let mut state = self.state();
            let answers = state.books.answers_of(&delivery.order);
            let mut strikes = |fault| state.strikes(delivery, fault);
            let faults = (
                strikes(Fault::WebhookNever),
                strikes(Fault::WebhookTwice),
                strikes(Fault::WebhookEarly),
            );
            (answers, faults.0, faults.1, faults.2)
        };
        let sends = if never { 0 } else { 1 + usize::from(twice) };
        for _ in 0..sends {
            let sent = webhooks.clone().send(delivery.face, answers.clone());
            if early {
                sent.await;
            } else {
                tokio::spawn(sent);
            }
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
        let lapses = state.strikes(&delivery, Fault::Lapse);
        let State { books, script, .. } = &mut *state;
        let at = Moment::now();
        let ends_at = match delivery.operation {
            Operation::Authorize if lapses => at,
            Operation::Authorize => at.plus_millis(script.settings().authorized_millis),
            Operation::Approve | Operation::Capture | Operation::Void | Operation::Refund => {
                at.approval_end()
            }
        };
        let now = Now { at, ends_at };
        let entry = books.decide(delivery, now, |Delivery { operation, order, .. }| {
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
        if matches!(ending, Ending::NotFound) {
            self.deliver_late(|delivery| delivery.key == *key);
        }
        ending
    }

    /// Carries out what was held back until somebody looked it up in vain.
    fn deliver_late(&self, is_it: impl Fn(&Delivery) -> bool) {
        let late = std::mem::take(&mut self.state().late);
        let (now, later): (Vec<_>, Vec<_>) = late.into_iter().partition(is_it);
        self.state().late.extend(later);
        for delivery in now {
            let gateway = self.clone();
            tokio::spawn(async move { drop(gateway.deliver_once(delivery).await) });
        }
    }

    /// All that was answered about an order, oldest first.
    pub(crate) async fn read(&self, order: &OrderId) -> Result<Vec<Arc<Answer>>, Ending> {
        let read = self.state().read(&self.load, order);
        match read {
            Ok(answers) => {
                self.deliver_late(|delivery| delivery.order == *order);
                Ok(answers)
            }
            Err(stop) => Err(stop.end().await),
        }
    }

    /// What was answered about an order up to this key.
    pub(crate) fn answers_until(&self, order: &OrderId, key: &Key) -> Vec<Arc<Answer>> {
        let mut answers = self.state().books.answers_of(order);
        let until = answers.iter().position(|answer| answer.key == *key);
        answers.truncate(until.map_or(answers.len(), |place| place + 1));
        answers
    }

    /// The answer to a key, if there is one; for tongues whose keys have a scope.
    pub(crate) fn answer(&self, key: &Key) -> Option<Arc<Answer>> {
        self.state().books.answer(key).cloned()
    }

    /// Whether what is told of a key is to be beyond anybody's knowledge.
    pub(crate) fn mystifies(&self, key: &Key) -> bool {
        let mut state = self.state();
        state.script.strike(Verb::Inquire, key.as_str(), &[Fault::UnknownStatus]).is_some()
    }

    /// Whether this fault strikes what is told of an order now.
    pub(crate) fn misleads(&self, order: &OrderId, fault: Fault) -> bool {
        self.state().script.strike(Verb::Inquire, order.as_str(), &[fault]).is_some()
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
