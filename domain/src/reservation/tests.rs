//! What a reservation owes, allows and waits for, status by status. All rows come from the
//! transitions themselves; the clock of these examples starts at [`NOW`].

mod deadlines;
mod deferring;
mod walk;
mod words;

use super::*;
use crate::cancellation::asking::Ask;
use crate::ids::TicketId;
use crate::refusal::Refusal;
use crate::timeline::Event;
use crate::words::EventType;

pub(crate) const NOW: Time = Time::from_millis(1_795_000_000_000);
/// The show starts two hours from now, and lasts two.
pub(crate) const STARTS_SECS: u64 = 2 * 60 * 60;
const ENDS_SECS: u64 = 4 * 60 * 60;

pub(crate) fn at(secs: u64) -> Time {
    NOW.plus(Duration::from_secs(secs))
}

/// A row as the store creates it.
pub(crate) fn reserved(seats: Option<PlanSeats>) -> Reservation {
    let mut row = Reservation {
        id: ReservationId::parse("r1").unwrap(),
        code: "7KQ3M9XA".to_owned(),
        customer_id: CustomerId::parse("demo").unwrap(),
        showtime: SoldShowtime {
            showtime_id: ShowtimeId::parse("s1").unwrap(),
            movie_title: "사탄의인형3".to_owned(),
            theater_name: "강남".to_owned(),
            auditorium_name: "1관".to_owned(),
            starts_at: at(STARTS_SECS),
            ends_at: at(ENDS_SECS),
            cancel_policy: CancelPolicy::Standard,
        },
        grade: Grade::Standard,
        party: Party::parse([(crate::words::Audience::Adult, 2)]).unwrap(),
        prices: BTreeMap::from([(Audience::Adult, Won::parse(14_000).unwrap())]),
        amount: Won::parse(28_000).unwrap(),
        status: ReservationStatus::Reserved,
        reason: None,
        capacity: Capacity::Held,
        plan: seats.map(|seats| Plan { method: Method::Card, seats }),
        attempts_left: 0,
        attempt: None,
        estimated_at: None,
        open_call: None,
        open_cancellation: None,
        refunded: Won::ZERO,
        seats: SeatStatus::None,
        seat_numbers: Vec::new(),
        tickets: TicketStatus::None,
        check_in: None,
        deadline_at: None,
        attend_at: Some(NOW),
        created_at: NOW,
        updated_at: NOW,
        version: 1,
        approval_ends_at: None,
        last_seq: 1,
    };
    row.reserve(Duration::ZERO, &Deadlines::default());
    row
}

/// A row that was brought to this status by one transition after another, all of them now; one that
/// is deferred has been in line for two seconds and has a minute to go.
pub(crate) fn brought_to(status: ReservationStatus, plan: Option<PlanSeats>) -> Reservation {
    use ReservationStatus as S;
    let from = |before| brought_to(before, plan.clone());
    match status {
        S::Reserved => reserved(plan),
        S::PaymentPending => {
            let mut row = from(S::Reserved);
            pay(&mut row).unwrap();
            row
        }
        S::PaymentDeferred => {
            let mut row = from(S::PaymentPending);
            row.defer(at(2), Duration::from_secs(60), &Deadlines::default());
            row
        }
        S::PaymentApproved => {
            let mut row = from(S::PaymentPending);
            row.approve(NOW, None, &Deadlines::default());
            row
        }
        S::SeatSelected => {
            let mut row = from(S::PaymentApproved);
            row.select_seats(seat_numbers(), Actor::Customer);
            row
        }
        S::Ticketed => {
            let mut row = from(S::SeatSelected);
            row.capture();
            row.issue_tickets(tickets());
            row
        }
        S::Cancelling => {
            let mut row = from(S::Ticketed);
            let id = CancellationId::parse("c1").unwrap();
            row.undo(NOW, id, StatusReason::CustomerRequest, Actor::Customer);
            row
        }
        S::Cancelled => {
            let mut row = from(S::Reserved);
            let all = Ask { actor: Actor::Customer, tickets: None };
            row.cancel(NOW, CancellationId::parse("c1").unwrap(), all, &[]).unwrap();
            row
        }
        S::Expired => {
            let mut row = from(S::Reserved);
            row.pass_deadline(at(STARTS_SECS));
            row
        }
        S::Completed => {
            let mut row = from(S::Ticketed);
            row.complete(at(ENDS_SECS).plus(CLOSE_AFTER_END));
            row
        }
    }
}

pub(crate) fn pay(row: &mut Reservation) -> Result<Vec<Event>, Refusal> {
    let actor = if row.plan.is_some() { Actor::System } else { Actor::Customer };
    let pay = Pay { method: Method::Card, amount: row.amount, actor };
    row.pay(row.created_at, pay, Duration::ZERO, &Deadlines::default())
}

pub(crate) fn send(row: &mut Reservation, operation: Operation) {
    row.open(OpenCall::sent(CallKey::parse("k1").unwrap(), operation));
}

pub(crate) fn seat_numbers() -> Vec<String> {
    vec!["A1".to_owned(), "A2".to_owned()]
}

pub(crate) fn tickets() -> Vec<(TicketId, String)> {
    let ids = ["t1", "t2"].map(|id| TicketId::parse(id).unwrap());
    ids.into_iter().zip(seat_numbers()).collect()
}

pub(crate) fn kinds(events: &[Event]) -> Vec<EventType> {
    events.iter().map(|event| event.kind).collect()
}

fn seats_by_id() -> PlanSeats {
    PlanSeats::Ids(vec![SeatId::parse("A1").unwrap(), SeatId::parse("A2").unwrap()])
}

fn captured(mut row: Reservation) -> Reservation {
    row.capture();
    row
}

#[test]
fn the_rows_of_these_examples_have_the_status_they_are_named_by() {
    for &status in ReservationStatus::EVERY {
        for plan in [None, Some(PlanSeats::Best), Some(seats_by_id()), Some(PlanSeats::Dropped)] {
            assert_eq!(brought_to(status, plan).status, status);
        }
    }
}

#[test]
fn what_is_owed() {
    use PaymentStep::{Approve, Capture, PlanSeats as Seats, Request};
    let check = |status, unplanned, planned, dropped| {
        let owes = |plan| brought_to(status, plan).owes();
        assert_eq!(owes(None), unplanned, "{status}");
        assert_eq!(owes(Some(PlanSeats::Best)), planned, "{status}, best seats planned");
        assert_eq!(owes(Some(seats_by_id())), planned, "{status}, seats planned");
        assert_eq!(owes(Some(PlanSeats::Dropped)), dropped, "{status}, planned seats dropped");
    };
    let (request, approve) = (Owes::Payment(Request), Owes::Payment(Approve));
    let (seats, capture) = (Owes::Payment(Seats), Owes::Payment(Capture));
    let customer = Owes::Await(at(600));
    check(ReservationStatus::Reserved, customer, request, request);
    check(ReservationStatus::PaymentPending, approve, approve, approve);
    check(ReservationStatus::PaymentDeferred, approve, approve, approve);
    check(ReservationStatus::PaymentApproved, customer, seats, customer);
    check(ReservationStatus::SeatSelected, capture, capture, capture);
    check(ReservationStatus::Ticketed, Owes::Nothing, Owes::Nothing, Owes::Nothing);
    check(ReservationStatus::Cancelling, Owes::Nothing, Owes::Nothing, Owes::Nothing);
    check(ReservationStatus::Cancelled, Owes::Nothing, Owes::Nothing, Owes::Nothing);
    check(ReservationStatus::Expired, Owes::Nothing, Owes::Nothing, Owes::Nothing);
    check(ReservationStatus::Completed, Owes::Nothing, Owes::Nothing, Owes::Nothing);
}

#[test]
fn tickets_are_owed_once_the_money_is_captured() {
    let row = captured(brought_to(ReservationStatus::SeatSelected, None));
    assert_eq!(row.owes(), Owes::Tickets);
}

#[test]
fn a_call_without_an_answer_stays_owed() {
    let check = |status, operation, step| {
        let mut row = brought_to(status, None);
        send(&mut row, operation);
        assert_eq!(row.owes(), Owes::Payment(step), "{status}");
    };
    check(ReservationStatus::PaymentPending, Operation::Approve, PaymentStep::Approve);
    check(ReservationStatus::PaymentDeferred, Operation::Approve, PaymentStep::Approve);
    check(ReservationStatus::SeatSelected, Operation::Capture, PaymentStep::Capture);
}

#[test]
fn when_the_pump_looks_again() {
    let check = |row: &Reservation, now, wakes, expected: Option<u64>| {
        let (status, expected) = (row.status, expected.map(at));
        assert_eq!(row.next_attend(at(now), wakes), expected, "{status} at {now}, {wakes} wakes");
    };
    let row = |status| brought_to(status, None);
    // Who has joined the line is looked at when it would be deferred.
    let pending = row(ReservationStatus::PaymentPending);
    let planned = brought_to(ReservationStatus::Reserved, Some(PlanSeats::Best));
    for row in [&pending, &planned] {
        check(row, 0, 0, Some(2));
        check(row, 7, 0, Some(9));
        check(row, 7, 1, Some(67));
    }
    // Who is deferred stands in line, and is looked at when its turn should have come.
    let deferred = row(ReservationStatus::PaymentDeferred);
    for (wakes, secs) in [(0, 92), (1, 122), (5, 662), (99, 662)] {
        check(&deferred, 2, wakes, Some(secs));
    }
    check(&deferred, 100, 0, Some(130));
    check(&deferred, 2_390, 9, Some(2_405));
    // Work is owed: later each time, ten minutes at most.
    for (wakes, secs) in [(0, 30), (1, 60), (2, 120), (3, 240), (4, 480), (5, 600), (99, 600)] {
        check(&row(ReservationStatus::SeatSelected), 0, wakes, Some(secs));
        check(&captured(row(ReservationStatus::SeatSelected)), 0, wakes, Some(secs));
    }
    let mut sent = row(ReservationStatus::PaymentPending);
    send(&mut sent, Operation::Approve);
    check(&sent, u64::from(u32::MAX), u32::MAX, Some(u64::from(u32::MAX) + 600));
    // Its deadline, 40 minutes from now, is never slept through.
    check(&pending, 2_375, 1, Some(2_405));
    check(&pending, 2_376, 1, Some(2_405));
    check(&pending, 2_404, 9, Some(2_405));
    // One that was spared is looked at again and again.
    check(&pending, 2_405, 1, Some(2_410));
    check(&pending, 90_000, 9, Some(90_005));
    // Nor is the end of the show.
    check(&row(ReservationStatus::SeatSelected), ENDS_SECS + 1_790, 0, Some(ENDS_SECS + 1_800));
    check(&row(ReservationStatus::Ticketed), 0, 0, Some(ENDS_SECS + 1_800));
    // The customer is awaited: the run's own timer comes first.
    for status in [ReservationStatus::Reserved, ReservationStatus::PaymentApproved] {
        check(&row(status), 0, 0, Some(605));
        check(&row(status), 0, 9, Some(605));
        check(&row(status), 700, 0, Some(705));
    }
    for status in [
        ReservationStatus::Cancelling,
        ReservationStatus::Cancelled,
        ReservationStatus::Expired,
        ReservationStatus::Completed,
    ] {
        check(&row(status), 0, 0, None);
    }
}

#[test]
fn what_the_customer_may_do() {
    let check = |status, plan: Option<PlanSeats>, early: &[Action], late: &[Action]| {
        let row = brought_to(status, plan.clone());
        let closes = STARTS_SECS - 20 * 60;
        assert_eq!(row.allowed_actions(at(closes - 1)), early, "{status}, {plan:?}");
        assert_eq!(row.allowed_actions(at(closes)), late, "{status}, {plan:?}, window closed");
        assert_eq!(row.allowed_actions(at(STARTS_SECS)), late, "{status}, {plan:?}, started");
    };
    let best = || Some(PlanSeats::Best);
    let dropped = || Some(PlanSeats::Dropped);
    let pay = [Action::Pay, Action::Cancel];
    let seats = [Action::SelectSeats, Action::Cancel];
    let cancel = [Action::Cancel];
    check(ReservationStatus::Reserved, None, &pay, &pay);
    check(ReservationStatus::Reserved, best(), &cancel, &cancel);
    check(ReservationStatus::PaymentPending, None, &cancel, &cancel);
    check(ReservationStatus::PaymentPending, best(), &cancel, &cancel);
    check(ReservationStatus::PaymentDeferred, None, &pay, &pay);
    check(ReservationStatus::PaymentDeferred, best(), &cancel, &cancel);
    check(ReservationStatus::PaymentApproved, None, &seats, &seats);
    check(ReservationStatus::PaymentApproved, best(), &cancel, &cancel);
    check(ReservationStatus::PaymentApproved, dropped(), &seats, &seats);
    check(ReservationStatus::SeatSelected, None, &cancel, &[]);
    let change = [Action::ChangeSeats, Action::Cancel, Action::CancelTickets];
    check(ReservationStatus::Ticketed, None, &change, &[]);
    check(ReservationStatus::Ticketed, best(), &change, &[]);
    check(ReservationStatus::Cancelling, None, &[], &[]);
    check(ReservationStatus::Cancelled, None, &[], &[]);
    check(ReservationStatus::Expired, None, &[], &[]);
    check(ReservationStatus::Completed, None, &[], &[]);
}

#[test]
fn what_people_read_about_the_money() {
    let check = |status, attempt: AttemptStatus, expected| {
        let mut row = brought_to(status, None);
        row.attempt = Some(LatestAttempt { n: 1, method: Method::Card, status: attempt });
        assert_eq!(row.payment_status(), expected, "{status}, attempt {attempt}");
    };
    use ReservationStatus as S;
    assert_eq!(reserved(None).payment_status(), PaymentStatus::None);
    check(S::PaymentPending, AttemptStatus::Pending, PaymentStatus::Pending);
    check(S::PaymentDeferred, AttemptStatus::Pending, PaymentStatus::Deferred);
    check(S::PaymentApproved, AttemptStatus::Approved, PaymentStatus::Approved);
    check(S::SeatSelected, AttemptStatus::Approved, PaymentStatus::Approved);
    check(S::SeatSelected, AttemptStatus::Captured, PaymentStatus::Captured);
    check(S::Ticketed, AttemptStatus::Captured, PaymentStatus::Captured);
    check(S::Ticketed, AttemptStatus::PartiallyRefunded, PaymentStatus::PartiallyRefunded);
    check(S::Completed, AttemptStatus::Captured, PaymentStatus::Captured);
    check(S::Cancelling, AttemptStatus::Pending, PaymentStatus::Pending);
    check(S::Cancelling, AttemptStatus::Approved, PaymentStatus::CancelRequested);
    check(S::Cancelling, AttemptStatus::Captured, PaymentStatus::CancelRequested);
    check(S::Cancelling, AttemptStatus::Declined, PaymentStatus::Declined);
    check(S::Cancelling, AttemptStatus::Voided, PaymentStatus::Cancelled);
    check(S::Cancelled, AttemptStatus::Voided, PaymentStatus::Cancelled);
    check(S::Cancelled, AttemptStatus::Refunded, PaymentStatus::Cancelled);
    check(S::Cancelled, AttemptStatus::Abandoned, PaymentStatus::None);
    check(S::Expired, AttemptStatus::Abandoned, PaymentStatus::None);
    check(S::Expired, AttemptStatus::Declined, PaymentStatus::Declined);
    check(S::Reserved, AttemptStatus::Declined, PaymentStatus::Declined);
    check(S::Reserved, AttemptStatus::Lapsed, PaymentStatus::None);
}

#[test]
fn which_calls_may_be_opened() {
    let check = |row: &Reservation, expected: &[Operation]| {
        let may_open = |row: &Reservation| -> Vec<Operation> {
            Operation::EVERY.iter().copied().filter(|&operation| row.may_open(operation)).collect()
        };
        assert_eq!(may_open(row), expected, "{}", row.status);
        for &sent in Operation::EVERY {
            let mut row = row.clone();
            send(&mut row, sent);
            assert_eq!(may_open(&row), [], "{} while {sent} has no answer", row.status);
        }
    };
    let row = |status| brought_to(status, None);
    check(&row(ReservationStatus::Reserved), &[]);
    check(&row(ReservationStatus::PaymentPending), &[Operation::Approve]);
    check(&row(ReservationStatus::PaymentDeferred), &[Operation::Approve]);
    check(&row(ReservationStatus::PaymentApproved), &[]);
    check(&row(ReservationStatus::SeatSelected), &[Operation::Capture]);
    check(&captured(row(ReservationStatus::SeatSelected)), &[]);
    check(&row(ReservationStatus::Ticketed), &[]);
    check(&row(ReservationStatus::Cancelled), &[]);
    check(&row(ReservationStatus::Expired), &[]);
    check(&row(ReservationStatus::Completed), &[]);
    // R-ORDER: no money moves back while a ticket lives.
    let cancelling = row(ReservationStatus::Cancelling);
    check(&cancelling, &[]);
    check(&Reservation { tickets: TicketStatus::Issued, ..cancelling.clone() }, &[]);
    check(&Reservation { tickets: TicketStatus::Cancelled, ..cancelling }, &[Operation::Refund]);
    let mut approved = row(ReservationStatus::PaymentApproved);
    let id = CancellationId::parse("c1").unwrap();
    approved.undo(NOW, id, StatusReason::SeatTimeout, Actor::System);
    check(&approved, &[Operation::Void]);
}

#[test]
fn when_payments_are_refused() {
    let check = |row: &Reservation, pay: Pay, expected: Refusal| {
        let mut after = row.clone();
        let refused = after.pay(after.created_at, pay, Duration::ZERO, &Deadlines::default());
        assert_eq!(refused, Err(expected), "{}", row.status);
        assert_eq!(after, *row, "a refusal changes nothing");
    };
    let amount = reserved(None).amount;
    let pay = Pay { method: Method::Card, amount, actor: Actor::Customer };
    let wrong = Pay { amount: Won::parse(27_999).unwrap(), ..pay };
    check(&reserved(None), wrong, Refusal::AmountMismatch { expected: amount });
    check(&reserved(Some(PlanSeats::Best)), pay, Refusal::PaymentInProgress);
    for status in [ReservationStatus::PaymentPending, ReservationStatus::PaymentDeferred] {
        let mut row = brought_to(status, None);
        send(&mut row, Operation::Approve);
        check(&row, pay, Refusal::PaymentInProgress);
    }
    for status in [
        ReservationStatus::PaymentApproved,
        ReservationStatus::SeatSelected,
        ReservationStatus::Ticketed,
        ReservationStatus::Cancelling,
        ReservationStatus::Cancelled,
        ReservationStatus::Completed,
    ] {
        check(&brought_to(status, None), pay, Refusal::WrongState);
    }
    let expired = brought_to(ReservationStatus::Expired, None);
    check(&expired, pay, Refusal::DeadlinePassed);
    let declined = Reservation { reason: Some(StatusReason::PaymentDeclined), ..expired };
    check(&declined, pay, Refusal::WrongState);
}

#[test]
fn when_seats_may_be_chosen() {
    let check = |row: Reservation, expected| {
        assert_eq!(row.may_select_seats(), expected, "{}, {:?}", row.status, row.reason);
    };
    for &status in ReservationStatus::EVERY {
        let row = brought_to(status, None);
        match status {
            ReservationStatus::PaymentApproved => check(row, Ok(())),
            _ => check(row, Err(Refusal::WrongState)),
        }
    }
    for status in [ReservationStatus::Cancelling, ReservationStatus::Expired] {
        let reason = Some(StatusReason::SeatTimeout);
        let row = Reservation { reason, ..brought_to(status, None) };
        check(row, Err(Refusal::DeadlinePassed));
    }
}
