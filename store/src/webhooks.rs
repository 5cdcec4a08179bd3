//! Endpoints: where partners are told of the feed's events. Any change to one ends the turn of
//! whoever sends to it meanwhile, so that nothing is recorded for an address that is no longer meant.

use crate::row::{broken, int, json, text, time, time_or_null, to_json, word, word_or_null};
use crate::writer::left;
use crate::{Store, StoreError, fresh};
use domain::ids::{CustomerId, EndpointId};
use domain::secret::Secret;
use domain::time::Time;
use domain::webhook::{ENDPOINTS_MAX, OLD_SECRET_FOR};
use domain::words::{DisabledReason, EndpointState, EventType};
use sqlx::any::AnyRow;

/// An endpoint as its partner sees it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub id: EndpointId,
    pub owner: CustomerId,
    pub url: String,
    /// Empty: all.
    pub event_types: Vec<EventType>,
    pub state: EndpointState,
    pub disabled_reason: Option<DisabledReason>,
    /// Every event up to here has arrived, or is a delivery that waits or was given up.
    pub position: i64,
    pub failing_since: Option<Time>,
    pub created_at: Time,
    pub updated_at: Time,
}

/// What a partner says of an endpoint.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub url: String,
    /// Empty: all.
    pub event_types: Vec<EventType>,
    pub state: EndpointState,
}

/// What became of the wish for an endpoint.
#[derive(Debug)]
pub enum Kept {
    Done(Endpoint),
    /// The partner has one at this address.
    Taken,
    /// The partner has as many as it may have.
    TooMany,
    NotFound,
}

macro_rules! endpoint_columns {
    () => {
        "endpoint_id, owner_id, url, event_types, state, disabled_reason, position, failing_since, \
         created_at, updated_at"
    };
}

impl Store {
    /// An endpoint for the events from now on. Two wishes at the same moment may pass the limit by
    /// one; two endpoints of one partner never share an address.
    pub async fn add_endpoint(
        &self,
        owner: &CustomerId,
        wanted: &Wanted,
        secret: &Secret,
    ) -> Result<Kept, StoreError> {
        let id = fresh::id('w');
        let mut tx = self.begin().await?;
        let made = sqlx::query(
            "insert into webhook_endpoint (endpoint_id, owner_id, url, event_types, secret, state, \
             disabled_reason, position, failures, attend_at, turn, turn_until, created_at, \
             updated_at) select $1, $2, $3, $4, $5, $6, \
             case when $6 = 'DISABLED' then 'OWNER' end, f.position, 0, $7, 0, 0, $7, $7 \
             from reading f where f.name = 'feed' \
             and (select count(*) from webhook_endpoint where owner_id = $2) < $8 \
             on conflict (owner_id, url) do nothing",
        )
        .bind(id.as_str())
        .bind(owner.as_str())
        .bind(wanted.url.as_str())
        .bind(to_json(&wanted.event_types))
        .bind(secret.reveal())
        .bind(wanted.state.as_str())
        .bind(self.now().as_millis())
        .bind(ENDPOINTS_MAX)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        if made.rows_affected() == 1 {
            let id = EndpointId::parse(id).map_err(|why| broken("endpoint_id", why))?;
            return Ok(self.endpoint(owner, &id).await?.map_or(Kept::NotFound, Kept::Done));
        }
        let mut others = self.endpoints(owner).await?.into_iter();
        let taken = others.any(|other| other.url == wanted.url);
        Ok(if taken { Kept::Taken } else { Kept::TooMany })
    }

    /// A partner's endpoints, the oldest first; there are few.
    pub async fn endpoints(&self, owner: &CustomerId) -> Result<Vec<Endpoint>, StoreError> {
        sqlx::query(concat!(
            "select ",
            endpoint_columns!(),
            " from webhook_endpoint where owner_id = $1 order by endpoint_id"
        ))
        .bind(owner.as_str())
        .fetch_all(self.readers())
        .await?
        .iter()
        .map(endpoint)
        .collect()
    }

    pub async fn endpoint(
        &self,
        owner: &CustomerId,
        id: &EndpointId,
    ) -> Result<Option<Endpoint>, StoreError> {
        sqlx::query(concat!(
            "select ",
            endpoint_columns!(),
            " from webhook_endpoint where owner_id = $1 and endpoint_id = $2"
        ))
        .bind(owner.as_str())
        .bind(id.as_str())
        .fetch_optional(self.readers())
        .await?
        .as_ref()
        .map(endpoint)
        .transpose()
    }

    /// Changes an endpoint. One that is switched on goes on from where it was.
    pub async fn change_endpoint(
        &self,
        owner: &CustomerId,
        id: &EndpointId,
        wanted: &Wanted,
    ) -> Result<Kept, StoreError> {
        let now = self.now();
        let mut tx = self.begin().await?;
        let changed = sqlx::query(
            "update webhook_endpoint set url = $3, event_types = $4, state = $5, \
             disabled_reason = case when $5 = 'ENABLED' then null \
               else coalesce(disabled_reason, 'OWNER') end, \
             failures = 0, failing_since = null, attend_at = $6, turn = turn + 1, turn_until = 0, \
             updated_at = $6 where owner_id = $1 and endpoint_id = $2 and not exists \
             (select 1 from webhook_endpoint o where o.owner_id = $1 and o.url = $3 \
             and o.endpoint_id <> $2)",
        )
        .bind(owner.as_str())
        .bind(id.as_str())
        .bind(wanted.url.as_str())
        .bind(to_json(&wanted.event_types))
        .bind(wanted.state.as_str())
        .bind(now.as_millis())
        .execute(&mut *tx)
        .await;
        let changed = match changed {
            Ok(changed) => changed.rows_affected(),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                return left(tx, Kept::Taken).await;
            }
            Err(error) => return Err(error.into()),
        };
        if changed == 1 {
            // What waits has all its time before it.
            sqlx::query(
                "update webhook_delivery set attend_at = $2, created_at = $2, tries = 0 \
                 where endpoint_id = $1 and attend_at is not null",
            )
            .bind(id.as_str())
            .bind(now.as_millis())
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(match self.endpoint(owner, id).await? {
            None => Kept::NotFound,
            Some(_) if changed == 0 => Kept::Taken,
            Some(endpoint) => Kept::Done(endpoint),
        })
    }

    /// Says whether there was one. What became of what it was told is forgotten in time.
    pub async fn remove_endpoint(
        &self,
        owner: &CustomerId,
        id: &EndpointId,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let removed =
            sqlx::query("delete from webhook_endpoint where owner_id = $1 and endpoint_id = $2")
                .bind(owner.as_str())
                .bind(id.as_str())
                .execute(&mut *tx)
                .await?;
        if removed.rows_affected() == 1 {
            sqlx::query(
                "delete from webhook_delivery where endpoint_id = $1 and attend_at is not null",
            )
            .bind(id.as_str())
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(removed.rows_affected() == 1)
    }

    /// From now on this secret signs, and for a day the one before it as well; says which signs, and
    /// until when. Asked again within that day it answers the same: the first answer may be lost.
    pub async fn rotate_secret(
        &self,
        owner: &CustomerId,
        id: &EndpointId,
        secret: &Secret,
    ) -> Result<Option<(Secret, Time)>, StoreError> {
        let now = self.now();
        let mut tx = self.begin().await?;
        sqlx::query(
            "update webhook_endpoint set old_secret = secret, old_secret_until = $4, secret = $3, \
             turn = turn + 1, turn_until = 0, updated_at = $5 where owner_id = $1 \
             and endpoint_id = $2 and (old_secret_until is null or old_secret_until <= $5)",
        )
        .bind(owner.as_str())
        .bind(id.as_str())
        .bind(secret.reveal())
        .bind(now.plus(OLD_SECRET_FOR).as_millis())
        .bind(now.as_millis())
        .execute(&mut *tx)
        .await?;
        let now_signs = sqlx::query(
            "select secret, old_secret_until from webhook_endpoint \
             where owner_id = $1 and endpoint_id = $2",
        )
        .bind(owner.as_str())
        .bind(id.as_str())
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        let signs =
            |row: &AnyRow| Ok((Secret::from(text(row, "secret")?), time(row, "old_secret_until")?));
        now_signs.as_ref().map(signs).transpose()
    }

    /// Sends everything after the position once more. Says whether there is such an endpoint, and
    /// such a position.
    pub async fn send_again(
        &self,
        owner: &CustomerId,
        id: &EndpointId,
        after: i64,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let mut tx = self.begin().await?;
        let set_back = sqlx::query(
            "update webhook_endpoint set position = $3, failures = 0, failing_since = null, \
             attend_at = $4, turn = turn + 1, turn_until = 0, updated_at = $4 \
             where owner_id = $1 and endpoint_id = $2 and $3 between 0 and position",
        )
        .bind(owner.as_str())
        .bind(id.as_str())
        .bind(after)
        .bind(now.as_millis())
        .execute(&mut *tx)
        .await?;
        if set_back.rows_affected() == 1 {
            // They come again by themselves, each in its turn.
            sqlx::query(
                "delete from webhook_delivery where endpoint_id = $1 and position > $2 \
                 and attend_at is not null",
            )
            .bind(id.as_str())
            .bind(after)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(set_back.rows_affected() == 1)
    }
}

fn endpoint(row: &AnyRow) -> Result<Endpoint, StoreError> {
    Ok(Endpoint {
        id: word(row, "endpoint_id")?,
        owner: word(row, "owner_id")?,
        url: text(row, "url")?,
        event_types: json(row, "event_types")?,
        state: word(row, "state")?,
        disabled_reason: word_or_null::<DisabledReason>(row, "disabled_reason")?,
        position: int(row, "position")?,
        failing_since: time_or_null(row, "failing_since")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}
