//! What Temporal has written down of the runs that carry a reservation: for staff, who want to know
//! why something waits.

use crate::App;
use crate::body::At;
use crate::caller::Staff;
use crate::outcome::id;
use crate::paging::{Page, PageQuery, Paging};
use crate::problem::Problem;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::ids::ReservationId;
use domain::time::Time;
use futures::TryStreamExt;
use serde::Serialize;
use std::time::{Duration, UNIX_EPOCH};
use temporalio_client::errors::WorkflowInteractionError;
use temporalio_client::{Client, WorkflowFetchHistoryOptions};
use temporalio_common::protos::temporal::api::failure::v1::Failure;
use temporalio_common::protos::temporal::api::history::v1::HistoryEvent;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use tokio::time::timeout;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use workflows::booking::{self, Booking};
use workflows::cancellation;

const TEMPORAL_ANSWERS_WITHIN: Duration = Duration::from_secs(3);

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// One event of a run, without what it carries.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HistoryEvent)]
struct EventBody {
    workflow_id: String,
    event_id: i64,
    /// As Temporal names it.
    r#type: String,
    at: At,
    /// What was to be done, where it begins.
    activity: Option<String>,
    /// Which try it is.
    attempt: Option<i32>,
    /// Why it, or the try before, did not go well.
    failure: Option<String>,
}

/// What Temporal knows of a reservation: the newest run of its booking, then of its cancellation.
///
/// Empty where no run has begun, or Temporal has forgotten it. 503: Temporal does not answer.
#[utoipa::path(
    get, path = "/admin/reservations/{id}/history", operation_id = "listHistory",
    params(PageQuery),
    responses((status = 200, body = Page<EventBody>), (status = 304)),
    security(("bearer" = ["staff"]))
)]
async fn list(
    State(app): State<App>,
    Staff(_): Staff,
    page: Paging,
    Path(reservation): Path<String>,
) -> Result<Response, Problem> {
    let reservation: ReservationId = id(reservation, "reservation")?;
    let row = app.store.reservation(&reservation).await?;
    let row = row.ok_or_else(|| Problem::not_found("reservation"))?;
    let after = page.cursor().map_or(Ok((0, 0)), place)?;
    let mut runs = vec![booking::workflow_id(&row.id)];
    if row.has_cancellation()
        && let Some(undo) = app.store.latest_cancellation(&row.id).await?
    {
        runs.push(cancellation::workflow_id(&undo.id));
    }
    let client = app.temporal.client.borrow().clone().ok_or_else(silent)?;
    let mut found = Vec::new();
    for (n, run) in runs.iter().enumerate() {
        let events = timeout(TEMPORAL_ANSWERS_WITHIN, events(&client, run)).await;
        let events = events.map_err(|_| silent())?.map_err(|error| {
            tracing::warn!(?error, "a history is not read");
            silent()
        })?;
        found.extend(events.into_iter().map(|event| (n, event)));
    }
    let limit = usize::try_from(page.fetch()).unwrap_or(usize::MAX);
    let found = found.into_iter().filter(|(n, event)| (*n, event.event_id) > after);
    let cursor = |(n, event): &(usize, HistoryEvent)| format!("{n}.{}", event.event_id);
    Ok(page.answer(found.take(limit).collect(), cursor, |(n, event)| body(&runs[n], event)))
}

/// Which of the runs, and its event.
fn place(cursor: &str) -> Result<(usize, i64), Problem> {
    let place =
        cursor.split_once('.').and_then(|(n, event)| n.parse().ok().zip(event.parse().ok()));
    place.ok_or_else(|| Problem::malformed("cursor: not one of ours"))
}

fn silent() -> Problem {
    let detail = "Temporal does not answer";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(5)
}

/// All of them: a run ends or begins anew long before they are many.
async fn events(client: &Client, run: &str) -> Result<Vec<HistoryEvent>, WorkflowInteractionError> {
    let handle = client.get_workflow_handle::<Booking>(run);
    let events = handle.fetch_history(WorkflowFetchHistoryOptions::default());
    match events.try_collect().await {
        Err(WorkflowInteractionError::NotFound(_)) => Ok(Vec::new()),
        found => found,
    }
}

fn body(run: &str, event: HistoryEvent) -> EventBody {
    let at = event.event_time.and_then(|at| std::time::SystemTime::try_from(at).ok());
    let since = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let kind = event.event_type().as_str_name();
    let (activity, attempt, failure) = facts(event.attributes);
    EventBody {
        workflow_id: run.to_owned(),
        event_id: event.event_id,
        r#type: pascal_case(kind.trim_start_matches("EVENT_TYPE_")),
        at: At(Time::from_millis(0).plus(since)),
        activity,
        attempt,
        failure,
    }
}

fn facts(attributes: Option<Attributes>) -> (Option<String>, Option<i32>, Option<String>) {
    let message = |failure: Option<Failure>| failure.map(|failure| failure.message);
    match attributes {
        Some(Attributes::ActivityTaskScheduledEventAttributes(it)) => {
            (it.activity_type.map(|kind| kind.name), None, None)
        }
        Some(Attributes::ActivityTaskStartedEventAttributes(it)) => {
            (None, Some(it.attempt), message(it.last_failure))
        }
        Some(Attributes::ActivityTaskFailedEventAttributes(it)) => {
            (None, None, message(it.failure))
        }
        Some(Attributes::ActivityTaskTimedOutEventAttributes(it)) => {
            (None, None, message(it.failure))
        }
        Some(Attributes::WorkflowTaskFailedEventAttributes(it)) => {
            (None, None, message(it.failure))
        }
        _ => (None, None, None),
    }
}

/// `ActivityTaskStarted` of `ACTIVITY_TASK_STARTED`.
fn pascal_case(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty());
    words.map(|word| word[..1].to_owned() + &word[1..].to_ascii_lowercase()).collect()
}
