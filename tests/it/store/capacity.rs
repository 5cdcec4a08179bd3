//! Capacity: who gets the last places (R1), and what is refused before any place is touched (T2).

use super::fixture::catalogue::{EVENING, LAST_TWO, TWENTY};
use super::fixture::steps::{done, refusal};
use super::fixture::{Fixture, together};
use domain::party::Party;
use domain::refusal::Refusal;
use domain::reservation::Reservation;
use domain::words::{Audience, Grade, ReservationStatus};
use std::time::Duration;
use store::Decision;
use store::reserve::NewReservation;

on_both!(
    the_last_two_places_go_to_one_party,
    a_claim_behind_the_last_one_is_sold_out,
    twenty_places_take_twenty_of_a_hundred_and_five_again_after_five_cancels,
    a_closed_pool_sells_nothing,
    wheelchair_places_alone_are_no_room_for_others,
    what_the_rules_refuse_leaves_nothing_behind,
    one_customer_holds_four_unpaid,
);

/// R1.
async fn the_last_two_places_go_to_one_party(f: &Fixture) {
    let answers = race(f, LAST_TWO, 2, 2).await;
    assert_eq!(count(&answers), (1, 1));
    assert_eq!(f.held_and_sold(LAST_TWO).await, (2, 0));
}

/// R1 with the interleaving forced: both have seen room before either has claimed it.
async fn a_claim_behind_the_last_one_is_sold_out(f: &Fixture) {
    let held = f.hold("reservation").await;
    let mut running = Vec::new();
    for _ in 0..2 {
        let (store, wish) = (f.store.clone(), f.wish(LAST_TWO, 2).await);
        running.push(tokio::spawn(async move { store.reserve(&wish, None).await }));
    }
    held.until_blocked(1).await;
    held.release().await;
    let mut answers = Vec::new();
    for task in running {
        answers.push(task.await.expect("it does not panic").expect("the database answers"));
    }
    assert_eq!(count(&answers), (1, 1));
    assert_eq!(f.number("select count(*) from reservation").await, 1);
    assert_eq!(f.number("select count(*) from timeline").await, 1);
}

async fn twenty_places_take_twenty_of_a_hundred_and_five_again_after_five_cancels(f: &Fixture) {
    let answers = race(f, TWENTY, 100, 1).await;
    assert_eq!(count(&answers), (20, 80));
    assert_eq!(f.held_and_sold(TWENTY).await, (20, 0));

    let won = answers.into_iter().filter(|answer| matches!(answer, Decision::Done(_))).map(done);
    let leaving: Vec<Reservation> = won.take(5).collect();
    let cancelled = together(leaving.into_iter().map(|row| {
        let store = f.store.clone();
        async move { store.cancel(&row.customer_id, &row.id, None).await.expect("it answers") }
    }));
    for row in cancelled.await.into_iter().map(done) {
        assert_eq!(row.status, ReservationStatus::Cancelled);
    }
    assert_eq!(f.held_and_sold(TWENTY).await, (15, 0));

    assert_eq!(count(&race(f, TWENTY, 50, 1).await), (5, 45));
    assert_eq!(f.held_and_sold(TWENTY).await, (20, 0));
}

async fn a_closed_pool_sells_nothing(f: &Fixture) {
    f.run("update capacity_pool set open = 0 where showtime_id = 'evening'").await;
    let answer = f.store.reserve(&f.wish(EVENING, 1).await, None).await.expect("it answers");
    assert_eq!(refusal(&answer), &Refusal::SalesClosed);
    assert_eq!(f.held_and_sold(EVENING).await, (0, 0));
}

/// What the report's form chooses from.
async fn wheelchair_places_alone_are_no_room_for_others(f: &Fixture) {
    let on_offer = async || {
        let wish = f.wish(LAST_TWO, 2).await;
        let movie = wish.offer.showtime.movie_id;
        let next = f.store.next_showtime_with_room(&movie, f.store.now()).await;
        let next = next.expect("it answers");
        next.is_some_and(|next| next.offer.showtime.id.as_str() == LAST_TWO)
    };
    assert!(!on_offer().await, "an earlier one has room");
    f.run("update capacity_pool set open = 0 where showtime_id = 'evening'").await;
    assert!(on_offer().await);
    done(f.store.reserve(&f.wish(LAST_TWO, 2).await, None).await.expect("it answers"));
    let left = f.number(
        "select sellable - held - sold from capacity_pool \
         where showtime_id = 'last-two' and grade = 'ACCESSIBLE'",
    );
    assert_eq!(left.await, 2);
    assert!(!on_offer().await);
}

async fn what_the_rules_refuse_leaves_nothing_behind(f: &Fixture) {
    let wish = f.wish(EVENING, 1).await;
    let party = |list: &[(Audience, u32)]| Party::parse(list.iter().copied()).expect("a party");
    let teen = party(&[(Audience::Teen, 1)]);
    let wheelchair = party(&[(Audience::Wheelchair, 1)]);
    let none = Vec::new();
    let cases = [
        (Grade::Standard, party(&[(Audience::Adult, 9)]), Refusal::PartySize { max: 8 }),
        (Grade::Standard, teen, Refusal::AgeRestricted),
        (Grade::Standard, wheelchair, Refusal::AccessibleSeatOnly { seats: none }),
        (Grade::Prime, party(&[(Audience::Adult, 1)]), Refusal::NotOffered),
    ];
    for (grade, party, expected) in cases {
        let wish = NewReservation { grade, party, ..wish.clone() };
        let answer = f.store.reserve(&wish, None).await.expect("it answers");
        assert_eq!(refusal(&answer), &expected);
    }
    f.set_time(wish.offer.showtime.sales_close_at);
    let answer = f.store.reserve(&wish, None).await.expect("it answers");
    assert_eq!(refusal(&answer), &Refusal::SalesClosed);
    f.set_time(wish.offer.showtime.sales_open_at.minus(Duration::from_millis(1)));
    let answer = f.store.reserve(&wish, None).await.expect("it answers");
    assert_eq!(refusal(&answer), &Refusal::SalesClosed);
    assert_eq!(f.number("select count(*) from reservation").await, 0);
    assert_eq!(f.held_and_sold(EVENING).await, (0, 0));
}

/// With the index gone see `unguarded::without_its_index_one_customer_holds_many_unpaid`.
async fn one_customer_holds_four_unpaid(f: &Fixture) {
    let wish = f.wish(EVENING, 1).await;
    let answers = at_once(f, &wish, 12).await;
    let kept: Vec<Reservation> =
        answers.iter().filter(|it| matches!(it, Decision::Done(_))).cloned().map(done).collect();
    let refused =
        |it: &&Decision| matches!(it, Decision::Refused(Refusal::TooManyUnpaid { max: 4 }, None));
    assert_eq!((kept.len(), answers.iter().filter(refused).count()), (4, 8));
    assert_eq!(f.held_and_sold(EVENING).await, (4, 0));
    // Another showtime, a plan, or somebody without limits: others' rules.
    let other = NewReservation { customer_id: wish.customer_id.clone(), ..f.wish(TWENTY, 1).await };
    f.reserve(&other).await;
    f.reserve(&NewReservation { unlimited: true, ..wish.clone() }).await;
    // Whoever cancels may go on.
    for row in &kept[..2] {
        f.cancelled(row).await;
    }
    for _ in 0..2 {
        f.reserve(&wish).await;
    }
    let answer = f.store.reserve(&wish, None).await.expect("it answers");
    assert_eq!(refusal(&answer), &Refusal::TooManyUnpaid { max: 4 });
}

/// One customer asks so many times at once.
async fn at_once(f: &Fixture, wish: &NewReservation, times: u32) -> Vec<Decision> {
    together((0..times).map(|_| {
        let (store, wish) = (f.store.clone(), wish.clone());
        async move { store.reserve(&wish, None).await.expect("the database answers") }
    }))
    .await
}

/// So many new customers ask for so many places at once.
async fn race(f: &Fixture, showtime: &str, customers: u32, adults: u32) -> Vec<Decision> {
    let mut tasks = Vec::new();
    for _ in 0..customers {
        let (store, wish) = (f.store.clone(), f.wish(showtime, adults).await);
        tasks.push(async move { store.reserve(&wish, None).await.expect("the database answers") });
    }
    together(tasks).await
}

/// How many were reserved, and how many were told that it is sold out.
fn count(answers: &[Decision]) -> (usize, usize) {
    let done = answers.iter().filter(|answer| matches!(answer, Decision::Done(_))).count();
    let sold_out =
        answers.iter().filter(|answer| matches!(answer, Decision::Refused(Refusal::SoldOut, _)));
    (done, sold_out.count())
}
