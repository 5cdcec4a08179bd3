//! What a customer sees of each reservation on mypage: one document per reservation, written with
//! the timeline, so that reading it joins nothing and asks nobody.

use crate::row::{json, to_json};
use crate::writer::Tx;
use crate::{Store, StoreError};
use domain::ids::{CustomerId, ReservationId};
use domain::mypage::MyPage;
use domain::reservation::Reservation;

impl Store {
    /// A customer's documents, newest first, from after the id `before`, with the name given at
    /// reservation.
    pub async fn mypage(
        &self,
        customer: &CustomerId,
        before: Option<&ReservationId>,
        limit: i64,
    ) -> Result<Vec<(MyPage, Option<String>)>, StoreError> {
        sqlx::query(
            "select m.document, c.name from mypage m \
             left join contact c on c.reservation_id = m.reservation_id \
             where m.customer_id = $1 and ($2 is null or m.reservation_id < $2) \
             order by m.reservation_id desc limit $3",
        )
        .bind(customer.as_str())
        .bind(before.map(|id| id.as_str().to_owned()))
        .bind(limit)
        .fetch_all(self.readers())
        .await?
        .iter()
        .map(entry)
        .collect()
    }

    pub async fn mypage_entry(
        &self,
        customer: &CustomerId,
        id: &ReservationId,
    ) -> Result<Option<(MyPage, Option<String>)>, StoreError> {
        sqlx::query(
            "select m.document, c.name from mypage m \
             left join contact c on c.reservation_id = m.reservation_id \
             where m.reservation_id = $1 and m.customer_id = $2",
        )
        .bind(id.as_str())
        .bind(customer.as_str())
        .fetch_optional(self.readers())
        .await?
        .map(|row| entry(&row))
        .transpose()
    }
}

fn entry(row: &sqlx::any::AnyRow) -> Result<(MyPage, Option<String>), StoreError> {
    Ok((json(row, "document")?, sqlx::Row::try_get(row, "name")?))
}

pub(crate) async fn put(tx: &mut Tx, row: &Reservation) -> Result<(), StoreError> {
    sqlx::query(
        "insert into mypage (reservation_id, customer_id, version, updated_at, document) \
         values ($1, $2, $3, $4, $5) on conflict (reservation_id) do update \
         set version = excluded.version, updated_at = excluded.updated_at, \
         document = excluded.document",
    )
    .bind(row.id.as_str())
    .bind(row.customer_id.as_str())
    .bind(row.version)
    .bind(row.updated_at.as_millis())
    .bind(to_json(&MyPage::from(row)))
    .execute(&mut **tx)
    .await?;
    Ok(())
}
