//! Tickets: issued when the money is captured, revoked before any money is returned.

use crate::cancellations::save_cancellation;
use crate::reservations::Attend;
use crate::row::{
    broken, json_or_null, number, text, time, time_or_null, to_json, word, word_or_null,
};
use crate::seats::AssignedSeat;
use crate::writer::{Tx, left};
use crate::{Store, StoreError, fresh, repeated};
use domain::cancellation::OwesUndo;
use domain::ids::{CancellationId, ReservationId, TicketId};
use domain::reservation::{Owes, Reservation};
use domain::ticket::{Ticket, deal};
use domain::words::Audience;
use sqlx::any::AnyRow;

/// 80 bits: nobody guesses a code.
const CODE_CHARACTERS: usize = 16;

macro_rules! ticket_columns {
    () => {
        "t.ticket_id, t.reservation_id, t.assignment_id, t.seat_number, t.code, t.audience, \
         t.price, t.status, t.issued_at, t.revoked_at, t.cancellation_id, t.check_in"
    };
}

impl Store {
    /// T16. Nothing happens when tickets are not what the reservation owes.
    pub async fn issue_tickets(&self, id: &ReservationId) -> Result<(), StoreError> {
        repeated(|| async {
            let mut tx = self.begin().await?;
            let Some(mut row) = self.lock(&mut tx, id).await? else { return left(tx, ()).await };
            if row.owes() != Owes::Tickets {
                return left(tx, ()).await;
            }
            let seats = self.live_seats(&mut tx, id).await?;
            let people = row.party.people().collect();
            let issued = self.issue(&mut tx, &row, people, &seats).await?;
            let events = row.issue_tickets(issued);
            self.record(&mut tx, &mut row, &events, Attend::Later).await?;
            self.commit(tx, &row).await
        })
        .await
    }

    /// A ticket for each of these people, on the seats that fit them.
    pub(crate) async fn issue(
        &self,
        tx: &mut Tx,
        row: &Reservation,
        people: Vec<Audience>,
        seats: &[AssignedSeat],
    ) -> Result<Vec<(TicketId, String)>, StoreError> {
        let mut issued = Vec::new();
        let people = deal(people, seats.iter().map(|seat| seat.kind));
        for (seat, audience) in seats.iter().zip(people) {
            let ticket = TicketId::parse(fresh::id('t')).map_err(|why| broken("ticket_id", why))?;
            let price = row.prices.get(&audience).ok_or_else(|| broken("prices", audience))?;
            sqlx::query(
                "insert into ticket (ticket_id, reservation_id, assignment_id, seat_number, \
                 code, audience, price, status, issued_at, check_in) \
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            )
            .bind(ticket.as_str())
            .bind(row.id.as_str())
            .bind(seat.assignment_id.as_str())
            .bind(seat.number.as_str())
            .bind(fresh::code(CODE_CHARACTERS))
            .bind(audience.as_str())
            .bind(price.get())
            .bind(row.status_of_new_tickets().as_str())
            .bind(self.now().as_millis())
            .bind(row.check_in.as_ref().map(to_json))
            .execute(&mut **tx)
            .await?;
            issued.push((ticket, seat.number.clone()));
        }
        Ok(issued)
    }

    /// Step b of an undo.
    pub async fn revoke_tickets(&self, id: &CancellationId) -> Result<(), StoreError> {
        repeated(|| async {
            let Some(mut undo) = self.lock_undo(id, OwesUndo::Tickets).await? else {
                return Ok(());
            };
            let found = sqlx::query(
                "update ticket set status = 'CANCELLED', revoked_at = $2 \
                 where reservation_id = $1 and status = 'CANCEL_REQUESTED' \
                 and cancellation_id = $3 returning ticket_id, seat_number",
            )
            .bind(undo.row.id.as_str())
            .bind(self.now().as_millis())
            .bind(id.as_str())
            .fetch_all(&mut *undo.tx)
            .await?;
            let mut revoked = Vec::new();
            for row in &found {
                revoked.push((word(row, "ticket_id")?, text(row, "seat_number")?));
            }
            revoked.sort();
            let events = undo.row.revoke_tickets(self.now(), &mut undo.cancellation, revoked);
            save_cancellation(&mut undo.tx, &undo.cancellation).await?;
            self.record(&mut undo.tx, &mut undo.row, &events, Attend::Later).await?;
            self.commit(undo.tx, &undo.row).await
        })
        .await
    }

    /// All tickets of a reservation, in the order of their seats.
    pub async fn tickets(&self, id: &ReservationId) -> Result<Vec<Ticket>, StoreError> {
        self.tickets_page(id, None, i64::MAX).await
    }

    /// A reservation's tickets from after the id `after`.
    pub async fn tickets_page(
        &self,
        id: &ReservationId,
        after: Option<&TicketId>,
        limit: i64,
    ) -> Result<Vec<Ticket>, StoreError> {
        sqlx::query(concat!(
            "select ",
            ticket_columns!(),
            " from ticket t where t.reservation_id = $1 and ($2 is null or t.ticket_id > $2) \
             order by t.ticket_id limit $3"
        ))
        .bind(id.as_str())
        .bind(after.map(|id| id.as_str().to_owned()))
        .bind(limit)
        .fetch_all(self.readers())
        .await?
        .iter()
        .map(ticket)
        .collect()
    }

    pub async fn ticket_by_code(&self, code: &str) -> Result<Option<Ticket>, StoreError> {
        sqlx::query(concat!("select ", ticket_columns!(), " from ticket t where t.code = $1"))
            .bind(code)
            .fetch_optional(self.readers())
            .await?
            .map(|row| ticket(&row))
            .transpose()
    }
}

/// All tickets that a reservation has or had, inside a transaction that has locked it.
pub(crate) async fn tickets_in(tx: &mut Tx, id: &ReservationId) -> Result<Vec<Ticket>, StoreError> {
    let found = sqlx::query(concat!(
        "select ",
        ticket_columns!(),
        " from ticket t where t.reservation_id = $1 order by t.ticket_id"
    ))
    .bind(id.as_str())
    .fetch_all(&mut **tx)
    .await?;
    found.iter().map(ticket).collect()
}

pub(crate) fn ticket(row: &AnyRow) -> Result<Ticket, StoreError> {
    Ok(Ticket {
        id: word(row, "ticket_id")?,
        reservation_id: word(row, "reservation_id")?,
        assignment_id: word(row, "assignment_id")?,
        seat_number: text(row, "seat_number")?,
        code: text(row, "code")?,
        audience: word(row, "audience")?,
        price: number(row, "price")?,
        status: word(row, "status")?,
        issued_at: time(row, "issued_at")?,
        revoked_at: time_or_null(row, "revoked_at")?,
        check_in: json_or_null(row, "check_in")?,
        cancellation_id: word_or_null(row, "cancellation_id")?,
    })
}

/// The columns that [`ticket`] reads, of a table called `t`.
pub(crate) use ticket_columns;
