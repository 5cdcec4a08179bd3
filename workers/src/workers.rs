//! The workers: one per task queue, each on a thread and a connection of its own, renewed now and
//! then because the SDK keeps a little memory per activity.

use ::workers::connection::{Target, connect};
use ::workers::temporal_options::{Queue, worker_options};
use activities::World;
use activities::bookings::{BookingActivities, PaymentActivities, TicketActivities};
use activities::undos::{UndoActivities, UndoPaymentActivities, UndoTicketActivities};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use temporalio_client::Client;
use temporalio_common::worker::WorkerDeploymentVersion;
use temporalio_sdk::{Runtime, Worker, WorkerOptions};
use tokio::sync::{oneshot, watch};
use workflows::booking::Booking;
use workflows::cancellation::Cancellation;

/// The SDK leaks about 330 bytes per activity; a renewed worker starts afresh.
const RENEWED_EVERY: Duration = Duration::from_secs(3600);
/// A worker that failed is set up again after this pause.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What a worker is told from outside.
#[derive(Clone)]
pub(crate) struct Signals {
    pub(crate) quit: watch::Receiver<bool>,
    /// How many activities this worker runs at a time; renewed when it changes, none while it is 0.
    pub(crate) slots: watch::Receiver<usize>,
    /// Gets the connection that the worker runs on: eager starts have to use the same.
    pub(crate) connected: Option<watch::Sender<Option<Client>>>,
    /// Whose release it is, where old and new ones are to work side by side.
    pub(crate) version: Option<WorkerDeploymentVersion>,
    /// Counts the workers that have reached Temporal once.
    pub(crate) begun: watch::Sender<usize>,
}

/// Starts a worker's thread, which ends after `quit`. What is returned resolves when it has ended,
/// also by a panic.
pub(crate) fn spawn(
    queue: Queue,
    sdk: Arc<Runtime>,
    target: Target,
    world: World,
    signals: Signals,
) -> std::io::Result<oneshot::Receiver<()>> {
    let tokio = tokio::runtime::Handle::current();
    let name = format!("worker-{queue:?}").to_lowercase();
    // `Worker::run` cannot move between threads.
    let (alive, ended) = oneshot::channel();
    std::thread::Builder::new().name(name).spawn(move || {
        let _alive: oneshot::Sender<()> = alive;
        tokio.block_on(keep_running(queue, &sdk, &target, &world, signals));
    })?;
    Ok(ended)
}

async fn keep_running(
    queue: Queue,
    sdk: &Runtime,
    target: &Target,
    world: &World,
    mut signals: Signals,
) {
    let identity = format!("marquee-{queue:?}@{}", std::process::id()).to_lowercase();
    let mut has_begun = false;
    while !*signals.quit.borrow() {
        let client = tokio::select! {
            client = connect(target, &identity) => client,
            _ = signals.quit.changed() => return,
        };
        if let Some(connected) = &signals.connected {
            connected.send_replace(Some(client.clone()));
        }
        if !std::mem::replace(&mut has_begun, true) {
            signals.begun.send_modify(|workers| *workers += 1);
        }
        while !*signals.quit.borrow() {
            if let Err(error) = run_once(queue, sdk, &client, world, &mut signals).await {
                tracing::warn!(queue = ?queue, error = format!("{error:#}"), "worker failed");
                tokio::time::sleep(AGAIN_AFTER).await;
                break;
            }
        }
    }
}

/// Runs one worker until it is told to stop or is due for renewal.
async fn run_once(
    queue: Queue,
    sdk: &Runtime,
    client: &Client,
    world: &World,
    signals: &mut Signals,
) -> anyhow::Result<()> {
    let slots = *signals.slots.borrow_and_update();
    if slots == 0 {
        tokio::select! {
            () = changed(&mut signals.slots) => {}
            _ = signals.quit.changed() => {}
        }
        return Ok(());
    }
    let mut worker =
        Worker::new(sdk, client.clone(), options(queue, slots, signals.version.clone(), world)?)?;
    let stop = worker.shutdown_handle();
    let mut running = pin!(worker.run());
    tokio::select! {
        ended = &mut running => return Ok(ended?),
        () = tokio::time::sleep(RENEWED_EVERY) => {}
        () = changed(&mut signals.slots) => {}
        _ = signals.quit.changed() => {}
    }
    stop();
    Ok(running.await?)
}

/// Waits for another number of slots; where nobody gives one any more, for ever.
async fn changed(slots: &mut watch::Receiver<usize>) {
    if slots.changed().await.is_err() {
        std::future::pending().await
    }
}

fn options(
    queue: Queue,
    slots: usize,
    version: Option<WorkerDeploymentVersion>,
    world: &World,
) -> anyhow::Result<WorkerOptions> {
    let world = || world.clone();
    let mut options = worker_options(queue, slots, version);
    match queue {
        Queue::Booking => options
            .register_workflow::<Booking>()?
            .register_workflow::<Cancellation>()?
            .register_activities(BookingActivities { world: world() })
            .register_activities(UndoActivities { world: world() }),
        Queue::Payment => options
            .register_activities(PaymentActivities { world: world() })
            .register_activities(UndoPaymentActivities { world: world() }),
        Queue::Ticket => options
            .register_activities(TicketActivities { world: world() })
            .register_activities(UndoTicketActivities { world: world() }),
    };
    Ok(options)
}
