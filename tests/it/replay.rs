//! Golden histories: what Temporal recorded of real runs (`tools/history`), one folder per release,
//! replayed against today's workflows. No server is needed.

mod planted;

use crate::repository::root;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};
use temporalio_client::WorkflowHistory;
use temporalio_common::protos::temporal::api::history::v1::HistoryEvent;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_sdk::workflow_replayer::{
    WorkflowReplayError, WorkflowReplayFailure, WorkflowReplayer, WorkflowReplayerOptions,
};
use workflows::booking::Booking;
use workflows::cancellation::Cancellation;

/// Every path of specification 1.4 that a run can take, and what its history must hold, in this
/// order. `retried` and `waited` stand before the activity that they are about.
const PATHS: &[(&str, &str)] = &[
    ("plan", "look carry_payment issue_tickets end"),
    ("stepwise", "look wake look carry_payment wake look carry_payment issue_tickets end"),
    ("declined", "carry_payment wake look carry_payment wake look carry_payment issue_tickets end"),
    ("three-declines", "carry_payment wake look carry_payment wake look carry_payment end"),
    ("never-paid", "look deadline look end"),
    ("seats-never-chosen", "look wake look carry_payment deadline look end"),
    ("seats-never-chosen-undo", "look_at_undo free_seats return_money close_cancellation end"),
    ("plan-seats-taken", "look carry_payment wake look carry_payment issue_tickets end"),
    ("capture-refused", "carry_payment wake look carry_payment end"),
    ("capture-refused-undo", "look_at_undo free_seats return_money close_cancellation end"),
    ("cancelled-unpaid", "look wake look end"),
    ("cancelled-approved", "look wake look carry_payment wake look end"),
    ("cancelled-approved-undo", "look_at_undo free_seats return_money close_cancellation end"),
    ("cancelled-ticketed", "carry_payment wake look carry_payment issue_tickets end"),
    (
        "cancelled-ticketed-undo",
        "look_at_undo revoke_tickets free_seats return_money close_cancellation end",
    ),
    ("cancelled-while-sent", "look wake look carry_payment end"),
    (
        "cancelled-while-sent-undo",
        "look_at_undo settle_call free_seats return_money close_cancellation end",
    ),
    ("late-approval", "look wake look retried carry_payment wake look carry_payment end"),
    ("answer-lost", "retried carry_payment wake look retried carry_payment issue_tickets end"),
    ("ticket-worker-down", "carry_payment wake look carry_payment waited issue_tickets end"),
    ("woken-at-work", "look wake look wake carry_payment look wake look carry_payment end"),
    ("terminated", "look terminated"),
    ("started-anew", "wake look carry_payment wake look carry_payment issue_tickets end"),
    ("refund-blocked", "carry_payment wake look carry_payment issue_tickets end"),
    ("refund-blocked-undo", "look_at_undo revoke_tickets free_seats return_money end"),
];

#[tokio::test]
async fn todays_workflows_repeat_every_golden_history() {
    let mut diverging = Vec::new();
    for (name, file) in histories() {
        let today = WorkflowReplayerOptions::new()
            .register_workflow::<Booking>()
            .and_then(|options| options.register_workflow::<Cancellation>());
        if let Err(error) = replay(today.expect("two names").build(), &file).await {
            diverging.push(format!("{name}: {error}"));
        }
    }
    assert!(diverging.is_empty(), "\n{}\n", diverging.join("\n"));
}

#[tokio::test]
async fn this_release_has_a_history_of_every_path() {
    let release = concat!(env!("CARGO_PKG_VERSION"), "/");
    let mut of_release = BTreeMap::new();
    for (name, file) in histories() {
        if let Some(path) = name.strip_prefix(release) {
            of_release.insert(path.to_owned(), story(&file).await);
        }
    }
    let have: Vec<&str> = of_release.keys().map(String::as_str).collect();
    let mut wanted: Vec<&str> = PATHS.iter().map(|(path, _)| *path).collect();
    wanted.sort_unstable();
    assert_eq!(have, wanted, "`cargo run -p history` makes those of {release}");
    for (path, expected) in PATHS {
        let told = &of_release[*path];
        let mut rest = told.iter();
        let holds = expected.split(' ').all(|step| rest.any(|told| told == step));
        assert!(holds, "{path} is to tell {expected}, tells {}", told.join(" "));
    }
}

/// Every history as `<release>/<path>`, with its file.
fn histories() -> BTreeMap<String, PathBuf> {
    let all = root().join("tests/histories");
    let mut found = BTreeMap::new();
    for release in entries(&all) {
        for file in entries(&release) {
            let name = file.with_extension("");
            let name = name.strip_prefix(&all).expect("below").display().to_string();
            found.insert(name, file);
        }
    }
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

fn history(file: &Path) -> WorkflowHistory {
    let text = std::fs::read(file).expect("a file");
    WorkflowHistory::from_json(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// A history of this release.
fn golden(path: &str) -> PathBuf {
    histories().remove(&format!("{}/{path}", env!("CARGO_PKG_VERSION"))).expect("a history")
}

async fn replay(options: WorkflowReplayerOptions, file: &Path) -> Result<(), WorkflowReplayError> {
    WorkflowReplayer::new(options)?.replay_workflow(history(file)).await
}

fn is_nondeterminism(error: &WorkflowReplayError) -> bool {
    matches!(error, WorkflowReplayError::Replay(WorkflowReplayFailure::Nondeterminism { .. }))
}

/// An activity that a running worker begins later than this has waited for a worker.
const BEGINS_WITHIN: Duration = Duration::from_millis(400);

/// What happened, in the words of [`PATHS`].
async fn story(file: &Path) -> Vec<String> {
    let mut scheduled = BTreeMap::new();
    let mut told = Vec::new();
    for event in history(file).into_events().await.expect("events") {
        let at = time(&event);
        match event.attributes.expect("attributes") {
            Attributes::ActivityTaskScheduledEventAttributes(it) => {
                scheduled.insert(event.event_id, (it.activity_type.expect("a type").name, at));
            }
            Attributes::ActivityTaskStartedEventAttributes(it) => {
                let waited = at.duration_since(scheduled[&it.scheduled_event_id].1);
                if it.attempt > 1 {
                    told.push("retried".to_owned());
                } else if waited.expect("in order") > BEGINS_WITHIN {
                    told.push("waited".to_owned());
                }
            }
            Attributes::ActivityTaskCompletedEventAttributes(it) => {
                told.push(scheduled[&it.scheduled_event_id].0.clone());
            }
            Attributes::MarkerRecordedEventAttributes(it) => {
                let local = &it.details["data"].payloads[0].data;
                let local: serde_json::Value = serde_json::from_slice(local).expect("JSON");
                told.push(local["activity_type"].as_str().expect("a name").to_owned());
            }
            Attributes::WorkflowExecutionSignaledEventAttributes(it) => told.push(it.signal_name),
            Attributes::TimerFiredEventAttributes(_) => told.push("deadline".to_owned()),
            Attributes::WorkflowExecutionTerminatedEventAttributes(_) => {
                told.push("terminated".to_owned());
            }
            Attributes::WorkflowExecutionCompletedEventAttributes(_) => told.push("end".to_owned()),
            _ => {}
        }
    }
    told
}

fn time(event: &HistoryEvent) -> SystemTime {
    let at = event.event_time.expect("a time");
    let seconds = Duration::from_secs(at.seconds.try_into().expect("after 1970"));
    SystemTime::UNIX_EPOCH + seconds + Duration::from_nanos(at.nanos.try_into().expect("positive"))
}

/// `tests/upgrade/build` makes the release that `bench deploys` upgrades to from this one.
#[test]
fn the_change_of_the_next_release_still_fits() {
    let patch = "tests/upgrade/looks-before-tickets.patch";
    let mut check = Command::new("git");
    let checked = check.args(["apply", "--check", patch]).current_dir(root()).output();
    let checked = checked.expect("git");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
