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
use std::iter;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use temporalio_client::errors::WorkflowInteractionError;
use temporalio_client::{Client, WorkflowDescribeOptions, WorkflowFetchHistoryOptions};
use temporalio_common::protos::temporal::api::failure::v1::Failure;
use temporalio_common::protos::temporal::api::failure::v1::failure::FailureInfo;
use temporalio_common::protos::temporal::api::history::v1::HistoryEvent;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_common::protos::temporal::api::workflow::v1::PendingActivityInfo;
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
    /// Which try it is: at the beginning of what still goes on, and where the last one began.
    attempt: Option<i32>,
    /// Why it, or the try before, did not go well.
    failure: Option<String>,
}

/// What Temporal knows of a reservation: the newest run of its booking, then those of its undos.
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
    let undos = app.store.cancellation_ids(&row.id).await?;
    let booking = booking::workflow_id(&row.id);
    let runs: Vec<_> =
        iter::once(booking).chain(undos.iter().map(cancellation::workflow_id)).collect();
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
    let cursor = |(n, event): &(usize, EventBody)| format!("{n}.{}", event.event_id);
    Ok(page.answer(found.take(limit).collect(), cursor, |(_, event)| event))
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

/// All of them: a run ends or begins anew long before they are many. What is tried again and again is
/// not in a history before it has ended, so that the tries come from what goes on.
async fn events(client: &Client, run: &str) -> Result<Vec<EventBody>, WorkflowInteractionError> {
    let handle = client.get_workflow_handle::<Booking>(run);
    let events = handle.fetch_history(WorkflowFetchHistoryOptions::default());
    let (events, described) = match events.try_collect::<Vec<_>>().await {
        Err(WorkflowInteractionError::NotFound(_)) => return Ok(Vec::new()),
        events => (events?, handle.describe(WorkflowDescribeOptions::default()).await?),
    };
    let pending = &described.raw().pending_activities;
    Ok(events.into_iter().map(|event| body(run, event, pending)).collect())
}

fn body(run: &str, event: HistoryEvent, pending: &[PendingActivityInfo]) -> EventBody {
    let at = event.event_time.and_then(|at| SystemTime::try_from(at).ok());
    let since = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let kind = event.event_type().as_str_name();
    let Facts { activity, attempt, failure } = facts(event.attributes, pending);
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

#[derive(Default)]
struct Facts {
    activity: Option<String>,
    attempt: Option<i32>,
    failure: Option<String>,
}

fn facts(attributes: Option<Attributes>, pending: &[PendingActivityInfo]) -> Facts {
    let failed = |failure: Option<Failure>| Facts {
        failure: failure.as_ref().map(in_words),
        ..Facts::default()
    };
    match attributes {
        Some(Attributes::ActivityTaskScheduledEventAttributes(it)) => {
            let goes_on = pending.iter().find(|pending| pending.activity_id == it.activity_id);
            Facts {
                activity: it.activity_type.map(|kind| kind.name),
                attempt: goes_on.map(|pending| pending.attempt),
                failure: goes_on.and_then(|pending| pending.last_failure.as_ref()).map(in_words),
            }
        }
        Some(Attributes::ActivityTaskStartedEventAttributes(it)) => {
            Facts { attempt: Some(it.attempt), ..failed(it.last_failure) }
        }
        Some(Attributes::ActivityTaskFailedEventAttributes(it)) => failed(it.failure),
        Some(Attributes::ActivityTaskTimedOutEventAttributes(it)) => failed(it.failure),
        Some(Attributes::WorkflowTaskFailedEventAttributes(it)) => failed(it.failure),
        _ => Facts::default(),
    }
}

/// `OutcomeUnknown: outcome unknown: no answer`: the kind, then each cause.
fn in_words(failure: &Failure) -> String {
    let kind = match &failure.failure_info {
        Some(FailureInfo::ApplicationFailureInfo(info)) => Some(info.r#type.as_str()),
        _ => None,
    };
    let causes = iter::successors(Some(failure), |failure| failure.cause.as_deref());
    let words = kind.into_iter().chain(causes.map(|failure| failure.message.as_str()));
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(": ")
}

/// `ActivityTaskStarted` of `ACTIVITY_TASK_STARTED`.
fn pascal_case(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty());
    words.map(|word| word[..1].to_owned() + &word[1..].to_ascii_lowercase()).collect()
}
