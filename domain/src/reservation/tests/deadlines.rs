//! Until when, and what follows when it has passed (specification 1.3; T5 to T7, T11, T13, T15,
//! T24).

use super::*;

fn defaults() -> Deadlines {
    Deadlines::default()
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn the_defaults_are_ten_ten_and_thirty_minutes() {
    let (pay_within, seat_within, defer_within) = (secs(600), secs(600), secs(1_800));
    assert_eq!(defaults(), Deadlines { pay_within, seat_within, defer_within });
}

#[test]
fn the_customer_pays_within_ten_minutes_and_a_plan_has_until_the_start() {
    let check = |plan, expected| assert_eq!(reserved(plan).deadline_at, Some(at(expected)));
    check(None, 600);
    check(Some(PlanSeats::Best), STARTS_SECS);
    check(Some(seats_by_id()), STARTS_SECS);
}

#[test]
fn a_requested_payment_may_wait_half_an_hour_longer_and_a_plans_until_the_start() {
    let check = |plan, expected| {
        assert_eq!(
            brought_to(ReservationStatus::PaymentPending, plan).deadline_at,
            Some(at(expected))
        );
    };
    check(None, 600 + 1_800);
    check(Some(PlanSeats::Best), STARTS_SECS);
}

#[test]
fn seats_are_chosen_within_ten_minutes_or_a_minute_before_the_approval_lapses() {
    let check = |plan: Option<PlanSeats>, lapses: Option<u64>, expected: Option<u64>| {
        let mut row = brought_to(ReservationStatus::PaymentPending, plan);
        row.approve(at(100), lapses.map(at), &defaults());
        assert_eq!(row.status, ReservationStatus::PaymentApproved);
        assert_eq!(row.deadline_at, expected.map(at), "{lapses:?}");
    };
    check(None, None, Some(700));
    check(None, Some(3_600), Some(700));
    check(None, Some(760), Some(700));
    check(None, Some(759), Some(699));
    check(None, Some(400), Some(340));
    check(None, Some(130), Some(70));
    check(Some(PlanSeats::Best), Some(400), None);
    check(Some(seats_by_id()), None, None);
    check(Some(PlanSeats::Dropped), Some(400), Some(340));
}

#[test]
fn who_lost_the_planned_seats_has_ten_minutes_to_choose_others() {
    let mut row = brought_to(ReservationStatus::PaymentApproved, Some(seats_by_id()));
    let events = row.drop_plan_seats(at(100), &defaults());
    assert_eq!(kinds(&events), [EventType::PlanSeatsTaken]);
    assert_eq!(row.status, ReservationStatus::PaymentApproved);
    assert_eq!(row.owes(), Owes::Await(at(700)));
    let dropped = Plan { method: Method::Card, seats: PlanSeats::Dropped };
    assert_eq!(row.plan, Some(dropped));
}

#[test]
fn chosen_seats_are_not_under_a_deadline() {
    assert_eq!(brought_to(ReservationStatus::SeatSelected, None).deadline_at, None);
}

#[test]
fn who_was_declined_has_the_rest_of_the_time_but_five_minutes_at_least() {
    let check = |now: u64, expected: u64| {
        for status in [ReservationStatus::PaymentPending, ReservationStatus::PaymentDeferred] {
            let mut row = brought_to(status, None);
            let declined = row.decline(at(now), "LIMIT", &defaults());
            let Declined::PayAgain(events) = declined else { panic!("{declined:?}") };
            assert_eq!(kinds(&events), [EventType::PaymentDeclined]);
            assert_eq!(events[0].detail.code.as_deref(), Some("LIMIT"));
            assert_eq!(events[0].detail.attempts_left, Some(2));
            assert_eq!(row.owes(), Owes::Await(at(expected)), "declined at {now}");
        }
    };
    check(0, 600);
    check(300, 600);
    check(301, 601);
    check(600, 900);
    check(2_000, 2_300);
    check(STARTS_SECS, STARTS_SECS + 300);
}

#[test]
fn whose_authorization_lapsed_has_time_again_and_no_decline() {
    for (now, expected) in [(0, 600), (301, 601), (2_000, 2_300)] {
        let mut row = brought_to(ReservationStatus::PaymentPending, None);
        let lapsed = row.lapse(at(now), &defaults());
        let Declined::PayAgain(events) = lapsed else { panic!("{lapsed:?}") };
        assert_eq!(kinds(&events), [EventType::PaymentLapsed]);
        assert_eq!(row.attempts_left, 3);
        assert_eq!(row.owes(), Owes::Await(at(expected)), "lapsed at {now}");
    }
    let mut planned = brought_to(ReservationStatus::PaymentPending, Some(PlanSeats::Best));
    let Declined::Ended(events) = planned.lapse(NOW, &defaults()) else { panic!("it goes on") };
    assert_eq!(kinds(&events), [EventType::PaymentLapsed, EventType::ReservationExpired]);
}

#[test]
fn five_minutes_to_pay_again_are_never_more_than_the_first_time() {
    let short = Deadlines { pay_within: secs(60), ..defaults() };
    let mut row = reserved(None);
    row.reserve(Duration::ZERO, &short);
    pay(&mut row).unwrap();
    row.decline(at(50), "LIMIT", &short);
    assert_eq!(row.deadline_at, Some(at(110)));
}

#[test]
fn three_declined_payments_end_it_and_so_does_one_of_a_plan() {
    let check = |plan: Option<PlanSeats>, tries: u32| {
        let mut row = reserved(plan);
        for _ in 1..tries {
            pay(&mut row).unwrap();
            let declined = row.decline(NOW, "LIMIT", &defaults());
            assert!(matches!(declined, Declined::PayAgain(_)), "{declined:?}");
        }
        pay(&mut row).unwrap();
        let declined = row.decline(NOW, "LIMIT", &defaults());
        let Declined::Ended(events) = declined else { panic!("{declined:?}") };
        assert_eq!(kinds(&events), [EventType::PaymentDeclined, EventType::ReservationExpired]);
        assert_eq!(row.status, ReservationStatus::Expired);
        assert_eq!(row.reason, Some(StatusReason::PaymentDeclined));
        assert_eq!(row.capacity, Capacity::Released);
        assert_eq!(row.attempt.map(|attempt| attempt.n), Some(tries));
    };
    check(None, 3);
    check(Some(PlanSeats::Best), 1);
    check(Some(PlanSeats::Dropped), 1);
}

#[test]
fn what_a_passed_deadline_does() {
    let check = |status, plan: Option<PlanSeats>, deadline: u64, expected: Option<StatusReason>| {
        let row = brought_to(status, plan);
        let mut early = row.clone();
        let before = Time::from_millis(at(deadline).as_millis() - 1);
        assert_eq!(early.pass_deadline(before), Expiry::NotDue, "{status}");
        assert_eq!(early, row);
        let mut due = row.clone();
        match (due.pass_deadline(at(deadline)), expected) {
            (Expiry::NotDue, None) => assert_eq!(due, row),
            (Expiry::Undo(reason), Some(expected)) => {
                assert_eq!(reason, expected, "{status}");
                assert_eq!(due, row, "the undo is opened by the caller");
            }
            (Expiry::Ended(events), Some(expected)) => {
                assert_eq!(kinds(&events), [EventType::ReservationExpired]);
                assert_eq!(events[0].detail.reason, Some(expected));
                assert_eq!(due.status, ReservationStatus::Expired);
                assert_eq!(due.reason, Some(expected));
                assert_eq!(due.capacity, Capacity::Released);
                let abandoned = row.attempt.map(|_| AttemptStatus::Abandoned);
                assert_eq!(due.attempt.map(|attempt| attempt.status), abandoned);
            }
            (found, expected) => panic!("{status}: {found:?}, not {expected:?}"),
        }
    };
    use ReservationStatus as S;
    let best = || Some(PlanSeats::Best);
    let payment = Some(StatusReason::PaymentTimeout);
    check(S::Reserved, None, 600, payment);
    check(S::Reserved, best(), STARTS_SECS, payment);
    check(S::PaymentPending, None, 2_400, payment);
    check(S::PaymentPending, best(), STARTS_SECS, payment);
    check(S::PaymentDeferred, None, 2_400, payment);
    check(S::PaymentDeferred, best(), STARTS_SECS, payment);
    check(S::PaymentApproved, None, 600, Some(StatusReason::SeatTimeout));
    check(S::PaymentApproved, best(), ENDS_SECS, None);
    for status in
        [S::SeatSelected, S::Ticketed, S::Cancelling, S::Cancelled, S::Expired, S::Completed]
    {
        check(status, None, ENDS_SECS, None);
    }
}

#[test]
fn a_sent_call_never_expires() {
    for status in [ReservationStatus::PaymentPending, ReservationStatus::PaymentDeferred] {
        let mut row = brought_to(status, None);
        send(&mut row, Operation::Approve);
        let before = row.clone();
        assert_eq!(row.pass_deadline(at(ENDS_SECS)), Expiry::NotDue);
        assert_eq!(row, before);
    }
}

#[test]
fn a_show_is_over_half_an_hour_after_its_end() {
    let over = at(ENDS_SECS + 1_800);
    let check = |row: Reservation, now: Time, completes: bool| {
        let mut after = row.clone();
        let events = kinds(&after.complete(now));
        if completes {
            assert_eq!(events, [EventType::ShowCompleted]);
            assert_eq!(after.status, ReservationStatus::Completed);
        } else {
            assert_eq!(events, [], "{}", row.status);
            assert_eq!(after, row);
        }
    };
    let seated = captured(brought_to(ReservationStatus::SeatSelected, None));
    let ticketed = brought_to(ReservationStatus::Ticketed, None);
    for row in [seated, ticketed] {
        check(row.clone(), over, true);
        check(row.clone(), Time::from_millis(over.as_millis() - 1), false);
        let mut sent = row.clone();
        send(&mut sent, Operation::Refund);
        check(sent, over, false);
        let open_cancellation = Some(CancellationId::parse("c1").unwrap());
        check(Reservation { open_cancellation, ..row }, over, false);
    }
    for &status in ReservationStatus::EVERY {
        if status != ReservationStatus::Ticketed {
            check(brought_to(status, None), over, false);
        }
    }
}
