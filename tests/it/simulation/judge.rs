//! The end of a world is judged: by the product's auditor with the model gateway's ledger as the
//! second witness, by what customers hold, and by what they were told.

use super::customers::{Command, Said};
use super::gateway::Money;
use super::world::World;
use domain::audit::LedgerEntry;
use domain::ids::{PaymentAttemptId, ReservationId};
use domain::payment::Answer;
use domain::reservation::Reservation;
use domain::words::{CancellationState, ReservationStatus as S, StatusReason, TicketStatus};
use sqlx::Row;
use std::collections::BTreeMap;
use store::Decision;
use store::audit::Ledger;

/// More events than any reservation has.
const ALL: i64 = 1_000;

/// One thing that must not be, and the reservation that it is about.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) about: Option<String>,
    pub(super) what: String,
}

impl World {
    /// Everything that is wrong with a world at rest.
    pub(super) async fn judge(&mut self) -> Vec<Wrong> {
        let broken = std::mem::take(&mut *self.shared.broken.borrow_mut());
        let mut wrong: Vec<Wrong> =
            broken.into_iter().map(|what| Wrong { about: None, what }).collect();
        wrong.extend(self.audited().await);
        let rows = self.read_rows().await;
        for row in &rows {
            wrong.extend(self.holds_what_it_should(row).await);
        }
        wrong.extend(self.broken_promises().await);
        wrong.extend(made_twice(&rows));
        wrong.extend(self.leaves().await);
        wrong
    }

    /// All rows as they are now: of a torn step nobody may have heard.
    async fn read_rows(&mut self) -> Vec<Reservation> {
        let ids = "select reservation_id from reservation order by reservation_id";
        let ids = sqlx::query(ids).fetch_all(&mut self.raw).await.expect("it reads");
        let store = self.shared.store();
        let mut rows = Vec::new();
        for id in ids {
            let id = ReservationId::parse(id.get::<String, _>(0)).expect("it was parsed before");
            rows.extend(store.reservation(&id).await.expect("it reads"));
        }
        rows
    }

    /// What the auditor finds; true at any moment, at rest or not.
    pub(super) async fn audited(&self) -> Vec<Wrong> {
        let entries = self.shared.gateway.ledger();
        let entries = (1..).zip(entries).map(|(seq, entry)| LedgerEntry {
            seq,
            key: entry.call.key,
            attempt_id: entry.call.attempt_id,
            operation: entry.call.operation,
            amount: entry.call.body.amount,
            done: matches!(entry.answer, Answer::Done { .. }),
            at: entry.at,
        });
        let ledger = Ledger::of(entries.collect());
        let report = self.shared.store().audit(Some(&ledger)).await.expect("the store answers");
        let wrong = |found: domain::audit::Violation| Wrong {
            about: found.reservation_id.as_ref().map(ToString::to_string),
            what: found.to_string(),
        };
        report.violations.into_iter().map(wrong).collect()
    }

    /// It rests, and nobody holds money without a ticket, or a ticket without money.
    async fn holds_what_it_should(&mut self, row: &Reservation) -> Vec<Wrong> {
        let store = self.shared.store();
        let events = store.timeline(&row.id, 0, ALL).await.expect("it reads");
        self.reach.timeline(&events, row);
        let blocked = match &row.open_cancellation {
            Some(id) => {
                let undo = store.cancellation(id).await.expect("it reads");
                undo.is_some_and(|undo| undo.state == CancellationState::Blocked)
            }
            None => false,
        };
        let outside = self.was_paid_outside(row).await;
        let mut wrong = Vec::new();
        let mut finds = |what: String| wrong.push(Wrong { about: Some(row.id.to_string()), what });
        if !(row.status == S::Ticketed || row.status.is_terminal() || blocked) {
            finds(format!("{} is no rest", row.status));
        }
        if row.open_cancellation.is_some() && !blocked {
            finds("something of it is still being cancelled".to_owned());
        }
        if row.open_call.is_some() {
            finds("a call has no answer".to_owned());
        }
        let tickets = store.tickets(&row.id).await.expect("it reads");
        let live = tickets.iter().filter(|ticket| is_live(ticket.status)).count();
        let held = self.held_money(row);
        let seated = match row.status {
            S::Ticketed => u32::try_from(live) == Ok(row.party.size()) || blocked,
            S::Completed => true,
            _ => false,
        };
        if held > 0 && !(seated || blocked || outside) {
            finds(format!("holds {held} won, with {live} tickets"));
        }
        if seated && !blocked && held != row.worth().get() {
            finds(format!("has seats for {held} won"));
        }
        wrong
    }

    /// Staff returned the money, and the gateway does not know.
    async fn was_paid_outside(&mut self, row: &Reservation) -> bool {
        let sql = "select count(*) from cancellation \
                   where reservation_id = $1 and returned_outside is not null";
        let counted = sqlx::query(sql).bind(row.id.as_str()).fetch_one(&mut self.raw).await;
        counted.expect("it reads").get::<i64, _>(0) > 0
    }

    /// What the gateway holds of a reservation: approved or captured and not returned.
    fn held_money(&self, row: &Reservation) -> i64 {
        let attempts = 1..=row.attempt.map_or(0, |attempt| attempt.n);
        let held =
            attempts.map(|n| match self.shared.gateway.money(&PaymentAttemptId::nth(&row.id, n)) {
                Money::Untouched | Money::Voided => 0,
                Money::Approved { amount, .. } => amount,
                Money::Captured { amount, refunded } => amount - refunded,
            });
        held.sum()
    }

    /// Every acknowledged command is carried out or undone.
    async fn broken_promises(&mut self) -> Vec<Wrong> {
        let said = std::mem::take(&mut *self.shared.said.borrow_mut());
        let store = self.shared.store();
        let mut broken = Vec::new();
        for Said { customer, command, decision } in said {
            let (Decision::Done(told) | Decision::Replayed(told)) = decision else { continue };
            let row = store.reservation(&told.id).await.expect("it reads");
            let events = store.timeline(&told.id, 0, ALL).await.expect("it reads");
            let has = |kind: &str| events.iter().any(|event| event.kind.as_str() == kind);
            let kept = row.is_some_and(|row| {
                row.customer_id == customer
                    && match &command {
                        Command::Reserve(_) => has("Reserved"),
                        Command::Pay(_) => has("PaymentRequested") || has("PaymentDeferred"),
                        Command::Select(..) => has("SeatAssigned"),
                        Command::CheckIn(_) | Command::CheckInByCode(_) => {
                            let given_up = row.reason == Some(StatusReason::ShowtimeCancelled);
                            let kept = matches!(row.status, S::Ticketed | S::Completed);
                            has("TicketUsed") && (kept || given_up)
                        }
                        Command::CancelTickets(..) => has("CancellationRequested"),
                        Command::Cancel(_) => {
                            has("CancellationRequested")
                                && matches!(row.status, S::Cancelling | S::Cancelled | S::Expired)
                        }
                    }
            });
            if !kept {
                let about = Some(told.id.to_string());
                let what = format!("{} was acknowledged and is not there", command.name());
                broken.push(Wrong { about, what });
            }
        }
        broken
    }
}

fn is_live(ticket: TicketStatus) -> bool {
    matches!(ticket, TicketStatus::Issued | TicketStatus::Used)
}

/// One key, one effect, for customers, too: each of them asks for one reservation.
fn made_twice(rows: &[Reservation]) -> Vec<Wrong> {
    let mut made: BTreeMap<&str, u32> = BTreeMap::new();
    for row in rows {
        *made.entry(row.customer_id.as_str()).or_insert(0) += 1;
    }
    let twice = made.into_iter().filter(|(_, count)| *count > 1);
    twice
        .map(|(customer, count)| Wrong {
            about: None,
            what: format!("{customer} asked for one reservation and has {count}"),
        })
        .collect()
}
