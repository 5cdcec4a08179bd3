//! Copies of the database, and what an older one does not know when it takes the place of a newer:
//! orders in the gateway's books, whose money goes back.

use crate::audit_entries::Deed;
use crate::row::{json_or_null, to_json, word};
use crate::{Store, StoreError};
use domain::audit::LedgerEntry;
use domain::audit_entry::facts;
use domain::ids::{CallKey, PaymentAttemptId};
use domain::payment::Answer;
use domain::person::Person;
use domain::words::StaffAction;
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

    /// An order that we do not know holds no money any more, by these lines of the books: none of
    /// them needs people, whether reconciliation has found it or finds it later.
    pub async fn order_settled(
        &self,
        person: &Person,
        entries: &[LedgerEntry],
    ) -> Result<(), StoreError> {
        let Some(first) = entries.first() else { return Ok(()) };
        let now = self.now().as_millis();
        let mut tx = self.begin().await?;
        let mut changed = 0;
        for entry in entries {
            let written = sqlx::query(
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
            changed += written.rows_affected();
        }
        if changed > 0 {
            let back = entries.last().map_or(first.operation, |entry| entry.operation);
            let deed = Deed {
                action: StaffAction::SettleUnknownOrder,
                target: format!("/orders/{}", first.attempt_id),
                before: facts([]),
                after: facts([("operation", back.as_str())]),
            };
            self.audit_deed(&mut tx, person, &deed).await?;
        }
        Ok(tx.commit().await?)
    }

    /// What the books were found to have done is what our calls under the same keys have done
    /// since: nothing contradicts any more.
    pub async fn close_explained(&self, person: &Person) -> Result<(), StoreError> {
        let found = sqlx::query(
            "select c.key, g.answer from contradiction c join gateway_call g on g.key = c.key \
             where c.settled_at is null",
        )
        .fetch_all(self.readers())
        .await?;
        for row in found {
            let Some(Answer::Done { .. }) = json_or_null(&row, "answer")? else { continue };
            let key: CallKey = word(&row, "key")?;
            let mut tx = self.begin().await?;
            if self.close_contradiction(&mut tx, &key).await? {
                let deed = Deed {
                    action: StaffAction::SettleCall,
                    target: format!("/admin/gateway-calls/{key}"),
                    before: facts([("state", "CONTRADICTED")]),
                    after: facts([("outcome", "DONE")]),
                };
                self.audit_deed(&mut tx, person, &deed).await?;
            }
            tx.commit().await?;
        }
        Ok(())
    }
}
