//! Deadlines: status decides, and the deadline is when expiry is made (1.3, T11, T15, T24, R4).

use super::fixture::catalogue::EVENING;
use super::fixture::steps::{approval, pay_command, refusal};
use super::fixture::{Fixture, together};
use domain::refusal::Refusal;
use domain::reservation::{CLOSE_AFTER_END, Owes, PUMP_AFTER_DEADLINE, PaymentStep, PlanSeats};
use domain::words::{Capacity, Operation, ReservationStatus, StatusReason};
use std::time::Duration;

on_both!(
    who_does_not_pay_expires,
    one_may_pay_until_expiry_is_made,
    an_unsent_payment_expires_after_the_deferral,
    a_sent_call_never_expires,
    who_chooses_no_seats_is_undone,
    deadlines_are_spared_while_nobody_could_act,
    a_plan_waits_until_the_start,
    eight_carry_out_one_deadline,
    after_the_show_it_is_completed,
    what_is_under_way_is_not_completed,
);

const A_MOMENT: Duration = Duration::from_millis(1);

/// T11, by the booking's own look.
async fn who_does_not_pay_expires(f: &Fixture) {
    let row = f.reserved(EVENING, 2).await;
    let pay_by = row.deadline_at.expect("it is to be paid");
    f.set_time(pay_by.minus(A_MOMENT));
    assert_eq!(f.store.look(&row.id).await.expect("it answers"), Owes::Await(pay_by));
    assert_eq!(f.row(&row.id).await, row);
    f.set_time(pay_by);
    assert_eq!(f.store.look(&row.id).await.expect("it answers"), Owes::Nothing);
    let row = f.row(&row.id).await;
    assert_eq!(
        (row.status, row.reason),
        (ReservationStatus::Expired, Some(StatusReason::PaymentTimeout))
    );
    assert_eq!((row.capacity, row.deadline_at), (Capacity::Released, None));
    assert_eq!(f.held_and_sold(EVENING).await, (0, 0));
    assert_eq!(f.story(&row).await, ["Reserved", "ReservationExpired"]);
    let late = f.store.pay(&row.customer_id, &pay_command(&row), None).await.expect("it answers");
    assert_eq!(refusal(&late), &Refusal::DeadlinePassed);
}

async fn one_may_pay_until_expiry_is_made(f: &Fixture) {
    let row = f.reserved(EVENING, 1).await;
    f.set_time(row.deadline_at.expect("it is to be paid").plus(A_MOMENT));
    let row = f.paid(&row).await;
    assert_eq!(row.status, ReservationStatus::PaymentPending);
    f.store.attend_time(&row).await.expect("it answers");
    assert_eq!(f.row(&row.id).await, row, "the deferral has begun");
}

/// T11, by the pump; the attempt is abandoned.
async fn an_unsent_payment_expires_after_the_deferral(f: &Fixture) {
    let unpaid = f.reserved(EVENING, 1).await;
    let row = f.paid(&unpaid).await;
    let pay_by = unpaid.deadline_at.expect("it is to be paid");
    let until = pay_by.plus(f.store.deadlines().defer_within);
    assert_eq!(row.deadline_at, Some(until));
    f.set_time(until.minus(A_MOMENT));
    f.store.attend_time(&row).await.expect("it answers");
    assert_eq!(f.row(&row.id).await, row);
    f.set_time(until);
    assert_eq!(
        f.store.look(&row.id).await.expect("it answers"),
        Owes::Payment(PaymentStep::Approve)
    );
    f.store.attend_time(&row).await.expect("it answers");
    let row = f.row(&row.id).await;
    assert_eq!(
        (row.status, row.reason),
        (ReservationStatus::Expired, Some(StatusReason::PaymentTimeout))
    );
    assert_eq!(f.attempts(&row).await, ["ABANDONED"]);
    assert_eq!(f.held_and_sold(EVENING).await, (0, 0));
}

/// R4: the answer decides, however late it comes.
async fn a_sent_call_never_expires(f: &Fixture) {
    let row = f.paid(&f.reserved(EVENING, 1).await).await;
    let call = f.opened(&row, Operation::Approve).await;
    let row = f.row(&row.id).await;
    f.advance(Duration::from_secs(3 * 3_600));
    f.store.attend_time(&row).await.expect("it answers");
    assert_eq!(
        f.store.look(&row.id).await.expect("it answers"),
        Owes::Payment(PaymentStep::Approve)
    );
    assert_eq!(f.row(&row.id).await, row);
    assert_eq!(f.held_and_sold(EVENING).await, (1, 0));
    f.store.record_answer(&call.key, &approval()).await.expect("it is sent");
    let row = f.row(&row.id).await;
    assert_eq!(row.status, ReservationStatus::PaymentApproved);
    assert_eq!(row.deadline_at, Some(f.store.now().plus(f.store.deadlines().seat_within)));
}

/// T15, T21.
async fn who_chooses_no_seats_is_undone(f: &Fixture) {
    let row = f.approved(EVENING, 1).await;
    f.set_time(row.deadline_at.expect("seats are to be chosen"));
    assert_eq!(f.store.look(&row.id).await.expect("it answers"), Owes::Nothing);
    let row = f.row(&row.id).await;
    assert_eq!(
        (row.status, row.reason),
        (ReservationStatus::Cancelling, Some(StatusReason::SeatTimeout))
    );
    assert_eq!(row.capacity, Capacity::Held, "places are released by the undo");
    let row = f.undone(&row).await;
    assert_eq!(
        (row.status, row.reason),
        (ReservationStatus::Expired, Some(StatusReason::SeatTimeout))
    );
    assert_eq!(f.attempts(&row).await, ["VOIDED"]);
    assert_eq!(f.held_and_sold(EVENING).await, (0, 0));
}

/// 1.3: time in which we could not act is never the customer's.
async fn deadlines_are_spared_while_nobody_could_act(f: &Fixture) {
    let unpaid = f.reserved(EVENING, 1).await;
    let unseated = f.approved(EVENING, 1).await;
    f.set_time(unpaid.deadline_at.expect("it is to be paid"));
    let spared = f.store.now().plus(Duration::from_secs(60));
    f.store.spare_deadlines_until(spared);
    f.store.spare_deadlines_until(f.store.now());
    for row in [&unpaid, &unseated] {
        assert_eq!(f.store.look(&row.id).await.expect("it answers"), Owes::Await(spared));
        f.store.attend_time(row).await.expect("it answers");
        assert_eq!(&f.row(&row.id).await, row);
    }
    f.set_time(spared.minus(A_MOMENT));
    assert_eq!(f.store.look(&unpaid.id).await.expect("it answers"), Owes::Await(spared));
    f.set_time(spared);
    for row in [&unpaid, &unseated] {
        assert_eq!(f.store.look(&row.id).await.expect("it answers"), Owes::Nothing);
    }
    assert_eq!(f.row(&unpaid.id).await.status, ReservationStatus::Expired);
    assert_eq!(f.row(&unseated.id).await.status, ReservationStatus::Cancelling);
}

/// 1.3: a plan has no payBy; its deferral ends when the show starts.
async fn a_plan_waits_until_the_start(f: &Fixture) {
    let row = f.planned(1, PlanSeats::Best).await;
    f.store.pay_by_plan(&row.id).await.expect("it is owed");
    let row = f.row(&row.id).await;
    f.set_time(row.showtime.starts_at.minus(A_MOMENT));
    f.store.attend_time(&row).await.expect("it answers");
    assert_eq!(f.row(&row.id).await, row);
    f.set_time(row.showtime.starts_at);
    f.store.attend_time(&row).await.expect("it answers");
    let row = f.row(&row.id).await;
    assert_eq!(
        (row.status, row.reason),
        (ReservationStatus::Expired, Some(StatusReason::PaymentTimeout))
    );
}

/// R24: however many look, a deadline is carried out once.
async fn eight_carry_out_one_deadline(f: &Fixture) {
    let (unpaid, unseated) = (f.reserved(EVENING, 1).await, f.approved(EVENING, 1).await);
    f.set_time(unpaid.deadline_at.expect("it is to be paid"));
    let made = together((0..16).map(|n| {
        let row = if n % 2 == 0 { unpaid.clone() } else { unseated.clone() };
        let store = f.store.clone();
        async move {
            if n % 4 < 2 {
                return store.attend_time(&row).await.expect("it answers");
            }
            // What is answered is committed: a run that looked does not wait for what has passed.
            assert_eq!(store.look(&row.id).await.expect("it answers"), Owes::Nothing);
            false
        }
    }));
    let made = made.await.into_iter().filter(|made| *made).count();
    assert!(made <= 2, "each deadline is made once, by the pump or by a look: {made}");
    assert_eq!(f.row(&unpaid.id).await.version, unpaid.version + 1);
    assert_eq!(f.row(&unseated.id).await.version, unseated.version + 1);
    assert_eq!(f.cancellations(&unseated).await.len(), 1);
    assert_eq!(f.held_and_sold(EVENING).await, (1, 0));
}

/// T24.
async fn after_the_show_it_is_completed(f: &Fixture) {
    let row = f.ticketed(EVENING, &["A1"]).await;
    let unticketed = f.captured(EVENING, &["B1"]).await;
    let over = row.showtime.ends_at.plus(CLOSE_AFTER_END);
    assert_eq!(row.attend_at, Some(over));
    f.set_time(over.minus(A_MOMENT));
    assert!(!f.store.attend_time(&row).await.expect("it answers"));
    assert_eq!(f.row(&row.id).await, row);
    f.set_time(over);
    for row in [&row, &unticketed] {
        assert!(f.store.attend_time(row).await.expect("it answers"));
        assert!(!f.store.attend_time(row).await.expect("it answers"));
        let now = f.row(&row.id).await;
        assert_eq!((now.status, now.owes()), (ReservationStatus::Completed, Owes::Nothing));
        assert_eq!(now.version, row.version + 1);
        assert_eq!(f.story(&now).await.last(), Some(&"ShowCompleted"));
        assert_eq!(refusal(&f.cancel(&now).await), &Refusal::WrongState);
    }
}

/// T24's guard: captured, no open call, no open cancellation.
async fn what_is_under_way_is_not_completed(f: &Fixture) {
    let cancelling = f.cancelled(&f.ticketed(EVENING, &["A1"]).await).await;
    let uncaptured = f.seated(EVENING, &["B1"]).await;
    let sent = f.seated(EVENING, &["C1"]).await;
    let call = f.opened(&sent, Operation::Capture).await;
    let sent = f.row(&sent.id).await;
    f.set_time(sent.showtime.ends_at.plus(CLOSE_AFTER_END).plus(PUMP_AFTER_DEADLINE));
    for row in [&cancelling, &uncaptured, &sent] {
        f.store.attend_time(row).await.expect("it answers");
        assert_eq!(&f.row(&row.id).await, row);
    }
    f.store.record_answer(&call.key, &approval()).await.expect("it is sent");
    f.store.attend_time(&f.row(&sent.id).await).await.expect("it answers");
    assert_eq!(f.row(&sent.id).await.status, ReservationStatus::Completed);
    f.undone(&cancelling).await;
}
