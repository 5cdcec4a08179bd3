//! Some tickets are cancelled and the others stay (T20), and what it costs to.

use super::super::asking::{Change, Quote};
use super::*;
use crate::ids::{AssignmentId, ReservationId};
use crate::party::Party;
use crate::words::{Audience, CancelPolicy};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What each audience pays in these examples.
const PRICES: [(Audience, i64); 3] =
    [(Audience::Adult, 14_500), (Audience::Teen, 11_111), (Audience::Senior, 7_001)];

fn ticket(n: usize, audience: Audience, price: Won) -> Ticket {
    let id = |kind: &str| format!("{kind}{n}");
    Ticket {
        id: TicketId::parse(id("t")).unwrap(),
        reservation_id: ReservationId::parse("r1").unwrap(),
        assignment_id: AssignmentId::parse(id("a")).unwrap(),
        seat_number: id("A"),
        code: id("code"),
        audience,
        price,
        status: TicketStatus::Issued,
        issued_at: NOW,
        revoked_at: None,
        cancellation_id: None,
        check_in: None,
    }
}

/// A reservation of these people with its tickets.
fn ticketed(people: &[Audience]) -> (Reservation, Vec<Ticket>) {
    let mut row = brought_to(ReservationStatus::Ticketed, None);
    let won = |won| Won::parse(won).unwrap();
    row.prices = PRICES.map(|(audience, price)| (audience, won(price))).into_iter().collect();
    row.party = Party::parse(people.iter().map(|audience| (*audience, 1))).unwrap();
    row.amount = row.worth();
    let prices = BTreeMap::from(PRICES);
    let each = (1..).zip(people).map(|(n, who)| ticket(n, *who, won(prices[who])));
    let tickets: Vec<Ticket> = each.collect();
    row.seat_numbers = tickets.iter().map(|ticket| ticket.seat_number.clone()).collect();
    (row, tickets)
}

fn ids(tickets: &[&Ticket]) -> Vec<TicketId> {
    tickets.iter().map(|ticket| ticket.id.clone()).collect()
}

fn ask(ids: &[TicketId]) -> Ask<'_> {
    Ask { actor: Actor::Customer, tickets: Some(ids) }
}

/// Accepts the undo of these tickets as the store does.
fn accepted(
    row: &mut Reservation,
    tickets: &mut [Ticket],
    now: Time,
    asked: Ask<'_>,
    name: &str,
) -> Cancellation {
    let id = CancellationId::parse(name).unwrap();
    let (cancellation, set) = match row.cancel(now, id.clone(), asked, tickets).unwrap() {
        Cancelling::PartAccepted(cancellation, set, _) => (cancellation, set),
        Cancelling::Accepted(cancellation, _) => {
            let live = tickets.iter().filter(|ticket| ticket.is_live());
            (cancellation, live.map(|ticket| ticket.id.clone()).collect())
        }
        other => panic!("{other:?}"),
    };
    for ticket in tickets.iter_mut().filter(|ticket| set.contains(&ticket.id)) {
        ticket.status = TicketStatus::CancelRequested;
        ticket.cancellation_id = Some(id.clone());
    }
    cancellation
}

/// Carries an undo through; the events of all of its steps.
fn carried_out(
    row: &mut Reservation,
    tickets: &mut [Ticket],
    cancellation: &mut Cancellation,
) -> Vec<EventType> {
    let mut events = Vec::new();
    let mut order = Vec::new();
    loop {
        let owes = cancellation.owes(row);
        order.push(owes);
        let mut set: Vec<Ticket> = tickets.to_vec();
        set.retain(|ticket| ticket.cancellation_id.as_ref() == Some(&cancellation.id));
        events.extend(match owes {
            OwesUndo::Settle => unreachable!("no call is open"),
            OwesUndo::Tickets => {
                assert!(!row.may_open(Operation::Refund) || cancellation.scope == Scope::Part);
                for ticket in tickets.iter_mut() {
                    if ticket.status == TicketStatus::CancelRequested {
                        ticket.status = TicketStatus::Cancelled;
                    }
                }
                let revoked = set.iter().map(|t| (t.id.clone(), t.seat_number.clone())).collect();
                row.revoke_tickets(NOW, cancellation, revoked)
            }
            OwesUndo::Seats => row.free_seats(NOW, cancellation, &set),
            OwesUndo::Money => {
                assert!(row.may_open(Operation::Refund));
                row.return_money(NOW, cancellation, Operation::Refund)
            }
            OwesUndo::Close => row.close_cancellation(cancellation),
            OwesUndo::Nothing => break,
        });
    }
    use OwesUndo::{Close, Money, Nothing, Seats, Tickets};
    assert_eq!(order, [Tickets, Seats, Money, Close, Nothing]);
    kinds(&events)
}

#[test]
fn one_of_three_is_cancelled_and_the_rest_returns_the_remainder() {
    use Audience::{Adult, Teen};
    let (mut row, mut tickets) = ticketed(&[Adult, Adult, Teen]);
    let teen = ids(&[&tickets[2]]);
    let mut part = accepted(&mut row, &mut tickets, NOW, ask(&teen), "c1");
    assert_eq!((row.status, row.tickets), (ReservationStatus::Ticketed, TicketStatus::Issued));
    assert_eq!(row.open_cancellation, Some(part.id.clone()));
    assert_eq!((part.scope, part.amount.get()), (Scope::Part, 11_111));
    let told = carried_out(&mut row, &mut tickets, &mut part);
    use EventType::{PaymentCancelled, ReservationCancelled, SeatCancelled, TicketCancelled};
    assert_eq!(told, [TicketCancelled, SeatCancelled, PaymentCancelled]);
    assert_eq!((row.status, row.reason), (ReservationStatus::Ticketed, None));
    assert_eq!((row.party.size(), row.seat_numbers.len()), (2, 2));
    assert_eq!((row.refunded.get(), row.worth().get()), (11_111, 29_000));
    let attempt = row.attempt.map(|attempt| attempt.status);
    assert_eq!(attempt, Some(AttemptStatus::PartiallyRefunded));
    assert!(row.is_captured(), "the show goes on");

    let all = Ask { actor: Actor::Customer, tickets: None };
    let mut rest = accepted(&mut row, &mut tickets, NOW, all, "c2");
    assert_eq!((rest.scope, rest.amount.get()), (Scope::Whole, 29_000));
    let told = carried_out(&mut row, &mut tickets, &mut rest);
    assert_eq!(told.last(), Some(&ReservationCancelled));
    assert_eq!((row.status, row.refunded), (ReservationStatus::Cancelled, row.amount));
    let attempt = row.attempt.map(|attempt| attempt.status);
    assert_eq!(attempt, Some(AttemptStatus::Refunded));
}

#[test]
fn all_that_are_left_named_one_by_one_are_the_whole() {
    let (mut row, mut tickets) = ticketed(&[Audience::Adult, Audience::Teen]);
    let both: Vec<TicketId> = tickets.iter().map(|ticket| ticket.id.clone()).collect();
    let whole = accepted(&mut row, &mut tickets, NOW, ask(&both), "c1");
    assert_eq!((whole.scope, row.status), (Scope::Whole, ReservationStatus::Cancelling));
}

#[test]
fn one_thing_is_cancelled_at_a_time_and_the_same_again_is_the_same() {
    let (mut row, mut tickets) = ticketed(&[Audience::Adult; 3]);
    let (one, other) = (ids(&[&tickets[0]]), ids(&[&tickets[1]]));
    let both = ids(&[&tickets[0], &tickets[1]]);
    let mut part = accepted(&mut row, &mut tickets, NOW, ask(&one), "c1");
    let all = Ask { actor: Actor::Customer, tickets: None };
    let again = |row: &Reservation, tickets: &[Ticket], asked| {
        row.clone().cancel(NOW, id(), asked, tickets)
    };
    assert_eq!(again(&row, &tickets, ask(&one)), Ok(Cancelling::Already));
    for scope in [ask(&other), ask(&both), all] {
        let refused = Err(Refusal::CancellationInProgress);
        assert_eq!(again(&row, &tickets, scope), refused);
        assert_eq!(row.quote(NOW, scope, &tickets), Err(Refusal::CancellationInProgress));
    }
    let running = row.quote(NOW, ask(&one), &tickets);
    assert_eq!(running, Err(Refusal::CancellationInProgress));
    assert_eq!(row.may_change_seats(NOW, Actor::Customer), Err(Refusal::CancellationInProgress));
    carried_out(&mut row, &mut tickets, &mut part);
    assert_eq!(again(&row, &tickets, ask(&one)), Ok(Cancelling::Already));
    let gone = Refusal::TicketsCancelled { tickets: one.clone() };
    assert_eq!(again(&row, &tickets, ask(&both)), Err(gone));
    assert!(matches!(again(&row, &tickets, ask(&other)), Ok(Cancelling::PartAccepted(..))));
}

#[test]
fn tickets_that_cannot_be_cancelled_refuse_all() {
    let (row, mut tickets) = ticketed(&[Audience::Adult; 3]);
    let ask_for = |names: &[&str], tickets: &[Ticket]| {
        let named: Vec<_> = names.iter().map(|name| TicketId::parse(*name).unwrap()).collect();
        row.clone().cancel(NOW, id(), ask(&named), tickets).map(drop)
    };
    let unknown = |names: &[&str]| Refusal::UnknownTickets {
        tickets: names.iter().map(|name| TicketId::parse(*name).unwrap()).collect(),
    };
    assert_eq!(ask_for(&["t1", "t9"], &tickets), Err(unknown(&["t9"])));
    assert_eq!(ask_for(&[], &tickets), Err(unknown(&[])));
    tickets[1].status = TicketStatus::Used;
    assert_eq!(ask_for(&["t1", "t2"], &tickets), Err(Refusal::TicketUsed));
    assert_eq!(ask_for(&["t1"], &tickets), Ok(()), "somebody else has come in");
    let all = Ask { actor: Actor::Staff, tickets: None };
    assert_eq!(row.clone().cancel(NOW, id(), all, &tickets), Err(Refusal::TicketUsed));
}

#[test]
fn a_quote_is_the_refund_and_says_what_comes_next() {
    let (mut row, mut tickets) = ticketed(&[Audience::Teen, Audience::Senior]);
    row.showtime.cancel_policy = CancelPolicy::Kftc;
    let teen = ids(&[&tickets[0]]);
    let starts_at = row.showtime.starts_at;
    let late = starts_at.minus(Duration::from_secs(20 * 60));
    let change = |at, percent| Some(Change { at, percent });
    let early = row.quote(NOW, ask(&teen), &tickets).unwrap();
    let refund = Won::parse(11_111).unwrap();
    let half = change(late, Some(Percent::HALF));
    assert_eq!(early, Quote { percent: Percent::ALL, refund, next: half });
    let quoted = row.quote(late, ask(&teen), &tickets).unwrap();
    let refund = Won::parse(5_556).unwrap();
    assert_eq!(quoted, Quote { percent: Percent::HALF, refund, next: change(starts_at, None) });
    let mut part = accepted(&mut row, &mut tickets, late, ask(&teen), "c1");
    assert_eq!((part.percent, part.amount), (quoted.percent, quoted.refund));
    // Whatever the time is when it is carried out.
    carried_out(&mut row, &mut tickets, &mut part);
    assert_eq!(row.refunded, quoted.refund);
    let closed = Refusal::CancelWindowClosed { closed_at: starts_at };
    let all = Ask { actor: Actor::Customer, tickets: None };
    assert_eq!(row.quote(starts_at, all, &tickets), Err(closed));
}

#[test]
fn a_fee_is_kept_only_from_money_that_was_taken() {
    let all = Ask { actor: Actor::Customer, tickets: None };
    let mut row = brought_to(ReservationStatus::SeatSelected, None);
    row.showtime.cancel_policy = CancelPolicy::Kftc;
    let late = row.showtime.starts_at.minus(Duration::from_secs(60));
    assert_eq!(row.quote(late, all, &[]).unwrap().refund, row.amount, "it was only approved");
    send(&mut row, Operation::Capture);
    let half = row.quote(late, all, &[]).unwrap();
    assert_eq!(half.refund.get() * 2, row.amount.get());
    let Ok(Cancelling::Accepted(mut undo, _)) = row.cancel(late, id(), all, &[]) else { panic!() };
    // The capture was refused after all.
    row.open_call = None;
    row.return_money(late, &mut undo, Operation::Void);
    assert_eq!((undo.percent, undo.amount), (Percent::ALL, row.amount));
    let unpaid = reserved(None).quote(NOW, all, &[]).unwrap();
    assert_eq!(unpaid, Quote { percent: Percent::ALL, refund: Won::ZERO, next: None });
}

#[test]
fn more_may_be_given_back_than_was_agreed_never_less() {
    let (mut row, mut tickets) = ticketed(&[Audience::Adult, Audience::Teen]);
    row.showtime.cancel_policy = CancelPolicy::Kftc;
    let late = row.showtime.starts_at.minus(Duration::from_secs(60));
    let one = ids(&[&tickets[0]]);
    let mut part = accepted(&mut row, &mut tickets, late, ask(&one), "c1");
    assert_eq!(part.amount.get(), 7_250);
    part.raise_to(Percent::ALL);
    assert_eq!((part.percent, part.amount.get()), (Percent::ALL, 14_500));
    part.raise_to(Percent::HALF);
    assert_eq!((part.percent, part.amount.get()), (Percent::ALL, 14_500));
}

proptest! {
    /// Parts make up the whole, for whatever party, in whatever order, and never is more returned
    /// than was taken. A fee is a share of each, rounded in the customer's favour.
    #[test]
    fn parts_make_up_the_whole(
        people in proptest::collection::vec(0..PRICES.len(), 1..8),
        sizes in proptest::collection::vec(1..4usize, 8),
        at_half in any::<bool>(),
        order in Just((0..8usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let people: Vec<Audience> = people.into_iter().map(|i| PRICES[i].0).collect();
        let (mut row, mut tickets) = ticketed(&people);
        row.showtime.cancel_policy = CancelPolicy::Kftc;
        let before = if at_half { 60 } else { 3_600 };
        let now = row.showtime.starts_at.minus(Duration::from_secs(before));
        let mut order: Vec<TicketId> =
            order.iter().filter_map(|n| tickets.get(*n)).map(|ticket| ticket.id.clone()).collect();
        let mut parts = 0;
        for size in sizes {
            if order.is_empty() {
                break;
            }
            let named: Vec<TicketId> = order.drain(..size.min(order.len())).collect();
            let worth = row.worth();
            let name = format!("c{parts}");
            let mut undo = accepted(&mut row, &mut tickets, now, ask(&named), &name);
            prop_assert!(undo.price <= worth);
            carried_out(&mut row, &mut tickets, &mut undo);
            prop_assert!(row.refunded <= row.amount);
            parts += 1;
            if undo.scope == Scope::Part {
                prop_assert_eq!(row.worth(), worth.less(undo.price));
            }
        }
        if order.is_empty() {
            prop_assert_eq!(row.status, ReservationStatus::Cancelled);
            let half = row.amount.percent_rounded_up(Percent::HALF).get();
            let given = row.refunded.get();
            if at_half {
                prop_assert!(given >= half && given < half + parts, "{given}, {half}");
            } else {
                prop_assert_eq!(row.refunded, row.amount);
            }
        }
    }
}
