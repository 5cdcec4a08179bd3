//! The options of our workers and of our starts. What they cost and why they are so: design 5.

use clap::ValueEnum;
use std::time::Duration;
use temporalio_client::{
    RpcOptions, WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowStartOptions,
};
use temporalio_common::search_attributes::SearchAttributes;
use temporalio_common::worker::{
    VersioningBehavior, WorkerDeploymentOptions, WorkerDeploymentVersion,
};
use temporalio_sdk::WorkerOptions;
use temporalio_sdk::runtime::PollerBehavior;
use temporalio_sdk::runtime::worker_tuner::{FixedSizeSlotSupplier, TunerHolder};
use workflows::booking::SHOWTIME_ID;
use workflows::contract::{BOOKING_QUEUE, PAYMENT_QUEUE, TICKET_QUEUE};

/// With 200 in flight first tasks got lost and bookings stalled 10 s; with 80 none did (design 5).
pub const STARTS_IN_FLIGHT_MAX: usize = 80;

/// Temporal answers within this time, or the call counts as failed.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A killed worker delays a workflow task by this much (design 5).
const TASK_WITHIN: Duration = Duration::from_secs(3);

/// Running activities get this long when a worker stops; what is cut off is carried on elsewhere.
const STOPS_WITHIN: Duration = Duration::from_secs(6);
/// More than the pump's starts in flight: an eager start needs a free slot.
const WORKFLOW_SLOTS: usize = 100;
const LOCAL_SLOTS: usize = 100;
/// Calls to the gateway at the same time, unless it is told otherwise.
const GATEWAY_CALLS: usize = 64;
const TICKET_SLOTS: usize = 32;
/// Beyond about a thousand the SDK's cache costs more than it saves.
const CACHED_WORKFLOWS_MAX: usize = 1_000;
/// A killed worker's cached workflows go on elsewhere after this long.
const STICKY_WITHIN: Duration = Duration::from_secs(2);

/// A task queue, with a worker of its own; what each is for says `workflows::contract`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Queue {
    Booking,
    Payment,
    Ticket,
}

impl Queue {
    pub const ALL: [Self; 3] = [Self::Booking, Self::Payment, Self::Ticket];

    const fn name(self) -> &'static str {
        match self {
            Self::Booking => BOOKING_QUEUE,
            Self::Payment => PAYMENT_QUEUE,
            Self::Ticket => TICKET_QUEUE,
        }
    }

    /// How many activities its worker runs at a time.
    pub const fn slots(self) -> usize {
        match self {
            Self::Booking => LOCAL_SLOTS,
            Self::Payment => payment_slots(GATEWAY_CALLS),
            Self::Ticket => TICKET_SLOTS,
        }
    }
}

/// More than the gateway takes calls: while some are written down or have just been answered, others
/// are ready for their turn, so that the gateway is never idle while there is a line.
pub const fn payment_slots(gateway_calls: usize) -> usize {
    gateway_calls + gateway_calls / 2 + 2
}

/// The options of a queue's worker, which has neither workflows nor activities yet. With a version, what it
/// begins stays with workers of that version to its end.
pub fn worker_options(
    queue: Queue,
    slots: usize,
    version: Option<WorkerDeploymentVersion>,
) -> WorkerOptions {
    let tuner = TunerHolder::builder()
        .workflow_task_slot_supplier(FixedSizeSlotSupplier::new(WORKFLOW_SLOTS))
        .activity_task_slot_supplier(FixedSizeSlotSupplier::new(slots))
        .local_activity_task_slot_supplier(FixedSizeSlotSupplier::new(LOCAL_SLOTS))
        .nexus_task_slot_supplier(FixedSizeSlotSupplier::new(1))
        .build();
    let deployment = version.map(|version| {
        WorkerDeploymentOptions::new(version)
            .use_worker_versioning(true)
            .default_versioning_behavior(VersioningBehavior::Pinned)
            .build()
    });
    WorkerOptions::new(queue.name())
        .maybe_deployment_options(deployment)
        .tuner(tuner)
        .max_cached_workflows(CACHED_WORKFLOWS_MAX)
        .workflow_task_poller_behavior(PollerBehavior::SimpleMaximum(10))
        .nonsticky_to_sticky_poll_ratio(0.5)
        .activity_task_poller_behavior(PollerBehavior::SimpleMaximum(5))
        .sticky_queue_schedule_to_start_timeout(STICKY_WITHIN)
        .graceful_shutdown_period(STOPS_WITHIN)
        .build()
}

/// How a booking's run is started; `eager` asks for its first task with the answer.
pub fn booking_start(
    workflow_id: String,
    showtime_id: &str,
    conflict: WorkflowIdConflictPolicy,
    eager: bool,
) -> WorkflowStartOptions {
    WorkflowStartOptions::new(BOOKING_QUEUE, workflow_id)
        .id_conflict_policy(conflict)
        .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
        .task_timeout(TASK_WITHIN)
        .enable_eager_workflow_start(eager)
        .search_attributes(SearchAttributes::new([SHOWTIME_ID.value_set(showtime_id.to_owned())]))
        .static_summary(format!("booking of showtime {showtime_id}"))
        .rpc_options(RpcOptions::builder().timeout(ANSWER_WITHIN).build())
        .build()
}

/// How a cancellation's run is started.
pub fn undo_start(
    workflow_id: String,
    conflict: WorkflowIdConflictPolicy,
    eager: bool,
) -> WorkflowStartOptions {
    WorkflowStartOptions::new(BOOKING_QUEUE, workflow_id)
        .id_conflict_policy(conflict)
        .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
        .task_timeout(TASK_WITHIN)
        .enable_eager_workflow_start(eager)
        .static_summary("undo: tickets, seats, money".to_owned())
        .rpc_options(RpcOptions::builder().timeout(ANSWER_WITHIN).build())
        .build()
}
