//! The workers: one per task queue, each on a thread and a connection of its own, renewed now and
//! then because the SDK keeps a little memory per activity.

use crate::connection::{Target, connect};
use activities::World;
use activities::bookings::{BookingActivities, PaymentActivities, TicketActivities};
use activities::undos::{UndoActivities, UndoPaymentActivities, UndoTicketActivities};
use clap::ValueEnum;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use temporalio_client::Client;
use temporalio_sdk::runtime::PollerBehavior;
use temporalio_sdk::runtime::worker_tuner::{FixedSizeSlotSupplier, TunerHolder};
use temporalio_sdk::{Runtime, Worker, WorkerOptions};
use tokio::sync::{oneshot, watch};
use workflows::booking::Booking;
use workflows::cancellation::Cancellation;
use workflows::contract::{BOOKING_QUEUE, PAYMENT_QUEUE, TICKET_QUEUE};

/// The SDK leaks about 330 bytes per activity; a renewed worker starts afresh.
const RENEWED_EVERY: Duration = Duration::from_secs(3600);
/// Running activities get this long when a worker stops; what is cut off is carried on elsewhere.
const STOPS_WITHIN: Duration = Duration::from_secs(6);
/// A worker that failed is set up again after this pause.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// More than the pump's starts in flight: an eager start needs a free slot.
const WORKFLOW_SLOTS: usize = 100;
const LOCAL_SLOTS: usize = 100;
/// Calls to the gateway at the same time.
const PAYMENT_SLOTS: usize = 64;
const TICKET_SLOTS: usize = 32;
/// Beyond about a thousand the SDK's cache costs more than it saves.
const CACHED_WORKFLOWS_MAX: usize = 1_000;
/// A killed worker's cached workflows go on elsewhere after this long.
const STICKY_WITHIN: Duration = Duration::from_secs(2);

/// A task queue; what each is for says `workflows::contract`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Queue {
    Booking,
    Payment,
    Ticket,
}

/// What a worker is told from outside.
#[derive(Clone)]
pub(crate) struct Signals {
    pub(crate) quit: watch::Receiver<bool>,
    /// True while this worker must not run.
    pub(crate) down: Option<watch::Receiver<bool>>,
    /// Gets the connection that the worker runs on: eager starts have to use the same.
    pub(crate) connected: Option<watch::Sender<Option<Client>>>,
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
    while !*signals.quit.borrow() {
        let client = tokio::select! {
            client = connect(target, &identity) => client,
            _ = signals.quit.changed() => return,
        };
        if let Some(connected) = &signals.connected {
            connected.send_replace(Some(client.clone()));
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
    tokio::select! {
        () = is_down(&mut signals.down, false) => {}
        _ = signals.quit.changed() => return Ok(()),
    }
    let mut worker = Worker::new(sdk, client.clone(), options(queue, world)?)?;
    let stop = worker.shutdown_handle();
    let mut running = pin!(worker.run());
    tokio::select! {
        ended = &mut running => return Ok(ended?),
        () = tokio::time::sleep(RENEWED_EVERY) => {}
        () = is_down(&mut signals.down, true) => {}
        _ = signals.quit.changed() => {}
    }
    stop();
    Ok(running.await?)
}

/// Waits until the worker's order to be down is as given; without orders it is never down.
async fn is_down(order: &mut Option<watch::Receiver<bool>>, wanted: bool) {
    let heard = match order {
        Some(order) => order.wait_for(|down| *down == wanted).await.is_ok(),
        None => !wanted,
    };
    if !heard {
        std::future::pending().await
    }
}

fn options(queue: Queue, world: &World) -> anyhow::Result<WorkerOptions> {
    let world = || world.clone();
    let (name, activity_slots) = match queue {
        Queue::Booking => (BOOKING_QUEUE, LOCAL_SLOTS),
        Queue::Payment => (PAYMENT_QUEUE, PAYMENT_SLOTS),
        Queue::Ticket => (TICKET_QUEUE, TICKET_SLOTS),
    };
    let tuner = TunerHolder::builder()
        .workflow_task_slot_supplier(FixedSizeSlotSupplier::new(WORKFLOW_SLOTS))
        .activity_task_slot_supplier(FixedSizeSlotSupplier::new(activity_slots))
        .local_activity_task_slot_supplier(FixedSizeSlotSupplier::new(LOCAL_SLOTS))
        .nexus_task_slot_supplier(FixedSizeSlotSupplier::new(1))
        .build();
    let common = WorkerOptions::new(name)
        .tuner(tuner)
        .max_cached_workflows(CACHED_WORKFLOWS_MAX)
        .workflow_task_poller_behavior(PollerBehavior::SimpleMaximum(10))
        .nonsticky_to_sticky_poll_ratio(0.5)
        .activity_task_poller_behavior(PollerBehavior::SimpleMaximum(5))
        .sticky_queue_schedule_to_start_timeout(STICKY_WITHIN)
        .graceful_shutdown_period(STOPS_WITHIN);
    Ok(match queue {
        Queue::Booking => common
            .register_workflow::<Booking>()?
            .register_workflow::<Cancellation>()?
            .register_activities(BookingActivities { world: world() })
            .register_activities(UndoActivities { world: world() })
            .build(),
        Queue::Payment => common
            .register_activities(PaymentActivities { world: world() })
            .register_activities(UndoPaymentActivities { world: world() })
            .build(),
        Queue::Ticket => common
            .register_activities(TicketActivities { world: world() })
            .register_activities(UndoTicketActivities { world: world() })
            .build(),
    })
}
