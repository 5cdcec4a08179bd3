//! What staff did, for staff.

use crate::App;
use crate::body::At;
use crate::caller::Staff;
use crate::paging::{Page, PageQuery, Paging};
use crate::problem::Problem;
use axum::extract::State;
use axum::response::Response;
use domain::audit_entry::{AuditEntry, Facts};
use domain::ids::{AuditEntryId, CustomerId};
use domain::words::{Role, StaffAction};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
struct EntryBody {
    id: AuditEntryId,
    at: At,
    actor: CustomerId,
    role: Role,
    action: StaffAction,
    target: String,
    #[schema(value_type = BTreeMap<String, String>)]
    before: Facts,
    #[schema(value_type = BTreeMap<String, String>)]
    after: Facts,
}

impl From<AuditEntry> for EntryBody {
    fn from(entry: AuditEntry) -> Self {
        let AuditEntry { id, at, actor, role, action, target, before, after } = entry;
        Self { id, at: At(at), actor, role, action, target, before, after }
    }
}

/// What staff did, newest first.
#[utoipa::path(
    get, path = "/admin/audit", operation_id = "listAuditEntries",
    params(PageQuery),
    responses((status = 200, body = Page<EntryBody>), (status = 304)),
    security(("bearer" = ["staff"]))
)]
async fn list(State(app): State<App>, Staff(_): Staff, page: Paging) -> Result<Response, Problem> {
    let before = page.after()?;
    let found = app.store.audit_entries(before.as_ref(), page.fetch()).await?;
    Ok(page.answer(found, |entry| entry.id.to_string(), EntryBody::from))
}
