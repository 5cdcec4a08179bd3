//! The auditor over HTTP, in the test profile only; outside of it this route does not exist.

use crate::App;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use domain::audit::{Invariant, Violation};
use domain::ids::ReservationId;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(invariants))
}

#[derive(Serialize, ToSchema)]
#[schema(as = InvariantReport)]
struct ReportBody {
    violations: Vec<ViolationBody>,
    checked: u64,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Violation)]
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

/// In the test profile only: the auditor's report.
#[utoipa::path(
    get, path = "/admin/invariants", operation_id = "checkInvariants",
    responses((status = 200, body = ReportBody))
)]
async fn invariants(State(app): State<App>) -> Result<Json<ReportBody>, Problem> {
    if app.faults.is_none() {
        return Err(Problem::not_found("resource"));
    }
    let mut report = app.store.audit(app.ledger.as_ref()).await?;
    report.extend(app.store.overdue().await?);
    let violations = report.violations.into_iter().map(ViolationBody::from).collect();
    Ok(Json(ReportBody { violations, checked: report.checked }))
}
