//! Check-in (T23, R14): once per ticket, whoever asks how often, and by code where there are none.

use super::fixture::catalogue::EVENING;
use super::fixture::steps::{done, refusal};
use super::fixture::{Fixture, together};
use domain::check_in::GATE_OPENS_BEFORE_START;
use domain::refusal::Refusal;
use domain::reservation::Reservation;
use domain::ticket::Ticket;
use domain::words::{ReservationStatus, TicketStatus};
use std::time::Duration;
use store::check_ins::Scan;
use store::{Decision, Store};

on_both!(
    a_ticket_lets_one_in,
    the_gate_opens_and_closes,
    twenty_gates_read_one_ticket,
    a_cancel_races_the_gate,
    a_party_without_tickets_comes_in_by_its_code,
    tickets_that_come_late_are_used,
    tickets_race_the_entry_by_code,
    who_came_in_is_not_cancelled,
    after_the_show_nobody_came_or_somebody_did,
);

async fn a_ticket_lets_one_in(f: &Fixture) {
    let row = f.ticketed(EVENING, &["A1", "A2"]).await;
    f.set_time(row.showtime.starts_at);
    let [first, second] = tickets(f, &row).await;
    let came = done(f.scan(&first.code, "n1").await);
    assert_eq!((came.status, came.tickets), (ReservationStatus::Ticketed, TicketStatus::Used));
    assert_eq!(came.version, row.version + 1);
    f.advance(Duration::from_secs(1));
    let again = f.scan(&first.code, "n1").await;
    assert!(matches!(again, Decision::Replayed(row) if row == came), "its answer was lost");
    let at = Some(row.showtime.starts_at);
    assert_eq!(refusal(&f.scan(&first.code, "n2").await), &Refusal::AlreadyUsed { at });
    assert_eq!(f.row(&row.id).await, came);
    let [first, second_unused] = tickets(f, &row).await;
    assert_eq!((first.status, second_unused.status), (TicketStatus::Used, TicketStatus::Issued));
    assert_eq!(first.check_in.map(|check_in| check_in.gate).as_deref(), Some("gate-1"));
    done(f.scan(&second.code, "n3").await);
    assert_eq!(f.story(&row).await[7..], ["TicketUsed", "TicketUsed"]);
    assert!(matches!(f.scan("NO-SUCH-TICKET", "n4").await, Decision::NotFound));
}

async fn the_gate_opens_and_closes(f: &Fixture) {
    let row = f.ticketed(EVENING, &["A1", "A2"]).await;
    let [first, second] = tickets(f, &row).await;
    let opens_at = row.showtime.starts_at.minus(GATE_OPENS_BEFORE_START);
    f.set_time(opens_at.minus(Duration::from_millis(1)));
    assert_eq!(refusal(&f.scan(&first.code, "n1").await), &Refusal::TooEarly { opens_at });
    assert_eq!(f.row(&row.id).await, row);
    f.set_time(opens_at);
    done(f.scan(&first.code, "n1").await);
    // Status decides: until the end is made, who is late comes in.
    f.set_time(row.over_at());
    done(f.scan(&second.code, "n2").await);
}

async fn twenty_gates_read_one_ticket(f: &Fixture) {
    let row = f.ticketed(EVENING, &["A1"]).await;
    f.set_time(row.showtime.starts_at);
    let code = first_ticket(f, &row).await.code;
    let answers = together((0..20).map(|n| {
        let (store, code) = (f.store.clone(), code.clone());
        async move { scan(&store, &code, &format!("n{n}")).await }
    }));
    let (came, refused): (Vec<_>, Vec<_>) =
        answers.await.into_iter().partition(|answer| matches!(answer, Decision::Done(_)));
    assert_eq!((came.len(), refused.len()), (1, 19));
    let at = Some(row.showtime.starts_at);
    assert!(refused.iter().all(|answer| *refusal(answer) == Refusal::AlreadyUsed { at }));
    assert_eq!(f.row(&row.id).await.version, row.version + 1);
}

/// R14; without the lock see `races::r14_a_scan_meets_a_cancel`.
async fn a_cancel_races_the_gate(f: &Fixture) {
    let begins = f.store.now();
    for seat in ["A1", "B1", "C1", "D1", "E1", "F1", "A10", "B10", "C10", "D10"] {
        f.set_time(begins);
        let row = f.ticketed(EVENING, &[seat]).await;
        // The gate is open and the window is, too.
        f.set_time(row.showtime.starts_at.minus(Duration::from_secs(25 * 60)));
        let code = first_ticket(f, &row).await.code;
        let tasks = [true, false].map(|cancels| {
            let (store, row, code) = (f.store.clone(), row.clone(), code.clone());
            async move {
                match cancels {
                    true => {
                        store.cancel(&row.customer_id, &row.id, None).await.expect("it answers")
                    }
                    false => scan(&store, &code, "n1").await,
                }
            }
        });
        let answers = together(tasks).await;
        let (cancelled, scanned) = (&answers[0], &answers[1]);
        let now = f.row(&row.id).await;
        match scanned {
            Decision::Done(_) => {
                assert_eq!(refusal(cancelled), &Refusal::TicketUsed);
                assert_eq!(now.tickets, TicketStatus::Used);
            }
            late => {
                assert_eq!(refusal(late), &Refusal::TicketCancelled);
                assert_eq!(f.undone(&now).await.status, ReservationStatus::Cancelled);
            }
        }
    }
}

async fn a_party_without_tickets_comes_in_by_its_code(f: &Fixture) {
    let row = f.captured(EVENING, &["A1", "A2"]).await;
    let unpaid = f.seated(EVENING, &["B1"]).await;
    let opens_at = row.showtime.starts_at;
    f.set_time(opens_at.minus(Duration::from_millis(1)));
    assert_eq!(refusal(&f.scan_code(&row, "n1").await), &Refusal::TooEarly { opens_at });
    f.set_time(opens_at);
    assert_eq!(refusal(&f.scan_code(&unpaid, "n1").await), &Refusal::WrongState);
    let came = done(f.scan_code(&row, "n1").await);
    assert_eq!((came.status, came.tickets), (ReservationStatus::SeatSelected, TicketStatus::Used));
    assert!(matches!(f.scan_code(&row, "n1").await, Decision::Replayed(row) if row == came));
    let at = Some(opens_at);
    assert_eq!(refusal(&f.scan_code(&row, "n2").await), &Refusal::AlreadyUsed { at });
    let nobody = f.store.check_in_by_code("AAAAAAAA", &wish("n1")).await.expect("it answers");
    assert!(matches!(nobody, Decision::NotFound), "{nobody:?}");
}

async fn tickets_that_come_late_are_used(f: &Fixture) {
    let row = f.captured(EVENING, &["A1", "A2"]).await;
    f.set_time(row.showtime.starts_at);
    done(f.scan_code(&row, "n1").await);
    f.advance(Duration::from_secs(60));
    f.store.issue_tickets(&row.id).await.expect("they are owed");
    let ticketed = f.row(&row.id).await;
    assert_eq!(ticketed.status, ReservationStatus::Ticketed);
    let at = Some(row.showtime.starts_at);
    for ticket in tickets(f, &row).await {
        assert_eq!(ticket.status, TicketStatus::Used);
        let second = f.scan(&ticket.code, "n2").await;
        assert_eq!(refusal(&second), &Refusal::AlreadyUsed { at });
    }
    assert_eq!(refusal(&f.scan_code(&row, "n2").await), &Refusal::AlreadyUsed { at });
    assert_eq!(f.story(&row).await[5..], ["TicketUsed", "TicketIssued", "TicketIssued"]);
}

/// Whoever comes first: one party, let in once.
async fn tickets_race_the_entry_by_code(f: &Fixture) {
    let begins = f.store.now();
    for seat in ["A1", "B1", "C1", "D1", "E1", "F1"] {
        f.set_time(begins);
        let row = f.captured(EVENING, &[seat]).await;
        f.set_time(row.showtime.starts_at);
        let tasks = [true, false].map(|issues| {
            let (store, row) = (f.store.clone(), row.clone());
            async move {
                match issues {
                    true => store.issue_tickets(&row.id).await.map(|()| None),
                    false => store.check_in_by_code(&row.code, &wish("n1")).await.map(Some),
                }
            }
        });
        let mut answers = together(tasks).await;
        let came = answers.pop().expect("two").expect("it answers").expect("a decision");
        let ticket = first_ticket(f, &row).await;
        match came {
            Decision::Done(_) => assert_eq!(ticket.status, TicketStatus::Used),
            late => {
                assert_eq!(refusal(&late), &Refusal::WrongState, "it has a ticket");
                assert_eq!(ticket.status, TicketStatus::Issued);
            }
        }
    }
}

async fn who_came_in_is_not_cancelled(f: &Fixture) {
    let one_of_two = f.ticketed(EVENING, &["A1", "A2"]).await;
    let by_code = f.captured(EVENING, &["B1"]).await;
    f.set_time(one_of_two.showtime.starts_at.minus(Duration::from_secs(25 * 60)));
    done(f.scan(&first_ticket(f, &one_of_two).await.code, "n1").await);
    assert_eq!(refusal(&f.cancel(&one_of_two).await), &Refusal::TicketUsed);
    f.set_time(by_code.showtime.starts_at);
    done(f.scan_code(&by_code, "n1").await);
    assert_eq!(refusal(&f.cancel(&by_code).await), &Refusal::TicketUsed);
    assert_eq!(f.number("select count(*) from cancellation").await, 0);
}

/// T24.
async fn after_the_show_nobody_came_or_somebody_did(f: &Fixture) {
    let missed = f.ticketed(EVENING, &["A1", "A2"]).await;
    let half = f.ticketed(EVENING, &["B1", "B2"]).await;
    let by_code = f.captured(EVENING, &["C1"]).await;
    f.set_time(missed.showtime.starts_at);
    let code = first_ticket(f, &half).await.code;
    done(f.scan(&code, "n1").await);
    done(f.scan_code(&by_code, "n1").await);
    f.set_time(missed.over_at());
    for (row, shown, each) in [
        (&missed, TicketStatus::NoShow, vec![TicketStatus::NoShow; 2]),
        (&half, TicketStatus::Used, vec![TicketStatus::Used, TicketStatus::NoShow]),
        (&by_code, TicketStatus::Used, vec![]),
    ] {
        assert!(f.store.attend_time(&f.row(&row.id).await).await.expect("it answers"));
        let over = f.row(&row.id).await;
        assert_eq!((over.status, over.tickets), (ReservationStatus::Completed, shown));
        let all = f.store.tickets(&row.id).await.expect("it reads");
        assert_eq!(all.iter().map(|ticket| ticket.status).collect::<Vec<_>>(), each);
        let owner = &row.customer_id;
        let (page, _) = f.store.mypage_entry(owner, &row.id).await.expect("it reads").expect("one");
        assert_eq!(page.ticket_status, shown);
    }
    let too_late = first_ticket(f, &missed).await.code;
    assert_eq!(refusal(&f.scan(&too_late, "n1").await), &Refusal::WrongState);
    let at = Some(half.showtime.starts_at);
    assert_eq!(refusal(&f.scan(&code, "n9").await), &Refusal::AlreadyUsed { at });
}

async fn first_ticket(f: &Fixture, row: &Reservation) -> Ticket {
    f.store.tickets(&row.id).await.expect("it reads").swap_remove(0)
}

async fn tickets(f: &Fixture, row: &Reservation) -> [Ticket; 2] {
    f.store.tickets(&row.id).await.expect("it reads").try_into().expect("two of them")
}

fn wish(nonce: &str) -> Scan {
    Scan { gate: "gate-1".to_owned(), nonce: nonce.to_owned() }
}

async fn scan(store: &Store, code: &str, nonce: &str) -> Decision {
    store.check_in(code, &wish(nonce)).await.expect("the database answers")
}

impl Fixture {
    /// A ticket is read at the gate.
    pub(super) async fn scan(&self, code: &str, nonce: &str) -> Decision {
        scan(&self.store, code, nonce).await
    }

    /// The reservation's code is.
    pub(super) async fn scan_code(&self, row: &Reservation, nonce: &str) -> Decision {
        let came = self.store.check_in_by_code(&row.code, &wish(nonce)).await;
        came.expect("the database answers")
    }
}
