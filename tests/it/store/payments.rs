//! Payment attempts and gateway calls: who may pay, and what an answer changes (T4–T7, T14, R4,
//! R10–R12).

use super::fixture::catalogue::EVENING;
use super::fixture::steps::{approval, approval_until, declined, done, key, pay_command, refusal};
use super::fixture::{Fixture, together};
use domain::refusal::Refusal;
use domain::reservation::{Pay, PlanSeats};
use domain::won::Won;
use domain::words::{
    Capacity, Operation, PaymentStatus, ReservationStatus, StatusReason, TicketStatus,
};
use std::collections::BTreeSet;
use std::time::Duration;
use store::Decision;
use store::{gateway_calls::Opened, payments::PayCommand};

on_both!(
    one_key_pays_once_for_twenty_at_once,
    of_twenty_payments_one_is_carried_out,
    pay_is_judged,
    a_sent_call_is_joined,
    ten_open_one_call,
    calls_that_are_not_owed_are_not_opened,
    an_answer_changes_the_row_once,
    ten_reports_of_one_answer_change_the_row_once,
    three_declines_end_it,
    a_repeated_payment_is_not_a_second_one_after_a_decline,
    a_declined_plan_ends_it,
    a_late_approval_is_undone,
    a_refused_capture_is_undone,
    seats_are_chosen_before_the_approval_lapses,
);

/// R10.
async fn one_key_pays_once_for_twenty_at_once(f: &Fixture) {
    let row = f.reserved(EVENING, 1).await;
    let key = key(&row.customer_id, "k", "body");
    let answers = together((0..20).map(|_| {
        let (store, row, key) = (f.store.clone(), row.clone(), key.clone());
        async move {
            let answer = store.pay(&row.customer_id, &pay_command(&row), Some(&key)).await;
            let answer = answer.expect("the database answers");
            // What is answered is committed: nobody reads an older row afterwards.
            let read = store.reservation(&row.id).await.expect("it reads").expect("it is there");
            (answer, read)
        }
    }));
    let mut done = 0;
    for (answer, read) in answers.await {
        let paid = match answer {
            Decision::Done(paid) => {
                done += 1;
                paid
            }
            Decision::Replayed(paid) => paid,
            other => panic!("the same answer for all: {other:?}"),
        };
        assert_eq!(paid.status, ReservationStatus::PaymentPending);
        assert_eq!(read, paid);
    }
    assert_eq!(done, 1);
    assert_eq!(f.attempts(&row).await, ["PENDING"]);
}

/// R11.
async fn of_twenty_payments_one_is_carried_out(f: &Fixture) {
    let row = f.reserved(EVENING, 1).await;
    let answers = together((0..20).map(|n| {
        let (store, row) = (f.store.clone(), row.clone());
        let key = key(&row.customer_id, &format!("k{n}"), "body");
        async move {
            let answer = store.pay(&row.customer_id, &pay_command(&row), Some(&key)).await;
            answer.expect("the database answers")
        }
    }));
    let mut done = 0;
    for answer in answers.await {
        match &answer {
            Decision::Done(_) => done += 1,
            other => assert_eq!(refusal(other), &Refusal::PaymentInProgress),
        }
    }
    assert_eq!(done, 1);
    assert_eq!(f.attempts(&row).await, ["PENDING"]);
    assert_eq!(f.number("select count(*) from idempotency_key").await, 1);
}

async fn pay_is_judged(f: &Fixture) {
    let row = f.reserved(EVENING, 1).await;
    let good = pay_command(&row);
    let cheap = Pay { amount: Won::parse(1).expect("an amount"), ..good.pay };
    let cheap = PayCommand { pay: cheap, ..good.clone() };
    let answer = f.store.pay(&row.customer_id, &cheap, None).await.expect("it answers");
    assert_eq!(refusal(&answer), &Refusal::AmountMismatch { expected: row.amount });
    let answer = f.store.pay(&f.customer(), &good, None).await.expect("it answers");
    assert!(matches!(answer, Decision::NotFound), "{answer:?}");
    assert_eq!(f.row(&row.id).await, row);

    let planned = f.planned(1, PlanSeats::Best).await;
    let command = pay_command(&planned);
    let answer = f.store.pay(&planned.customer_id, &command, None).await.expect("it answers");
    assert_eq!(refusal(&answer), &Refusal::PaymentInProgress, "the plan pays");

    let approved = f.approved(EVENING, 1).await;
    let command = pay_command(&approved);
    let answer = f.store.pay(&approved.customer_id, &command, None).await.expect("it answers");
    assert_eq!(refusal(&answer), &Refusal::WrongState);
}

/// Design 3, Money, step 2.
async fn a_sent_call_is_joined(f: &Fixture) {
    let row = f.paid(&f.reserved(EVENING, 1).await).await;
    let call = f.opened(&row, Operation::Approve).await;
    assert_eq!(
        (call.body.amount, call.attempt_id.as_str()),
        (row.amount, &*format!("{}-1", row.id))
    );
    let version = f.row(&row.id).await.version;
    for _ in 0..3 {
        let again = f.store.open_call(&row.id, Operation::Approve).await.expect("it answers");
        assert_eq!(again, Opened::Sent(call.clone()));
    }
    assert_eq!(f.row(&row.id).await.version, version);
    let other = f.store.open_call(&row.id, Operation::Capture).await.expect("it answers");
    assert_eq!(other, Opened::NotOwed);
}

/// R25, R26: whoever comes second finds the call of the first.
async fn ten_open_one_call(f: &Fixture) {
    let row = f.paid(&f.reserved(EVENING, 1).await).await;
    let answers = together((0..10).map(|_| {
        let (store, id) = (f.store.clone(), row.id.clone());
        async move {
            let answer = store.open_call(&id, Operation::Approve).await.expect("it answers");
            // The call is written before anybody delivers it, also who joined it.
            let row = store.reservation(&id).await.expect("it reads").expect("it is there");
            assert!(row.open_call.is_some(), "{answer:?} is not durable yet");
            answer
        }
    }));
    let (mut fresh, mut keys) = (0, BTreeSet::new());
    for answer in answers.await {
        fresh += usize::from(matches!(answer, Opened::Fresh(_)));
        match answer {
            Opened::Fresh(call) | Opened::Sent(call) => keys.insert(call.key),
            Opened::NotOwed => panic!("it is owed"),
        };
    }
    assert_eq!((fresh, keys.len()), (1, 1));
    assert_eq!(f.number("select count(*) from gateway_call").await, 1);
}

async fn calls_that_are_not_owed_are_not_opened(f: &Fixture) {
    let rows = [
        (f.reserved(EVENING, 1).await, None),
        (f.paid(&f.reserved(EVENING, 1).await).await, Some(Operation::Approve)),
        (f.approved(EVENING, 1).await, None),
        (f.seated(EVENING, &["A1"]).await, Some(Operation::Capture)),
        (f.captured(EVENING, &["B1"]).await, None),
        (f.ticketed(EVENING, &["C1"]).await, None),
        (f.cancelled(&f.reserved(EVENING, 1).await).await, None),
    ];
    for (row, owed) in rows {
        for operation in Operation::EVERY.iter().filter(|operation| Some(**operation) != owed) {
            let opened = f.store.open_call(&row.id, *operation).await.expect("it answers");
            assert_eq!(opened, Opened::NotOwed, "{operation} while {}", row.status);
        }
        assert_eq!(f.row(&row.id).await, row);
    }
}

/// R12, one after the other.
async fn an_answer_changes_the_row_once(f: &Fixture) {
    let row = f.paid(&f.reserved(EVENING, 1).await).await;
    let call = f.opened(&row, Operation::Approve).await;
    f.store.record_answer(&call.key, &approval()).await.expect("it is sent");
    let row = f.row(&row.id).await;
    f.advance(Duration::from_secs(1));
    f.store.record_answer(&call.key, &approval()).await.expect("it is known");
    assert_eq!(f.row(&row.id).await, row);
    let row = f.choose(&row, &["A1"]).await;
    f.store.record_answer(&call.key, &approval()).await.expect("it is known");
    assert_eq!(f.row(&row.id).await, row);
}

/// R12, at once.
async fn ten_reports_of_one_answer_change_the_row_once(f: &Fixture) {
    let row = f.paid(&f.reserved(EVENING, 1).await).await;
    let call = f.opened(&row, Operation::Approve).await;
    let before = f.row(&row.id).await;
    together((0..10).map(|_| {
        let (store, key) = (f.store.clone(), call.key.clone());
        async move { store.record_answer(&key, &approval()).await.expect("it answers") }
    }))
    .await;
    let after = f.row(&row.id).await;
    assert_eq!((after.version, after.last_seq), (before.version + 1, before.last_seq + 1));
    assert_eq!(after.status, ReservationStatus::PaymentApproved);
    assert_eq!(f.texts("select state from gateway_call").await, ["KNOWN"]);
}

/// T6, T7.
async fn three_declines_end_it(f: &Fixture) {
    let mut row = f.reserved(EVENING, 2).await;
    let pay_by = row.deadline_at.expect("the customer has to pay");
    for left in [2, 1] {
        row = f.paid(&row).await;
        row = f.answered(&row, Operation::Approve, &declined()).await;
        assert_eq!((row.status, row.attempts_left), (ReservationStatus::Reserved, left));
        assert_eq!(row.payment_status(), PaymentStatus::Declined);
        assert_eq!(row.deadline_at, Some(pay_by), "enough time is left");
        assert_eq!(f.held_and_sold(EVENING).await, (2, 0));
    }
    f.set_time(pay_by);
    row = f.paid(&row).await;
    row = f.answered(&row, Operation::Approve, &declined()).await;
    assert_eq!(
        (row.status, row.reason),
        (ReservationStatus::Expired, Some(StatusReason::PaymentDeclined))
    );
    assert_eq!((row.attempts_left, row.capacity), (0, Capacity::Released));
    assert_eq!(f.attempts(&row).await, ["DECLINED"; 3]);
    assert_eq!(f.held_and_sold(EVENING).await, (0, 0));
    assert_eq!(f.story(&row).await.last(), Some(&"ReservationExpired"));

    let late = f.reserved(EVENING, 1).await;
    let late = f.paid(&late).await;
    f.advance(f.store.deadlines().pay_within);
    let late = f.answered(&late, Operation::Approve, &declined()).await;
    let again_by = f.store.now().plus(Duration::from_secs(5 * 60));
    assert_eq!(late.deadline_at, Some(again_by), "at least five minutes to pay again");
    f.paid(&late).await;
}

/// R10 late: the first click's repeat comes when one may pay again.
async fn a_repeated_payment_is_not_a_second_one_after_a_decline(f: &Fixture) {
    let row = f.reserved(EVENING, 1).await;
    let (command, key) = (pay_command(&row), key(&row.customer_id, "k", "body"));
    let row = done(f.store.pay(&row.customer_id, &command, Some(&key)).await.expect("it answers"));
    let row = f.answered(&row, Operation::Approve, &declined()).await;
    let again = f.store.pay(&row.customer_id, &command, Some(&key)).await.expect("it answers");
    assert!(matches!(&again, Decision::Replayed(now) if *now == row), "{again:?}");
    assert_eq!(f.attempts(&row).await, ["DECLINED"]);
}

/// T7 with a plan.
async fn a_declined_plan_ends_it(f: &Fixture) {
    let row = f.planned(2, PlanSeats::Best).await;
    f.store.pay_by_plan(&row.id).await.expect("it is owed");
    let row = f.answered(&row, Operation::Approve, &declined()).await;
    assert_eq!((row.status, row.attempts_left), (ReservationStatus::Expired, 2));
    assert_eq!(f.held_and_sold(EVENING).await, (0, 0));
}

/// T5 after the start.
async fn a_late_approval_is_undone(f: &Fixture) {
    let row = f.paid(&f.reserved(EVENING, 1).await).await;
    let call = f.opened(&row, Operation::Approve).await;
    f.set_time(row.showtime.starts_at);
    f.store.record_answer(&call.key, &approval()).await.expect("it is sent");
    let row = f.row(&row.id).await;
    assert_eq!(
        (row.status, row.reason),
        (ReservationStatus::Cancelling, Some(StatusReason::LateApproval))
    );
    let row = f.undone(&row).await;
    assert_eq!(
        (row.status, row.reason),
        (ReservationStatus::Expired, Some(StatusReason::LateApproval))
    );
    assert_eq!(f.attempts(&row).await, ["VOIDED"]);
    assert_eq!(f.story(&row).await.last(), Some(&"ReservationExpired"));
}

/// T14.
async fn a_refused_capture_is_undone(f: &Fixture) {
    let row = f.seated(EVENING, &["A1", "A2"]).await;
    let row = f.answered(&row, Operation::Capture, &declined()).await;
    assert_eq!(
        (row.status, row.reason),
        (ReservationStatus::Cancelling, Some(StatusReason::PaymentDeclined))
    );
    f.store.issue_tickets(&row.id).await.expect("it answers");
    let row = f.undone(&row).await;
    assert_eq!((row.status, row.tickets), (ReservationStatus::Expired, TicketStatus::None));
    assert_eq!((row.reason, row.refunded.get()), (Some(StatusReason::PaymentDeclined), 0));
    assert_eq!(f.held_and_sold(EVENING).await, (0, 0));
    f.seated(EVENING, &["A1", "A2"]).await;
}

/// 1.3, seatBy: at most a minute before the approval ends.
async fn seats_are_chosen_before_the_approval_lapses(f: &Fixture) {
    let ends_at = f.store.now().plus(Duration::from_secs(5 * 60));
    let row = f.paid(&f.reserved(EVENING, 1).await).await;
    let row = f.answered(&row, Operation::Approve, &approval_until(ends_at)).await;
    assert_eq!(row.deadline_at, Some(ends_at.minus(Duration::from_secs(60))));
    let long = f.paid(&f.reserved(EVENING, 1).await).await;
    let ends_at = f.store.now().plus(Duration::from_secs(3_600));
    let long = f.answered(&long, Operation::Approve, &approval_until(ends_at)).await;
    let seat_by = f.store.now().plus(f.store.deadlines().seat_within);
    assert_eq!(long.deadline_at, Some(seat_by));
    assert_eq!(done(f.try_choose(&long, &["A1"]).await).deadline_at, None);
}
