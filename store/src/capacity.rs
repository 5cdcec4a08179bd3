//! Capacity: the right to N seats of a grade before seats are chosen. The pool is the last row that
//! any transaction locks, because it is the hottest.

use crate::StoreError;
use crate::row::{int, number, word};
use crate::writer::Tx;
use domain::catalogue::Pool;
use domain::refusal::Refusal;
use domain::reservation::Reservation;

pub(crate) fn pool(row: &sqlx::any::AnyRow) -> Result<Pool, StoreError> {
    Ok(Pool {
        grade: word(row, "grade")?,
        open: int(row, "open")? == 1,
        sellable: number(row, "sellable")?,
        held: number(row, "held")?,
        sold: number(row, "sold")?,
    })
}

/// Claims the party's places; false when there is no room or sales are closed (R1).
pub(crate) async fn claim(tx: &mut Tx, row: &Reservation) -> Result<bool, StoreError> {
    let claimed = sqlx::query(
        "update capacity_pool set held = held + $3 \
         where showtime_id = $1 and grade = $2 and open = 1 and held + sold + $3 <= sellable",
    );
    Ok(changed(tx, row, claimed, i64::from(row.party.size())).await? == 1)
}

/// Why there was nothing to claim: closed for all, or no room (R17).
pub(crate) async fn why_not(tx: &mut Tx, row: &Reservation) -> Result<Refusal, StoreError> {
    let sql = "select open from capacity_pool where showtime_id = $1 and grade = $2";
    let open: Option<i64> = sqlx::query_scalar(sql)
        .bind(row.showtime.showtime_id.as_str())
        .bind(row.grade.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    Ok(if open == Some(0) { Refusal::SalesClosed } else { Refusal::SoldOut })
}

/// HELD → SOLD: the seats are assigned.
pub(crate) async fn sell(tx: &mut Tx, row: &Reservation) -> Result<(), StoreError> {
    one(tx, row, "update capacity_pool set held = held - $3, sold = sold + $3 where showtime_id = $1 and grade = $2").await
}

/// HELD → RELEASED.
pub(crate) async fn release_held(tx: &mut Tx, row: &Reservation) -> Result<(), StoreError> {
    one(tx, row, "update capacity_pool set held = held - $3 where showtime_id = $1 and grade = $2")
        .await
}

/// SOLD → RELEASED, for so many of its seats.
pub(crate) async fn release_sold(
    tx: &mut Tx,
    row: &Reservation,
    seats: u64,
) -> Result<(), StoreError> {
    let sql = "update capacity_pool set sold = sold - $3 where showtime_id = $1 and grade = $2";
    let seats = i64::try_from(seats).expect("few seats");
    is_one(row, changed(tx, row, sqlx::query(sql), seats).await?)
}

async fn one(tx: &mut Tx, row: &Reservation, sql: &'static str) -> Result<(), StoreError> {
    is_one(row, changed(tx, row, sqlx::query(sql), i64::from(row.party.size())).await?)
}

fn is_one(row: &Reservation, pools: u64) -> Result<(), StoreError> {
    match pools {
        1 => Ok(()),
        _ => Err(StoreError::Broken(format!("no pool for reservation {}", row.id))),
    }
}

async fn changed<'q>(
    tx: &mut Tx,
    row: &'q Reservation,
    query: sqlx::query::Query<'q, sqlx::Any, sqlx::any::AnyArguments>,
    places: i64,
) -> Result<u64, StoreError> {
    let done = query
        .bind(row.showtime.showtime_id.as_str())
        .bind(row.grade.as_str())
        .bind(places)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected())
}
