//! What needs people, each kind from an index of its own, oldest first.

use crate::row::{text, time};
use crate::{Store, StoreError};
use domain::attention::{Concern, Worry};
use domain::ids::ReservationId;
use domain::time::Time;
use std::time::Duration;

impl Store {
    /// What has lasted too long of one kind, from after this place (since when, and the subject).
    pub async fn concerns(
        &self,
        worry: Worry,
        after: Option<&(Time, String)>,
        limit: i64,
    ) -> Result<Vec<Concern>, StoreError> {
        self.concerns_before(self.now().minus(worry.tolerated()), worry, after, limit).await
    }

    /// For how long the oldest of one kind has lasted, also while it may; nothing where there is none.
    pub(crate) async fn oldest(&self, worry: Worry) -> Result<Option<Duration>, StoreError> {
        let now = self.now();
        let oldest = self.concerns_before(now, worry, None, 1).await?;
        Ok(oldest.first().map(|concern| now.since(concern.since)))
    }

    async fn concerns_before(
        &self,
        before: Time,
        worry: Worry,
        after: Option<&(Time, String)>,
        limit: i64,
    ) -> Result<Vec<Concern>, StoreError> {
        let (since, subject) =
            after.map_or((i64::MIN, ""), |(since, subject)| (since.as_millis(), subject.as_str()));
        let rows = sqlx::query(statement(worry))
            .bind(before.as_millis())
            .bind(since)
            .bind(subject)
            .bind(limit)
            .fetch_all(self.readers())
            .await?;
        let mut found = Vec::new();
        for row in &rows {
            let reservation = text(row, "reservation_id")?;
            found.push(Concern {
                worry,
                since: time(row, "since")?,
                reservation_id: ReservationId::parse(reservation).ok(),
                subject: text(row, "subject")?,
            });
        }
        Ok(found)
    }
}

/// Rows older than `$1`, from after (`$2`, `$3`), at most `$4`.
const fn statement(worry: Worry) -> &'static str {
    match worry {
        Worry::RefundBlocked => {
            "select requested_at as since, cancellation_id as subject, reservation_id \
             from cancellation where state = 'BLOCKED' and requested_at <= $1 \
             and (requested_at, cancellation_id) > ($2, $3) \
             order by requested_at, cancellation_id limit $4"
        }
        Worry::CallLeftToStaff => {
            "select updated_at as since, coalesce(open_call, '') as subject, reservation_id \
             from reservation where open_settler = 'STAFF' and updated_at <= $1 \
             and (updated_at, coalesce(open_call, '')) > ($2, $3) \
             order by updated_at, open_call limit $4"
        }
        Worry::Contradiction => {
            "select found_at as since, key as subject, \
             substr(attempt_id, 1, length(attempt_id) - 2) as reservation_id \
             from contradiction where settled_at is null and found_at <= $1 \
             and (found_at, key) > ($2, $3) order by found_at, key limit $4"
        }
        Worry::CallUnanswered => {
            "select opened_at as since, key as subject, reservation_id from gateway_call \
             where state = 'SENT' and opened_at <= $1 and (opened_at, key) > ($2, $3) \
             order by opened_at, key limit $4"
        }
        Worry::UndoSlow => {
            "select requested_at as since, cancellation_id as subject, reservation_id \
             from cancellation where state = 'RUNNING' and requested_at <= $1 \
             and (requested_at, cancellation_id) > ($2, $3) \
             order by requested_at, cancellation_id limit $4"
        }
        Worry::TicketsOwed => {
            "select updated_at as since, reservation_id as subject, reservation_id \
             from reservation where status = 'SEAT_SELECTED' and attempt_status = 'CAPTURED' \
             and updated_at <= $1 and (updated_at, reservation_id) > ($2, $3) \
             order by updated_at, reservation_id limit $4"
        }
        Worry::NotAttended => {
            "select attend_at as since, reservation_id as subject, reservation_id \
             from reservation where attend_at <= $1 and (attend_at, reservation_id) > ($2, $3) \
             order by attend_at, reservation_id limit $4"
        }
    }
}
