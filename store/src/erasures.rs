//! Erasing a customer: who they are goes, what happened and the money stay. SQLite overwrites what is
//! deleted (`secure_delete`); PostgreSQL keeps it in its files until it vacuums the table.

use crate::audit_entries::Deed;
use crate::{Store, StoreError, repeated};
use domain::audit_entry::facts;
use domain::ids::CustomerId;
use domain::person::Person;
use domain::words::StaffAction;

/// What was erased of a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// Names and phone numbers, one pair per reservation.
    pub contacts: u64,
    pub refund_accounts: u64,
    /// Accounts that money is still owed to. They go when it has been paid and this is repeated.
    pub accounts_needed: i64,
}

impl Store {
    /// Forgets the name, the phone and the accounts of a customer, as if they had never given them.
    pub async fn erase_customer(
        &self,
        staff: &Person,
        customer: &CustomerId,
    ) -> Result<Erased, StoreError> {
        repeated(|| self.try_erase_customer(staff, customer)).await
    }

    async fn try_erase_customer(
        &self,
        staff: &Person,
        customer: &CustomerId,
    ) -> Result<Erased, StoreError> {
        let mut tx = self.begin().await?;
        let contacts = sqlx::query(
            "delete from contact where reservation_id in \
             (select reservation_id from reservation where customer_id = $1)",
        )
        .bind(customer.as_str())
        .execute(&mut *tx)
        .await?
        .rows_affected();
        // The call may still need it: it is sent again until its answer is known.
        let refund_accounts = sqlx::query(
            "delete from refund_account where reservation_id in \
             (select reservation_id from reservation where customer_id = $1) \
             and key in (select key from gateway_call where state = 'KNOWN')",
        )
        .bind(customer.as_str())
        .execute(&mut *tx)
        .await?
        .rows_affected();
        let accounts_needed = sqlx::query_scalar(
            "select count(*) from refund_account where reservation_id in \
             (select reservation_id from reservation where customer_id = $1)",
        )
        .bind(customer.as_str())
        .fetch_one(&mut *tx)
        .await?;
        let erased = Erased { contacts, refund_accounts, accounts_needed };
        self.audit_deed(&mut tx, staff, &deed(customer, &erased)).await?;
        tx.commit().await?;
        Ok(erased)
    }
}

fn deed(customer: &CustomerId, erased: &Erased) -> Deed {
    let [contacts, accounts] = [erased.contacts, erased.refund_accounts].map(|n| n.to_string());
    Deed {
        action: StaffAction::EraseCustomer,
        target: format!("/customers/{customer}"),
        before: facts([]),
        after: facts([
            ("contacts erased", contacts.as_str()),
            ("accounts erased", accounts.as_str()),
        ]),
    }
}
