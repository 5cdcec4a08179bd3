//! The store's conformance suite: one suite, run on SQLite and on PostgreSQL.
//!
//! Every test is a function of a [`fixture::Fixture`], a store with a database of its own. When it
//! ends, the fixture's auditor looks for broken invariants (specification 1.6). Each race is also
//! shown to happen when its guard is taken away (`unguarded.rs`, `stale.rs`, `races.rs`).

/// Runs each test on both engines, as tests of their own, so that a failure names the engine.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => { on_both!(audited: $($test),+); };
    ($how:ident: $($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $test() {
                crate::store::fixture::on_sqlite(
                    crate::store::fixture::Ending::$how(), super::$test,
                );
            })+
        }
        mod postgres {
            $(#[test]
            fn $test() {
                crate::store::fixture::on_postgres(
                    crate::store::fixture::Ending::$how(), super::$test,
                );
            })+
        }
    };
}

mod fixture;

mod journey;

mod capacity;
mod keys;
mod payments;
mod seats;

mod additions;
mod blocked;
mod blocked_seats;
mod cancellations;
mod check_ins;
mod exchanges;
mod late;
mod parts;
mod settling;
mod showtimes;
mod undo;

mod attend;
mod deadlines;
mod deferring;
mod plans;

mod durability;
mod feed;
mod notices;
mod notify;
mod webhooks;

mod overdue;
mod planted;
mod races;
mod stale;
mod unguarded;
