//! The crew of a process: a worker for each of its task queues and, beside the booking queue's,
//! the pump, because an eager start has to use the connection of the worker that gets the task.

use crate::pump::Pump;
use crate::reconciliation::Reconciliation;
use crate::stopping::asked_to_stop;
use crate::workers::{Signals, spawn};
use ::workers::connection::Target;
use ::workers::temporal_options::{Queue, payment_slots};
use activities::World;
use anyhow::anyhow;
use events::kafka::{Kafka, KafkaSink};
use events::notices::company::Company;
use events::notices::{self, NoticeSink};
use events::webhooks::reach::Reach;
use events::{relay, sink, webhooks};
use gateway::breaker::State;
use gateway::limiter::Limiter;
use metrics::gauge;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use temporalio_client::Client;
use temporalio_common::worker::WorkerDeploymentVersion;
use temporalio_sdk::Runtime;
use temporalio_sdk::runtime::RuntimeOptions;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Who is hired, and what they work with.
pub(crate) struct Hire<'a> {
    pub(crate) queues: &'a [Queue],
    pub(crate) target: Target,
    pub(crate) world: World,
    /// No deadline is carried out this long after a start or a reconnection.
    pub(crate) grace: Duration,
    pub(crate) link: Link,
    /// How the SDK runs and counts.
    pub(crate) sdk: RuntimeOptions,
    /// Whose release this is, for the booking queue's worker: activities are the same for all.
    pub(crate) version: Option<WorkerDeploymentVersion>,
    /// How many tickets are issued at a time, where somebody outside says so.
    pub(crate) ticket_slots: Option<watch::Receiver<usize>>,
    /// The topic to send events to; beside the booking queue's worker.
    pub(crate) kafka: Option<Kafka>,
    /// Who sends notices; likewise.
    pub(crate) notices: Option<Arc<dyn Company>>,
    /// Which addresses partners may have called; likewise.
    pub(crate) reach: Reach,
    pub(crate) quit: watch::Receiver<bool>,
}

/// What the crew tells of its connection to Temporal.
pub(crate) struct Link {
    /// The booking worker's connection.
    pub(crate) client: watch::Sender<Option<Client>>,
    /// Whether Temporal answers on it.
    pub(crate) up: watch::Sender<bool>,
    /// How many of the workers have reached it once.
    pub(crate) begun: watch::Sender<usize>,
}

/// All who work; each leaves when it ends, however it ends.
pub(crate) struct Crew(JoinSet<&'static str>);

impl Crew {
    pub(crate) fn hire(hire: Hire<'_>) -> anyhow::Result<Self> {
        let Hire {
            queues,
            target,
            world,
            grace,
            link,
            sdk,
            version,
            ticket_slots,
            kafka,
            notices,
            reach,
            quit,
        } = hire;
        let sdk = Arc::new(Runtime::from_current_tokio(sdk)?);
        let mut crew = JoinSet::new();
        for &queue in queues {
            let fixed = || watch::channel(queue.slots()).1;
            let slots = match queue {
                Queue::Booking => fixed(),
                Queue::Payment => slots_by_breaker(&world.limiter),
                Queue::Ticket => ticket_slots.clone().unwrap_or_else(fixed),
            };
            let signals = Signals {
                quit: quit.clone(),
                slots,
                connected: (queue == Queue::Booking).then(|| link.client.clone()),
                version: version.clone().filter(|_| queue == Queue::Booking),
                begun: link.begun.clone(),
            };
            let ended = spawn(queue, sdk.clone(), target.clone(), world.clone(), signals)?;
            crew.spawn(async move {
                ended.await.ok();
                "a worker"
            });
        }
        if let (true, Some(gateway)) = (queues.contains(&Queue::Payment), &world.gateway) {
            let (store, gateway) = (world.store.clone(), gateway.clone());
            let reconciliation = Reconciliation { store, gateway };
            let quit = quit.clone();
            crew.spawn(async move {
                reconciliation.run(quit).await;
                "the reconciliation"
            });
        }
        if queues.contains(&Queue::Booking) {
            let World { store, .. } = world;
            store.spare_deadlines_until(store.now().plus(grace));
            let (namespace, client) = (target.namespace, link.client.subscribe());
            let kafka = kafka.map(KafkaSink::new).transpose()?;
            let webhooks = webhooks::Sender::new(store.clone(), reach)?;
            crew.spawn(leave(store.clone(), kafka, notices, webhooks, quit.clone()));
            let eager = version.is_none();
            let pump = Pump { store, namespace, client, up: link.up, grace, eager };
            crew.spawn(async move {
                pump.run(quit).await;
                "the pump"
            });
        }
        Ok(Self(crew))
    }

    /// Returns when the process is asked to stop, or with an error when it has to.
    pub(crate) async fn until_over(&mut self) -> Option<anyhow::Error> {
        let broke = tokio::select! {
            asked = asked_to_stop() => asked.err(),
            broke = self.broke() => Some(broke),
        };
        println!("Stopping …");
        broke
    }

    /// Returns when one of them ended without being told to.
    async fn broke(&mut self) -> anyhow::Error {
        match self.0.join_next().await {
            Some(Ok(who)) => anyhow!("{who} broke"),
            Some(Err(error)) => anyhow!("the pump broke: {error}"),
            None => anyhow!("nobody works"),
        }
    }

    /// Waits for all of them, who have been told to quit.
    pub(crate) async fn ended(mut self) {
        while self.0.join_next().await.is_some() {}
    }
}

/// Everything that leaves.
async fn leave(
    store: Store,
    kafka: Option<KafkaSink>,
    company: Option<Arc<dyn Company>>,
    webhooks: webhooks::Sender,
    quit: watch::Receiver<bool>,
) -> &'static str {
    let to_kafka = async {
        if let Some(kafka) = kafka {
            sink::follow(store.clone(), kafka, quit.clone()).await;
        }
    };
    let to_customers = async {
        if let Some(company) = company {
            tokio::join!(
                sink::follow(store.clone(), NoticeSink(store.clone()), quit.clone()),
                notices::send_due(store.clone(), company, quit.clone()),
            );
        }
    };
    let to_partners = webhooks.run(quit.clone());
    tokio::join!(relay::run(store.clone(), quit.clone()), to_kafka, to_customers, to_partners);
    "the relay"
}

/// Open = the payment worker takes no work, half open = one at a time, closed = as much as the
/// gateway can bear. What waits meanwhile waits in the task queue, and costs nothing.
fn slots_by_breaker(limiter: &Limiter) -> watch::Receiver<usize> {
    let all = payment_slots(limiter.limits().calls);
    let slots_of = move |state| match state {
        State::Closed => all,
        State::HalfOpen => 1,
        State::Open => 0,
    };
    let mut state = limiter.state();
    gauge!("marquee_gateway_left_alone").set(0.0);
    let (slots, given) = watch::channel(slots_of(*state.borrow_and_update()));
    tokio::spawn(async move {
        while state.changed().await.is_ok() {
            let now = *state.borrow_and_update();
            match now {
                State::Open => tracing::warn!(breaker = now.as_str(), "the gateway is left alone"),
                State::HalfOpen => tracing::info!(breaker = now.as_str(), "the gateway is tried"),
                State::Closed => tracing::info!(breaker = now.as_str(), "the gateway works"),
            }
            gauge!("marquee_gateway_left_alone").set(f64::from(now != State::Closed));
            slots.send_replace(slots_of(now));
        }
    });
    given
}
