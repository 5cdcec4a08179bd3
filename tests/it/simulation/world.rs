//! A world: one database, its actors, and virtual time. Everything that happens is one of the
//! functions here, called by a scheduler (`storm.rs` by dice, `calm.rs` in order).

use super::customers::{Cancels, Command, Customer, Intent, carry_out};
use super::gateway::{Honesty, ModelGateway};
use super::house;
use super::late;
use super::pump::{self, GRACE};
use super::reach::Reach;
use super::runs::Run;
use super::shared::{Order, Shared};
use super::stage::{Point, Queue, Stage, Verdict};
use super::theater::{BEGINNING, showtime_id, template};
use super::trace::Trace;
use domain::ids::{CancellationId, CustomerId, ReservationId};
use domain::payment::GatewayCall;
use domain::reservation::{Deadlines, Reservation};
use domain::time::Time;
use fastrand::Rng;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use store::reserve::Offer;
use store::{Clock, Store};
use tokio::sync::broadcast;

/// A killed or deaf worker's task goes on elsewhere after this long (`contract.rs`, one try).
const TRY_TIMES_OUT_AFTER: Duration = Duration::from_secs(6);
/// The pump passes by at least this often in virtual time.
const PUMP_PASSES_EVERY: Duration = Duration::from_secs(5);
const WAKES_BEFORE_REPLACED: u32 = 5;

/// What a world is like.
#[derive(Debug, Clone)]
pub(super) struct Nature {
    /// How long an approval can be captured.
    pub(super) lapse: Duration,
    pub(super) honesty: Honesty,
    /// Damage done to the database before anything happens: a planted bug.
    pub(super) damage: Option<&'static str>,
    /// Payment activities step by step, with crash points between the transactions.
    pub(super) stepwise: bool,
}

impl Default for Nature {
    fn default() -> Self {
        let lapse = Duration::from_secs(7 * 24 * 3_600);
        Self { lapse, honesty: Honesty::Honest, damage: None, stepwise: false }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    /// What they do they do in their own time and process.
    Customer(CustomerId),
    /// The open run of a workflow.
    Run(String),
    /// Somebody whom nobody waits for any more: a paused sender, a late delivery.
    Stray,
    Pump,
}

/// What a workflow is about.
#[derive(Debug, Clone)]
enum Subject {
    Booking(ReservationId),
    Undo(CancellationId),
}

pub(super) struct Actor {
    pub(super) name: String,
    pub(super) who: Who,
    pub(super) at: Point,
    /// The turn in which it came to its point.
    pub(super) since: u64,
    /// Kept from going on until then.
    pub(super) held_until: Time,
    woken: Rc<Cell<bool>>,
    future: Pin<Box<dyn Future<Output = ()>>>,
}

pub(super) struct World {
    pub(super) shared: Rc<Shared>,
    pub(super) actors: Vec<Actor>,
    pub(super) rows: BTreeMap<ReservationId, Reservation>,
    pub(super) reach: Reach,
    pub(super) trace: Trace,
    pub(super) nature: Nature,
    /// From when on workers take work of the queues payment and ticket.
    pub(super) payment_back_at: Time,
    pub(super) ticket_back_at: Time,
    pub(super) raw: AnyConnection,
    runs: BTreeMap<String, Subject>,
    changes: broadcast::Receiver<(ReservationId, i64)>,
    turn: u64,
    pump_due: bool,
    file: PathBuf,
}

impl World {
    pub(super) async fn open(folder: &Path, nature: Nature) -> Self {
        // Never a name again: what an earlier world has left beside its file would be read.
        static WORLDS: AtomicU64 = AtomicU64::new(0);
        let file = folder.join(format!("{}.db", WORLDS.fetch_add(1, Ordering::Relaxed)));
        std::fs::write(&file, template()).expect("room for a copy");
        let clock = Arc::new(AtomicI64::new(BEGINNING.as_millis()));
        let store = reopen(&file, &clock).await;
        let url = format!("sqlite://{}", file.display());
        let mut raw = AnyConnection::connect(&url).await.expect("the store has opened it");
        if let Some(damage) = nature.damage {
            let done = sqlx::raw_sql(AssertSqlSafe(damage)).execute(&mut raw).await;
            done.expect("the damage can be done");
        }
        let stage = Stage::default();
        let mut gateway = ModelGateway::new(stage.clone(), clock.clone(), nature.lapse);
        gateway.honesty = nature.honesty;
        let changes = store.changes().watch();
        let shared = Shared {
            stage,
            clock,
            gateway: Arc::new(gateway),
            store: RefCell::new(store),
            orders: RefCell::default(),
            said: RefCell::default(),
            known: RefCell::default(),
            broken: RefCell::default(),
            reached: RefCell::default(),
            temporal_back_at: Cell::new(BEGINNING),
        };
        Self {
            shared: Rc::new(shared),
            actors: Vec::new(),
            rows: BTreeMap::new(),
            reach: Reach::default(),
            trace: Trace::default(),
            nature,
            payment_back_at: BEGINNING,
            ticket_back_at: BEGINNING,
            raw,
            runs: BTreeMap::new(),
            changes,
            turn: 0,
            pump_due: false,
            file,
        }
    }

    pub(super) async fn offer(&self) -> Rc<Offer> {
        let listed = self.shared.store().showtime(&showtime_id()).await;
        Rc::new(listed.expect("the store answers").expect("it was put there").offer)
    }

    pub(super) fn customer_comes(&mut self, n: u32, offer: &Rc<Offer>, intent: Intent, rng: &Rng) {
        let id = CustomerId::parse(format!("customer-{n}")).expect("plain");
        let somebody = |hand| Customer {
            shared: self.shared.clone(),
            id: id.clone(),
            offer: offer.clone(),
            intent: intent.clone(),
            rng: rng.clone(),
            hand,
            keys: 0,
        };
        let [books, cancels, comes, regrets] =
            ["books", "cancels", "comes", "regrets"].map(somebody);
        let name = format!("customer {n}");
        self.spawn(Who::Customer(id.clone()), name.clone(), Box::pin(books.books()));
        if let Some(how) = intent.comes {
            self.spawn(Who::Customer(id.clone()), name.clone(), Box::pin(comes.comes(how)));
            if how.regrets() {
                let regrets = Box::pin(regrets.regrets(how));
                self.spawn(Who::Customer(id.clone()), name.clone(), regrets);
            }
        }
        if let Some(how) = intent.cancels {
            self.spawn(Who::Customer(id), name, Box::pin(cancels.cancels(how)));
        }
    }

    /// The house gives the showtime up, then.
    pub(super) fn house_gives_up(&mut self, after: Duration) {
        let gives_up = house::gives_up(self.shared.clone(), after);
        self.spawn(Who::Stray, "house".to_owned(), Box::pin(gives_up));
    }

    /// The same customer wants out after all.
    pub(super) fn customer_cancels(
        &mut self,
        n: u32,
        offer: &Rc<Offer>,
        intent: Intent,
        how: Cancels,
    ) {
        let id = CustomerId::parse(format!("customer-{n}")).expect("plain");
        let (shared, offer, rng) = (self.shared.clone(), offer.clone(), Rng::with_seed(0));
        let hand = "cancels";
        let customer = Customer { shared, id: id.clone(), offer, intent, rng, hand, keys: 0 };
        self.spawn(Who::Customer(id), format!("customer {n}"), Box::pin(customer.cancels(how)));
    }

    fn spawn(&mut self, who: Who, name: String, future: Pin<Box<dyn Future<Output = ()>>>) {
        self.enter(who, name, Rc::default(), future);
    }

    fn enter(
        &mut self,
        who: Who,
        name: String,
        woken: Rc<Cell<bool>>,
        future: Pin<Box<dyn Future<Output = ()>>>,
    ) {
        let at = Point::Step(Queue::Booking, "begin");
        let since = self.turn;
        self.actors.push(Actor { name, who, at, since, held_until: BEGINNING, woken, future });
    }

    pub(super) fn now(&self) -> Time {
        self.shared.now()
    }

    /// Whether this actor may go on now.
    pub(super) fn is_ready(&self, actor: &Actor) -> bool {
        let now = self.now();
        if actor.held_until > now {
            return false;
        }
        match actor.at {
            Point::Step(Queue::Payment, _) => self.payment_back_at <= now,
            Point::Step(Queue::Ticket, _) => self.ticket_back_at <= now,
            Point::Wait { until, wakeable } => until <= now || (wakeable && actor.woken.get()),
            Point::Step(Queue::Booking, _)
            | Point::Request
            | Point::Response
            | Point::Send(..)
            | Point::Reply(..) => true,
        }
    }

    /// Who may go on now; the pump comes when it has something to look for.
    pub(super) fn ready(&mut self) -> Vec<usize> {
        if self.pump_due && !self.actors.iter().any(|actor| actor.who == Who::Pump) {
            self.pump_due = false;
            let pass = pump::pass(self.shared.clone());
            self.spawn(Who::Pump, "pump".to_owned(), Box::pin(pass));
        }
        let all = 0..self.actors.len();
        all.filter(|index| self.is_ready(&self.actors[*index])).collect()
    }

    /// The network loses the word that something is owed; the pump's own look finds it later.
    pub(super) fn lose_word(&mut self) -> bool {
        std::mem::take(&mut self.pump_due)
    }

    /// One step: from a point to the next.
    pub(super) async fn go(&mut self, index: usize, verdict: Verdict) {
        self.turn += 1;
        let now = self.now();
        let actor = &mut self.actors[index];
        if matches!(actor.who, Who::Customer(_)) && matches!(actor.at, Point::Wait { .. }) {
            actor.woken.set(false);
        }
        self.trace.steps(now, &actor.name, &actor.at, verdict);
        let parked = self.shared.stage.go_on(&mut actor.future, verdict).await;
        match parked {
            Some(point) => {
                actor.at = point;
                actor.since = self.turn;
            }
            None => {
                let ended = self.actors.remove(index);
                if let Who::Run(workflow) = ended.who {
                    self.runs.remove(&workflow);
                }
            }
        }
        self.observe().await;
        self.carry_out_orders();
    }

    /// A worker dies with what it has in memory.
    pub(super) fn kill(&mut self, index: usize) {
        let dead = self.actors.remove(index);
        self.trace.says(self.now(), format!("{} is killed", dead.name));
        self.replace(dead.who);
    }

    /// A worker dies in the middle of its next step, after it was polled so often. Whether the
    /// transaction that it was in took effect is open.
    pub(super) async fn tear(&mut self, index: usize, verdict: Verdict, polls: u32) {
        let mut torn = self.actors.remove(index);
        self.trace.says(self.now(), format!("{} is torn", torn.name));
        self.shared.stage.go_on_for(&mut torn.future, verdict, polls).await;
        let who = torn.who.clone();
        drop(torn);
        // What its transaction left behind is cleared up by the next one.
        self.shared.store().forget_old_keys().await.expect("the store goes on");
        self.observe().await;
        self.look_up().await;
        self.carry_out_orders();
        self.replace(who);
    }

    /// Nobody may have heard of what a torn transaction committed, perhaps only a moment later.
    pub(super) async fn look_up(&mut self) {
        for row in self.rows.values_mut() {
            let now = self.shared.store().reservation(&row.id).await;
            *row = now.expect("the store answers").expect("rows are kept");
        }
    }

    /// A worker stands still for longer than its try may last: Temporal gives its work to another,
    /// and it goes on when it wakes up.
    pub(super) fn freeze(&mut self, index: usize, pause: Duration) {
        let until = self.now().plus(pause);
        let actor = &mut self.actors[index];
        actor.held_until = until;
        let who = std::mem::replace(&mut actor.who, Who::Stray);
        let said = format!("{} stands still for {pause:?}", actor.name);
        self.trace.says(self.shared.now(), said);
        self.replace(who);
    }

    fn replace(&mut self, who: Who) {
        if let Who::Run(workflow) = who
            && let Some(subject) = self.runs.get(&workflow).cloned()
        {
            self.start(workflow, subject, self.now().plus(TRY_TIMES_OUT_AFTER));
        }
    }

    /// The whole process dies and is started again. Customers live elsewhere: their requests are
    /// cut off.
    pub(super) async fn restart(&mut self) {
        self.trace.says(self.now(), "the process is killed and started again".to_owned());
        let (customers, dead): (Vec<Actor>, Vec<Actor>) = std::mem::take(&mut self.actors)
            .into_iter()
            .partition(|actor| matches!(actor.who, Who::Customer(_)));
        self.actors = customers;
        let names: Vec<Who> = dead.into_iter().map(|actor| actor.who).collect();
        let store = reopen(&self.file, &self.shared.clock).await;
        store.spare_deadlines_until(self.now().plus(GRACE));
        self.changes = store.changes().watch();
        *self.shared.store.borrow_mut() = store;
        self.pump_due = true;
        names.into_iter().for_each(|who| self.replace(who));
        // Each goes on from another point, so this ends.
        while let Some(index) = self.actors.iter().position(was_cut_off) {
            self.go(index, Verdict::Lost).await;
        }
    }

    /// Temporal's memory is set back to before all that runs now.
    pub(super) fn forget_runs(&mut self) {
        self.trace.says(self.now(), "Temporal forgets all runs".to_owned());
        self.runs.clear();
        self.actors.retain(|actor| !matches!(actor.who, Who::Run(_)));
    }

    /// What was sent is delivered once more, later, and its answer recorded as a callback's is.
    pub(super) fn deliver_again(&mut self, call: GatewayCall, after: Duration) {
        let name = format!(
            "late {} of {}",
            call.operation,
            self.trace.place(call.reservation_id.as_str())
        );
        let late = late::delivery(self.shared.clone(), call, after);
        self.spawn(Who::Stray, name, Box::pin(late));
    }

    /// The steps of the undo that this run carries out are done again, late.
    pub(super) fn repeat_undo(&mut self, index: usize, after: Duration) {
        let Who::Run(workflow) = &self.actors[index].who else { return };
        let Some(Subject::Undo(id)) = self.runs.get(workflow).cloned() else { return };
        let run = self.run(self.now().plus(after), Rc::default());
        let name = format!("repeat of {workflow}");
        self.spawn(Who::Stray, name, Box::pin(run.repeat_undo(id)));
    }

    /// Time passes, and the pump with it.
    pub(super) fn pass_time(&mut self, to: Time) {
        let store = self.shared.store();
        while self.now() < to {
            let next = self.now().plus(PUMP_PASSES_EVERY).min(to);
            self.shared.clock.store(next.as_millis(), Ordering::SeqCst);
            store.pump_passes(GRACE);
            if !self.shared.temporal_answers() {
                store.spare_deadlines_until(next.plus(GRACE));
            }
        }
        self.pump_due = true;
    }

    /// Time passes while the machine stands still.
    pub(super) fn machine_stands_still(&mut self, pause: Duration) {
        self.trace.says(self.now(), format!("the machine stands still for {pause:?}"));
        let to = self.now().plus(pause);
        self.shared.clock.store(to.as_millis(), Ordering::SeqCst);
        self.pump_due = true;
    }

    /// When something happens next although nobody can go on now; nothing: all is at rest.
    pub(super) async fn next_event(&mut self) -> Option<Time> {
        let now = self.now();
        let mut events: Vec<Time> = self.shared.gateway.next_done().into_iter().collect();
        for actor in &self.actors {
            events.push(
                match actor.at {
                    Point::Wait { until, .. } => until,
                    Point::Step(Queue::Payment, _) => self.payment_back_at,
                    Point::Step(Queue::Ticket, _) => self.ticket_back_at,
                    _ => actor.held_until,
                }
                .max(actor.held_until),
            );
        }
        let due = "select min(attend_at) as due from (select attend_at from reservation \
                   union all select attend_at from cancellation \
                   union all select attend_at from showtime_cancellation where wakes < 12)";
        let due = sqlx::query(due).fetch_one(&mut self.raw).await.expect("the database answers");
        let due = due.get::<Option<i64>, _>("due");
        let pumps = self.actors.iter().any(|actor| actor.who == Who::Pump);
        if let Some(due) = due.filter(|_| !pumps) {
            events.push(Time::from_millis(due).max(self.shared.temporal_back_at.get()));
        }
        events.into_iter().min().map(|at| at.max(now.plus(Duration::from_millis(1))))
    }

    fn carry_out_orders(&mut self) {
        let orders = std::mem::take(&mut *self.shared.orders.borrow_mut());
        for order in orders {
            match order {
                Order::Booking { id, wakes } => {
                    let workflow = format!("booking/{}", self.trace.place(id.as_str()));
                    self.start_or_wake(workflow, Subject::Booking(id), wakes);
                }
                Order::Undo { id, wakes } => {
                    let workflow = format!("undo/{}", self.trace.place(id.as_str()));
                    self.start_or_wake(workflow, Subject::Undo(id), wakes);
                }
                Order::Wake(id) => {
                    let workflow = format!("booking/{}", self.trace.place(id.as_str()));
                    self.wake(&workflow);
                }
                Order::InLine(id) => {
                    let workflow = format!("booking/{}", self.trace.place(id.as_str()));
                    let run = Who::Run(workflow.clone());
                    let idle =
                        |actor: &Actor| matches!(actor.at, Point::Wait { wakeable: true, .. });
                    let mut actors = self.actors.iter();
                    if !actors.any(|actor| actor.who == run && !idle(actor)) {
                        self.start_or_wake(workflow, Subject::Booking(id), 0);
                    }
                }
                Order::Doubled { customer, command, key } => self.doubled(customer, command, key),
            }
        }
    }

    /// Which reservation an open run is about.
    pub(super) fn reservation_of(&self, workflow: &str) -> Option<ReservationId> {
        match self.runs.get(workflow)? {
            Subject::Booking(id) => Some(id.clone()),
            Subject::Undo(id) => {
                let mut rows = self.rows.values();
                rows.find(|row| row.open_cancellation.as_ref() == Some(id))
                    .map(|row| row.id.clone())
            }
        }
    }

    fn start_or_wake(&mut self, workflow: String, subject: Subject, wakes: u32) {
        if self.runs.contains_key(&workflow) {
            let who = Who::Run(workflow.clone());
            let idle = |actor: &Actor| matches!(actor.at, Point::Wait { wakeable: true, .. });
            let deaf = self.actors.iter().position(|actor| actor.who == who && idle(actor));
            match deaf {
                Some(index) if wakes >= WAKES_BEFORE_REPLACED => {
                    self.actors.remove(index);
                }
                _ => return self.wake(&workflow),
            }
        }
        self.start(workflow, subject, self.now());
    }

    fn wake(&mut self, workflow: &str) {
        let run = Who::Run(workflow.to_owned());
        for actor in self.actors.iter().filter(|actor| actor.who == run) {
            actor.woken.set(true);
        }
    }

    fn start(&mut self, workflow: String, subject: Subject, begins_at: Time) {
        let woken = Rc::new(Cell::new(false));
        let run = self.run(begins_at, woken.clone());
        let future: Pin<Box<dyn Future<Output = ()>>> = match subject.clone() {
            Subject::Booking(id) => Box::pin(run.booking(id)),
            Subject::Undo(id) => Box::pin(run.cancellation(id)),
        };
        self.reach.run(&workflow);
        self.runs.insert(workflow.clone(), subject);
        self.enter(Who::Run(workflow.clone()), workflow, woken, future);
    }

    fn run(&self, begins_at: Time, woken: Rc<Cell<bool>>) -> Run {
        let (shared, stepwise) = (self.shared.clone(), self.nature.stepwise);
        Run { world: shared.world(), shared, woken, begins_at, stepwise }
    }

    fn doubled(&mut self, customer: CustomerId, command: Command, key: String) {
        let shared = self.shared.clone();
        let name = format!("doubled {} of {customer}", command.name());
        let late = async move {
            shared.stage.park(Point::Request).await;
            carry_out(&shared, &customer, &command, &key).await;
        };
        self.spawn(Who::Stray, name, Box::pin(late));
    }

    /// Looks at what the last step changed.
    pub(super) async fn observe(&mut self) {
        let mut changed: Vec<ReservationId> = Vec::new();
        while let Ok((id, _)) = self.changes.try_recv() {
            if !changed.contains(&id) {
                changed.push(id);
            }
        }
        for case in self.shared.reached.borrow_mut().drain(..) {
            self.reach.case(case);
        }
        for call in self.shared.gateway.take_late() {
            self.reach.late_delivery(self.rows.get(&call.reservation_id));
        }
        let store = self.shared.store();
        for id in changed {
            let after = store.reservation(&id).await.expect("the database answers");
            let after = after.expect("it has just changed");
            let before = self.rows.get(&id);
            self.reach.change(before, &after);
            self.trace.changed(before, &after);
            let due = after.attend_at.is_some_and(|at| at <= after.updated_at);
            self.pump_due |= due || after.open_cancellation.is_some();
            self.wake_customer(&after.customer_id);
            self.rows.insert(id, after);
        }
    }

    fn wake_customer(&self, customer: &CustomerId) {
        for actor in &self.actors {
            if matches!(&actor.who, Who::Customer(id) if id == customer) {
                actor.woken.set(true);
            }
        }
    }
}

impl Drop for World {
    /// Its database is of no use any more, and memory is dear.
    fn drop(&mut self) {
        for ending in ["db", "db-wal", "db-shm"] {
            std::fs::remove_file(self.file.with_extension(ending)).ok();
        }
    }
}

fn was_cut_off(actor: &Actor) -> bool {
    matches!(actor.at, Point::Request | Point::Response)
}

async fn reopen(file: &Path, clock: &Arc<AtomicI64>) -> Store {
    let url = format!("sqlite://{}", file.display());
    let opened = Store::open(&url, Clock::Manual(clock.clone()), Deadlines::default()).await;
    opened.expect("the database is there")
}
