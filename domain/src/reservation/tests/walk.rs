//! Random lives of one reservation: after each step all that must always hold is asserted, and
//! each of them comes to its end.

mod gate;
mod life;

use super::*;
use crate::cancellation::asking::{Ask, Cancelling};
use crate::cancellation::{Cancellation, OwesUndo};
use crate::ids::AssignmentId;
use crate::ticket::Ticket;
use crate::words::{CancellationState, Scope};
use ReservationStatus as S;
use life::{Ledger, Op, Reply, Walk};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeSet;

/// Steps of one walk before it goes home.
const STEPS_MAX: usize = 60;
/// So many walks at most until every transition has been taken.
const WALKS_MAX: usize = 10_000;

/// Specification 1.4, as far as it is written: which status follows which. T22 will add pairs.
const PAIRS: [(S, S); 25] = [
    (S::Reserved, S::PaymentPending),         // T4
    (S::Reserved, S::PaymentDeferred),        // T4
    (S::Reserved, S::Cancelled),              // T18
    (S::Reserved, S::Expired),                // T11
    (S::PaymentPending, S::Reserved),         // T6
    (S::PaymentPending, S::PaymentDeferred),  // T8
    (S::PaymentPending, S::PaymentApproved),  // T5
    (S::PaymentPending, S::Cancelling),       // T5 after the start, T18 after sending
    (S::PaymentPending, S::Cancelled),        // T18
    (S::PaymentPending, S::Expired),          // T7, T11
    (S::PaymentDeferred, S::PaymentPending),  // T4 (R27)
    (S::PaymentDeferred, S::Reserved),        // T6
    (S::PaymentDeferred, S::PaymentApproved), // T5
    (S::PaymentDeferred, S::Cancelling),      // T5, T18
    (S::PaymentDeferred, S::Cancelled),       // T18
    (S::PaymentDeferred, S::Expired),         // T7, T11
    (S::PaymentApproved, S::SeatSelected),    // T12
    (S::PaymentApproved, S::Cancelling),      // T15, T18
    (S::SeatSelected, S::Ticketed),           // T16
    (S::SeatSelected, S::Cancelling),         // T14, T19
    (S::SeatSelected, S::Completed),          // T24
    (S::Ticketed, S::Cancelling),             // T19
    (S::Ticketed, S::Completed),              // T24
    (S::Cancelling, S::Cancelled),            // T21
    (S::Cancelling, S::Expired),              // T21
];

impl Walk {
    fn check(&self, before: &Reservation, op: Op) {
        self.check_change(before, op);
        self.check_standing();
        self.check_attendance();
        self.check_actions();
        self.check_gate();
        self.check_money();
        check_order(&self.timeline);
    }

    fn check_change(&self, before: &Reservation, op: Op) {
        let (from, to) = (before.status, self.row.status);
        assert!(from == to || PAIRS.contains(&(from, to)), "{from} → {to}");
        if from.is_terminal() {
            assert_eq!(self.row, *before, "{from} is the end");
        }
        if before.open_call.is_some() {
            // What was sent ends by an answer, and its reservation stays for it.
            let answers = matches!(op, Op::Answer(_) | Op::Work(_));
            assert!(answers || self.row.open_call == before.open_call, "{op:?}");
            assert!(answers || !to.is_terminal(), "{op:?} ends what was sent");
            if matches!(op, Op::PassTime) {
                assert_eq!(self.row, *before, "a sent call never expires");
            }
        }
    }

    fn check_standing(&self) {
        let row = &self.row;
        assert_eq!(row.capacity, self.pool);
        assert_eq!(row.estimated_at.is_some(), row.status == S::PaymentDeferred);
        match row.status {
            S::Ticketed => {}
            _ => assert_eq!(row.open_cancellation.is_some(), row.status == S::Cancelling),
        }
        let live_ticket =
            matches!(row.tickets, TicketStatus::Issued | TicketStatus::CancelRequested)
                || (row.tickets == TicketStatus::Used && row.status != S::Completed);
        let live_seat = matches!(row.seats, SeatStatus::Assigned | SeatStatus::CancelRequested);
        assert_eq!(live_seat, row.capacity == Capacity::Sold, "who has seats has bought them");
        if live_ticket {
            assert!(live_seat, "I5");
            assert!(row.is_captured(), "I5");
        }
        if self.may_return() {
            let asked = |ticket: &Ticket| ticket.status == TicketStatus::CancelRequested;
            assert!(!self.tickets.iter().any(asked), "R-ORDER");
        }
        if row.status == S::Ticketed {
            let live = self.tickets.iter().filter(|ticket| ticket.is_live()).count();
            assert_eq!(row.seat_numbers.len(), row.party.size() as usize, "I3");
            assert!(live <= row.seat_numbers.len(), "I5");
        }
        if matches!(row.status, S::Cancelled | S::Expired) {
            assert!(!live_ticket, "I7");
            assert!(!live_seat, "I7");
            assert_eq!(row.capacity, Capacity::Released, "I7");
            assert_eq!(row.money_to_return(), None, "I7");
            assert_ne!(row.attempt.map(|attempt| attempt.status), Some(AttemptStatus::Pending));
            assert!(row.reason.is_some());
        }
        if row.status.is_terminal() {
            assert_eq!(row.open_call, None);
        }
        if live_seat || row.status == S::Cancelling || row.status.is_terminal() {
            assert_eq!(row.deadline_at, None, "the customer has nothing more to do");
        }
    }

    fn check_attendance(&self) {
        let row = &self.row;
        let owes = row.owes();
        assert_eq!(owes, row.clone().owes(), "the same row owes the same");
        let rests = matches!(row.status, S::Ticketed | S::Cancelling) || row.status.is_terminal();
        assert_eq!(owes == Owes::Nothing, rests, "{} owes {owes:?}", row.status);
        let undoes = row.open_cancellation.is_some() && !self.is_blocked();
        assert_eq!(self.undo_owed() != OwesUndo::Nothing, undoes);

        let attend = row.next_attend(self.now, 0);
        assert_eq!(attend, row.clone().next_attend(self.now, 0));
        match owes {
            Owes::Payment(_) | Owes::Tickets => {
                let attend = attend.expect("work is owed");
                assert!(attend > self.now);
                let turn = row.estimated_at.filter(|_| row.is_in_line());
                assert!(attend <= turn.unwrap_or(self.now).max(self.now).plus(ATTEND_AGAIN));
            }
            Owes::Await(until) => {
                assert_eq!(row.deadline_at, Some(until));
                let attend = attend.expect("the customer is awaited");
                assert!(attend > self.now.max(until));
            }
            Owes::Nothing => {
                let waits = row.open_cancellation.is_some() && row.over_at() <= self.now;
                assert_eq!(attend.is_some(), row.status == S::Ticketed && !waits);
            }
        }
    }

    /// What is offered would be accepted, and what is not would not.
    fn check_actions(&self) {
        let allowed = self.row.allowed_actions(self.now);
        let row = || self.row.clone();
        let method = self.another_method();
        let pay = Pay { method, amount: self.row.amount, actor: Actor::Customer };
        let paid = row().pay(self.now, pay, Duration::ZERO, &Deadlines::default());
        let may_pay = paid.is_ok();
        assert_eq!(allowed.contains(&Action::Pay), may_pay);
        let seats = row().may_select_seats().is_ok() && !self.row.plan_has_seats();
        assert_eq!(allowed.contains(&Action::SelectSeats), seats);
        let all = Ask { actor: Actor::Customer, tickets: None };
        let cancelled = row().cancel(self.now, self.cancellation_id(), all, &self.tickets);
        let cancels = matches!(cancelled, Ok(Cancelling::Ended(_) | Cancelling::Accepted(..)));
        assert_eq!(allowed.contains(&Action::Cancel), cancels);
        let changes = row().may_change_seats(self.now, Actor::Customer).is_ok();
        assert_eq!(allowed.contains(&Action::ChangeSeats), changes);
    }

    /// What the gateway did is what the row says of it.
    fn check_money(&self) {
        let Ledger { approved, captured, voided, refunded, refunded_won } = self.ledger;
        assert!(captured <= 1, "I8");
        assert!(refunded == 0 || captured == 1);
        assert!(voided + captured <= approved);
        let attempt = self.row.attempt.map(|attempt| attempt.status);
        let holds = approved - voided - captured;
        assert_eq!(holds, u32::from(attempt == Some(AttemptStatus::Approved)));
        let taken = i64::from(captured) * self.row.amount.get();
        let expected = match (captured, refunded_won) {
            (0, _) => None,
            (_, 0) => Some(AttemptStatus::Captured),
            (_, won) if won == taken => Some(AttemptStatus::Refunded),
            _ => Some(AttemptStatus::PartiallyRefunded),
        };
        assert!(expected.is_none() || attempt == expected, "{attempt:?}, {expected:?}");
        assert_eq!(self.row.refunded.get(), refunded_won, "I4");
        assert!(refunded_won <= taken, "I4");
        if self.row.status.is_terminal() {
            assert_eq!(holds, 0, "I4");
            let worth = if self.row.status == S::Completed { self.row.worth().get() } else { 0 };
            assert_eq!(taken - refunded_won, worth + self.fees(), "I4");
        }
    }
}

/// Within an undo: the wishes in the report's order, then tickets, seats, money, end (I6).
fn check_order(timeline: &[Event]) {
    let place = |event: &&Event| match event.kind {
        EventType::CancellationRequested => Some(0),
        EventType::PaymentCancellationRequested => Some(1),
        EventType::SeatCancellationRequested => Some(2),
        EventType::TicketCancellationRequested => Some(3),
        EventType::TicketCancelled => Some(4),
        EventType::SeatCancelled => Some(5),
        EventType::PaymentCancelled | EventType::RefundDelayed => Some(6),
        EventType::ReservationCancelled | EventType::ReservationExpired => Some(7),
        EventType::Reserved
        | EventType::PaymentRequested
        | EventType::PaymentDeferred
        | EventType::PaymentApproved
        | EventType::PaymentDeclined
        | EventType::PaymentLapsed
        | EventType::PaymentCaptured
        | EventType::SeatAssigned
        | EventType::SeatChanged
        | EventType::PlanSeatsTaken
        | EventType::TicketIssued
        | EventType::TicketUsed
        | EventType::ShowCompleted => None,
    };
    let places: Vec<_> = timeline.iter().filter(|event| place(event).is_some()).collect();
    for undo in places.chunk_by(|_, next| next.kind != EventType::CancellationRequested) {
        assert!(undo.is_sorted_by_key(place), "{:?}", kinds(timeline));
        let count = |kind| undo.iter().filter(|event| event.kind == kind).count();
        assert!(count(EventType::PaymentCancelled) <= 1);
        if count(EventType::PaymentCancelled) == 1 {
            let asked = count(EventType::TicketCancellationRequested) > 0;
            assert_eq!(count(EventType::TicketCancelled) > 0, asked, "I6");
        }
    }
}

fn replies() -> impl Strategy<Value = Reply> {
    let lapses = proptest::option::of(0..1_200u64);
    prop_oneof![
        4 => lapses.prop_map(|lapses_in_secs| Reply::Done { lapses_in_secs }),
        1 => Just(Reply::Refused),
        1 => Just(Reply::Lapsed),
    ]
}

fn ops() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..90u64).prop_map(|secs| Op::Wait { secs }),
        2 => (0..3_000u64).prop_map(|secs| Op::Wait { secs }),
        1 => (0..9_000u64).prop_map(|secs| Op::Wait { secs }),
        4 => (0..10, 0..6u64).prop_map(|(n, wait_secs)| {
            Op::Pay { is_right_amount: n > 0, wait_secs }
        }),
        1 => Just(Op::PayByPlan),
        2 => Just(Op::Defer),
        4 => proptest::sample::select(Operation::EVERY).prop_map(Op::Open),
        4 => replies().prop_map(Op::Answer),
        3 => Just(Op::SelectSeats),
        1 => Just(Op::AssignPlanSeats),
        1 => Just(Op::DropPlanSeats),
        1 => Just(Op::IssueTickets),
        2 => (0..2u32).prop_map(Op::CheckIn),
        1 => (0..2u32).prop_map(Op::CheckInByCode),
        3 => Just(Op::PassTime),
        1 => proptest::sample::select(&[Actor::Customer, Actor::Staff][..]).prop_map(Op::Cancel),
        1 => proptest::sample::select(&[Actor::Customer, Actor::Staff][..]).prop_map(Op::CancelOne),
        1 => Just(Op::ChangeSeats),
        1 => Just(Op::RevokeTickets),
        1 => Just(Op::FreeSeats),
        1 => Just(Op::CloseCancellation),
        12 => replies().prop_map(Op::Work),
    ]
}

/// What is planned, whether tickets are to be had, on what terms, and what happens.
type Life = (Option<PlanSeats>, bool, CancelPolicy, Vec<Op>);

fn lives() -> impl Strategy<Value = Life> {
    let plans = prop_oneof![
        4 => Just(None),
        1 => Just(Some(PlanSeats::Best)),
        1 => Just(Some(seats_by_id())),
    ];
    let is_ticketing_up = proptest::bool::weighted(0.8);
    let policies = proptest::sample::select(CancelPolicy::EVERY);
    (plans, is_ticketing_up, policies, proptest::collection::vec(ops(), 1..STEPS_MAX))
}

fn lived((plan, is_ticketing_up, policy, ops): Life) -> Walk {
    let mut walk = Walk::new(plan, is_ticketing_up, policy);
    for op in ops {
        walk.step(op);
    }
    walk
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_happens_the_rules_hold_and_it_comes_to_its_end(life in lives()) {
        lived(life).go_home();
    }
}

/// The walk is worth something only if it gets everywhere.
#[test]
fn walks_take_every_transition() {
    let every = BTreeSet::from(PAIRS);
    let mut runner = TestRunner::deterministic();
    let mut taken = BTreeSet::new();
    for _ in 0..WALKS_MAX {
        let life = lives().new_tree(&mut runner).unwrap().current();
        taken.append(&mut lived(life).pairs);
        if taken == every {
            return;
        }
    }
    panic!("never taken: {:?}", every.difference(&taken));
}
