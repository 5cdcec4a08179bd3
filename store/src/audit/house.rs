//! What is of no single reservation: pools, seats with two owners, keys, rows of nobody. Few rows
//! per showtime leave the database, whatever the number of reservations.

use super::VIOLATIONS_MAX;
use crate::row::{int, json, text};
use crate::{Store, StoreError};
use domain::audit::{Invariant, Violation};
use domain::ids::ReservationId;
use domain::party::Party;
use sqlx::{Any, Row, Transaction};
use std::collections::BTreeMap;

/// Showtime and grade.
type PoolKey = (String, String);

impl Store {
    /// All of it as of one moment.
    pub(super) async fn audit_house(&self) -> Result<Vec<Violation>, StoreError> {
        let mut tx = self.engine.snapshot().await?;
        let mut found = pools(&mut tx).await?;
        for (invariant, sql) in NONE_OF_THESE {
            let limit = i64::try_from(VIOLATIONS_MAX).expect("small");
            for row in sqlx::query(*sql).bind(limit).fetch_all(&mut *tx).await? {
                let id: Option<String> = row.try_get("reservation_id")?;
                found.push(Violation {
                    invariant: *invariant,
                    reservation_id: id.and_then(|id| ReservationId::parse(id).ok()),
                    detail: text(&row, "detail")?,
                });
            }
        }
        tx.rollback().await?;
        Ok(found)
    }
}

/// I2: held = places of those who hold, sold = live assignments, and never too many.
async fn pools(tx: &mut Transaction<'static, Any>) -> Result<Vec<Violation>, StoreError> {
    let mut held = BTreeMap::<PoolKey, i64>::new();
    let sql = "select showtime_id, grade, party, count(*) as parties from reservation \
               where capacity = 'HELD' group by showtime_id, grade, party";
    for row in sqlx::query(sql).fetch_all(&mut **tx).await? {
        let party: Party = json(&row, "party")?;
        *held.entry((text(&row, "showtime_id")?, text(&row, "grade")?)).or_default() +=
            i64::from(party.size()) * int(&row, "parties")?;
    }
    let mut sold = BTreeMap::<PoolKey, i64>::new();
    let sql = "select a.showtime_id, s.grade, count(*) as seats from seat_assignment a \
               join seat s on s.seat_id = a.seat_id \
               where a.live = 1 and a.reservation_id is not null group by a.showtime_id, s.grade";
    for row in sqlx::query(sql).fetch_all(&mut **tx).await? {
        sold.insert((text(&row, "showtime_id")?, text(&row, "grade")?), int(&row, "seats")?);
    }
    let mut found = Vec::new();
    let mut broken = |detail| {
        found.push(Violation { invariant: Invariant::I2, reservation_id: None, detail });
    };
    let sql = "select showtime_id, grade, sellable, held, sold from capacity_pool";
    for row in sqlx::query(sql).fetch_all(&mut **tx).await? {
        let pool = (text(&row, "showtime_id")?, text(&row, "grade")?);
        let (says_held, says_sold) = (int(&row, "held")?, int(&row, "sold")?);
        let real = (held.remove(&pool).unwrap_or(0), sold.remove(&pool).unwrap_or(0));
        let (showtime, grade) = &pool;
        if (says_held, says_sold) != real {
            broken(format!(
                "pool {grade} of {showtime} says {says_held} held and {says_sold} sold, it has \
                 {} and {}",
                real.0, real.1
            ));
        }
        if says_held + says_sold > int(&row, "sellable")? {
            broken(format!("pool {grade} of {showtime} is oversold"));
        }
    }
    for ((showtime, grade), places) in held.into_iter().chain(sold) {
        broken(format!("{places} places of {grade} in {showtime} are of no pool"));
    }
    Ok(found)
}

/// Invariant, and a query that yields what breaks it.
const NONE_OF_THESE: &[(Invariant, &str)] = &[
    (
        Invariant::I1,
        "select min(reservation_id) as reservation_id, 'seat ' || seat_id || ' of ' \
         || showtime_id || ' is also of ' || coalesce(max(reservation_id), 'the house') as detail \
         from seat_assignment where live = 1 group by showtime_id, seat_id \
         having count(*) > 1 limit $1",
    ),
    (
        Invariant::I2,
        "select a.reservation_id, 'is not there and has seat ' || a.seat_id as detail \
         from seat_assignment a where a.live = 1 and a.reservation_id is not null and not exists \
         (select 1 from reservation r where r.reservation_id = a.reservation_id) limit $1",
    ),
    (
        Invariant::I7,
        "select r.reservation_id, 'is ' || r.status || ', and its showtime was given up' as detail \
         from showtime_cancellation s join reservation r on r.showtime_id = s.showtime_id \
         where s.ended_at is not null \
         and r.status not in ('CANCELLED', 'EXPIRED', 'COMPLETED') limit $1",
    ),
    (
        Invariant::I2,
        "select cast(null as text) as reservation_id, 'pool ' || p.grade || ' of ' || p.showtime_id \
         || ' is open, and its showtime is cancelled' as detail from capacity_pool p \
         join showtime t on t.showtime_id = p.showtime_id \
         where t.status = 'CANCELLED' and p.open = 1 limit $1",
    ),
    (
        Invariant::I8,
        "select reservation_id, 'has a call under the key ' || key as detail from gateway_call \
         where substr(key, 1, length(reservation_id) + 1) <> reservation_id || '-' limit $1",
    ),
    (
        Invariant::I10,
        "select cast(null as text) as reservation_id, 'the feed has given ' || r.position || \
         ' positions, and has ' || f.events || ' events, the last at ' || f.last as detail \
         from reading r cross join (select count(*) as events, coalesce(max(position), 0) as last \
         from timeline where position is not null) f where r.name = 'feed' \
         and (r.position <> f.events or r.position <> f.last) limit $1",
    ),
    (
        Invariant::I10,
        "select a.reservation_id, 'event ' || b.seq || ' is in the feed before event ' || a.seq \
         as detail from timeline b join timeline a on a.reservation_id = b.reservation_id \
         and a.seq = b.seq - 1 where b.position is not null \
         and (a.position is null or a.position > b.position) limit $1",
    ),
    (
        Invariant::I9,
        "select k.resource as reservation_id, \
         'is not there and has the key of ' || k.principal || ' for ' || k.route as detail \
         from idempotency_key k where not exists \
         (select 1 from reservation r where r.reservation_id = k.resource) and not exists \
         (select 1 from movie m where m.movie_id = k.resource) and not exists \
         (select 1 from showtime s where s.showtime_id = k.resource) limit $1",
    ),
    (
        Invariant::I9,
        "select min(resource) as reservation_id, 'has a key for ' || route || ' that also made ' \
         || max(resource) as detail from idempotency_key group by principal, route, key \
         having count(*) > 1 limit $1",
    ),
];
