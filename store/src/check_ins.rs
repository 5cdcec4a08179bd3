//! Check-ins at the gate (T23): each ticket lets in once, and so does the code of a party without
//! tickets.

use crate::reservations::Attend;
use crate::row::{broken, to_json, word};
use crate::tickets::{ticket, ticket_columns};
use crate::writer::{Tx, left};
use crate::{Decision, Store, StoreError, repeated};
use domain::check_in::{CheckIn, CheckedIn};
use domain::ids::{ReservationId, TicketId};
use domain::reservation::Reservation;
use domain::ticket::Ticket;
use domain::words::TicketStatus;

/// A wish to come in: at which gate, under which number of that gate.
#[derive(Debug, Clone)]
pub struct Scan {
    pub gate: String,
    pub nonce: String,
}

impl Store {
    /// T23. The same scan again is answered as one that was made before.
    pub async fn check_in(&self, code: &str, scan: &Scan) -> Result<Decision, StoreError> {
        repeated(|| self.try_check_in(code, scan)).await
    }

    async fn try_check_in(&self, code: &str, scan: &Scan) -> Result<Decision, StoreError> {
        let Some(found) = self.ticket_by_code(code).await? else { return Ok(Decision::NotFound) };
        let mut tx = self.begin().await?;
        let Some(mut row) = self.lock(&mut tx, &found.reservation_id).await? else {
            return Err(broken("ticket", "no reservation"));
        };
        let mut ticket = ticket_in(&mut tx, &found.id).await?;
        match row.check_in(&mut ticket, self.check_in_now(scan)) {
            Err(refusal) => left(tx, Decision::Refused(refusal, Some(row))).await,
            Ok(CheckedIn::Before) => left(tx, Decision::Replayed(row)).await,
            Ok(CheckedIn::Now(events)) => {
                use_ticket(&mut tx, &ticket).await?;
                self.record(&mut tx, &mut row, &events, Attend::Later).await?;
                self.commit(tx, &row).await?;
                Ok(Decision::Done(row))
            }
        }
    }

    /// Entry by the reservation code, when tickets could not be issued.
    pub async fn check_in_by_code(&self, code: &str, scan: &Scan) -> Result<Decision, StoreError> {
        repeated(|| async {
            let found = sqlx::query("select reservation_id from reservation where code = $1")
                .bind(code)
                .fetch_optional(self.readers())
                .await?;
            let Some(found) = found else { return Ok(Decision::NotFound) };
            let id: ReservationId = word(&found, "reservation_id")?;
            let mut tx = self.begin().await?;
            let Some(mut row) = self.lock(&mut tx, &id).await? else {
                return left(tx, Decision::NotFound).await;
            };
            match row.check_in_by_code(self.check_in_now(scan)) {
                Err(refusal) => left(tx, Decision::Refused(refusal, Some(row))).await,
                Ok(CheckedIn::Before) => left(tx, Decision::Replayed(row)).await,
                Ok(CheckedIn::Now(events)) => {
                    self.record(&mut tx, &mut row, &events, Attend::Later).await?;
                    self.commit(tx, &row).await?;
                    Ok(Decision::Done(row))
                }
            }
        })
        .await
    }

    fn check_in_now(&self, scan: &Scan) -> CheckIn {
        let Scan { gate, nonce } = scan.clone();
        CheckIn { at: self.now(), gate, nonce }
    }
}

async fn ticket_in(tx: &mut Tx, id: &TicketId) -> Result<Ticket, StoreError> {
    let found =
        sqlx::query(concat!("select ", ticket_columns!(), " from ticket t where t.ticket_id = $1"))
            .bind(id.as_str())
            .fetch_one(&mut **tx)
            .await?;
    ticket(&found)
}

/// R14: the condition on the ticket's own row is what makes a cancel and a scan of it impossible
/// together, whatever the lock did.
async fn use_ticket(tx: &mut Tx, ticket: &Ticket) -> Result<(), StoreError> {
    let used = sqlx::query(
        "update ticket set status = 'USED', check_in = $2 \
         where ticket_id = $1 and status = 'ISSUED'",
    )
    .bind(ticket.id.as_str())
    .bind(ticket.check_in.as_ref().map(to_json))
    .execute(&mut **tx)
    .await?;
    match used.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Stale(ticket.reservation_id.to_string())),
    }
}

/// T24: who has not come in by the end will not.
pub(crate) async fn mark_no_shows(tx: &mut Tx, row: &Reservation) -> Result<(), StoreError> {
    if !matches!(row.tickets, TicketStatus::NoShow | TicketStatus::Used) {
        return Ok(());
    }
    sqlx::query(
        "update ticket set status = 'NO_SHOW' where reservation_id = $1 and status = 'ISSUED'",
    )
    .bind(row.id.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(())
}
