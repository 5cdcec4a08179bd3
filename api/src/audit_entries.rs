//! What staff did, for staff.

use crate::App;
use crate::body::At;
use crate::caller::Staff;
use crate::paging::Paging;
use crate::problem::Problem;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use domain::audit_entry::{AuditEntry, Facts};
use domain::ids::{AuditEntryId, CustomerId};
use domain::words::{Role, StaffAction};
use serde::Serialize;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/admin/audit", get(list))
}

#[derive(Serialize)]
struct EntryBody {
    id: AuditEntryId,
    at: At,
    actor: CustomerId,
    role: Role,
    action: StaffAction,
    target: String,
    before: Facts,
    after: Facts,
}

impl From<AuditEntry> for EntryBody {
    fn from(entry: AuditEntry) -> Self {
        let AuditEntry { id, at, actor, role, action, target, before, after } = entry;
        Self { id, at: At(at), actor, role, action, target, before, after }
    }
}

async fn list(State(app): State<App>, Staff(_): Staff, page: Paging) -> Result<Response, Problem> {
    let before = page.after()?;
    let found = app.store.audit_entries(before.as_ref(), page.fetch()).await?;
    Ok(page.answer(found, |entry| entry.id.to_string(), EntryBody::from))
}
