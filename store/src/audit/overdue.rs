//! I11, I12 as only the process with the pump can judge them: that what is due is in fact done.

use super::VIOLATIONS_MAX;
use crate::row::{text, time};
use crate::{Store, StoreError};
use domain::audit::{Invariant, Violation};
use domain::ids::ReservationId;
use domain::time::Time;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// No live reservation is past its deadline by more (I11).
const DEADLINE_PAST_MAX: Duration = Duration::from_secs(6);
/// Due work is attended within this time, or stands behind work that is being taken (I12).
const ATTENDED_WITHIN: Duration = Duration::from_secs(30);

impl Store {
    /// What is overdue although the pump runs in this process and Temporal is there. Nothing where
    /// no pump runs, and nothing while deadlines are spared.
    pub async fn overdue(&self) -> Result<Vec<Violation>, StoreError> {
        let runs = self.pump_passed_at.load(Ordering::SeqCst) > 0 && !self.pump_is_away();
        let now = self.now();
        if !runs || now <= self.spared_until().plus(DEADLINE_PAST_MAX) {
            return Ok(Vec::new());
        }
        let mut found = self.past_deadline(now.minus(DEADLINE_PAST_MAX)).await?;
        let took_at = Time::from_millis(self.pump_took_at.load(Ordering::SeqCst));
        let unattended_since = now.minus(ATTENDED_WITHIN);
        // While deadlines were spared, Temporal was not there or had just come back.
        if took_at < unattended_since && self.spared_until() < unattended_since {
            found.extend(self.unattended(unattended_since).await?);
        }
        Ok(found)
    }

    async fn past_deadline(&self, before: Time) -> Result<Vec<Violation>, StoreError> {
        let rows = sqlx::query(
            "select reservation_id, deadline_at from reservation \
             where attend_at is not null and deadline_at < $1 and open_call is null and status in \
             ('RESERVED', 'PAYMENT_PENDING', 'PAYMENT_DEFERRED', 'PAYMENT_APPROVED') limit $2",
        )
        .bind(before.as_millis())
        .bind(i64::try_from(VIOLATIONS_MAX).expect("small"))
        .fetch_all(self.readers())
        .await?;
        let mut found = Vec::new();
        for row in &rows {
            found.push(Violation {
                invariant: Invariant::I11,
                reservation_id: ReservationId::parse(text(row, "reservation_id")?).ok(),
                detail: format!("is past its deadline {:?}", time(row, "deadline_at")?),
            });
        }
        Ok(found)
    }

    async fn unattended(&self, since: Time) -> Result<Vec<Violation>, StoreError> {
        let oldest = "select reservation_id, attend_at from reservation where attend_at < $1 \
                      union all select reservation_id, attend_at from cancellation \
                      where attend_at < $1 order by attend_at limit 1";
        let row =
            sqlx::query(oldest).bind(since.as_millis()).fetch_optional(self.readers()).await?;
        let Some(row) = row else { return Ok(Vec::new()) };
        Ok(vec![Violation {
            invariant: Invariant::I12,
            reservation_id: ReservationId::parse(text(&row, "reservation_id")?).ok(),
            detail: format!("is due since {:?} and nobody attends", time(&row, "attend_at")?),
        }])
    }
}
