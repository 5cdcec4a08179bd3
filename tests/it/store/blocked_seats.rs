//! Seats that the house keeps back: one place less each, never one that somebody has or was promised.

use super::fixture::catalogue::{EVENING, LAST_TWO};
use super::fixture::steps::seats;
use super::fixture::{Fixture, together};
use domain::ids::{CustomerId, ShowtimeId};
use domain::person::Person;
use domain::refusal::Refusal;
use domain::words::{Role, StaffAction};
use store::Decision;
use store::blocked_seats::{BlockDecision, Wanted};

on_both!(
    a_blocked_seat_is_one_place_less_and_comes_back,
    all_are_blocked_or_none,
    a_promised_place_is_not_blocked,
    the_last_place_goes_to_the_house_or_to_a_customer,
);

async fn block(f: &Fixture, showtime: &str, numbers: &[&str], wanted: Wanted) -> BlockDecision {
    let staff = Person { id: CustomerId::parse("boss").expect("plain"), role: Role::Staff };
    let showtime = ShowtimeId::parse(showtime).expect("plain");
    let decision = f.store.block_seats(&staff, &showtime, &seats(numbers), wanted).await;
    decision.expect("the database answers")
}

#[track_caller]
fn changed(decision: BlockDecision) -> usize {
    match decision {
        BlockDecision::Done(count) => count,
        BlockDecision::Refused(refusal) => panic!("{refusal:?}"),
    }
}

#[track_caller]
fn refusal(decision: BlockDecision) -> Refusal {
    match decision {
        BlockDecision::Done(count) => panic!("{count} were changed"),
        BlockDecision::Refused(refusal) => refusal,
    }
}

async fn sellable(f: &Fixture) -> i64 {
    f.number(
        "select sellable from capacity_pool where showtime_id = 'evening' and grade = 'STANDARD'",
    )
    .await
}

async fn a_blocked_seat_is_one_place_less_and_comes_back(f: &Fixture) {
    assert_eq!(changed(block(f, EVENING, &["A1", "A2", "A1"], Wanted::Blocked).await), 2);
    assert_eq!(sellable(f).await, 58);
    // Again: nothing is left to do.
    assert_eq!(changed(block(f, EVENING, &["A2", "A1"], Wanted::Blocked).await), 0);
    let row = f.approved(EVENING, 1).await;
    match f.try_choose(&row, &["A1"]).await {
        Decision::Refused(Refusal::SeatsUnavailable { seats: taken }, _) => {
            assert_eq!(taken, seats(&["A1"]));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(changed(block(f, EVENING, &["A1", "A3"], Wanted::Free).await), 1);
    assert_eq!(sellable(f).await, 59);
    f.choose(&row, &["A1"]).await;
    let entries = f.store.audit_entries(None, 10).await.expect("it reads");
    let deeds: Vec<_> = entries.iter().map(|it| (it.action, it.after["seats"].as_str())).collect();
    assert_eq!(deeds, [(StaffAction::FreeSeats, "A1"), (StaffAction::BlockSeats, "A1 A2")]);
}

async fn all_are_blocked_or_none(f: &Fixture) {
    f.seated(EVENING, &["B1"]).await;
    for freeing in [Wanted::Blocked, Wanted::Free] {
        let refused = refusal(block(f, EVENING, &["B1", "B2"], freeing).await);
        assert_eq!(refused, Refusal::SeatsUnavailable { seats: seats(&["B1"]) });
    }
    let refused = refusal(block(f, EVENING, &["B2", "Z9"], Wanted::Blocked).await);
    assert_eq!(refused, Refusal::UnknownSeats { seats: seats(&["Z9"]) });
    assert_eq!(f.number("select count(*) from seat_assignment where live = 1").await, 1);
    assert_eq!(sellable(f).await, 60);
}

async fn a_promised_place_is_not_blocked(f: &Fixture) {
    f.reserved(LAST_TWO, 1).await;
    assert_eq!(changed(block(f, LAST_TWO, &["C1"], Wanted::Blocked).await), 1);
    assert_eq!(refusal(block(f, LAST_TWO, &["C2"], Wanted::Blocked).await), Refusal::SoldOut);
    assert_eq!(f.number("select count(*) from seat_assignment where live = 1").await, 1);
}

/// The pool's condition decides; were it gone, a check of the table would still refuse, as a failure.
async fn the_last_place_goes_to_the_house_or_to_a_customer(f: &Fixture) {
    f.reserved(LAST_TWO, 1).await;
    let wish = f.wish(LAST_TWO, 1).await;
    let house = async {
        u32::from(matches!(
            block(f, LAST_TWO, &["D1"], Wanted::Blocked).await,
            BlockDecision::Done(1)
        ))
    };
    let customer = async {
        let answer = f.store.reserve(&wish, None).await.expect("the database answers");
        u32::from(matches!(answer, Decision::Done(_)))
    };
    let (house, customer) = tokio::join!(house, customer);
    assert_eq!(house + customer, 1);
    // Eight of staff at once block one seat once.
    let blocked = together((0..8).map(|_| {
        let store = f.store.clone();
        async move {
            let staff = Person { id: CustomerId::parse("boss").expect("plain"), role: Role::Staff };
            let showtime = ShowtimeId::parse(EVENING).expect("plain");
            let done = store.block_seats(&staff, &showtime, &seats(&["E1"]), Wanted::Blocked).await;
            changed(done.expect("the database answers"))
        }
    }));
    assert_eq!(blocked.await.into_iter().sum::<usize>(), 1);
    assert_eq!(sellable(f).await, 59);
}
