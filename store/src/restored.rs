//! Copies of the database, and what an older one does not know when it takes the place of a newer:
//! orders in the gateway's books, whose money goes back.

use crate::audit_entries::Deed;
use crate::row::{to_json, word};
use crate::{Store, StoreError};
use domain::audit::LedgerEntry;
use domain::audit_entry::facts;
use domain::ids::PaymentAttemptId;
use domain::person::Person;
use domain::words::{Operation, StaffAction};
use std::collections::BTreeSet;
use std::path::Path;

impl Store {
    /// Writes all of it, as of one moment, to a file that must not exist. SQLite only; people go on
    /// booking meanwhile.
    pub async fn copy_to(&self, file: &Path) -> Result<(), StoreError> {
        let name = file.to_str();
        let name = name.ok_or_else(|| StoreError::Setup("its name is no text".to_owned()))?;
        sqlx::query("vacuum into $1").bind(name).execute(self.readers()).await?;
        Ok(())
    }

    /// Those of these attempts that we know.
    pub async fn known_attempts(
        &self,
        ids: &BTreeSet<&PaymentAttemptId>,
    ) -> Result<BTreeSet<PaymentAttemptId>, StoreError> {
        let sql = self.engine.listed(
            "select payment_attempt_id from payment_attempt \
             where payment_attempt_id in (select value from json_each($1))",
            "select payment_attempt_id from payment_attempt \
             where payment_attempt_id in (select json_array_elements_text(cast($1 as json)))",
        );
        let rows = sqlx::query(sql).bind(to_json(ids)).fetch_all(self.readers()).await?;
        rows.iter().map(|row| word(row, "payment_attempt_id")).collect()
    }

    /// An order that we do not know was given back, with these lines of the books: none of them
    /// needs people any more, whether reconciliation has found it or finds it later.
    pub async fn order_given_back(
        &self,
        person: &Person,
        entries: &[LedgerEntry],
    ) -> Result<(), StoreError> {
        let Some(first) = entries.first() else { return Ok(()) };
        let now = self.now().as_millis();
        let mut tx = self.begin().await?;
        for entry in entries {
            sqlx::query(
                "insert into contradiction (key, attempt_id, operation, amount, found_at, \
                 settled_at) values ($1, $2, $3, $4, $5, $5) \
                 on conflict (key) do update set settled_at = excluded.settled_at \
                 where contradiction.settled_at is null",
            )
            .bind(entry.key.as_str())
            .bind(entry.attempt_id.as_str())
            .bind(entry.operation.as_str())
            .bind(entry.amount.get())
            .bind(now)
            .execute(&mut *tx)
            .await?;
        }
        let back = entries.last().map_or(Operation::Void, |entry| entry.operation);
        let deed = Deed {
            action: StaffAction::ReturnUnknownOrder,
            target: format!("/orders/{}", first.attempt_id),
            before: facts([]),
            after: facts([("operation", back.as_str())]),
        };
        self.audit_deed(&mut tx, person, &deed).await?;
        Ok(tx.commit().await?)
    }
}
