//! Audit entries: written with what staff did, read by staff.

use crate::row::{broken, json, text, time, to_json, word};
use crate::writer::Tx;
use crate::{Store, StoreError, fresh};
use domain::audit_entry::{AuditEntry, Facts};
use domain::ids::AuditEntryId;
use domain::person::Person;
use domain::words::StaffAction;
use sqlx::any::AnyRow;

/// What staff does, in the words of an entry.
pub(crate) struct Deed {
    pub(crate) action: StaffAction,
    /// The path of the resource.
    pub(crate) target: String,
    pub(crate) before: Facts,
    pub(crate) after: Facts,
}

impl Store {
    /// Entries, newest first, from after the id `before`.
    pub async fn audit_entries(
        &self,
        before: Option<&AuditEntryId>,
        limit: i64,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        sqlx::query(
            "select audit_entry_id, at, actor, role, action, target, before, after \
             from audit_entry where ($1 is null or audit_entry_id < $1) \
             order by audit_entry_id desc limit $2",
        )
        .bind(before.map(|id| id.as_str().to_owned()))
        .bind(limit)
        .fetch_all(self.readers())
        .await?
        .iter()
        .map(entry)
        .collect()
    }

    /// Writes the entry in the transaction of the deed itself.
    pub(crate) async fn audit_deed(
        &self,
        tx: &mut Tx,
        staff: &Person,
        deed: &Deed,
    ) -> Result<(), StoreError> {
        let id =
            AuditEntryId::parse(fresh::id('e')).map_err(|why| broken("audit_entry_id", why))?;
        sqlx::query(
            "insert into audit_entry (audit_entry_id, at, actor, role, action, target, before, \
             after) values ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(id.as_str())
        .bind(self.now().as_millis())
        .bind(staff.id.as_str())
        .bind(staff.role.as_str())
        .bind(deed.action.as_str())
        .bind(deed.target.as_str())
        .bind(to_json(&deed.before))
        .bind(to_json(&deed.after))
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}

fn entry(row: &AnyRow) -> Result<AuditEntry, StoreError> {
    Ok(AuditEntry {
        id: word(row, "audit_entry_id")?,
        at: time(row, "at")?,
        actor: word(row, "actor")?,
        role: word(row, "role")?,
        action: word(row, "action")?,
        target: text(row, "target")?,
        before: json(row, "before")?,
        after: json(row, "after")?,
    })
}
