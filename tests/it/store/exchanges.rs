//! Other seats for a reservation that has its tickets (T17, R15).

use super::fixture::catalogue::EVENING;
use super::fixture::steps::{done, key, refusal, seats};
use super::fixture::{Ending, Fixture, on_postgres, on_sqlite, together};
use domain::audit::Invariant;
use domain::refusal::Refusal;
use domain::reservation::Reservation;
use domain::words::{Actor, SeatKind, TicketStatus};
use std::time::Duration;
use store::{Decision, StoreError};

on_both!(
    old_seats_are_free_and_old_tickets_are_void,
    seats_in_both_sets_stay_with_their_tickets,
    a_taken_seat_leaves_everything_as_it_was,
    a_change_is_judged,
    ones_own_old_seats_are_free_for_the_gap_rule,
    a_wheelchair_stays_a_wheelchair,
    a_repeat_under_its_key_changes_nothing,
    two_who_want_each_others_seats_never_wait_for_ever,
    a_change_races_a_buyer,
);

async fn old_seats_are_free_and_old_tickets_are_void(f: &Fixture) {
    let row = f.ticketed(EVENING, &["A1", "A2"]).await;
    let before = f.store.tickets(&row.id).await.expect("it reads");
    let moved = f.choose(&row, &["B1", "B2"]).await;
    assert_eq!(
        (moved.status, &moved.seat_numbers[..]),
        (row.status, &["B1".into(), "B2".into()][..])
    );
    assert_eq!((moved.amount, moved.worth()), (row.amount, row.amount));
    let after = f.store.tickets(&row.id).await.expect("it reads");
    let live: Vec<_> = after.iter().filter(|ticket| ticket.is_live()).collect();
    assert_eq!((after.len(), live.len()), (4, 2));
    for old in before {
        let now = after.iter().find(|ticket| ticket.id == old.id).expect("it is kept");
        assert_eq!(now.status, TicketStatus::Cancelled);
        assert!(live.iter().all(|new| new.code != old.code));
    }
    assert_eq!(f.story(&row).await.last(), Some(&"SeatChanged"));
    assert_eq!(f.held_and_sold(EVENING).await, (0, 2));
    f.ticketed(EVENING, &["A1", "A2"]).await;
    // And back to money, as if it had never sat elsewhere.
    let ended = f.undone(&f.cancelled(&moved).await).await;
    assert_eq!(ended.refunded, row.amount);
}

async fn seats_in_both_sets_stay_with_their_tickets(f: &Fixture) {
    let row = f.ticketed(EVENING, &["A1", "A2", "A3"]).await;
    let kept = f.tickets_on(&row, &["A1", "A2"]).await;
    let moved = f.choose(&row, &["C1", "A1", "A2"]).await;
    assert_eq!(moved.seat_numbers, ["A1", "A2", "C1"]);
    assert_eq!(f.tickets_on(&moved, &["A1", "A2"]).await, kept);
    assert_eq!(f.choose(&moved, &["A2", "C1", "A1"]).await, moved, "the same set again");
    // A ticket that was exchanged cannot be given back; the new one can.
    let part = done(f.cancel_tickets(&moved, &["C1"]).await);
    let left = f.undone(&part).await;
    assert_eq!((left.refunded.get(), left.seat_numbers), (14_000, vec!["A1".into(), "A2".into()]));
}

/// R15.
async fn a_taken_seat_leaves_everything_as_it_was(f: &Fixture) {
    let mine = f.ticketed(EVENING, &["A1", "A2"]).await;
    f.ticketed(EVENING, &["B1", "B2"]).await;
    let before = f.store.tickets(&mine.id).await.expect("it reads");
    let refused = f.try_choose(&mine, &["B2", "B3"]).await;
    assert_eq!(refusal(&refused), &Refusal::SeatsUnavailable { seats: seats(&["B2"]) });
    assert_eq!(f.row(&mine.id).await, mine);
    assert_eq!(f.store.tickets(&mine.id).await.expect("it reads"), before);
    let kept = f.store.assigned_seats(&mine.id).await.expect("it reads");
    assert!(kept.len() == 2 && kept.iter().all(|seat| seat.live));
}

async fn a_change_is_judged(f: &Fixture) {
    let row = f.ticketed(EVENING, &["A1", "A2"]).await;
    let count = Refusal::SeatCount { wanted: 2, given: 1 };
    assert_eq!(refusal(&f.try_choose(&row, &["B1"]).await), &count);
    let accessible = f.try_choose(&row, &["G1", "G2"]).await;
    assert!(matches!(refusal(&accessible), Refusal::AccessibleSeatOnly { .. }), "{accessible:?}");
    let stranger = f.store.select_seats(&f.customer(), &row.id, &seats(&["B1", "B2"]), None).await;
    assert!(matches!(stranger.expect("it answers"), Decision::NotFound));
    f.set_time(row.showtime.starts_at.minus(Duration::from_secs(20 * 60)));
    assert_eq!(refusal(&f.try_choose(&row, &["B1", "B2"]).await), &Refusal::DeadlinePassed);
    assert_eq!(row.may_change_seats(f.store.now(), Actor::Customer), Err(Refusal::DeadlinePassed));
    assert_eq!(f.choose(&row, &["A1", "A2"]).await, row, "what one has may be asked for");
    assert_eq!(f.row(&row.id).await, row);
}

/// Were A1 and A2 still taken, A3 would be left alone.
async fn ones_own_old_seats_are_free_for_the_gap_rule(f: &Fixture) {
    let row = f.ticketed(EVENING, &["A1", "A2"]).await;
    let moved = f.choose(&row, &["A4", "A5"]).await;
    assert_eq!(moved.seat_numbers, ["A4", "A5"]);
}

async fn a_wheelchair_stays_a_wheelchair(f: &Fixture) {
    let row = f.wheelchair().await;
    assert_eq!(row.worth(), row.amount);
    let yes = super::fixture::steps::approval();
    let row = f.paid(&row).await;
    let row = f.answered(&row, domain::words::Operation::Approve, &yes).await;
    let row = f.choose(&row, &["G1", "G2"]).await;
    let row = f.answered(&row, domain::words::Operation::Capture, &yes).await;
    f.store.issue_tickets(&row.id).await.expect("it is owed");
    let tickets = f.store.tickets(&row.id).await.expect("it reads");
    let had = f.store.assigned_seats(&row.id).await.expect("it reads");
    for ticket in tickets {
        let seat = had.iter().find(|seat| seat.assignment_id == ticket.assignment_id);
        let kind = seat.expect("its seat").kind;
        let fits = kind == SeatKind::Wheelchair;
        assert_eq!(ticket.audience == domain::words::Audience::Wheelchair, fits);
    }
}

async fn a_repeat_under_its_key_changes_nothing(f: &Fixture) {
    let row = f.ticketed(EVENING, &["A1", "A2"]).await;
    let wish = key(&row.customer_id, "move", "body");
    let ask = async |to: &[&str]| {
        let moved = f.store.select_seats(&row.customer_id, &row.id, &seats(to), Some(&wish)).await;
        moved.expect("it answers")
    };
    let moved = done(ask(&["B1", "B2"]).await);
    f.choose(&moved, &["C1", "C2"]).await;
    f.ticketed(EVENING, &["B1", "B2"]).await;
    let now = f.row(&row.id).await;
    match ask(&["B1", "B2"]).await {
        Decision::Replayed(row) => assert_eq!(row, now),
        other => panic!("it was to be replayed: {other:?}"),
    }
    assert_eq!(now.seat_numbers, ["C1", "C2"]);
}

async fn two_who_want_each_others_seats_never_wait_for_ever(f: &Fixture) {
    let deadlocks = f.deadlocks().await;
    for _ in 0..10 {
        let one = f.ticketed(EVENING, &["A1", "A2"]).await;
        let two = f.ticketed(EVENING, &["B1", "B2"]).await;
        let wishes = [(&one, ["B1", "B2"]), (&two, ["A1", "A2"])];
        let tasks = wishes.map(|(row, numbers)| {
            let (store, row, chosen) = (f.store.clone(), row.clone(), seats(&numbers));
            async move { store.select_seats(&row.customer_id, &row.id, &chosen, None).await }
        });
        for answer in together(tasks).await {
            let taken = answer.expect("the database answers");
            assert!(matches!(refusal(&taken), Refusal::SeatsUnavailable { .. }), "{taken:?}");
        }
        for row in [one, two] {
            f.undone(&f.cancelled(&row).await).await;
        }
    }
    assert_eq!(f.deadlocks().await, deadlocks);
}

/// R15: exactly one has the seats, and whoever loses keeps what they had.
async fn a_change_races_a_buyer(f: &Fixture) {
    for _ in 0..10 {
        let mine = f.ticketed(EVENING, &["A1", "A2"]).await;
        let buyer = f.approved(EVENING, 2).await;
        let answers = together([&mine, &buyer].map(|row| {
            let (store, row, chosen) = (f.store.clone(), row.clone(), seats(&["C1", "C2"]));
            async move { store.select_seats(&row.customer_id, &row.id, &chosen, None).await }
        }));
        let [moved, bought] = <[Result<Decision, StoreError>; 2]>::try_from(answers.await)
            .expect("two")
            .map(|answer| matches!(answer.expect("the database answers"), Decision::Done(_)));
        assert!(moved != bought, "exactly one: {moved}, {bought}");
        let now = f.row(&mine.id).await;
        let had = if moved { ["C1", "C2"] } else { ["A1", "A2"] };
        assert_eq!(now.seat_numbers, had);
        for row in [now, f.row(&buyer.id).await] {
            f.undone(&f.cancelled(&row).await).await;
        }
    }
}

/// Without the index of live seats both get them.
async fn without_its_index_a_change_takes_what_another_has(f: &Fixture) {
    let mine = f.ticketed(EVENING, &["A1", "A2"]).await;
    let buyer = f.approved(EVENING, 2).await;
    f.run("drop index seat_assignment_live").await;
    let held = f.hold("seat_assignment").await;
    let running = [&mine, &buyer].map(|row: &Reservation| {
        let (store, row, chosen) = (f.store.clone(), row.clone(), seats(&["C1", "C2"]));
        tokio::spawn(
            async move { store.select_seats(&row.customer_id, &row.id, &chosen, None).await },
        )
    });
    held.until_blocked(2).await;
    held.release().await;
    for task in running {
        done(task.await.expect("it does not panic").expect("the database answers"));
    }
    assert!(f.is_broken(Invariant::I1).await);
}

#[test]
fn r15_happens_without_its_guard() {
    on_sqlite(Ending::damaged(), without_its_index_a_change_takes_what_another_has);
    on_postgres(Ending::damaged(), without_its_index_a_change_takes_what_another_has);
}

/// The lock on the row stands between a part and a change of seats: by the row as it was before the
/// part, the seat is changed whose ticket is being given back.
async fn without_the_lock_a_seat_is_changed_while_its_ticket_goes(f: &Fixture) {
    let row = f.ticketed(EVENING, &["A1", "A2"]).await;
    f.remember().await;
    let part = done(f.cancel_tickets(&row, &["A1"]).await);
    f.put_back(&row.id).await;
    let change = async || f.try_change(&row, &["B1", "B2"]).await;
    assert!(change().await.is_err(), "the ticket's own status stands behind the lock");
    f.run("update ticket set status = 'ISSUED'").await;
    assert!(change().await.is_err(), "so does the timeline's key");
    f.without_timeline_key().await;
    done(change().await.expect("no guard is left"));
    assert!(part.open_cancellation.is_some());
    assert!(f.is_broken(Invariant::I8).await, "the row knows nothing of the part");
}

#[test]
fn a_part_meets_a_change_without_the_guards() {
    on_sqlite(Ending::damaged(), without_the_lock_a_seat_is_changed_while_its_ticket_goes);
    on_postgres(Ending::damaged(), without_the_lock_a_seat_is_changed_while_its_ticket_goes);
}
