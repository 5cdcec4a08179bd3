//! Deliveries: the feed's events at partners' endpoints. Who sends takes an endpoint for a turn, by
//! a conditional update; an event that does not arrive becomes a row that is tried again, and the
//! later events of its reservation wait behind it, while those of others go on.

use crate::feed::{entry, entry_columns, read_feed};
use crate::row::{int, json, number, text, time, time_or_null, word};
use crate::writer::{Tx, left};
use crate::{Store, StoreError};
use domain::feed::Entry;
use domain::ids::{CustomerId, EndpointId, ReservationId};
use domain::secret::Secret;
use domain::time::Time;
use domain::webhook::{GIVE_UP_AFTER, LOG_FOR, leave_alone_for, try_again_after};
use domain::words::{DeliveryState, DisabledReason, EndpointState, EventType};
use sqlx::Row;
use sqlx::any::AnyRow;
use std::collections::BTreeSet;
use std::time::Duration;

/// Who took an endpoint for a turn and was not heard of for so long is taken for dead.
pub const TURN_WITHIN: Duration = Duration::from_secs(20);
/// Events that are read on from an endpoint's position in one turn.
const READ: i64 = 64;
/// Deliveries that failed before and are tried again in one turn.
const RETRIED: i64 = 16;
/// An endpoint at which nothing has arrived for so long has been away.
const AWAY_AFTER: Duration = Duration::from_secs(10);
/// Rows of the log that are forgotten at a time.
const FORGOTTEN: i64 = 500;

/// What became of an event at an endpoint.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub position: i64,
    pub reservation_id: ReservationId,
    /// The place of the event in the reservation's timeline.
    pub seq: i64,
    pub kind: EventType,
    pub state: DeliveryState,
    pub tries: u32,
    pub attend_at: Option<Time>,
    /// The HTTP status of the last try.
    pub answer: Option<u16>,
    pub reason: Option<String>,
    pub created_at: Time,
    pub updated_at: Time,
}

/// An endpoint that was taken for a turn, and what to send to it.
pub struct Turn {
    pub endpoint_id: EndpointId,
    pub url: String,
    /// One, or two while they are being rotated; each signs.
    pub secrets: Vec<Secret>,
    /// In order.
    pub events: Vec<Sent>,
    fence: i64,
    failures: u32,
    failing_since: Option<Time>,
    position: i64,
}

/// An event in a turn.
pub struct Sent {
    pub entry: Entry,
    /// Without this turn.
    tries: u32,
    since: Time,
    /// An earlier event of the reservation has not arrived: this one waits for it.
    pub behind: bool,
}

/// What became of an event in a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    Arrived {
        answer: u16,
    },
    /// Perhaps it has arrived; the receiver knows it by its id.
    Failed {
        answer: Option<u16>,
        why: &'static str,
        /// The receiver asked to be left alone for so long.
        pause: Option<Duration>,
    },
    /// The receiver says that it is gone for good.
    Gone,
    /// Not tried: it waits for an earlier one.
    Waits,
}

/// Of a delivery `d`: no earlier event of its reservation waits.
macro_rules! first_of_reservation {
    () => {
        "not exists (select 1 from webhook_delivery b where b.endpoint_id = d.endpoint_id \
         and b.reservation_id = d.reservation_id and b.position < d.position \
         and b.attend_at is not null)"
    };
}

impl Turn {
    /// Since when nothing has arrived, where it is more than one event that was not taken.
    fn away_since(&self, now: Time) -> Option<Time> {
        self.failing_since.filter(|since| now.since(*since) >= AWAY_AFTER)
    }
}

impl Arrival {
    /// The same, not given up.
    fn kept(&self) -> Self {
        match self {
            Self::Failed { .. } => Self::Waits,
            other => other.clone(),
        }
    }
}

impl Store {
    /// Takes endpoints that have something to be told: no other sender gets them for `TURN_WITHIN`.
    pub async fn take_turns(&self, limit: i64) -> Result<Vec<Turn>, StoreError> {
        let now = self.now();
        let due: Vec<String> = sqlx::query_scalar(concat!(
            "select e.endpoint_id from webhook_endpoint e where e.state = 'ENABLED' \
             and e.attend_at <= $1 and e.turn_until <= $1 \
             and (e.position < (select f.position from reading f where f.name = 'feed') \
               or exists (select 1 from webhook_delivery d where d.endpoint_id = e.endpoint_id \
               and d.attend_at <= $1 and ",
            first_of_reservation!(),
            ")) order by e.attend_at limit $2"
        ))
        .bind(now.as_millis())
        .bind(limit)
        .fetch_all(self.readers())
        .await?;
        let mut turns = Vec::new();
        for id in due {
            match self.take_turn(&id, now).await {
                Ok(turn) => turns.extend(turn),
                // One that cannot be read holds up no other.
                Err(error) => tracing::error!(?error, endpoint.id = id, "an endpoint is left out"),
            }
        }
        Ok(turns)
    }

    async fn take_turn(&self, id: &str, now: Time) -> Result<Option<Turn>, StoreError> {
        let mut tx = self.begin().await?;
        let taken = sqlx::query(
            "update webhook_endpoint set turn = turn + 1, turn_until = $3 \
             where endpoint_id = $1 and state = 'ENABLED' and attend_at <= $2 and turn_until <= $2 \
             returning endpoint_id, url, event_types, secret, old_secret, old_secret_until, \
             position, failures, failing_since, turn",
        )
        .bind(id)
        .bind(now.as_millis())
        .bind(now.plus(TURN_WITHIN).as_millis())
        .fetch_optional(&mut *tx)
        .await?;
        let Some(taken) = taken else { return left(tx, None).await };
        let mut turn = turn(&taken, now)?;
        let types: Vec<EventType> = json(&taken, "event_types")?;
        turn.events = retried(&mut tx, &turn, now).await?;
        // While nothing arrives, one event that failed and one that is new ask whether that has changed.
        let probing = turn.failures > 0;
        if probing {
            turn.events.truncate(1);
        }
        // Read first: what is committed in between is then held back, too.
        let entries = read_feed(&mut *tx, turn.position, READ).await?;
        let held_back = held_back(&mut tx, &turn).await?;
        for entry in entries {
            turn.position = entry.position;
            if !types.is_empty() && !types.contains(&entry.event.kind) {
                continue;
            }
            let behind = held_back.contains(&entry.position);
            turn.events.push(Sent { entry, tries: 0, since: now, behind });
            if probing && !behind {
                break;
            }
        }
        tx.commit().await?;
        Ok(Some(turn))
    }

    /// Writes down what became of each of a turn's events, and gives the endpoint back. Says whether
    /// it was still ours; if not, nothing is written, and the events are sent again.
    pub async fn end_turn(&self, turn: &Turn, arrivals: &[Arrival]) -> Result<bool, StoreError> {
        let now = self.now();
        let standing = Standing::after(turn, arrivals, now);
        let mut tx = self.begin().await?;
        let ours = sqlx::query(
            "update webhook_endpoint set turn_until = 0, position = $3, failures = $4, \
             failing_since = $5, attend_at = $6, state = $7, disabled_reason = $8, \
             updated_at = case when $7 = 'DISABLED' then $9 else updated_at end \
             where endpoint_id = $1 and turn = $2",
        )
        .bind(turn.endpoint_id.as_str())
        .bind(turn.fence)
        .bind(turn.position)
        .bind(i64::from(standing.failures))
        .bind(standing.failing_since.map(Time::as_millis))
        .bind(standing.attend_at.as_millis())
        .bind(standing.state.as_str())
        .bind(standing.disabled.map(|reason| reason.as_str().to_owned()))
        .bind(now.as_millis())
        .execute(&mut *tx)
        .await?;
        if ours.rows_affected() == 0 {
            return left(tx, false).await;
        }
        if let (None, Some(since)) = (standing.failing_since, turn.away_since(now)) {
            all_due(&mut tx, &turn.endpoint_id, since, now).await?;
        }
        for (sent, arrival) in turn.events.iter().zip(arrivals) {
            let arrival = match standing.state {
                EndpointState::Enabled => arrival,
                // It is still meant for it when it is switched on again.
                EndpointState::Disabled => &arrival.kept(),
            };
            write(&mut tx, &turn.endpoint_id, sent, arrival, now).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// What became of an endpoint's events, the newest first, from before this position.
    pub async fn deliveries(
        &self,
        owner: &CustomerId,
        id: &EndpointId,
        state: Option<DeliveryState>,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Delivery>, StoreError> {
        sqlx::query(
            "select d.position, d.reservation_id, t.seq, t.type, d.state, d.tries, d.attend_at, \
             d.answer, d.reason, d.created_at, d.updated_at from webhook_delivery d \
             join webhook_endpoint e on e.endpoint_id = d.endpoint_id and e.owner_id = $1 \
             join timeline t on t.position = d.position where d.endpoint_id = $2 \
             and ($3 is null or d.state = $3) and d.position < $4 order by d.position desc limit $5",
        )
        .bind(owner.as_str())
        .bind(id.as_str())
        .bind(state.map(|state| state.as_str().to_owned()))
        .bind(before.unwrap_or(i64::MAX))
        .bind(limit)
        .fetch_all(self.readers())
        .await?
        .iter()
        .map(delivery)
        .collect()
    }

    /// Forgets what became of some deliveries long ago. Says how many.
    pub async fn forget_deliveries(&self) -> Result<u64, StoreError> {
        let before = self.now().minus(LOG_FOR);
        let any =
            "select 1 from webhook_delivery where updated_at <= $1 and attend_at is null limit 1";
        if !self.any_due(any, before).await? {
            return Ok(0);
        }
        let mut tx = self.begin().await?;
        let forgotten = sqlx::query(
            "delete from webhook_delivery where (endpoint_id, position) in (select endpoint_id, \
             position from webhook_delivery where updated_at <= $1 and attend_at is null \
             order by updated_at limit $2)",
        )
        .bind(before.as_millis())
        .bind(FORGOTTEN)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(forgotten.rows_affected())
    }
}

/// What was first tried while the endpoint was away has waited long enough. What it had refused before
/// that goes on waiting.
async fn all_due(
    tx: &mut Tx,
    endpoint: &EndpointId,
    since: Time,
    now: Time,
) -> Result<(), StoreError> {
    sqlx::query(
        "update webhook_delivery set attend_at = $2 where endpoint_id = $1 and attend_at > $2 \
         and created_at >= $3",
    )
    .bind(endpoint.as_str())
    .bind(now.as_millis())
    .bind(since.minus(TURN_WITHIN).as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// How an endpoint stands after a turn.
struct Standing {
    failures: u32,
    failing_since: Option<Time>,
    attend_at: Time,
    state: EndpointState,
    disabled: Option<DisabledReason>,
}

impl Standing {
    fn after(turn: &Turn, arrivals: &[Arrival], now: Time) -> Self {
        let well = Self {
            failures: 0,
            failing_since: None,
            attend_at: now,
            state: EndpointState::Enabled,
            disabled: None,
        };
        let off = |reason| Self {
            failing_since: turn.failing_since,
            state: EndpointState::Disabled,
            disabled: Some(reason),
            ..well
        };
        if arrivals.contains(&Arrival::Gone) {
            return off(DisabledReason::Gone);
        }
        if arrivals.iter().any(|it| matches!(it, Arrival::Arrived { .. })) {
            return well;
        }
        let asked = arrivals.iter().filter_map(|arrival| match arrival {
            Arrival::Failed { pause, .. } => Some(pause.unwrap_or_default()),
            Arrival::Arrived { .. } | Arrival::Gone | Arrival::Waits => None,
        });
        let Some(asked) = asked.max() else {
            // Nothing was tried: the endpoint is as it was.
            return Self { failures: turn.failures, failing_since: turn.failing_since, ..well };
        };
        let since = turn.failing_since.unwrap_or(now);
        if now.since(since) >= GIVE_UP_AFTER {
            return off(DisabledReason::Unreachable);
        }
        let failures = turn.failures.saturating_add(1);
        let attend_at = now.plus(leave_alone_for(failures, Some(asked)));
        Self { failures, failing_since: Some(since), attend_at, ..well }
    }
}

async fn retried(tx: &mut Tx, turn: &Turn, now: Time) -> Result<Vec<Sent>, StoreError> {
    sqlx::query(concat!(
        "select ",
        entry_columns!(),
        ", d.tries, d.created_at from webhook_delivery d join timeline t on t.position = d.position \
         join reservation r on r.reservation_id = t.reservation_id \
         where d.endpoint_id = $1 and d.attend_at <= $2 and ",
        first_of_reservation!(),
        " order by d.position limit $3"
    ))
    .bind(turn.endpoint_id.as_str())
    .bind(now.as_millis())
    .bind(RETRIED)
    .fetch_all(&mut **tx)
    .await?
    .iter()
    .map(|row| {
        let tries = number(row, "tries")?;
        // What only waited so far has all its time before it.
        let since = if tries == 0 { now } else { time(row, "created_at")? };
        Ok(Sent { entry: entry(row)?, tries, since, behind: false })
    })
    .collect()
}

/// The positions that come next of reservations that have an event waiting.
async fn held_back(tx: &mut Tx, turn: &Turn) -> Result<BTreeSet<i64>, StoreError> {
    let found: Vec<i64> = sqlx::query_scalar(
        "select t.position from timeline t where t.position > $2 and t.position <= $2 + $3 \
         and exists (select 1 from webhook_delivery d where d.endpoint_id = $1 \
         and d.reservation_id = t.reservation_id and d.attend_at is not null)",
    )
    .bind(turn.endpoint_id.as_str())
    .bind(turn.position)
    .bind(READ)
    .fetch_all(&mut **tx)
    .await?;
    Ok(found.into_iter().collect())
}

async fn write(
    tx: &mut Tx,
    endpoint: &EndpointId,
    sent: &Sent,
    arrival: &Arrival,
    now: Time,
) -> Result<(), StoreError> {
    let tries = sent.tries + u32::from(*arrival != Arrival::Waits);
    let old = now.since(sent.since) >= GIVE_UP_AFTER;
    let (state, attend_at) = match arrival {
        Arrival::Arrived { .. } => (DeliveryState::Delivered, None),
        Arrival::Failed { .. } if old => (DeliveryState::Failed, None),
        Arrival::Failed { pause, .. } => {
            (DeliveryState::Pending, Some(now.plus(try_again_after(tries, *pause))))
        }
        Arrival::Gone | Arrival::Waits => (DeliveryState::Pending, Some(now)),
    };
    let (answer, reason) = match arrival {
        Arrival::Arrived { answer } => (Some(*answer), None),
        Arrival::Failed { answer, why, .. } => (*answer, Some(*why)),
        Arrival::Gone => (Some(410), Some("GONE")),
        Arrival::Waits => (None, Some("WAITS")),
    };
    sqlx::query(
        "insert into webhook_delivery (endpoint_id, position, reservation_id, state, tries, \
         attend_at, answer, reason, created_at, updated_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         on conflict (endpoint_id, position) do update set state = excluded.state, \
         tries = excluded.tries, attend_at = excluded.attend_at, answer = excluded.answer, \
         reason = excluded.reason, created_at = excluded.created_at, \
         updated_at = excluded.updated_at",
    )
    .bind(endpoint.as_str())
    .bind(sent.entry.position)
    .bind(sent.entry.reservation_id.as_str())
    .bind(state.as_str())
    .bind(i64::from(tries))
    .bind(attend_at.map(Time::as_millis))
    .bind(answer.map(i64::from))
    .bind(reason)
    .bind(sent.since.as_millis())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn turn(row: &AnyRow, now: Time) -> Result<Turn, StoreError> {
    let mut secrets = vec![Secret::from(text(row, "secret")?)];
    let old: Option<String> = row.try_get("old_secret")?;
    let until = time_or_null(row, "old_secret_until")?;
    secrets.extend(old.filter(|_| until.is_some_and(|until| now < until)).map(Secret::from));
    Ok(Turn {
        endpoint_id: word(row, "endpoint_id")?,
        url: text(row, "url")?,
        secrets,
        events: Vec::new(),
        fence: int(row, "turn")?,
        failures: number(row, "failures")?,
        failing_since: time_or_null(row, "failing_since")?,
        position: int(row, "position")?,
    })
}

fn delivery(row: &AnyRow) -> Result<Delivery, StoreError> {
    let answer: Option<i64> = row.try_get("answer")?;
    Ok(Delivery {
        position: int(row, "position")?,
        reservation_id: word(row, "reservation_id")?,
        seq: int(row, "seq")?,
        kind: word(row, "type")?,
        state: word(row, "state")?,
        tries: number(row, "tries")?,
        attend_at: time_or_null(row, "attend_at")?,
        answer: answer.and_then(|answer| u16::try_from(answer).ok()),
        reason: row.try_get("reason")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}
