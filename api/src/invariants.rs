//! The auditor over HTTP, in the test profile only; outside of it this route does not exist.

use crate::App;
use crate::problem::Problem;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use domain::audit::{Invariant, Violation};
use domain::ids::ReservationId;
use serde::Serialize;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/admin/invariants", get(invariants))
}

#[derive(Serialize)]
struct ReportBody {
    violations: Vec<ViolationBody>,
    checked: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ViolationBody {
    invariant: Invariant,
    reservation_id: Option<ReservationId>,
    detail: String,
}

impl From<Violation> for ViolationBody {
    fn from(violation: Violation) -> Self {
        let Violation { invariant, reservation_id, detail } = violation;
        Self { invariant, reservation_id, detail }
    }
}

async fn invariants(State(app): State<App>) -> Result<Json<ReportBody>, Problem> {
    if app.faults.is_none() {
        return Err(Problem::not_found("resource"));
    }
    let mut report = app.store.audit(app.ledger.as_ref()).await?;
    report.extend(app.store.overdue().await?);
    let violations = report.violations.into_iter().map(ViolationBody::from).collect();
    Ok(Json(ReportBody { violations, checked: report.checked }))
}
