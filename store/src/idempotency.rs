//! Idempotency keys: written in the command's own transaction, so that a repeat finds the key
//! exactly when the first request took effect (IETF draft "The Idempotency-Key HTTP Header Field").

use crate::row::text;
use crate::writer::Tx;
use crate::{Store, StoreError};
use domain::time::Time;
use sqlx::any::AnyRow;
use std::time::Duration;

/// How long a key is remembered.
pub const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// A key in its scope, with a digest of the request that it belongs to.
#[derive(Debug, Clone)]
pub struct RequestKey {
    pub principal: String,
    pub route: &'static str,
    pub key: String,
    pub request_hash: String,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Claim {
    First,
    /// The same request took effect before, on this resource.
    Repeated(String),
    /// Another request used this key.
    OtherBody,
}

/// Takes the key, or says who has it. A request that runs at the same time is waited for.
pub(crate) async fn claim(
    tx: &mut Tx,
    key: &RequestKey,
    resource: &str,
    now: Time,
) -> Result<Claim, StoreError> {
    let inserted = sqlx::query(
        "insert into idempotency_key (principal, route, key, request_hash, resource, created_at) \
         values ($1, $2, $3, $4, $5, $6) on conflict do nothing",
    )
    .bind(key.principal.as_str())
    .bind(key.route)
    .bind(key.key.as_str())
    .bind(key.request_hash.as_str())
    .bind(resource)
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    if inserted.rows_affected() == 1 {
        return Ok(Claim::First);
    }
    let found = select(key).fetch_optional(&mut **tx).await?;
    judge(key, found.as_ref())
}

fn select(key: &RequestKey) -> sqlx::query::Query<'_, sqlx::Any, sqlx::any::AnyArguments> {
    sqlx::query(
        "select request_hash, resource from idempotency_key \
         where principal = $1 and route = $2 and key = $3",
    )
    .bind(key.principal.as_str())
    .bind(key.route)
    .bind(key.key.as_str())
}

fn judge(key: &RequestKey, found: Option<&AnyRow>) -> Result<Claim, StoreError> {
    let Some(row) = found else { return Ok(Claim::First) };
    if text(row, "request_hash")? != key.request_hash {
        return Ok(Claim::OtherBody);
    }
    Ok(Claim::Repeated(text(row, "resource")?))
}

impl Store {
    /// What is known of a key, without taking it.
    pub(crate) async fn claimed(&self, key: &RequestKey) -> Result<Claim, StoreError> {
        let found = select(key).fetch_optional(self.readers()).await?;
        judge(key, found.as_ref())
    }

    /// Forgets keys older than [`REMEMBERED`]; the pump calls it now and then.
    pub async fn forget_old_keys(&self) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        let forgotten = sqlx::query("delete from idempotency_key where created_at < $1")
            .bind(self.now().minus(REMEMBERED).as_millis())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(forgotten.rows_affected())
    }
}
