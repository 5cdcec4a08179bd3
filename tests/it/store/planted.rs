//! The auditor proved: bugs are planted in a running store, in the driver or in the gateway, the
//! same journeys are driven each time, and the auditor names the invariant that the bug breaks.

mod bugs;
mod journeys;

use super::fixture::{Ending, Fixture, on_sqlite};
use bugs::{BUGS, Bug, Plant};
use domain::audit::{Invariant, Violation};
use journeys::{House, Wrong};
use std::collections::BTreeSet;

/// Of a hundred bugs this many are caught.
const CAUGHT_PERCENT_MIN: usize = 95;
const BUGS_MIN: usize = 24;

/// What the auditor finds after all journeys, with the gateway's ledger and what was acknowledged.
async fn found(house: &House<'_>) -> Vec<Violation> {
    house.drive().await;
    let audited = house.f.store.audit(Some(&house.ledger())).await;
    let mut report = audited.expect("the database answers");
    let lost = house.f.store.lost(&house.acknowledged()).await;
    report.extend(lost.expect("the database answers"));
    report.violations
}

/// Nothing is found where nothing is wrong, and the journeys reach every ending.
#[test]
fn without_a_bug_the_auditor_is_silent() {
    on_sqlite(Ending::audited(), async |f: &Fixture| {
        let house = House::new(f, Wrong::Nothing);
        assert_eq!(found(&house).await, []);
        let statuses = f.texts("select distinct status from reservation order by 1").await;
        let reached = [
            "CANCELLED",
            "CANCELLING",
            "COMPLETED",
            "EXPIRED",
            "PAYMENT_APPROVED",
            "PAYMENT_PENDING",
            "RESERVED",
            "SEAT_SELECTED",
            "TICKETED",
        ];
        assert_eq!(statuses, reached);
        let reasons = f.texts("select distinct reason from cancellation order by 1").await;
        let undone = [
            "CUSTOMER_REQUEST",
            "LATE_APPROVAL",
            "PAYMENT_DECLINED",
            "SEAT_TIMEOUT",
            "SHOWTIME_CANCELLED",
        ];
        assert_eq!(reasons, undone);
        let blocked = "select count(*) from cancellation where state = 'BLOCKED'";
        assert_eq!(f.number(blocked).await, 1);
        let late = "select count(*) from cancellation where late_attempt_id is not null";
        assert_eq!(f.number(late).await, 2);
    });
}

#[test]
fn planted_bugs_are_caught() {
    let mut slipped = Vec::new();
    let mut by_right_name = BTreeSet::new();
    for bug in BUGS {
        let mut named = BTreeSet::new();
        on_sqlite(Ending::damaged(), async |f: &Fixture| named = names(f, bug).await);
        let caught = named.contains(&bug.breaks);
        let words: Vec<&str> = named.iter().map(|invariant| invariant.as_str()).collect();
        println!("{:<52} {:<4} {}", bug.name, bug.breaks, words.join(" "));
        if caught {
            by_right_name.insert(bug.breaks);
        } else {
            slipped.push(bug.name);
        }
    }
    let caught = BUGS.len() - slipped.len();
    println!("{caught} of {} caught", BUGS.len());
    assert!(BUGS.len() >= BUGS_MIN, "{} bugs", BUGS.len());
    assert!(caught * 100 >= BUGS.len() * CAUGHT_PERCENT_MIN, "slipped: {slipped:?}");
    let every: BTreeSet<Invariant> = Invariant::EVERY.iter().copied().collect();
    assert_eq!(by_right_name, every, "each invariant catches a bug");
}

async fn names(f: &Fixture, bug: &Bug) -> BTreeSet<Invariant> {
    let wrong = match bug.plant {
        Plant::Store(statements) => {
            for statement in statements {
                f.run(*statement).await;
            }
            Wrong::Nothing
        }
        Plant::Around(wrong) => wrong,
    };
    let violations = found(&House::new(f, wrong)).await;
    violations.into_iter().map(|violation| violation.invariant).collect()
}
