//! Some tickets of a reservation are given back and the others stay (T20, R23).

use super::fixture::catalogue::EVENING;
use super::fixture::steps::{approval, declined, done, refusal, seats};
use super::fixture::{Ending, Fixture, on_postgres, on_sqlite, together};
use domain::audit::Invariant;
use domain::cancellation::OwesUndo;
use domain::ids::CancellationId;
use domain::party::Party;
use domain::person::Person;
use domain::refusal::Refusal;
use domain::reservation::Reservation;
use domain::words::{
    AttemptStatus, Audience, CancellationState, Operation, ReservationStatus, Role, Scope,
    TicketStatus,
};
use std::time::Duration;
use store::Decision;
use store::gateway_calls::Opened;
use store::reserve::NewReservation;

on_both!(
    one_of_three_goes_and_the_rest_returns_the_remainder,
    each_ticket_costs_what_its_audience_pays,
    one_scope_at_a_time,
    no_money_of_a_part_while_a_ticket_of_the_set_lives,
    a_late_fee_is_kept_and_the_quote_is_the_refund,
    a_part_whose_refund_is_refused_waits_for_staff,
    a_part_and_a_whole_race,
    a_part_and_a_change_of_seats_race,
);

async fn one_of_three_goes_and_the_rest_returns_the_remainder(f: &Fixture) {
    let row = f.ticketed(EVENING, &["A1", "A2", "A3"]).await;
    let before = f.story(&row).await.len();
    let row = done(f.cancel_tickets(&row, &["A1"]).await);
    assert_eq!((row.status, row.party.size()), (ReservationStatus::Ticketed, 3));
    let row = f.undone(&row).await;
    assert_eq!((row.status, row.open_cancellation.clone()), (ReservationStatus::Ticketed, None));
    assert_eq!((row.seat_numbers.clone(), row.party.size()), (vec!["A2".into(), "A3".into()], 2));
    assert_eq!((row.refunded.get(), row.amount.get()), (14_000, 42_000));
    assert_eq!(f.attempts(&row).await, ["PARTIALLY_REFUNDED"]);
    let told = [
        "CancellationRequested",
        "PaymentCancellationRequested",
        "SeatCancellationRequested",
        "TicketCancellationRequested",
        "TicketCancelled",
        "SeatCancelled",
        "PaymentCancelled",
    ];
    assert_eq!(f.story(&row).await[before..], told);
    assert_eq!(f.held_and_sold(EVENING).await, (0, 2));
    f.seated(EVENING, &["A1"]).await;
    assert_eq!(f.held_and_sold(EVENING).await, (0, 3));

    let ended = f.undone(&f.cancelled(&row).await).await;
    assert_eq!((ended.status, ended.refunded), (ReservationStatus::Cancelled, row.amount));
    assert_eq!(f.attempts(&row).await, ["REFUNDED"]);
    assert_eq!(f.held_and_sold(EVENING).await, (0, 1));
    let payments = f.store.payments(&row.customer_id, None, None, 10).await.expect("it reads");
    let refunds: Vec<i64> = payments[0].refunds.iter().map(|refund| refund.amount.get()).collect();
    assert_eq!(refunds, [14_000, 28_000]);
}

async fn each_ticket_costs_what_its_audience_pays(f: &Fixture) {
    let row = of_two_adults_and_a_senior(f).await;
    let tickets = f.store.tickets(&row.id).await.expect("it reads");
    let sum: i64 = tickets.iter().map(|ticket| ticket.price.get()).sum();
    assert_eq!((sum, row.amount.get()), (35_001, 35_001));
    let senior = tickets.iter().find(|ticket| ticket.audience == Audience::Senior).expect("one");
    let row = done(f.cancel_tickets(&row, &[senior.seat_number.as_str()]).await);
    let row = f.undone(&row).await;
    assert_eq!((row.refunded.get(), row.party.count(Audience::Senior)), (7_001, 0));
    let row = f.undone(&f.cancelled(&row).await).await;
    assert_eq!(row.refunded, row.amount);
}

async fn one_scope_at_a_time(f: &Fixture) {
    let row = f.ticketed(EVENING, &["A1", "A2", "A3"]).await;
    let first = done(f.cancel_tickets(&row, &["A1"]).await);
    let again = done(f.cancel_tickets(&row, &["A1"]).await);
    assert_eq!(again, first, "the running one");
    for other in [f.cancel_tickets(&row, &["A2"]).await, f.cancel(&row).await] {
        assert_eq!(refusal(&other), &Refusal::CancellationInProgress);
    }
    let moved = f.try_choose(&row, &["B1", "B2", "B3"]).await;
    assert_eq!(refusal(&moved), &Refusal::CancellationInProgress);
    assert_eq!(f.row(&row.id).await, first, "a refusal changes nothing");
    let gone = f.tickets_on(&row, &["A1"]).await;
    f.undone(&first).await;
    let person = owner(&row);
    let both = [gone, f.tickets_on(&row, &["A2"]).await].concat();
    let refused = f.store.cancel_tickets(&person, &row.id, &both, None).await.expect("it answers");
    let tickets = both[..1].to_vec();
    assert_eq!(refusal(&refused), &Refusal::TicketsCancelled { tickets });
    let other = f.ticketed(EVENING, &["B1"]).await;
    let theirs = f.tickets_on(&other, &["B1"]).await;
    let refused = f.store.cancel_tickets(&person, &row.id, &theirs, None).await;
    let unknown = Refusal::UnknownTickets { tickets: theirs };
    assert_eq!(refusal(&refused.expect("it answers")), &unknown);
    let stranger = f.store.cancel_tickets(&person, &other.id, &both, None).await;
    assert!(matches!(stranger.expect("it answers"), Decision::NotFound));
    // All that are left, by their names, are the whole.
    let whole = done(f.cancel_tickets(&row, &["A2", "A3"]).await);
    assert_eq!(whole.status, ReservationStatus::Cancelling);
    f.undone(&whole).await;
}

/// R-ORDER.
async fn no_money_of_a_part_while_a_ticket_of_the_set_lives(f: &Fixture) {
    let row = f.ticketed(EVENING, &["A1", "A2"]).await;
    let row = done(f.cancel_tickets(&row, &["A1"]).await);
    let id = row.open_cancellation.clone().expect("it is being undone");
    let not_yet = async || {
        let opened = f.store.open_call(&row.id, Operation::Refund).await.expect("it answers");
        assert_eq!(opened, Opened::NotOwed);
    };
    not_yet().await;
    f.store.free_seats(&id).await.expect("it answers");
    assert_eq!(owes(f, &id).await, OwesUndo::Tickets, "nor is its seat freed");
    f.store.revoke_tickets(&id).await.expect("it is owed");
    let tickets = f.store.tickets(&row.id).await.expect("it reads");
    let issued = tickets.iter().filter(|ticket| ticket.status == TicketStatus::Issued);
    assert_eq!(issued.map(|ticket| ticket.seat_number.as_str()).collect::<Vec<_>>(), ["A2"]);
    assert_eq!(f.violations().await, Vec::<String>::new(), "between the steps, too");
    not_yet().await;
    f.store.free_seats(&id).await.expect("it is owed");
    let call = f.opened(&row, Operation::Refund).await;
    assert_eq!((call.cancellation_id, call.body.amount.get()), (Some(id), 14_000));
}

async fn a_late_fee_is_kept_and_the_quote_is_the_refund(f: &Fixture) {
    f.run("update showtime set cancel_policy = 'KFTC'").await;
    let row = of_two_adults_and_a_senior(f).await;
    let starts_at = row.showtime.starts_at;
    f.set_time(starts_at.minus(Duration::from_secs(19 * 60)));
    let adult = f.tickets_on(&row, &["A1"]).await;
    let person = owner(&row);
    let quoted = f.store.quote(&person, &row.id, Some(&adult)).await.expect("it reads");
    let quoted = quoted.expect("it is theirs").0.expect("the window is open");
    let row = done(f.cancel_tickets(&row, &["A1"]).await);
    // It ends after the window has closed.
    f.set_time(starts_at.plus(Duration::from_secs(60)));
    let row = f.undone(&row).await;
    assert_eq!((row.refunded, row.refunded.get()), (quoted.refund, 7_000));
    f.set_time(row.over_at());
    f.store.attend_time(&f.row(&row.id).await).await.expect("it answers");
    assert_eq!(f.row(&row.id).await.status, ReservationStatus::Completed);
    f.set_time(starts_at);
}

async fn a_part_whose_refund_is_refused_waits_for_staff(f: &Fixture) {
    let row = f.ticketed(EVENING, &["A1", "A2"]).await;
    let row = done(f.cancel_tickets(&row, &["A1"]).await);
    let id = row.open_cancellation.clone().expect("it is being undone");
    f.store.revoke_tickets(&id).await.expect("it is owed");
    f.store.free_seats(&id).await.expect("it is owed");
    let row = f.answered(&row, Operation::Refund, &declined()).await;
    assert_eq!(
        (row.status, row.open_cancellation.clone()),
        (ReservationStatus::Ticketed, Some(id.clone()))
    );
    assert_eq!(row.attempt.map(|attempt| attempt.status), Some(AttemptStatus::Captured));
    let blocked = f.store.cancellation(&id).await.expect("it reads").expect("it exists");
    assert_eq!((blocked.state, blocked.scope), (CancellationState::Blocked, Scope::Part));
    assert_eq!(refusal(&f.cancel(&row).await), &Refusal::CancellationInProgress);
}

/// R23: one of the two is opened, the other is told to wait.
async fn a_part_and_a_whole_race(f: &Fixture) {
    for _ in 0..10 {
        let row = f.ticketed(EVENING, &["A1", "A2", "A3"]).await;
        let ids = f.tickets_on(&row, &["A2"]).await;
        let tasks = [true, false].map(|whole| {
            let (store, row, ids) = (f.store.clone(), row.clone(), ids.clone());
            let person = owner(&row);
            async move {
                let cancelled = if whole {
                    store.cancel(&row.customer_id, &row.id, None).await
                } else {
                    store.cancel_tickets(&person, &row.id, &ids, None).await
                };
                cancelled.expect("the database answers")
            }
        });
        let answers = together(tasks).await;
        let refused = answers.iter().filter(|answer| matches!(answer, Decision::Refused(..)));
        assert_eq!(refused.map(refusal).collect::<Vec<_>>(), [&Refusal::CancellationInProgress]);
        assert_eq!(f.cancellations(&row).await.len(), 1);
        let row = f.undone(&f.row(&row.id).await).await;
        if row.status == ReservationStatus::Ticketed {
            f.undone(&f.cancelled(&row).await).await;
        }
        assert_eq!(f.row(&row.id).await.refunded, row.amount);
        assert_eq!(f.held_and_sold(EVENING).await, (0, 0));
    }
}

async fn a_part_and_a_change_of_seats_race(f: &Fixture) {
    for _ in 0..10 {
        let row = f.ticketed(EVENING, &["A1", "A2"]).await;
        let ids = f.tickets_on(&row, &["A2"]).await;
        let person = owner(&row);
        let (store, changing) = (f.store.clone(), row.clone());
        let changes = tokio::spawn(async move {
            let chosen = seats(&["B1", "B2"]);
            let answer = store.select_seats(&changing.customer_id, &changing.id, &chosen, None);
            answer.await.expect("the database answers")
        });
        let parted = f.store.cancel_tickets(&person, &row.id, &ids, None).await;
        let (changed, parted) = (changes.await.expect("no panic"), parted.expect("it answers"));
        match (&changed, &parted) {
            (Decision::Done(_), Decision::Refused(Refusal::TicketsCancelled { .. }, _)) => {}
            (Decision::Refused(refused, _), Decision::Done(_)) => {
                let known = [Refusal::CancellationInProgress, Refusal::WrongState];
                assert!(known.contains(refused), "{refused:?}");
            }
            other => panic!("one of the two: {other:?}"),
        }
        assert_eq!(f.violations().await, Vec::<String>::new());
        let mut row = f.row(&row.id).await;
        if row.open_cancellation.is_some() {
            row = f.undone(&row).await;
        }
        f.undone(&f.cancelled(&row).await).await;
    }
}

/// The lock on the row is what stops them: by the row as it was before, both happen.
async fn without_the_lock_a_part_and_a_whole_are_both_opened(f: &Fixture) {
    let row = f.ticketed(EVENING, &["A1", "A2"]).await;
    f.remember().await;
    done(f.cancel_tickets(&row, &["A1"]).await);
    f.put_back(&row.id).await;
    let whole = async || f.store.cancel(&row.customer_id, &row.id, None).await;
    assert!(whole().await.is_err(), "the index of open cancellations stands behind the lock");
    f.run("drop index cancellation_open").await;
    assert!(whole().await.is_err(), "so does the timeline's key");
    f.without_timeline_key().await;
    done(whole().await.expect("no guard is left"));
    assert_eq!(f.cancellations(&row).await.len(), 2);
    assert!(f.is_broken(Invariant::I8).await);
}

#[test]
fn r23_happens_without_its_guards() {
    on_sqlite(Ending::damaged(), without_the_lock_a_part_and_a_whole_are_both_opened);
    on_postgres(Ending::damaged(), without_the_lock_a_part_and_a_whole_are_both_opened);
}

fn owner(row: &Reservation) -> Person {
    Person { id: row.customer_id.clone(), role: Role::Customer }
}

async fn owes(f: &Fixture, id: &CancellationId) -> OwesUndo {
    f.store.undo_owed(id).await.expect("it reads").expect("it exists").1
}

/// On A1, A2 and A3.
async fn of_two_adults_and_a_senior(f: &Fixture) -> Reservation {
    let party = Party::parse([(Audience::Adult, 2), (Audience::Senior, 1)]).expect("a party");
    let wish = NewReservation { party, ..f.wish(EVENING, 3).await };
    let row = f.paid(&f.reserve(&wish).await).await;
    let yes = approval();
    let row = f.answered(&row, Operation::Approve, &yes).await;
    let row = f.choose(&row, &["A1", "A2", "A3"]).await;
    let row = f.answered(&row, Operation::Capture, &yes).await;
    f.store.issue_tickets(&row.id).await.expect("it is owed");
    f.row(&row.id).await
}
