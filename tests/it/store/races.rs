//! Races whose guard is the lock on the reservation's row and the version behind it: no SQL can be
//! taken away there. So the second command is given the row as it was before the first one, as
//! both would read it without the lock, and does its harm by the store's own code.
//!
//! Where both write events, the key of the timeline stands behind the lock and is taken away too.

use super::fixture::catalogue::EVENING;
use super::fixture::steps::{approval, done, pay_command, refusal};
use super::fixture::{Ending, Fixture, on_postgres, together};
use super::showtimes::{attend, give_up};
use domain::audit::Invariant;
use domain::refusal::Refusal;
use domain::reservation::{Owes, PaymentStep, PlanSeats, Reservation};
use domain::words::{Method, Operation, ReservationStatus};
use std::time::Duration;
use store::gateway_calls::Opened;
use store::{Store, StoreError};

on_both!(damaged:
    r4_an_approval_is_sent_at_the_deadline,
    r5_seats_are_selected_at_seat_by,
    r6_a_cancel_meets_a_payment_that_is_being_sent,
    r7_a_cancel_meets_a_selection,
    r8_a_cancel_meets_the_tickets,
    r13_an_approval_comes_after_the_end,
    r14_a_scan_meets_a_cancel,
    r14_a_cancel_meets_a_scan,
    r17_a_create_meets_the_closing,
    r24_two_nodes_disagree_about_the_time,
    r25_eight_runs_carry_one_booking,
    r25_two_runs_issue_tickets,
    r26_a_void_meets_a_capture,
    r27_another_card_meets_the_first_one,
    t8_a_deferral_meets_an_approval,
    r28_a_paused_sender_reports_after_the_undo,
);

#[test]
fn r3_seats_claimed_in_no_order_deadlock() {
    on_postgres(Ending::damaged(), async |f: &Fixture| {
        // In id order see `seats::overlapping_sets_have_one_full_winner`: no deadlock.
        let through = f.crosswise([
            [HOUSE_BLOCKS_A1, HOUSE_BLOCKS_A2],
            [
                "insert into seat_assignment values ('y2', 'evening', 'A2', null, 1, 0, null)",
                "insert into seat_assignment values ('y1', 'evening', 'A1', null, 1, 0, null)",
            ],
        ]);
        assert_eq!(through.await, 1, "the database broke a deadlock");
    });
}

const HOUSE_BLOCKS_A1: &str =
    "insert into seat_assignment values ('x1', 'evening', 'A1', null, 1, 0, null)";
const HOUSE_BLOCKS_A2: &str =
    "insert into seat_assignment values ('x2', 'evening', 'A2', null, 1, 0, null)";

async fn r4_an_approval_is_sent_at_the_deadline(f: &Fixture) {
    for _ in 0..10 {
        let row = at_its_deadline(f, f.paid(&f.reserved(EVENING, 1).await).await);
        let expiring = row.clone();
        let (opened, _) = at_once(
            f,
            |store| async move { store.open_call(&row.id, Operation::Approve).await },
            |store| async move { store.attend_time(&expiring).await },
        )
        .await;
        match opened {
            Opened::Fresh(call) => {
                f.store.record_answer(&call.key, &approval()).await.expect("it is sent");
                let row = f.row(&call.reservation_id).await;
                assert_eq!(row.status, ReservationStatus::PaymentApproved);
            }
            other => assert_eq!(other, Opened::NotOwed, "it has expired"),
        }
    }
    sound(f).await;

    let row = at_its_deadline(f, f.paid(&f.reserved(EVENING, 1).await).await);
    f.remember().await;
    let call = f.opened(&row, Operation::Approve).await;
    f.put_back(&row.id).await;
    assert!(f.store.attend_time(&row).await.expect("nothing is in its way"));
    f.store.record_answer(&call.key, &approval()).await.expect("it answers");
    assert_eq!(f.row(&row.id).await.status, ReservationStatus::Expired, "and is charged");
    assert!(f.is_broken(Invariant::I8).await);
}

/// With the lock see `seats::a_selection_races_the_deadline`.
async fn r5_seats_are_selected_at_seat_by(f: &Fixture) {
    let row = at_its_deadline(f, f.approved(EVENING, 1).await);
    f.remember().await;
    f.choose(&row, &["A1"]).await;
    decide_again(f, &row, async || f.store.attend_time(&row).await.map(drop)).await;
    let undone = f.row(&row.id).await;
    assert_eq!((undone.status, undone.seat_numbers.len()), (ReservationStatus::Cancelling, 0));
    assert!(f.is_broken(Invariant::I2).await, "nobody knows of the seat");
}

/// With the lock see `cancellations::a_cancel_races_the_opening_of_the_payment`.
async fn r6_a_cancel_meets_a_payment_that_is_being_sent(f: &Fixture) {
    let row = f.paid(&f.reserved(EVENING, 1).await).await;
    f.remember().await;
    let call = f.opened(&row, Operation::Approve).await;
    f.put_back(&row.id).await;
    assert_eq!(f.cancelled(&row).await.status, ReservationStatus::Cancelled);
    f.store.record_answer(&call.key, &approval()).await.expect("it answers");
    assert_eq!(f.attempts(&row).await, ["ABANDONED"], "and charged");
    assert!(f.is_broken(Invariant::I8).await);
}

/// With the lock see `cancellations::a_cancel_races_the_selection`.
async fn r7_a_cancel_meets_a_selection(f: &Fixture) {
    let row = f.approved(EVENING, 1).await;
    f.remember().await;
    f.choose(&row, &["A1"]).await;
    decide_again(f, &row, async || cancel(&f.store, &row).await).await;
    assert_eq!(f.row(&row.id).await.seat_numbers.len(), 0);
    assert!(f.is_broken(Invariant::I2).await, "nobody knows of the seat");
}

/// With the lock see `cancellations::a_cancel_races_the_tickets`.
async fn r8_a_cancel_meets_the_tickets(f: &Fixture) {
    let row = f.captured(EVENING, &["A1"]).await;
    f.remember().await;
    let undo = f.cancelled(&row).await.open_cancellation.expect("it is being undone");
    decide_again(f, &row, async || f.store.issue_tickets(&row.id).await).await;
    assert_eq!(f.row(&row.id).await.status, ReservationStatus::Ticketed);
    assert!(f.is_broken(Invariant::I8).await);
    f.store.free_seats(&undo).await.expect("the undo goes on");
    assert!(f.is_broken(Invariant::I5).await, "a ticket without a seat");
}

/// As far as it is built: T26 begins with a callback.
async fn r13_an_approval_comes_after_the_end(f: &Fixture) {
    let row = at_its_deadline(f, f.paid(&f.reserved(EVENING, 1).await).await);
    f.remember().await;
    assert!(f.store.attend_time(&row).await.expect("it answers"));
    let late = f.store.open_call(&row.id, Operation::Approve).await.expect("it answers");
    assert_eq!(late, Opened::NotOwed);
    sound(f).await;

    f.put_back(&row.id).await;
    let call = f.opened(&row, Operation::Approve).await;
    let record = async || f.store.record_answer(&call.key, &approval()).await;
    assert!(record().await.is_err(), "the timeline's key stands behind the lock");
    f.without_timeline_key().await;
    record().await.expect("no guard is left");
    assert_eq!(f.row(&row.id).await.status, ReservationStatus::PaymentApproved);
    assert!(f.is_broken(Invariant::I2).await, "its place has been released");
}

/// With the lock see `check_ins::a_cancel_races_the_gate`. The ticket's own row stands behind it.
async fn r14_a_scan_meets_a_cancel(f: &Fixture) {
    let row = f.ticketed(EVENING, &["A1"]).await;
    let code = f.store.tickets(&row.id).await.expect("it reads").swap_remove(0).code;
    f.set_time(row.showtime.starts_at.minus(Duration::from_secs(25 * 60)));
    f.remember().await;
    f.cancelled(&row).await;
    f.put_back(&row.id).await;
    assert_eq!(refusal(&f.scan(&code, "n1").await), &Refusal::TicketCancelled);
    f.run("update ticket set status = 'ISSUED'").await;
    f.without_timeline_key().await;
    done(f.scan(&code, "n1").await);
    assert!(f.is_broken(Invariant::I8).await, "inside, and an undo is under way");
}

async fn r14_a_cancel_meets_a_scan(f: &Fixture) {
    let row = f.ticketed(EVENING, &["A1"]).await;
    let code = f.store.tickets(&row.id).await.expect("it reads").swap_remove(0).code;
    f.set_time(row.showtime.starts_at.minus(Duration::from_secs(25 * 60)));
    f.remember().await;
    done(f.scan(&code, "n1").await);
    f.put_back(&row.id).await;
    assert_eq!(refusal(&f.cancel(&row).await), &Refusal::TicketUsed);
    f.run("update ticket set status = 'ISSUED'").await;
    decide_again(f, &row, async || cancel(&f.store, &row).await).await;
    assert!(f.is_broken(Invariant::I5).await, "inside, and the money goes back");
}

/// The offer that a create has read is older than the closing: only the pool keeps it out. With
/// both at once see `showtimes::creates_race_the_closing`.
async fn r17_a_create_meets_the_closing(f: &Fixture) {
    let (first, second) = (f.wish(EVENING, 1).await, f.wish(EVENING, 1).await);
    give_up(f, EVENING).await;
    attend(f).await;
    let late = f.store.reserve(&first, None).await.expect("it answers");
    assert_eq!(refusal(&late), &Refusal::SalesClosed);
    sound(f).await;

    f.run("update capacity_pool set open = 1").await;
    done(f.store.reserve(&second, None).await.expect("it answers"));
    assert!(f.is_broken(Invariant::I7).await, "for a show that will not be");
}

/// Status decides, on whichever node.
async fn r24_two_nodes_disagree_about_the_time(f: &Fixture) {
    let ahead = f.store.deadlines().pay_within + Duration::from_secs(60);
    let fast = f.node_ahead(ahead).await;
    let (paying, expiring) = (f.reserved(EVENING, 1).await, f.reserved(EVENING, 1).await);
    f.remember().await;
    let pay_by = expiring.deadline_at.expect("it is to be paid");
    assert!(f.store.now() < pay_by && pay_by < fast.now());
    let paid = fast.pay(&paying.customer_id, &pay_command(&paying), None).await;
    assert_eq!(done(paid.expect("it answers")).status, ReservationStatus::PaymentPending);
    assert!(fast.attend_time(&expiring).await.expect("it answers"));
    let owner = &expiring.customer_id;
    let late = f.store.pay(owner, &pay_command(&expiring), None).await.expect("it answers");
    assert_eq!(refusal(&late), &Refusal::DeadlinePassed, "there was time left on this node");
    // The pump attends by the times that the fast node has written.
    f.advance(ahead);
    sound(f).await;

    let pay = async || {
        f.store.pay(owner, &pay_command(&expiring), None).await.map(|answer| drop(done(answer)))
    };
    decide_again(f, &expiring, pay).await;
    assert!(f.is_broken(Invariant::I2).await, "its place has been released");
}

async fn r25_eight_runs_carry_one_booking(f: &Fixture) {
    let row = f.planned(2, PlanSeats::Best).await;
    let runs = (0..8).map(|_| run(f.store.clone(), row.clone()));
    for ended in together(runs).await {
        ended.expect("every step is an ensure");
    }
    let row = f.row(&row.id).await;
    assert_eq!(row.status, ReservationStatus::Ticketed);
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
    assert_eq!(f.number("select count(*) from gateway_call").await, 2);
    assert_eq!(f.number("select count(*) from ticket").await, 2);
    sound(f).await;
}

async fn r25_two_runs_issue_tickets(f: &Fixture) {
    let row = f.captured(EVENING, &["A1", "A2"]).await;
    f.remember().await;
    f.store.issue_tickets(&row.id).await.expect("it is owed");
    let issued = f.row(&row.id).await;
    f.store.issue_tickets(&row.id).await.expect("it answers");
    assert_eq!(f.row(&row.id).await, issued);

    f.put_back(&row.id).await;
    f.without_timeline_key().await;
    let again = async || f.store.issue_tickets(&row.id).await;
    assert!(again().await.is_err(), "the index of live tickets stands behind the lock");
    f.run("drop index ticket_live").await;
    again().await.expect("no guard is left");
    let live = "select count(*) from ticket where status = 'ISSUED'";
    assert_eq!(f.number(live).await, 4, "for two seats");
}

async fn r26_a_void_meets_a_capture(f: &Fixture) {
    for _ in 0..10 {
        let row = f.seated(EVENING, &["A1"]).await;
        let (capturing, voiding) = (row.clone(), row.clone());
        at_once(
            f,
            |store| async move { deliver(&store, &capturing, Operation::Capture).await },
            |store| async move {
                let row = done(store.cancel(&voiding.customer_id, &voiding.id, None).await?);
                let undo = row.open_cancellation.expect("it is being undone");
                store.free_seats(&undo).await?;
                deliver(&store, &voiding, Operation::Void).await
            },
        )
        .await;
        let ended = f.undone(&f.row(&row.id).await).await;
        assert_eq!(ended.status, ReservationStatus::Cancelled);
        let calls = f.texts(format!(
            "select operation from gateway_call where reservation_id = '{}' \
             order by opened_at, key",
            row.id
        ));
        let returned = calls.await;
        let refunded = ["APPROVE", "CAPTURE", "REFUND"];
        assert!(returned == refunded || returned == ["APPROVE", "VOID"], "{returned:?}");
    }
    sound(f).await;

    let row = f.seated(EVENING, &["A1"]).await;
    f.remember().await;
    f.opened(&row, Operation::Capture).await;
    f.put_back(&row.id).await;
    let undo = f.cancelled(&row).await.open_cancellation.expect("it is being undone");
    f.store.free_seats(&undo).await.expect("it is owed");
    let void = async || f.store.open_call(&row.id, Operation::Void).await;
    assert!(void().await.is_err(), "the index of sent calls stands behind the lock");
    f.run("drop index gateway_call_sent").await;
    assert!(matches!(void().await.expect("no guard is left"), Opened::Fresh(_)));
    assert!(f.is_broken(Invariant::I8).await, "capture and void are on their way");
}

/// With the lock see `deferring::another_card_races_the_opening_of_the_call`.
async fn r27_another_card_meets_the_first_one(f: &Fixture) {
    f.paid(&f.reserved(EVENING, 1).await).await;
    f.advance(Duration::from_secs(30));
    let row = f.paid(&f.reserved(EVENING, 1).await).await;
    assert_eq!(row.status, ReservationStatus::PaymentDeferred);
    f.remember().await;
    let call = f.opened(&row, Operation::Approve).await;
    f.put_back(&row.id).await;
    let mut another = pay_command(&row);
    another.pay.method = Method::KakaoPay;
    done(f.store.pay(&row.customer_id, &another, None).await.expect("it answers"));
    f.store.record_answer(&call.key, &approval()).await.expect("it answers");
    assert_eq!(f.attempts(&row).await, ["ABANDONED", "PENDING"], "and the first is charged");
    assert!(f.is_broken(Invariant::I8).await);
}

/// With the lock see `deferring::a_deferral_races_the_opening_of_the_call`.
async fn t8_a_deferral_meets_an_approval(f: &Fixture) {
    let row = f.paid(&f.reserved(EVENING, 1).await).await;
    f.remember().await;
    f.answered(&row, Operation::Approve, &approval()).await;
    f.advance(Duration::from_secs(2));
    decide_again(f, &row, async || f.store.defer(&row.id).await.map(drop)).await;
    assert_eq!(f.row(&row.id).await.status, ReservationStatus::PaymentDeferred);
    assert!(f.is_broken(Invariant::I8).await, "it has been approved");
}

/// The gateway's part, one answer to one key, is tested with the stand-in (`tests/keys.rs`).
async fn r28_a_paused_sender_reports_after_the_undo(f: &Fixture) {
    let row = f.paid(&f.reserved(EVENING, 1).await).await;
    let call = f.opened(&row, Operation::Approve).await;
    f.remember().await;
    f.store.record_answer(&call.key, &approval()).await.expect("by the run that replaced it");
    let ended = f.undone(&f.cancelled(&row).await).await;
    f.store.record_answer(&call.key, &approval()).await.expect("it answers");
    assert_eq!(f.row(&row.id).await, ended);
    sound(f).await;

    decide_again(f, &row, async || f.store.record_answer(&call.key, &approval()).await).await;
    assert_eq!(f.attempts(&row).await, ["APPROVED"], "the money has been returned");
    assert!(f.is_broken(Invariant::I2).await, "its place has been released");
}

/// The second decision by the remembered row: refused by the timeline's key, and made without it.
async fn decide_again(
    f: &Fixture,
    row: &Reservation,
    decide: impl AsyncFn() -> Result<(), StoreError>,
) {
    f.put_back(&row.id).await;
    assert!(decide().await.is_err(), "the timeline's key stands behind the lock");
    f.without_timeline_key().await;
    decide().await.expect("no guard is left");
}

/// A run of the booking, until nothing is owed.
async fn run(store: Store, row: Reservation) -> Result<(), StoreError> {
    loop {
        match store.look(&row.id).await? {
            Owes::Payment(PaymentStep::Request) => store.pay_by_plan(&row.id).await?,
            Owes::Payment(PaymentStep::Approve) => {
                deliver(&store, &row, Operation::Approve).await?;
            }
            Owes::Payment(PaymentStep::PlanSeats) => store.assign_plan_seats(&row.id).await?,
            Owes::Payment(PaymentStep::Capture) => {
                deliver(&store, &row, Operation::Capture).await?;
            }
            Owes::Tickets => store.issue_tickets(&row.id).await?,
            Owes::Await(_) | Owes::Nothing => return Ok(()),
        }
    }
}

/// Opens or joins a call that the gateway accepts; nothing when it is not owed.
async fn deliver(store: &Store, row: &Reservation, what: Operation) -> Result<(), StoreError> {
    match store.open_call(&row.id, what).await? {
        Opened::Fresh(call) | Opened::Sent(call) => {
            store.record_answer(&call.key, &approval()).await
        }
        Opened::NotOwed => Ok(()),
    }
}

async fn cancel(store: &Store, row: &Reservation) -> Result<(), StoreError> {
    store.cancel(&row.customer_id, &row.id, None).await.map(|answer| drop(done(answer)))
}

/// The deadline of this reservation has come.
fn at_its_deadline(f: &Fixture, row: Reservation) -> Reservation {
    f.set_time(row.deadline_at.expect("it has a deadline"));
    row
}

async fn at_once<A, B, FA, FB>(
    f: &Fixture,
    one: impl FnOnce(Store) -> FA,
    two: impl FnOnce(Store) -> FB,
) -> (A, B)
where
    A: Send + 'static,
    B: Send + 'static,
    FA: Future<Output = Result<A, StoreError>> + Send + 'static,
    FB: Future<Output = Result<B, StoreError>> + Send + 'static,
{
    let (one, two) = (tokio::spawn(one(f.store.clone())), tokio::spawn(two(f.store.clone())));
    let one = one.await.expect("it does not panic").expect("the database answers");
    let two = two.await.expect("it does not panic").expect("the database answers");
    (one, two)
}

/// No invariant is broken so far.
async fn sound(f: &Fixture) {
    assert_eq!(f.violations().await, Vec::<String>::new());
}
