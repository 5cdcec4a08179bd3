//! The pump: starts and wakes the workflows of rows that owe work, oldest first, with a limit on
//! how many starts are in flight. It sits beside the booking worker and uses its connection, so
//! that eager starts work. A lost wake, workflow or backup costs nothing but time.

use ::workers::connection::{ASK_EVERY, describe, greet};
use ::workers::temporal_options::{ANSWER_WITHIN, STARTS_IN_FLIGHT_MAX, booking_start, undo_start};
use api::trace;
use domain::reservation::{ATTEND_AGAIN, Owes, Reservation};
use domain::time::Time;
use opentelemetry::context::FutureExt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::Store;
use store::attend::{DueCancellation, DueReservation};
use store::showtime_cancellations::DueShowtime;
use temporalio_client::errors::WorkflowInteractionError;
use temporalio_client::{
    Client, RpcOptions, WorkflowDescribeOptions, WorkflowExecutionStatus, WorkflowIdConflictPolicy,
    WorkflowSignalOptions,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{MissedTickBehavior, timeout};
use workflows::booking::{self, Booking};
use workflows::cancellation::{self, Cancellation};
use workflows::contract::{CancellationRef, ReservationRef};

/// Rows that became due without a word in this process are found this late at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Bookings are let into Temporal's line before the gateway up to so many; the others wait in the
/// store. More than any gateway serves until the next look.
const INSIDE_MAX: u64 = 400;
/// Old idempotency keys are forgotten this often.
const FORGET_EVERY: Duration = Duration::from_secs(600);
/// A run that was woken this often without any change of its row is deaf and is replaced, unless
/// it has an activity under way.
const WAKES_BEFORE_REPLACED: u32 = 5;
/// A run whose workflow task was tried this often in a row will not get over it: a worker that was
/// killed, or a lost cache, costs one or two tries.
const TASK_TRIES_BEFORE_REPLACED: i32 = 4;
/// A row whose workflow could not be reached is due again after this long.
const GIVEN_BACK_FOR: Duration = Duration::from_secs(1);

pub(crate) struct Pump {
    pub(crate) store: Store,
    pub(crate) namespace: String,
    /// The booking worker's connection.
    pub(crate) client: watch::Receiver<Option<Client>>,
    /// Whether Temporal answers, for readiness and for the grace.
    pub(crate) up: watch::Sender<bool>,
    /// No deadline is carried out this long after a start or a reconnection.
    pub(crate) grace: Duration,
    /// Whether a run's first task comes with the answer to its start. With versions it must not: it
    /// would come to this release, whichever is the current one.
    pub(crate) eager: bool,
}

impl Pump {
    pub(crate) async fn run(self, mut quit: watch::Receiver<bool>) {
        let pump = Arc::new(self);
        let in_flight = Arc::new(Semaphore::new(STARTS_IN_FLIGHT_MAX));
        let mut forget = tokio::time::interval(FORGET_EVERY);
        let mut let_in = tokio::time::interval(LOOK_EVERY);
        // After a long drain one look is enough.
        let_in.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asked = None;
        loop {
            tokio::select! {
                () = pump.store.changes().owed() => {}
                _ = let_in.tick() => pump.let_into_line().await,
                _ = forget.tick() => pump.forget_old_keys().await,
                _ = quit.changed() => break,
            }
            pump.store.pump_passes(pump.grace);
            let Some(client) = pump.reachable(&mut asked).await else { continue };
            if let Err(error) = pump.drain(&client, &in_flight).await {
                tracing::warn!(?error, "pump could not read the store");
                pump.spare_deadlines();
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        // What is in flight ends: its rows are due again otherwise, which costs time only.
        let all = u32::try_from(STARTS_IN_FLIGHT_MAX).expect("a small number");
        timeout(ANSWER_WITHIN, in_flight.acquire_many(all)).await.ok();
    }

    /// The connection, when Temporal answers on it. As long as it does not, deadlines are spared,
    /// so that none is carried out in the moment it comes back.
    async fn reachable(&self, asked: &mut Option<Instant>) -> Option<Client> {
        let Some(client) = self.client.borrow().clone() else {
            self.spare_deadlines();
            return None;
        };
        let was_up = *self.up.borrow();
        if was_up && asked.is_some_and(|at| at.elapsed() < ASK_EVERY) {
            return Some(client);
        }
        let answers = match was_up {
            true => describe(&client, &self.namespace).await,
            false => greet(&client, &self.namespace).await,
        };
        *asked = Some(Instant::now());
        if let Err(error) = answers {
            self.down(&error);
            return None;
        }
        if !self.up.send_replace(true) {
            tracing::info!("Temporal answers");
        }
        Some(client)
    }

    /// Takes due rows as long as there are any and places in flight are free.
    async fn drain(
        self: &Arc<Self>,
        client: &Client,
        in_flight: &Arc<Semaphore>,
    ) -> Result<(), store::StoreError> {
        while *self.up.borrow() {
            let Ok(first) = in_flight.clone().acquire_owned().await else { return Ok(()) };
            let mut places = vec![first];
            while let Ok(place) = in_flight.clone().try_acquire_owned() {
                places.push(place);
            }
            let limit = i64::try_from(places.len()).expect("a small number");
            for showtime in self.store.take_due_showtimes(limit).await? {
                let Some(place) = places.pop() else { break };
                self.clone().spawn_showtime(showtime, place);
            }
            let limit = i64::try_from(places.len()).expect("a small number");
            // Undoing comes first: it gives capacity and money back.
            let undos = self.store.take_due_cancellations(limit).await?;
            let some_undos = !undos.is_empty();
            for undo in undos {
                let Some(place) = places.pop() else { break };
                self.clone().spawn_undo(client.clone(), undo, place);
            }
            let limit = i64::try_from(places.len()).expect("a small number");
            let bookings = match limit {
                0 => Vec::new(),
                limit => self.store.take_due_reservations(limit).await?,
            };
            if !some_undos && bookings.is_empty() {
                return Ok(());
            }
            for booking in bookings {
                let Some(place) = places.pop() else { break };
                self.clone().spawn_booking(client.clone(), booking, place);
            }
        }
        Ok(())
    }

    fn spawn_booking(
        self: Arc<Self>,
        client: Client,
        due: DueReservation,
        place: OwnedSemaphorePermit,
    ) {
        tokio::spawn(async move {
            let trace = trace::of_row(due.trace_parent.as_deref());
            if let Err(error) = self.attend(&client, &due).with_context(trace).await
                && self.is_down(&client, error).await
            {
                self.store.give_back_reservation(&due, GIVEN_BACK_FOR).await.ok();
            }
            drop(place);
        });
    }

    fn spawn_undo(
        self: Arc<Self>,
        client: Client,
        due: DueCancellation,
        place: OwnedSemaphorePermit,
    ) {
        tokio::spawn(async move {
            if due.wakes > 0
                && let Err(error) = self.store.tell_delay(&due.id).await
            {
                tracing::warn!(?error, cancellation.id = %due.id, "delay not told");
            }
            let trace = trace::of_row(due.trace_parent.as_deref());
            if let Err(error) = start_undo(&client, &due, self.eager).with_context(trace).await
                && self.is_down(&client, error).await
            {
                self.store.give_back_cancellation(&due, GIVEN_BACK_FOR).await.ok();
            }
            drop(place);
        });
    }

    /// A showtime that was given up: its reservations are undone one after the other.
    fn spawn_showtime(self: Arc<Self>, due: DueShowtime, place: OwnedSemaphorePermit) {
        tokio::spawn(async move {
            if let Err(error) = self.store.give_up_reservations(&due).await {
                tracing::warn!(?error, showtime.id = %due.id, "cannot undo {} yet", due.id);
            }
            drop(place);
        });
    }

    fn spare_deadlines(&self) {
        self.store.spare_deadlines_until(self.store.now().plus(self.grace));
    }

    /// Whether a start failed because Temporal is not there. If it is there, the trouble is that
    /// row's own, which comes back later each time and holds up nobody.
    async fn is_down(&self, client: &Client, error: anyhow::Error) -> bool {
        let Err(silence) = greet(client, &self.namespace).await else {
            tracing::warn!(error = format!("{error:#}"), "a workflow could not be started");
            return false;
        };
        self.down(&silence);
        true
    }

    fn down(&self, error: &anyhow::Error) {
        self.spare_deadlines();
        if self.up.send_replace(false) {
            tracing::warn!(error = format!("{error:#}"), "Temporal does not answer");
        }
    }

    async fn attend(&self, client: &Client, due: &DueReservation) -> anyhow::Result<()> {
        match self.store.attend_time(&due.row).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(?error, reservation.id = %due.row.id, "deadline not carried out");
            }
        }
        if due.row.waits_long(self.store.now()) && self.stands_in_line(client, due).await? {
            return Ok(());
        }
        match due.row.owes() {
            // The run that waits, if there is one, learns that it is over.
            Owes::Nothing => Ok(wake_if_running(client, &due.row).await?),
            Owes::Payment(_) | Owes::Tickets | Owes::Await(_) => {
                start_booking(client, due, self.store.now(), self.eager).await
            }
        }
    }

    /// Whoever waits long for the gateway is told so, and is not woken while their payment stands in
    /// line: ten thousand who wait cost a look each, and that seldom.
    async fn stands_in_line(&self, client: &Client, due: &DueReservation) -> anyhow::Result<bool> {
        self.store.defer(&due.row.id).await?;
        let id = booking::workflow_id(&due.row.id);
        Ok(!due.is_new() && doing(client, &id).await? == Doing::Activity)
    }

    async fn let_into_line(&self) {
        if let Err(error) = self.store.let_into_line(INSIDE_MAX).await {
            tracing::warn!(?error, "nobody is let into the line");
        }
    }

    async fn forget_old_keys(&self) {
        if let Err(error) = self.store.forget_old_keys().await {
            tracing::warn!(?error, "old idempotency keys not forgotten");
        }
    }
}

async fn start_booking(
    client: &Client,
    due: &DueReservation,
    now: Time,
    eager: bool,
) -> anyhow::Result<()> {
    let row = &due.row;
    let id = booking::workflow_id(&row.id);
    let first = due.is_new();
    // Whoever has just changed the row wakes a run of which nothing bad is known.
    let is_overdue = due.wakes > 0 || !first && now.since(row.updated_at) >= ATTEND_AGAIN;
    let conflict = match is_overdue {
        true => policy(client, &id, due.wakes).await?,
        false => WorkflowIdConflictPolicy::UseExisting,
    };
    let input = ReservationRef { reservation_id: row.id.clone() };
    let options = booking_start(id, row.showtime.showtime_id.as_str(), conflict, first && eager);
    if first {
        client.start_workflow(Booking::run, input, options).await?;
    } else {
        client.signal_with_start_workflow(Booking::run, input, Booking::wake, (), options).await?;
    }
    Ok(())
}

async fn start_undo(client: &Client, due: &DueCancellation, eager: bool) -> anyhow::Result<()> {
    let id = cancellation::workflow_id(&due.id);
    let first = due.wakes == 0;
    let conflict = match first {
        true => WorkflowIdConflictPolicy::UseExisting,
        false => policy(client, &id, due.wakes).await?,
    };
    let input = CancellationRef { cancellation_id: due.id.clone() };
    let options = undo_start(id, conflict, first && eager);
    // A run that is there needs no wake: every step of an undo is retried until it succeeds.
    client.start_workflow(Cancellation::run, input, options).await?;
    Ok(())
}

/// What to do about a run that is there already. One that stays deaf is replaced, and at once one
/// whose workflow task fails again and again: its history does not fit its code any more. That is
/// safe, since every step is an ensure. One that has an activity waiting or running is not deaf:
/// replacing it would cost it its place in the line.
async fn policy(
    client: &Client,
    workflow_id: &str,
    wakes: u32,
) -> anyhow::Result<WorkflowIdConflictPolicy> {
    let replace = match doing(client, workflow_id).await? {
        Doing::Failing => true,
        Doing::Nothing => wakes >= WAKES_BEFORE_REPLACED,
        Doing::Activity => false,
    };
    if !replace {
        return Ok(WorkflowIdConflictPolicy::UseExisting);
    }
    tracing::warn!(workflow.id = workflow_id, "{workflow_id} does not react; replacing its run");
    Ok(WorkflowIdConflictPolicy::TerminateExisting)
}

/// What a run is at.
#[derive(PartialEq, Eq)]
enum Doing {
    /// It waits for its customer or for a wake, or there is none.
    Nothing,
    /// An activity of it is waiting or running.
    Activity,
    /// Its workflow task has failed several times in a row.
    Failing,
}

async fn doing(client: &Client, workflow_id: &str) -> anyhow::Result<Doing> {
    let handle = client.get_workflow_handle::<Booking>(workflow_id);
    let asked = handle.describe(WorkflowDescribeOptions::default());
    let run = match timeout(ANSWER_WITHIN, asked).await? {
        Ok(run) => run,
        Err(WorkflowInteractionError::NotFound(_)) => return Ok(Doing::Nothing),
        Err(error) => return Err(error.into()),
    };
    // One that was terminated goes on showing the activity that it waited for.
    if run.status() != WorkflowExecutionStatus::Running {
        return Ok(Doing::Nothing);
    }
    let run = run.raw();
    let task_tries = run.pending_workflow_task.as_ref().map_or(0, |task| task.attempt);
    Ok(match run.pending_activities.is_empty() {
        _ if task_tries >= TASK_TRIES_BEFORE_REPLACED => Doing::Failing,
        true => Doing::Nothing,
        false => Doing::Activity,
    })
}

async fn wake_if_running(client: &Client, row: &Reservation) -> anyhow::Result<()> {
    let handle = client.get_workflow_handle::<Booking>(booking::workflow_id(&row.id));
    let options = WorkflowSignalOptions::builder()
        .rpc_options(RpcOptions::builder().timeout(ANSWER_WITHIN).build())
        .build();
    match handle.signal(Booking::wake, (), options).await {
        Ok(()) | Err(WorkflowInteractionError::NotFound(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
