//! Choosing seats: who gets which, all or nothing (T12, T13, R2, R3, R5).

use super::fixture::catalogue::{EVENING, TWENTY};
use super::fixture::steps::{approval, done, refusal, seats};
use super::fixture::{Fixture, together};
use domain::refusal::Refusal;
use domain::reservation::Reservation;
use domain::seats::SeatState;
use domain::words::{Operation, ReservationStatus, StatusReason};
use store::Decision;

on_both!(
    sixty_parties_select_one_seat,
    overlapping_sets_have_one_full_winner,
    selections_behind_one_lock_have_one_winner,
    the_same_set_again_is_answered_as_the_first_time,
    a_seat_belongs_to_one_showtime,
    selections_are_judged,
    a_selection_is_judged_also_when_the_approval_comes_meanwhile,
    a_selection_at_seat_by_finds_the_status,
    a_selection_races_the_deadline,
);

/// R2.
async fn sixty_parties_select_one_seat(f: &Fixture) {
    let parties = approved(f, 60, 1).await;
    let answers = select_all(f, parties.iter().map(|row| (row.clone(), &["C5"][..]))).await;
    for (row, answer) in parties.iter().zip(&answers) {
        if let Decision::Refused(why, told) = answer {
            assert_eq!(why, &Refusal::SeatsUnavailable { seats: seats(&["C5"]) });
            assert_eq!(told.as_ref(), Some(row), "it keeps its status and its deadline");
            assert_eq!(&f.row(&row.id).await, row);
        }
    }
    let winners = answers.iter().filter(|answer| matches!(answer, Decision::Done(_)));
    assert_eq!(winners.count(), 1);
    assert_eq!(f.held_and_sold(EVENING).await, (59, 1));
}

/// R3, twenty times: the winner's cancellation makes the seats free for the next round.
async fn overlapping_sets_have_one_full_winner(f: &Fixture) {
    let sets: [&[&str]; 4] =
        [&["A1", "A2", "A3"], &["A5", "A4", "A3"], &["A3", "A1", "A2"], &["A3", "A4", "A5"]];
    let mut parties = approved(f, 4, 3).await;
    for round in 0..20 {
        let answers = select_all(f, parties.iter().cloned().zip(sets)).await;
        let mut winner = None;
        for (i, answer) in answers.into_iter().enumerate() {
            match answer {
                Decision::Done(row) => {
                    assert!(winner.is_none(), "round {round}");
                    let mut wanted = sets[i].to_vec();
                    wanted.sort_unstable();
                    assert_eq!(row.seat_numbers, wanted);
                    winner = Some((i, row));
                }
                other => {
                    let Refusal::SeatsUnavailable { seats } = refusal(&other) else {
                        panic!("round {round}: {other:?}")
                    };
                    assert!(seats.iter().any(|seat| seat.as_str() == "A3"), "round {round}");
                }
            }
        }
        let (i, row) = winner.expect("somebody wins");
        let live = "select count(*) from seat_assignment where live = 1";
        assert_eq!(f.number(live).await, 3, "nobody has a part");
        f.undone(&f.cancelled(&row).await).await;
        parties[i] = f.approved(EVENING, 3).await;
    }
    assert_eq!(f.deadlocks().await, 0);
}

/// R2 with the interleaving forced: all have found the seat free before any has claimed it.
async fn selections_behind_one_lock_have_one_winner(f: &Fixture) {
    let parties = approved(f, 8, 1).await;
    let answers = behind_one_lock(f, &parties, &["A1"]).await;
    let done = answers.iter().filter(|answer| matches!(answer, Decision::Done(_)));
    assert_eq!(done.count(), 1);
    for answer in answers.iter().filter(|answer| !matches!(answer, Decision::Done(_))) {
        assert_eq!(refusal(answer), &Refusal::SeatsUnavailable { seats: seats(&["A1"]) });
    }
}

async fn the_same_set_again_is_answered_as_the_first_time(f: &Fixture) {
    let row = f.seated(EVENING, &["A1", "A2"]).await;
    assert_eq!(done(f.try_choose(&row, &["A2", "A1"]).await), row);
    let other = f.try_choose(&row, &["B1", "B2"]).await;
    assert_eq!(refusal(&other), &Refusal::WrongState);
    let stranger = f.store.select_seats(&f.customer(), &row.id, &seats(&["A1", "A2"]), None).await;
    assert!(matches!(stranger, Ok(Decision::NotFound)));
    assert_eq!(f.row(&row.id).await, row);
}

async fn a_seat_belongs_to_one_showtime(f: &Fixture) {
    f.seated(EVENING, &["A1"]).await;
    f.seated(TWENTY, &["A1"]).await;
    let map = f.store.seat_map(&f.reserved(EVENING, 1).await.showtime.showtime_id).await;
    let map = map.expect("it reads");
    let taken = map.iter().filter(|seat| seat.state == SeatState::Taken);
    assert_eq!(taken.map(|seat| seat.seat.number.as_str()).collect::<Vec<_>>(), ["A1"]);
}

/// T12's guard; the rules themselves are tested where they stand, in `domain`.
async fn selections_are_judged(f: &Fixture) {
    f.seated(EVENING, &["B1", "B2"]).await;
    let row = f.approved(EVENING, 2).await;
    let cases: [(&[&str], &str); 6] = [
        (&["A1"], "seat-count"),
        (&["A1", "A1"], "seat-count"),
        (&["A1", "Z9"], "not-found"),
        (&["G1", "G2"], "accessible-seat-only"),
        (&["B1", "B3"], "seats-unavailable"),
        (&["A2", "A3"], "single-seat-gap"),
    ];
    for (chosen, code) in cases {
        let answer = f.try_choose(&row, chosen).await;
        assert_eq!(refusal(&answer).code(), code, "{chosen:?}");
        assert_eq!(f.row(&row.id).await, row);
    }
    let unpaid = f.reserved(EVENING, 2).await;
    assert_eq!(refusal(&f.try_choose(&unpaid, &["C1", "C2"]).await), &Refusal::WrongState);
}

/// T12 in one transaction: the rules are applied to whoever gets seats, whenever they may. The
/// selection is read before the approval is written, and written after it.
async fn a_selection_is_judged_also_when_the_approval_comes_meanwhile(f: &Fixture) {
    let row = f.paid(&f.reserved(EVENING, 1).await).await;
    let call = f.opened(&row, Operation::Approve).await;
    let held = f.hold("payment_attempt").await;
    let store = f.store.clone();
    let approve = tokio::spawn(async move { store.record_answer(&call.key, &approval()).await });
    held.until_blocked(1).await;
    let (store, mine, greedy) = (f.store.clone(), row.clone(), seats(&["A1", "A2", "A3", "G1"]));
    let select = tokio::spawn(async move {
        store.select_seats(&mine.customer_id, &mine.id, &greedy, None).await
    });
    held.until_blocked(2).await;
    held.release().await;
    approve.await.expect("it does not panic").expect("it is sent");
    let answer = select.await.expect("it does not panic").expect("the database answers");
    let given = f.store.assigned_seats(&row.id).await.expect("it reads");
    assert!(given.is_empty(), "one person got {given:?}");
    // It came before the approval, or it is judged as what came after it.
    assert!(["wrong-state", "seat-count"].contains(&refusal(&answer).code()), "{answer:?}");
    f.choose(&f.row(&row.id).await, &["A1"]).await;
}

/// R5: status decides, not the clock.
async fn a_selection_at_seat_by_finds_the_status(f: &Fixture) {
    let (early, late) = (f.approved(EVENING, 1).await, f.approved(EVENING, 1).await);
    f.set_time(early.deadline_at.expect("seats are to be chosen"));
    f.choose(&early, &["A1"]).await;
    f.store.look(&late.id).await.expect("it answers");
    let answer = f.try_choose(&late, &["B1"]).await;
    assert_eq!(refusal(&answer), &Refusal::DeadlinePassed);
    f.store.look(&early.id).await.expect("it answers");
    assert_eq!(f.row(&early.id).await.status, ReservationStatus::SeatSelected);
    assert_eq!(f.row(&late.id).await.status, ReservationStatus::Cancelling);
}

/// R5 at once: one of the two takes effect, and the other sees it.
async fn a_selection_races_the_deadline(f: &Fixture) {
    for round in 0..10 {
        let row = f.approved(EVENING, 1).await;
        f.set_time(row.deadline_at.expect("seats are to be chosen"));
        let answers = together([true, false].map(|selects| {
            let (store, row, chosen) = (f.store.clone(), row.clone(), seats(&["A1"]));
            async move {
                if !selects {
                    store.attend_time(&row).await.expect("it answers");
                    return None;
                }
                let answer = store.select_seats(&row.customer_id, &row.id, &chosen, None).await;
                Some(answer.expect("it answers"))
            }
        }));
        let answer = answers.await.into_iter().flatten().next().expect("one of them selects");
        let row = f.row(&row.id).await;
        match answer {
            Decision::Done(_) => assert_eq!(row.status, ReservationStatus::SeatSelected),
            late => {
                assert_eq!(refusal(&late), &Refusal::DeadlinePassed, "round {round}");
                assert_eq!(row.reason, Some(StatusReason::SeatTimeout));
            }
        }
        let row = if row.open_cancellation.is_some() { row } else { f.cancelled(&row).await };
        f.undone(&row).await;
    }
}

/// So many approved parties of a size, all of whom may choose seats.
async fn approved(f: &Fixture, parties: usize, adults: u32) -> Vec<Reservation> {
    let mut approved = Vec::new();
    for _ in 0..parties {
        approved.push(f.approved(EVENING, adults).await);
    }
    approved
}

async fn select_all<'a>(
    f: &Fixture,
    wishes: impl Iterator<Item = (Reservation, &'a [&'a str])>,
) -> Vec<Decision> {
    together(wishes.map(|(row, numbers)| {
        let (store, chosen) = (f.store.clone(), seats(numbers));
        async move {
            let answer = store.select_seats(&row.customer_id, &row.id, &chosen, None).await;
            answer.expect("the database answers")
        }
    }))
    .await
}

/// Each party's selection of the same seats, none written before all have been judged.
pub(super) async fn behind_one_lock(
    f: &Fixture,
    parties: &[Reservation],
    numbers: &[&str],
) -> Vec<Decision> {
    let held = f.hold("seat_assignment").await;
    let running: Vec<_> = parties
        .iter()
        .map(|row| {
            let (store, row, chosen) = (f.store.clone(), row.clone(), seats(numbers));
            tokio::spawn(async move {
                store.select_seats(&row.customer_id, &row.id, &chosen, None).await
            })
        })
        .collect();
    held.until_blocked(parties.len()).await;
    held.release().await;
    let mut answers = Vec::new();
    for task in running {
        answers.push(task.await.expect("it does not panic").expect("the database answers"));
    }
    answers
}
