//! Workflows that do nothing, in a namespace of their own on the server that Marquee uses: one that
//! ends at once, and Marquee's own booking with activities that answer without doing anything. So
//! the latter has the very transitions, queues, options and history of a booking.

mod activities;

use crate::namespace;
use activities::NullActivities;
use anyhow::Context;
use domain::ids::ReservationId;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};
use temporalio_client::{Client, WorkflowDescribeOptions, WorkflowIdConflictPolicy};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::{Runtime, Worker};
use temporalio_workflow::{WorkflowContext, WorkflowContextView, WorkflowResult};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use workers::connection::{Target, connect};
use workers::temporal_options::{Queue, STARTS_IN_FLIGHT_MAX, booking_start, worker_options};
use workflows::booking::{self, Booking};
use workflows::contract::ReservationRef;

const NAMESPACE: &str = "bench";
/// A server takes some seconds to know a new namespace and its search attributes everywhere.
const KNOWN_WITHIN: Duration = Duration::from_secs(90);
/// A workflow that takes longer counts as lost.
const ENDS_WITHIN: Duration = Duration::from_secs(60);
/// In the ids of showtimes there is something like this.
const SHOWTIME: &str = "s-rush-1-20261124-0800";

/// Who waits for which workflow. A workflow cannot be handed anything but its input.
static WAITING: LazyLock<Mutex<HashMap<String, oneshot::Sender<Instant>>>> =
    LazyLock::new(Mutex::default);

fn ended(id: &ReservationId) {
    let waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner).remove(id.as_str());
    if let Some(waiting) = waiting {
        waiting.send(Instant::now()).ok();
    }
}

/// Ends in its first task.
#[workflow]
pub(crate) struct Null {
    input: ReservationRef,
}

#[workflow_methods]
impl Null {
    #[init]
    fn new(_: &WorkflowContextView, input: ReservationRef) -> Self {
        Self { input }
    }

    #[run(name = "null")]
    pub(crate) async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        let id = ctx.state(|null| null.input.reservation_id.clone());
        ended(&id);
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    NullPlain,
    NullEager,
    /// With an eager start, as the pump's.
    Booking,
}

/// How one of them went, from the moment when it was to start.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
}

/// The workers of these workflows, one for each queue as Marquee has them. They end with this.
pub(crate) struct NullWorkers {
    client: Client,
    starts: Semaphore,
    next: AtomicUsize,
    quit: watch::Sender<bool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl NullWorkers {
    pub(crate) async fn start(temporal: &str) -> anyhow::Result<Self> {
        let target = Target::plain(temporal, NAMESPACE)?;
        namespace::make(temporal, NAMESPACE).await?;
        let sdk = Arc::new(Runtime::from_current_tokio(<_>::default())?);
        let (quit, quitting) = watch::channel(false);
        let mut threads = Vec::new();
        let mut starter = None;
        for queue in Queue::ALL {
            let identity = format!("bench-{queue:?}").to_lowercase();
            let client = tokio::time::timeout(KNOWN_WITHIN, connect(&target, &identity)).await;
            let client = client.context("the server does not come to know the namespace")?;
            if queue == Queue::Booking {
                starter = Some(client.clone());
            }
            threads.push(spawn(queue, sdk.clone(), client, quitting.clone())?);
        }
        let workers = Self {
            client: starter.context("there is a booking worker")?,
            starts: Semaphore::new(STARTS_IN_FLIGHT_MAX),
            next: <_>::default(),
            quit,
            threads,
        };
        workers.until_one_ends().await?;
        Ok(workers)
    }

    /// Runs one to its last activity, or to its only task.
    pub(crate) async fn run(&self, shape: Shape) -> anyhow::Result<Run> {
        let began = Instant::now();
        let (id, ended) = self.launch(shape).await?;
        let ended = tokio::time::timeout(ENDS_WITHIN, ended).await;
        let ended = ended.with_context(|| format!("{shape:?} {id} does not end"))??;
        Ok(Run { began, ended })
    }

    /// Keeps so many under way until `count` have been begun or the time is over, and returns all
    /// when they have ended.
    pub(crate) async fn keep_under_way(
        self: &Arc<Self>,
        shape: Shape,
        outstanding: usize,
        count: usize,
        during: Duration,
    ) -> anyhow::Result<Vec<Run>> {
        let begun = Arc::new(AtomicUsize::new(0));
        let began = Instant::now();
        let lanes = (0..outstanding).map(|_| {
            let (workers, begun) = (self.clone(), begun.clone());
            async move {
                let mut runs = Vec::new();
                while began.elapsed() < during && begun.fetch_add(1, Ordering::Relaxed) < count {
                    runs.push(workers.run(shape).await?);
                }
                anyhow::Ok(runs)
            }
        });
        let lanes = lanes.collect::<JoinSet<_>>().join_all().await;
        Ok(lanes.into_iter().collect::<anyhow::Result<Vec<_>>>()?.concat())
    }

    /// State transitions and events of one booking shape, as the server counts them.
    pub(crate) async fn cost(&self) -> anyhow::Result<Cost> {
        let (id, ended) = self.launch(Shape::Booking).await?;
        tokio::time::timeout(ENDS_WITHIN, ended).await??;
        cost_of(&self.client, &booking::workflow_id(&ReservationId::parse(id)?)).await
    }

    async fn launch(&self, shape: Shape) -> anyhow::Result<(String, oneshot::Receiver<Instant>)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        // As long as the ids of reservations, and new in each measurement on one server.
        let micros = jiff::Timestamp::now().as_microsecond();
        let id = format!("r-{:08x}-{micros:016x}-{number:08x}", std::process::id());
        let input = ReservationRef { reservation_id: ReservationId::parse(id.as_str())? };
        let (done, ended) = oneshot::channel();
        WAITING.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), done);
        let _place = self.starts.acquire().await?;
        let workflow_id = booking::workflow_id(&input.reservation_id);
        let eager = shape != Shape::NullPlain;
        let conflict = WorkflowIdConflictPolicy::UseExisting;
        let options = booking_start(workflow_id, SHOWTIME, conflict, eager);
        match shape {
            Shape::Booking => drop(self.client.start_workflow(Booking::run, input, options).await?),
            Shape::NullPlain | Shape::NullEager => {
                drop(self.client.start_workflow(Null::run, input, options).await?);
            }
        }
        Ok((id, ended))
    }

    /// The first ones may fail: search attributes are known to all parts of a server after a while.
    async fn until_one_ends(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            match self.run(Shape::Booking).await {
                Ok(_) => return Ok(()),
                Err(error) if began.elapsed() > KNOWN_WITHIN => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        }
    }
}

impl Drop for NullWorkers {
    fn drop(&mut self) {
        self.quit.send_replace(true);
        let threads = std::mem::take(&mut self.threads);
        // They need the runtime that this may be running on.
        tokio::task::block_in_place(|| threads.into_iter().for_each(|thread| drop(thread.join())));
    }
}

/// What a run cost, as the server counts it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) transitions: i64,
    pub(crate) events: i64,
}

/// Waits until the run has ended.
pub(crate) async fn cost_of(client: &Client, workflow_id: &str) -> anyhow::Result<Cost> {
    let handle = client.get_workflow_handle::<Booking>(workflow_id);
    let began = Instant::now();
    loop {
        let run = handle.describe(WorkflowDescribeOptions::default()).await?;
        let info = run.raw().workflow_execution_info.clone().context("no description")?;
        if info.close_time.is_some() {
            let (transitions, events) = (info.state_transition_count, info.history_length);
            return Ok(Cost { transitions, events });
        }
        anyhow::ensure!(began.elapsed() < ENDS_WITHIN, "{workflow_id} does not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn spawn(
    queue: Queue,
    sdk: Arc<Runtime>,
    client: Client,
    mut quit: watch::Receiver<bool>,
) -> anyhow::Result<std::thread::JoinHandle<()>> {
    let mut options = worker_options(queue, queue.slots(), None);
    if queue == Queue::Booking {
        options.register_workflow::<Booking>()?.register_workflow::<Null>()?;
    }
    options.register_activities(NullActivities);
    let tokio = tokio::runtime::Handle::current();
    let name = format!("worker-{queue:?}").to_lowercase();
    Ok(std::thread::Builder::new().name(name).spawn(move || {
        tokio.block_on(async {
            let mut worker = Worker::new(&sdk, client, options).expect("the options are Marquee's");
            let stop = worker.shutdown_handle();
            let mut running = pin!(worker.run());
            tokio::select! {
                ended = &mut running => return ended.expect("a null worker goes on until the end"),
                _ = quit.changed() => {}
            }
            stop();
            running.await.ok();
        });
    })?)
}
