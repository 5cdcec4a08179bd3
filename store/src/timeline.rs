//! The timeline: append-only, gap-free per reservation.

use crate::row::{int, json, time, to_json, word};
use crate::writer::Tx;
use crate::{Store, StoreError};
use domain::ids::ReservationId;
use domain::reservation::Reservation;
use domain::timeline::{Event, Recorded};
use sqlx::any::AnyRow;

impl Store {
    /// A reservation's events in order, from after the place `after`.
    pub async fn timeline(
        &self,
        id: &ReservationId,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Recorded>, StoreError> {
        sqlx::query(
            "select seq, type, actor, status, detail, at from timeline \
             where reservation_id = $1 and seq > $2 order by seq limit $3",
        )
        .bind(id.as_str())
        .bind(after)
        .bind(limit)
        .fetch_all(self.readers())
        .await?
        .iter()
        .map(recorded)
        .collect()
    }
}

/// Writes the last events of a row whose `last_seq` counts them already.
pub(crate) async fn append(
    tx: &mut Tx,
    row: &Reservation,
    events: &[Event],
) -> Result<(), StoreError> {
    let first = row.last_seq - i64::try_from(events.len()).expect("a step has few events") + 1;
    for (seq, event) in (first..).zip(events) {
        sqlx::query(
            "insert into timeline (reservation_id, seq, type, actor, status, detail, at) \
             values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(row.id.as_str())
        .bind(seq)
        .bind(event.kind.as_str())
        .bind(event.actor.as_str())
        .bind(row.status.as_str())
        .bind(to_json(&event.detail))
        .bind(row.updated_at.as_millis())
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

pub(crate) fn recorded(row: &AnyRow) -> Result<Recorded, StoreError> {
    Ok(Recorded {
        seq: int(row, "seq")?,
        kind: word(row, "type")?,
        actor: word(row, "actor")?,
        status: word(row, "status")?,
        detail: json(row, "detail")?,
        at: time(row, "at")?,
    })
}
