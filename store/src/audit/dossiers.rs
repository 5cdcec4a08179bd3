//! Dossiers, a page of reservations at a time, each page as of one moment.

use crate::cancellations::{cancellation, cancellation_columns};
use crate::gateway_calls::call;
use crate::payments::{attempt, attempt_columns};
use crate::reservations::{reservation, reservation_columns};
use crate::row::{int, json, json_or_null, text, time_or_null, word};
use crate::tickets::{ticket, ticket_columns};
use crate::timeline::recorded;
use crate::{Store, StoreError};
use domain::audit::{Assignment, CallRecord, Dossier, Invariant, Violation};
use domain::ids::ReservationId;
use domain::payment::Payment;
use sqlx::any::AnyRow;
use sqlx::{Any, Transaction};
use std::collections::BTreeMap;

/// A page of reservations with all that belongs to them.
#[derive(Default)]
pub(super) struct Page {
    pub(super) dossiers: Vec<Dossier>,
    /// Rows of whatever kind that cannot be read.
    pub(super) broken: Vec<Violation>,
    /// Reservations in the page, readable or not.
    pub(super) rows: u64,
    /// After which the next page begins; none after the last one.
    pub(super) last: Option<ReservationId>,
}

impl Store {
    pub(super) async fn dossiers(
        &self,
        after: Option<&ReservationId>,
        upto: Option<&ReservationId>,
        limit: i64,
    ) -> Result<Page, StoreError> {
        let mut tx = self.engine.snapshot().await?;
        let rows = sqlx::query(concat!(
            "select ",
            reservation_columns!(),
            " from reservation where reservation_id > $1 and ($2 is null or reservation_id <= $2) \
             order by reservation_id limit $3"
        ))
        .bind(after.map_or(String::new(), ToString::to_string))
        .bind(upto.map(ToString::to_string))
        .bind(limit)
        .fetch_all(&mut *tx)
        .await?;
        let mut page = page_of(&mut tx, &rows).await?;
        tx.rollback().await?;
        if i64::try_from(rows.len()).is_ok_and(|rows| rows == limit) {
            page.last = rows.last().map(|row| word(row, "reservation_id")).transpose()?;
        }
        Ok(page)
    }

    pub(super) async fn dossier(&self, id: &ReservationId) -> Result<Option<Dossier>, StoreError> {
        let mut tx = self.engine.snapshot().await?;
        let rows = sqlx::query(concat!(
            "select ",
            reservation_columns!(),
            " from reservation where reservation_id = $1"
        ))
        .bind(id.as_str())
        .fetch_all(&mut *tx)
        .await?;
        let page = page_of(&mut tx, &rows).await?;
        tx.rollback().await?;
        Ok(page.dossiers.into_iter().next())
    }
}

/// What belongs to these reservations, which stand in the order of their ids.
async fn page_of(tx: &mut Transaction<'static, Any>, rows: &[AnyRow]) -> Result<Page, StoreError> {
    let mut page = Page { rows: u64::try_from(rows.len()).expect("few"), ..Page::default() };
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(page) };
    let range = (text(first, "reservation_id")?, text(last, "reservation_id")?);
    let mut belongings = Belongings { tx, range, broken: Vec::new() };
    let mut events = belongings.of(EVENTS, recorded).await?;
    let mut payments = belongings.of(PAYMENTS, payment).await?;
    let mut calls = belongings.of(CALLS, call_record).await?;
    let mut seats = belongings.of(SEATS, assignment).await?;
    let mut tickets = belongings.of(TICKETS, ticket).await?;
    let mut cancellations = belongings.of(CANCELLATIONS, cancellation).await?;
    let mut shown = belongings.of(SHOWN, |row| json(row, "document")).await?;
    page.broken = belongings.broken;
    for row in rows {
        let id = text(row, "reservation_id")?;
        let row = match reservation(row) {
            Ok(row) => row,
            Err(error) => {
                page.broken.push(unreadable(&id, &error));
                continue;
            }
        };
        page.dossiers.push(Dossier {
            row,
            events: events.remove(&id).unwrap_or_default(),
            payments: payments.remove(&id).unwrap_or_default(),
            calls: calls.remove(&id).unwrap_or_default(),
            seats: seats.remove(&id).unwrap_or_default(),
            tickets: tickets.remove(&id).unwrap_or_default(),
            cancellations: cancellations.remove(&id).unwrap_or_default(),
            shown: shown.remove(&id).and_then(|mut shown| shown.pop()),
        });
    }
    Ok(page)
}

/// Reads what belongs to a range of reservations.
struct Belongings<'t> {
    tx: &'t mut Transaction<'static, Any>,
    range: (String, String),
    broken: Vec<Violation>,
}

impl Belongings<'_> {
    /// By reservation, in the order of the query.
    async fn of<T>(
        &mut self,
        sql: &'static str,
        read: fn(&AnyRow) -> Result<T, StoreError>,
    ) -> Result<BTreeMap<String, Vec<T>>, StoreError> {
        let (first, last) = (self.range.0.as_str(), self.range.1.as_str());
        let rows = sqlx::query(sql).bind(first).bind(last).fetch_all(&mut **self.tx).await?;
        let mut found = BTreeMap::<String, Vec<T>>::new();
        for row in &rows {
            let id = text(row, "reservation_id")?;
            match read(row) {
                Ok(read) => found.entry(id).or_default().push(read),
                Err(error) => self.broken.push(unreadable(&id, &error)),
            }
        }
        Ok(found)
    }
}

fn unreadable(id: &str, error: &StoreError) -> Violation {
    Violation {
        invariant: Invariant::I10,
        reservation_id: ReservationId::parse(id).ok(),
        detail: format!("cannot be read: {error}"),
    }
}

const EVENTS: &str = "select reservation_id, seq, type, actor, status, detail, at from timeline \
                      where reservation_id between $1 and $2 order by reservation_id, seq";

const PAYMENTS: &str = concat!(
    "select ",
    attempt_columns!(),
    " from payment_attempt where reservation_id between $1 and $2 order by reservation_id, n"
);

/// By the primary key, which begins with the reservation: a call under any other key is found by
/// `house.rs`. '.' is what follows '-'.
const CALLS: &str = "select key, reservation_id, attempt_id, operation, cancellation_id, body, \
                     state, answer, late, opened_at from gateway_call \
                     where key > $1 and key < $2 || '.' order by opened_at, key";

const SEATS: &str = "select a.assignment_id, a.showtime_id, a.seat_id, a.reservation_id, a.live, \
                     a.freed_at, s.number, s.grade from seat_assignment a \
                     join seat s on s.seat_id = a.seat_id \
                     where a.reservation_id between $1 and $2 order by a.assignment_id";

const TICKETS: &str = concat!(
    "select ",
    ticket_columns!(),
    " from ticket t where t.reservation_id between $1 and $2 order by t.ticket_id"
);

const CANCELLATIONS: &str = concat!(
    "select ",
    cancellation_columns!(),
    " from cancellation where reservation_id between $1 and $2 \
     order by requested_at, cancellation_id"
);

const SHOWN: &str =
    "select reservation_id, document from mypage where reservation_id between $1 and $2";

/// What was refunded is judged by calls and cancellations.
fn payment(row: &AnyRow) -> Result<Payment, StoreError> {
    Ok(Payment { attempt: attempt(row)?, refunds: Vec::new() })
}

fn call_record(row: &AnyRow) -> Result<CallRecord, StoreError> {
    Ok(CallRecord { call: call(row)?, answer: json_or_null(row, "answer")? })
}

fn assignment(row: &AnyRow) -> Result<Assignment, StoreError> {
    Ok(Assignment {
        id: word(row, "assignment_id")?,
        showtime_id: word(row, "showtime_id")?,
        seat_id: word(row, "seat_id")?,
        number: text(row, "number")?,
        grade: word(row, "grade")?,
        live: int(row, "live")? == 1,
        freed_at: time_or_null(row, "freed_at")?,
    })
}
