//! Plans: the service pays and chooses seats on its own (T4, T7, T12, T13).

use super::fixture::catalogue::EVENING;
use super::fixture::steps::{approval, approval_until, seats};
use super::fixture::{Fixture, together};
use domain::payment::Answer;
use domain::reservation::{Owes, PaymentStep, PlanSeats, Reservation};
use domain::words::{Operation, ReservationStatus};
use std::collections::BTreeSet;
use std::time::Duration;

on_both!(
    a_plan_is_carried_through,
    ten_plans_get_different_best_seats,
    the_seats_of_a_plan_are_assigned,
    seats_taken_by_others_are_dropped_from_the_plan,
    a_customer_who_is_faster_than_the_plan_chooses,
    a_plan_without_room_is_dropped,
    who_chooses_after_the_plan_does_so_before_the_approval_lapses,
    a_step_of_a_plan_that_is_not_owed_changes_nothing,
);

async fn a_plan_is_carried_through(f: &Fixture) {
    let row = f.planned(2, PlanSeats::Best).await;
    assert_eq!(row.owes(), Owes::Payment(PaymentStep::Request));
    let row = paid(f, &row, &approval()).await;
    assert_eq!((row.owes(), row.deadline_at), (Owes::Payment(PaymentStep::PlanSeats), None));
    f.store.assign_plan_seats(&row.id).await.expect("it is owed");
    let row = f.row(&row.id).await;
    assert_eq!((row.status, row.seat_numbers.len()), (ReservationStatus::SeatSelected, 2));
    let row = f.answered(&row, Operation::Capture, &approval()).await;
    f.store.issue_tickets(&row.id).await.expect("it is owed");
    assert_eq!(f.row(&row.id).await.status, ReservationStatus::Ticketed);
}

/// Within a process they take turns; whoever is slower than another process picks again.
async fn ten_plans_get_different_best_seats(f: &Fixture) {
    let mut rows = Vec::new();
    for _ in 0..10 {
        rows.push(paid(f, &f.planned(2, PlanSeats::Best).await, &approval()).await);
    }
    let processes = [f.store.clone(), f.reopened().await];
    together(rows.iter().zip(processes.iter().cycle()).map(|(row, store)| {
        let (store, id) = (store.clone(), row.id.clone());
        async move { store.assign_plan_seats(&id).await.expect("there is room for all") }
    }))
    .await;
    let mut taken = BTreeSet::new();
    for row in &rows {
        let row = f.row(&row.id).await;
        assert_eq!(row.status, ReservationStatus::SeatSelected);
        taken.extend(row.seat_numbers);
    }
    assert_eq!(taken.len(), 20);
    assert_eq!(f.held_and_sold(EVENING).await, (0, 20));
}

async fn the_seats_of_a_plan_are_assigned(f: &Fixture) {
    let row = f.planned(2, PlanSeats::Ids(seats(&["C2", "C1"]))).await;
    let row = paid(f, &row, &approval()).await;
    f.store.assign_plan_seats(&row.id).await.expect("it is owed");
    assert_eq!(f.row(&row.id).await.seat_numbers, ["C1", "C2"]);
}

/// T13.
async fn seats_taken_by_others_are_dropped_from_the_plan(f: &Fixture) {
    let row = f.planned(2, PlanSeats::Ids(seats(&["C1", "C2"]))).await;
    let row = paid(f, &row, &approval()).await;
    f.seated(EVENING, &["C1", "C2"]).await;
    f.advance(Duration::from_secs(60));
    f.store.assign_plan_seats(&row.id).await.expect("it is owed");
    f.store.assign_plan_seats(&row.id).await.expect("it answers");
    let row = f.row(&row.id).await;
    assert_eq!(row.status, ReservationStatus::PaymentApproved);
    assert_eq!(row.plan.as_ref().map(|plan| &plan.seats), Some(&PlanSeats::Dropped));
    assert_eq!(f.story(&row).await.last(), Some(&"PlanSeatsTaken"));
    let seat_by = f.store.now().plus(f.store.deadlines().seat_within);
    assert_eq!(row.owes(), Owes::Await(seat_by));
    let row = f.choose(&row, &["D1", "D2"]).await;
    f.answered(&row, Operation::Capture, &approval()).await;
}

/// T12: the customer or the plan, and the status decides which.
async fn a_customer_who_is_faster_than_the_plan_chooses(f: &Fixture) {
    let row = paid(f, &f.planned(2, PlanSeats::Best).await, &approval()).await;
    let row = f.choose(&row, &["A1", "A2"]).await;
    f.store.assign_plan_seats(&row.id).await.expect("it answers");
    assert_eq!(f.row(&row.id).await, row);
}

async fn a_plan_without_room_is_dropped(f: &Fixture) {
    let row = paid(f, &f.planned(2, PlanSeats::Best).await, &approval()).await;
    f.run(
        "insert into seat_assignment (assignment_id, showtime_id, seat_id, live, assigned_at) \
         select 'house-' || seat_id, 'evening', seat_id, 1, 0 from seat where seat_id <> 'A1'",
    )
    .await;
    f.store.assign_plan_seats(&row.id).await.expect("it is owed");
    let row = f.row(&row.id).await;
    assert_eq!(row.plan.map(|plan| plan.seats), Some(PlanSeats::Dropped));
}

/// 1.3, seatBy binds the customer of a dropped plan as any other: at most approvalEndsAt − 60 s.
async fn who_chooses_after_the_plan_does_so_before_the_approval_lapses(f: &Fixture) {
    let ends_at = f.store.now().plus(Duration::from_secs(5 * 60));
    let row = f.planned(2, PlanSeats::Ids(seats(&["C1", "C2"]))).await;
    let row = paid(f, &row, &approval_until(ends_at)).await;
    f.seated(EVENING, &["C1", "C2"]).await;
    f.store.assign_plan_seats(&row.id).await.expect("it is owed");
    let row = f.row(&row.id).await;
    assert_eq!(row.deadline_at, Some(ends_at.minus(Duration::from_secs(60))));
}

async fn a_step_of_a_plan_that_is_not_owed_changes_nothing(f: &Fixture) {
    let unplanned = f.approved(EVENING, 1).await;
    let unpaid = f.planned(1, PlanSeats::Best).await;
    let ended = f.cancelled(&f.planned(1, PlanSeats::Best).await).await;
    for row in [&unplanned, &unpaid, &ended] {
        f.store.assign_plan_seats(&row.id).await.expect("it answers");
    }
    for row in [&unplanned, &ended] {
        f.store.pay_by_plan(&row.id).await.expect("it answers");
    }
    for row in [&unplanned, &unpaid, &ended] {
        assert_eq!(&f.row(&row.id).await, row);
    }
    together((0..8).map(|_| {
        let (store, id) = (f.store.clone(), unpaid.id.clone());
        async move { store.pay_by_plan(&id).await.expect("it answers") }
    }))
    .await;
    assert_eq!(f.attempts(&unpaid).await, ["PENDING"]);
}

/// The plan's payment is requested, and answered.
async fn paid(f: &Fixture, row: &Reservation, answer: &Answer) -> Reservation {
    f.store.pay_by_plan(&row.id).await.expect("it is owed");
    f.answered(row, Operation::Approve, answer).await
}
