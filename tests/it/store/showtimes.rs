//! A showtime is given up (T22): sales close at once for whoever comes later (R17), and every
//! reservation is undone in full, whatever is under way and however often it is begun again.

use super::fixture::catalogue::{EVENING, TWENTY};
use super::fixture::steps::{declined, done, refusal};
use super::fixture::{Fixture, together};
use domain::ids::{CustomerId, ShowtimeId};
use domain::person::Person;
use domain::refusal::Refusal;
use domain::words::{Operation, ReservationStatus as S, Role, StatusReason, TicketStatus};
use std::time::Duration;
use store::Decision;
use store::showtime_cancellations::{ShowtimeDecision, ShowtimeProgress};

on_both!(
    all_stands_are_undone_in_full,
    who_is_inside_gets_it_back_too,
    asked_again_it_is_the_same,
    creates_race_the_closing,
    a_killed_pump_is_followed_by_another,
    what_is_given_up_is_not_completed,
    a_refused_refund_is_told,
);

async fn all_stands_are_undone_in_full(f: &Fixture) {
    let reserved = f.reserved(EVENING, 1).await;
    let pending = f.paid(&f.reserved(EVENING, 1).await).await;
    let sent = f.paid(&f.reserved(EVENING, 1).await).await;
    f.opened(&sent, Operation::Approve).await;
    let approved = f.approved(EVENING, 1).await;
    let seated = f.seated(EVENING, &["A1"]).await;
    let capturing = f.seated(EVENING, &["B1"]).await;
    f.opened(&capturing, Operation::Capture).await;
    let captured = f.captured(EVENING, &["C1"]).await;
    let ticketed = f.ticketed(EVENING, &["D1", "D2"]).await;
    let cancelling = f.cancelled(&f.ticketed(EVENING, &["E1", "E2"]).await).await;
    let gone = f.cancelled(&f.reserved(EVENING, 1).await).await;
    let elsewhere = f.reserved(TWENTY, 1).await;

    assert_eq!(give_up(f, EVENING).await, ShowtimeDecision::Done);
    assert_eq!(progress(f).await.waiting, 9);
    attend(f).await;
    let under_way = progress(f).await;
    assert_eq!((under_way.total, under_way.done, under_way.running), (9, 2, 7));
    assert_eq!(under_way.ended_at, None);
    let all =
        [reserved, pending, sent, approved, seated, capturing, captured, ticketed, cancelling];
    for row in &all {
        let now = f.row(&row.id).await;
        let ended = if now.status == S::Cancelling { f.undone(&now).await } else { now };
        assert_eq!(ended.status, S::Cancelled, "{} before", row.status);
        assert_eq!(ended.reason, Some(StatusReason::ShowtimeCancelled), "{} before", row.status);
        let told = f.story(&ended).await;
        let place = |kind| told.iter().rposition(|told| *told == kind);
        assert!(place("TicketCancelled") <= place("SeatCancelled"), "{told:?}");
    }
    f.advance(Duration::from_secs(60));
    attend(f).await;
    let over = progress(f).await;
    assert_eq!((over.total, over.done, over.ended_at), (9, 9, Some(f.store.now())));
    assert_eq!(over.refunded.get(), 14_000 * 6);
    assert_eq!(f.held_and_sold(EVENING).await, (0, 0));
    assert_eq!(f.row(&gone.id).await, gone, "it had ended before");
    assert_eq!(f.row(&elsewhere.id).await, elsewhere, "another show");
}

async fn who_is_inside_gets_it_back_too(f: &Fixture) {
    let half = f.ticketed(EVENING, &["A1", "A2"]).await;
    let by_code = f.captured(EVENING, &["B1"]).await;
    f.set_time(half.showtime.starts_at);
    let code = f.store.tickets(&half.id).await.expect("it reads").swap_remove(0).code;
    done(f.scan(&code, "n1").await);
    done(f.scan_code(&by_code, "n1").await);
    give_up(f, EVENING).await;
    attend(f).await;
    assert_eq!(refusal(&f.scan(&code, "n2").await), &Refusal::TicketCancelled);
    for row in [&half, &by_code] {
        let ended = f.undone(&f.row(&row.id).await).await;
        assert_eq!((ended.status, ended.refunded), (S::Cancelled, row.amount));
    }
    let tickets = f.store.tickets(&half.id).await.expect("it reads");
    assert!(tickets.iter().all(|ticket| ticket.status == TicketStatus::Cancelled));
    assert!(tickets[0].check_in.is_some(), "that they were inside is kept");
}

async fn asked_again_it_is_the_same(f: &Fixture) {
    let none = ShowtimeId::parse("no-such-show").expect("plain");
    let staff = staff();
    let asked = f.store.cancel_showtime(&staff, &none, "x").await.expect("it answers");
    assert_eq!(asked, ShowtimeDecision::NotFound);
    let answers = together((0..8).map(|_| {
        let (store, staff) = (f.store.clone(), staff.clone());
        async move { store.cancel_showtime(&staff, &evening(), "x").await.expect("it answers") }
    }));
    let first = answers.await.into_iter().filter(|answer| *answer == ShowtimeDecision::Done);
    assert_eq!(first.count(), 1);
    assert_eq!(f.number("select count(*) from audit_entry").await, 1);
    let twenty = f.reserved(TWENTY, 1).await;
    f.set_time(twenty.over_at());
    assert_eq!(give_up(f, TWENTY).await, ShowtimeDecision::Over);
}

/// R17; without the closing see `races::r17_a_create_meets_the_closing`.
async fn creates_race_the_closing(f: &Fixture) {
    let mut wishes = Vec::new();
    for _ in 0..20 {
        wishes.push(f.wish(EVENING, 1).await);
    }
    let tasks = wishes.into_iter().map(Some).chain([None]).map(|wish| {
        let store = f.store.clone();
        async move {
            match wish {
                Some(wish) => Some(store.reserve(&wish, None).await.expect("it answers")),
                None => {
                    store.cancel_showtime(&staff(), &evening(), "x").await.expect("it answers");
                    None
                }
            }
        }
    });
    let mut made = Vec::new();
    for answer in together(tasks).await.into_iter().flatten() {
        match answer {
            Decision::Done(row) => made.push(row),
            late => assert_eq!(refusal(&late), &Refusal::SalesClosed),
        }
    }
    // Whoever made it is listed: the listing comes after the commit.
    attend(f).await;
    for row in made {
        assert_eq!(f.row(&row.id).await.status, S::Cancelled);
    }
    assert_eq!(f.number(LIVE).await, 0);
    assert!(progress(f).await.ended_at.is_some());
}

async fn a_killed_pump_is_followed_by_another(f: &Fixture) {
    for _ in 0..3 {
        f.reserved(EVENING, 1).await;
    }
    give_up(f, EVENING).await;
    let taken = f.store.take_due_showtimes(1).await.expect("it answers");
    assert_eq!(taken.len(), 1);
    assert!(f.store.take_due_showtimes(1).await.expect("it answers").is_empty(), "it is taken");
    drop(taken);
    f.advance(Duration::from_secs(31));
    attend(f).await;
    assert_eq!(progress(f).await.done, 3);
}

/// T24's guard: the pump was away until the end, and the house had given the showtime up before.
async fn what_is_given_up_is_not_completed(f: &Fixture) {
    let row = f.ticketed(EVENING, &["A1"]).await;
    give_up(f, EVENING).await;
    f.set_time(row.over_at());
    assert!(!f.store.attend_time(&row).await.expect("it answers"));
    assert_eq!(f.row(&row.id).await, row);
    attend(f).await;
    let ended = f.undone(&f.row(&row.id).await).await;
    assert_eq!((ended.status, ended.refunded), (S::Cancelled, row.amount));
}

async fn a_refused_refund_is_told(f: &Fixture) {
    let row = f.ticketed(EVENING, &["A1"]).await;
    give_up(f, EVENING).await;
    attend(f).await;
    let undo = f.row(&row.id).await.open_cancellation.expect("it is being undone");
    f.store.revoke_tickets(&undo).await.expect("it is owed");
    f.store.free_seats(&undo).await.expect("it is owed");
    f.answered(&f.row(&row.id).await, Operation::Refund, &declined()).await;
    let told = progress(f).await;
    assert_eq!((told.blocked, told.running, told.ended_at), (1, 0, None));
    f.advance(Duration::from_secs(600));
    attend(f).await;
    assert_eq!(progress(f).await.ended_at, None, "somebody still waits for money");
}

const LIVE: &str = "select count(*) from reservation where showtime_id = 'evening' \
                    and status not in ('CANCELLED', 'EXPIRED', 'COMPLETED')";

fn staff() -> Person {
    Person { id: CustomerId::parse("manager").expect("plain"), role: Role::Staff }
}

fn evening() -> ShowtimeId {
    ShowtimeId::parse(EVENING).expect("plain")
}

pub(super) async fn give_up(f: &Fixture, showtime: &str) -> ShowtimeDecision {
    let id = ShowtimeId::parse(showtime).expect("plain");
    f.store.cancel_showtime(&staff(), &id, "projector").await.expect("it answers")
}

/// The pump comes by.
pub(super) async fn attend(f: &Fixture) {
    for due in f.store.take_due_showtimes(10).await.expect("it answers") {
        f.store.give_up_reservations(&due).await.expect("it answers");
    }
}

async fn progress(f: &Fixture) -> ShowtimeProgress {
    let found = f.store.showtime_progress(&evening()).await.expect("it reads");
    found.expect("it was given up")
}
