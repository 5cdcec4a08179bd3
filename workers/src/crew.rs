//! The crew of a process: a worker for each of its task queues and, beside the booking queue's,
//! the pump, because an eager start has to use the connection of the worker that gets the task.

use crate::pump::Pump;
use crate::workers::{Signals, spawn};
use ::workers::connection::Target;
use ::workers::temporal_options::Queue;
use activities::World;
use anyhow::anyhow;
use std::sync::Arc;
use std::time::Duration;
use temporalio_client::Client;
use temporalio_sdk::Runtime;
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
    /// True while the ticket worker must not run.
    pub(crate) ticket_is_down: Option<watch::Receiver<bool>>,
    pub(crate) quit: watch::Receiver<bool>,
}

/// What the crew tells of its connection to Temporal.
pub(crate) struct Link {
    /// The booking worker's connection.
    pub(crate) client: watch::Sender<Option<Client>>,
    /// Whether Temporal answers on it.
    pub(crate) up: watch::Sender<bool>,
}

/// All who work; each leaves when it ends, however it ends.
pub(crate) struct Crew(JoinSet<&'static str>);

impl Crew {
    pub(crate) fn hire(hire: Hire<'_>) -> anyhow::Result<Self> {
        let Hire { queues, target, world, grace, link, ticket_is_down, quit } = hire;
        let sdk = Arc::new(Runtime::from_current_tokio(<_>::default())?);
        let mut crew = JoinSet::new();
        for &queue in queues {
            let signals = Signals {
                quit: quit.clone(),
                down: (queue == Queue::Ticket).then(|| ticket_is_down.clone()).flatten(),
                connected: (queue == Queue::Booking).then(|| link.client.clone()),
            };
            let ended = spawn(queue, sdk.clone(), target.clone(), world.clone(), signals)?;
            crew.spawn(async move {
                ended.await.ok();
                "a worker"
            });
        }
        if queues.contains(&Queue::Booking) {
            let World { store, .. } = world;
            store.spare_deadlines_until(store.now().plus(grace));
            let (namespace, client) = (target.namespace, link.client.subscribe());
            let pump = Pump { store, namespace, client, up: link.up, grace };
            crew.spawn(async move {
                pump.run(quit).await;
                "the pump"
            });
        }
        Ok(Self(crew))
    }

    /// Returns when one of them ended without being told to.
    pub(crate) async fn broke(&mut self) -> anyhow::Error {
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
