//! What Temporal has of the runs that are to carry out what is owed. A booking or a cancellation
//! never fails, times out or is cancelled: they return endings, and wait as long as it takes.

use ::workers::connection::{Target, connect};
use anyhow::Context;
use domain::audit::{Invariant, Violation};
use domain::reservation::{Owes, Reservation};
use std::time::Duration;
use store::Store;
use temporalio_client::errors::WorkflowInteractionError;
use temporalio_client::{Client, WorkflowDescribeOptions, WorkflowExecutionStatus};
use tokio::time::timeout;
use workflows::booking::{self, Booking};
use workflows::cancellation;

/// Reservations that are read at a time.
const PAGE: i64 = 500;
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// A workflow task that fails this often in a row does not get better by itself.
const TASK_ATTEMPTS_MAX: i32 = 5;

/// Runs of work under way that have ended as none may, or whose tasks fail (I12). A run that is not
/// there is started by the pump.
pub(crate) async fn unfit_runs(store: &Store, target: &Target) -> anyhow::Result<Vec<Violation>> {
    let client = timeout(CONNECT_WITHIN, connect(target, "marquee-check"))
        .await
        .with_context(|| format!("Temporal at {} does not answer", target.address))?;
    let mut unfit = Vec::new();
    let mut after = None;
    loop {
        let rows = store.under_way(after.as_ref(), PAGE).await?;
        for row in &rows {
            let Some(run) = run_of(row) else { continue };
            if let Some(why) = why_unfit(&client, &run).await? {
                unfit.push(Violation {
                    invariant: Invariant::I12,
                    reservation_id: Some(row.id.clone()),
                    detail: format!("{run} {why}"),
                });
            }
        }
        let Some(last) = rows.last() else { return Ok(unfit) };
        after = Some(last.id.clone());
    }
}

/// The workflow that has something to do for this reservation.
fn run_of(row: &Reservation) -> Option<String> {
    match (&row.open_cancellation, row.owes()) {
        (Some(undo), _) => Some(cancellation::workflow_id(undo)),
        (None, Owes::Nothing) => None,
        (None, Owes::Payment(_) | Owes::Tickets | Owes::Await(_)) => {
            Some(booking::workflow_id(&row.id))
        }
    }
}

async fn why_unfit(client: &Client, run: &str) -> anyhow::Result<Option<String>> {
    let handle = client.get_workflow_handle::<Booking>(run);
    let found = match handle.describe(WorkflowDescribeOptions::default()).await {
        Ok(found) => found,
        Err(WorkflowInteractionError::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let status = found.status();
    if matches!(
        status,
        WorkflowExecutionStatus::Failed
            | WorkflowExecutionStatus::TimedOut
            | WorkflowExecutionStatus::Canceled
            | WorkflowExecutionStatus::Terminated
    ) {
        return Ok(Some(format!("ended as {status:?} with work to do")));
    }
    let task = found.raw().pending_workflow_task.as_ref();
    let attempts = task.map_or(0, |task| task.attempt);
    Ok((attempts > TASK_ATTEMPTS_MAX).then(|| format!("fails its task, {attempts} times so far")))
}
