//! What all actors of a world share: the store of the running process, the gateway, the clock, and
//! what they ask of the scheduler.

use super::customers::{Command, Said};
use super::gateway::ModelGateway;
use super::stage::{Point, Queue, Stage, Verdict};
use activities::World;
use activities::failure::Unfinished;
use domain::ids::{CancellationId, CustomerId, ReservationId};
use domain::time::Time;
use gateway::limiter::{Limiter, Limits};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use store::Store;

/// What an actor asks of the scheduler.
pub(super) enum Order {
    /// Temporal is to start this booking, or to wake it.
    Booking {
        id: ReservationId,
        wakes: u32,
    },
    /// Temporal is to wake this booking if it runs.
    Wake(ReservationId),
    /// Temporal is to start this booking unless it stands in line.
    InLine(ReservationId),
    Undo {
        id: CancellationId,
        wakes: u32,
    },
    /// The network delivers a command again, some time later.
    Doubled {
        customer: CustomerId,
        command: Command,
        key: String,
    },
}

pub(super) struct Shared {
    pub(super) stage: Stage,
    pub(super) clock: Arc<AtomicI64>,
    pub(super) gateway: Arc<ModelGateway>,
    pub(super) store: RefCell<Store>,
    pub(super) orders: RefCell<Vec<Order>>,
    /// What customers were told.
    pub(super) said: RefCell<Vec<Said>>,
    /// Who made which reservation, as the customers know it.
    pub(super) known: RefCell<Vec<(CustomerId, ReservationId)>>,
    /// What never may happen.
    pub(super) broken: RefCell<Vec<String>>,
    /// Cases of the specification that were reached by what actors saw.
    pub(super) reached: RefCell<Vec<&'static str>>,
    /// Temporal answers again from this time on.
    pub(super) temporal_back_at: Cell<Time>,
}

impl Shared {
    pub(super) fn now(&self) -> Time {
        Time::from_millis(self.clock.load(Ordering::SeqCst))
    }

    pub(super) fn store(&self) -> Store {
        self.store.borrow().clone()
    }

    pub(super) fn world(&self) -> World {
        // A limiter of its own: what one run sees of the gateway is too little to leave it alone.
        let limiter = Limiter::new(Limits::default());
        World { store: self.store(), gateway: Some(self.gateway.clone()), limiter }
    }

    pub(super) fn temporal_answers(&self) -> bool {
        self.temporal_back_at.get() <= self.now()
    }

    pub(super) fn order(&self, order: Order) {
        self.orders.borrow_mut().push(order);
    }

    pub(super) fn reached(&self, case: &'static str) {
        self.reached.borrow_mut().push(case);
    }

    pub(super) async fn step(&self, queue: Queue, what: &'static str) -> Verdict {
        self.stage.park(Point::Step(queue, what)).await
    }

    pub(super) async fn wait(&self, pause: Duration) {
        self.wait_until(self.now().plus(pause), false).await;
    }

    pub(super) async fn wait_until(&self, until: Time, wakeable: bool) {
        self.stage.park(Point::Wait { until, wakeable }).await;
    }

    /// The store never fails here, and no step is done in vain.
    pub(super) fn failed(&self, what: &str, why: &Unfinished) {
        match why {
            Unfinished::Unknown(_) | Unfinished::InProgress | Unfinished::NotYet => {}
            Unfinished::Store(_)
            | Unfinished::LeftAlone(_)
            | Unfinished::NoGateway
            | Unfinished::NoProgress => {
                self.broken.borrow_mut().push(format!("{what}: {why:?}"));
            }
        }
    }
}
