//! A booking from its creation to its end, step by step, with all that is recorded and shown.

use super::fixture::Fixture;
use super::fixture::catalogue::EVENING;
use super::fixture::steps::{approval, seats};
use domain::cancellation::OwesUndo;
use domain::mypage::MyPage;
use domain::reservation::{Owes, PaymentStep, PlanSeats, Reservation};
use domain::words::{
    Capacity, Operation, PaymentStatus, ReservationStatus, SeatStatus, StatusReason, TicketStatus,
};
use std::collections::BTreeSet;
use std::time::Duration;
use store::reserve::{Contact, NewReservation};

on_both!(
    a_booking_is_carried_through,
    a_ticketed_booking_is_undone_in_order,
    an_approved_booking_is_voided,
    mypage_is_the_row_after_every_step,
    a_wheelchair_comes_with_a_companion,
);

/// T1, T4, T5, T12, T16.
async fn a_booking_is_carried_through(f: &Fixture) {
    let row = f.reserved(EVENING, 2).await;
    let pay_by = row.created_at.plus(f.store.deadlines().pay_within);
    assert_eq!(row.status, ReservationStatus::Reserved);
    assert_eq!((row.amount.get(), row.attempts_left), (28_000, 3));
    assert_eq!((row.owes(), f.held_and_sold(EVENING).await), (Owes::Await(pay_by), (2, 0)));

    let row = f.paid(&row).await;
    assert_eq!(row.status, ReservationStatus::PaymentPending);
    assert_eq!(row.owes(), Owes::Payment(PaymentStep::Approve));

    f.advance(Duration::from_secs(1));
    let row = f.answered(&row, Operation::Approve, &approval()).await;
    let seat_by = f.store.now().plus(f.store.deadlines().seat_within);
    assert_eq!(row.status, ReservationStatus::PaymentApproved);
    assert_eq!(row.owes(), Owes::Await(seat_by));

    let row = f.choose(&row, &["B2", "B1"]).await;
    assert_eq!(row.status, ReservationStatus::SeatSelected);
    assert_eq!((row.seats, row.capacity), (SeatStatus::Assigned, Capacity::Sold));
    assert_eq!(row.seat_numbers, ["B1", "B2"]);
    assert_eq!(row.owes(), Owes::Payment(PaymentStep::Capture));
    assert_eq!(f.held_and_sold(EVENING).await, (0, 2));
    assert!(f.store.tickets(&row.id).await.expect("it reads").is_empty());

    let row = f.answered(&row, Operation::Capture, &approval()).await;
    assert_eq!((row.status, row.owes()), (ReservationStatus::SeatSelected, Owes::Tickets));

    f.store.issue_tickets(&row.id).await.expect("they are owed");
    f.store.issue_tickets(&row.id).await.expect("once is enough");
    let row = f.row(&row.id).await;
    assert_eq!((row.status, row.owes()), (ReservationStatus::Ticketed, Owes::Nothing));
    assert_eq!(row.payment_status(), PaymentStatus::Captured);
    let tickets = f.store.tickets(&row.id).await.expect("it reads");
    let codes: BTreeSet<_> = tickets.iter().map(|ticket| ticket.code.clone()).collect();
    assert_eq!((tickets.len(), codes.len()), (2, 2));
    let told = [
        "Reserved",
        "PaymentRequested",
        "PaymentApproved",
        "SeatAssigned",
        "PaymentCaptured",
        "TicketIssued",
        "TicketIssued",
    ];
    assert_eq!(f.story(&row).await, told);
}

/// T19, T21 and the order of 1.5: intents, tickets, seats, money, end (I6).
async fn a_ticketed_booking_is_undone_in_order(f: &Fixture) {
    let row = f.ticketed(EVENING, &["C1", "C2"]).await;
    let before = f.story(&row).await.len();
    let row = f.cancelled(&row).await;
    assert_eq!(row.status, ReservationStatus::Cancelling);
    assert_eq!(
        (row.seats, row.tickets),
        (SeatStatus::CancelRequested, TicketStatus::CancelRequested)
    );
    assert_eq!(row.payment_status(), PaymentStatus::CancelRequested);
    let row = f.undone(&row).await;
    assert_eq!(row.status, ReservationStatus::Cancelled);
    assert_eq!(row.reason, Some(StatusReason::CustomerRequest));
    assert_eq!((row.refunded, row.capacity), (row.amount, Capacity::Released));
    assert_eq!((row.seats, row.tickets), (SeatStatus::Cancelled, TicketStatus::Cancelled));
    assert_eq!(row.payment_status(), PaymentStatus::Cancelled);
    assert_eq!((row.owes(), row.open_cancellation.as_ref()), (Owes::Nothing, None));
    let told = [
        "CancellationRequested",
        "PaymentCancellationRequested",
        "SeatCancellationRequested",
        "TicketCancellationRequested",
        "TicketCancelled",
        "TicketCancelled",
        "SeatCancelled",
        "PaymentCancelled",
        "ReservationCancelled",
    ];
    assert_eq!(f.story(&row).await[before..], told);
    assert_eq!(f.held_and_sold(EVENING).await, (0, 0));
    let payments = f.store.payments(&row.customer_id, Some(&row.id), None, 10).await;
    let payments = payments.expect("it reads");
    assert_eq!(payments.len(), 1);
    assert_eq!(payments[0].attempt.refunded, row.amount);
    assert_eq!(payments[0].refunds.len(), 1);
    f.seated(EVENING, &["C1", "C2"]).await;
}

/// T18 with money approved and no seats: parts that never existed are skipped.
async fn an_approved_booking_is_voided(f: &Fixture) {
    let row = f.approved(EVENING, 2).await;
    let row = f.cancelled(&row).await;
    let id = row.open_cancellation.clone().expect("it is being undone");
    let (_, owes) = f.store.undo_owed(&id).await.expect("it reads").expect("it exists");
    assert_eq!(owes, OwesUndo::Seats);
    let row = f.undone(&row).await;
    assert_eq!((row.status, row.refunded.get()), (ReservationStatus::Cancelled, 0));
    assert_eq!(f.attempts(&row).await, ["VOIDED"]);
    let told = [
        "Reserved",
        "PaymentRequested",
        "PaymentApproved",
        "CancellationRequested",
        "PaymentCancellationRequested",
        "PaymentCancelled",
        "ReservationCancelled",
    ];
    assert_eq!(f.story(&row).await, told);
}

/// The document equals the row after each step that has an event.
async fn mypage_is_the_row_after_every_step(f: &Fixture) {
    let name = Some("김영희".to_owned());
    let contact = Contact { name: name.clone(), ..Contact::default() };
    let row = f.reserve(&NewReservation { contact, ..f.wish(EVENING, 2).await }).await;
    shown(f, &row).await;
    assert_eq!(f.store.contact_name(&row.id).await.expect("it reads"), name);
    f.advance(Duration::from_secs(1));
    let row = f.paid(&row).await;
    shown(f, &row).await;
    f.advance(Duration::from_secs(1));
    let row = f.answered(&row, Operation::Approve, &approval()).await;
    shown(f, &row).await;
    let row = f.choose(&row, &["A1", "A2"]).await;
    shown(f, &row).await;
    let row = f.answered(&row, Operation::Capture, &approval()).await;
    shown(f, &row).await;
    f.store.issue_tickets(&row.id).await.expect("they are owed");
    shown(f, &f.row(&row.id).await).await;
    let row = f.cancelled(&row).await;
    shown(f, &row).await;
    let row = f.undone(&row).await;
    shown(f, &row).await;
    let listed = f.store.mypage(&row.customer_id, None, 10).await.expect("it reads");
    assert_eq!(listed, [(MyPage::from(&row), name)]);
    assert_eq!(f.store.mypage(&f.customer(), None, 10).await.expect("it reads").len(), 0);
    assert!(f.store.mypage_entry(&f.customer(), &row.id).await.expect("it reads").is_none());
}

async fn shown(f: &Fixture, row: &Reservation) {
    let entry = f.store.mypage_entry(&row.customer_id, &row.id).await.expect("it reads");
    assert_eq!(entry.expect("every reservation is shown").0, MyPage::from(row));
}

/// Grade ACCESSIBLE is a pool of its own.
async fn a_wheelchair_comes_with_a_companion(f: &Fixture) {
    let row = f.wheelchair().await;
    assert_eq!(f.held_and_sold(EVENING).await, (0, 0));
    let row = f.paid(&row).await;
    let row = f.answered(&row, Operation::Approve, &approval()).await;
    let row = f.choose(&row, &["G1", "G2"]).await;
    assert_eq!(row.seat_numbers, ["G1", "G2"]);
    let given = f.store.assigned_seats(&row.id).await.expect("it reads");
    let ids: Vec<_> = given.iter().map(|seat| seat.seat_id.clone()).collect();
    assert_eq!(ids, seats(&["G1", "G2"]));
    let best = f.planned(3, PlanSeats::Best).await;
    assert_eq!(best.owes(), Owes::Payment(PaymentStep::Request));
}
