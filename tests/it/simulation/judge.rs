//! The end of a world is judged: the store by its own invariants, the store against the gateway's
//! ledger to the won, and both against what customers were told.

use super::customers::{Command, Said};
use super::gateway::Money;
use super::world::World;
use domain::payment::Answer;
use domain::reservation::Reservation;
use domain::words::{
    AttemptStatus, CancellationState, Operation, ReservationStatus as S, TicketStatus,
};
use sqlx::Row;
use std::collections::{BTreeMap, BTreeSet};
use store::Decision;
use store::timeline::Recorded;

/// More events and payments than any reservation has.
const ALL: i64 = 1_000;

/// One thing that must not be, and the reservation that it is about.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) about: Option<String>,
    pub(super) what: String,
}

pub(super) struct Judge<'w> {
    world: &'w mut World,
    faults: Vec<Fault>,
}

/// Everything that is wrong with a world at rest.
pub(super) async fn judge(world: &mut World) -> Vec<Fault> {
    let broken = std::mem::take(&mut *world.shared.broken.borrow_mut());
    let faults = broken.into_iter().map(|what| Fault { about: None, what }).collect();
    let mut judge = Judge { world, faults };
    judge.rows().await;
    judge.ledger().await;
    judge.pools().await;
    judge.promises().await;
    judge.once().await;
    judge.faults
}

impl Judge<'_> {
    fn finds(&mut self, row: &Reservation, what: String) {
        self.faults.push(Fault { about: Some(row.id.to_string()), what });
    }

    /// Every reservation: it rests, its timeline is whole, nobody holds money without a ticket.
    async fn rows(&mut self) {
        let store = self.world.shared.store();
        for row in self.world.rows.clone().into_values() {
            let now = store.reservation(&row.id).await.expect("it reads").expect("it exists");
            let row = Reservation { attend_at: row.attend_at, ..now };
            let events = store.timeline(&row.id, 0, ALL).await.expect("it reads");
            self.world.reach.timeline(&events, &row);
            self.events(&row, &events);
            let blocked = match &row.open_cancellation {
                Some(id) => {
                    let undo = store.cancellation(id).await.expect("it reads");
                    undo.is_some_and(|undo| undo.state == CancellationState::Blocked)
                }
                None => false,
            };
            let rests = row.status == S::Ticketed || row.status.is_terminal() || blocked;
            if !rests {
                self.finds(&row, format!("{} is no rest", row.status));
            }
            if row.open_call.is_some() {
                self.finds(&row, "a call has no answer".to_owned());
            }
            let tickets = store.tickets(&row.id).await.expect("it reads");
            let live = tickets.iter().filter(|ticket| ticket.status == TicketStatus::Issued);
            let live = u32::try_from(live.count()).expect("few");
            let held = self.held_money(&row);
            let entitled = matches!(row.status, S::Ticketed) && live == row.party.size();
            let seen = row.status == S::Completed;
            if held > 0 && !(entitled || seen || blocked) {
                self.finds(&row, format!("holds {held} won, with {live} tickets"));
            }
            if (live > 0 || seen) && held != row.amount.get() {
                self.finds(&row, format!("has {live} tickets for {held} won"));
            }
        }
    }

    /// What the gateway holds of a reservation: approved or captured and not returned.
    fn held_money(&self, row: &Reservation) -> i64 {
        let attempts = 1..=row.attempt.map_or(0, |attempt| attempt.n);
        let held = attempts.map(|n| {
            let id = domain::ids::PaymentAttemptId::nth(&row.id, n);
            match self.world.shared.gateway.money(&id) {
                Money::Untouched | Money::Voided => 0,
                Money::Approved { amount, .. } => amount,
                Money::Captured { amount, refunded } => amount - refunded,
            }
        });
        held.sum()
    }

    fn events(&mut self, row: &Reservation, events: &[Recorded]) {
        if !events.iter().map(|event| event.seq).eq(1..=row.last_seq) {
            self.finds(row, format!("counts {} events, has {}", row.last_seq, events.len()));
        }
        if events.last().is_none_or(|event| event.status != row.status) {
            self.finds(row, format!("is {}, not as its last event", row.status));
        }
        let mut open: BTreeSet<&str> = BTreeSet::new();
        for event in events {
            let kind = event.kind.as_str();
            match kind {
                "PaymentCancellationRequested"
                | "SeatCancellationRequested"
                | "TicketCancellationRequested" => {
                    open.insert(kind);
                }
                "SeatCancelled" => {
                    open.remove("SeatCancellationRequested");
                }
                "TicketCancelled" => {
                    open.remove("TicketCancellationRequested");
                }
                "PaymentCancelled" if open.contains("TicketCancellationRequested") => {
                    self.finds(row, "money went before the tickets".to_owned());
                }
                _ => {}
            }
        }
        let unseated = open.contains("SeatCancellationRequested");
        if row.status.is_terminal() && unseated {
            self.finds(row, "ended without SeatCancelled".to_owned());
        }
        if row.status.is_terminal() && open.contains("TicketCancellationRequested") {
            self.finds(row, "ended without TicketCancelled".to_owned());
        }
    }

    /// Every key has one effect and its answer is ours; every attempt stands as at the gateway.
    async fn ledger(&mut self) {
        let calls = "select key, operation, state, coalesce(answer, '') as answer \
                     from gateway_call";
        let calls = sqlx::query(calls).fetch_all(&mut self.world.raw).await.expect("it reads");
        let mut ours: BTreeMap<String, String> = BTreeMap::new();
        for call in &calls {
            ours.insert(call.get("key"), call.get("answer"));
        }
        let mut seen = BTreeSet::new();
        for entry in self.world.shared.gateway.ledger() {
            let about = Some(entry.call.reservation_id.to_string());
            let key = entry.call.key.to_string();
            if !seen.insert(key.clone()) {
                let what = format!("{} had two effects", entry.call.operation);
                self.faults.push(Fault { about: about.clone(), what });
            }
            let answer: Option<Answer> =
                ours.get(&key).and_then(|answer| serde_json::from_str(answer).ok());
            if answer.as_ref() != Some(&entry.answer) {
                let (operation, theirs) = (entry.call.operation, &entry.answer);
                let what = format!("{operation}: the gateway said {theirs:?}, we have {answer:?}");
                self.faults.push(Fault { about, what });
            }
        }
        for key in ours.keys().filter(|key| !seen.contains(*key)) {
            let what = format!("the gateway has never heard of {key}");
            self.faults.push(Fault { about: None, what });
        }
        self.attempts().await;
    }

    async fn attempts(&mut self) {
        let store = self.world.shared.store();
        for row in self.world.rows.clone().into_values() {
            let payments = store.payments(&row.customer_id, Some(&row.id), None, ALL).await;
            for payment in payments.expect("it reads") {
                let money = self.world.shared.gateway.money(&payment.attempt.id);
                let full = row.amount.get();
                let fits = match payment.attempt.status {
                    AttemptStatus::Declined | AttemptStatus::Abandoned | AttemptStatus::Lapsed => {
                        money == Money::Untouched
                    }
                    AttemptStatus::Approved => matches!(money, Money::Approved { .. }),
                    AttemptStatus::Captured => {
                        money == Money::Captured { amount: full, refunded: 0 }
                    }
                    AttemptStatus::Voided => money == Money::Voided,
                    AttemptStatus::Refunded => {
                        money == Money::Captured { amount: full, refunded: full }
                    }
                    AttemptStatus::Pending | AttemptStatus::PartiallyRefunded => false,
                };
                if !fits {
                    let status = payment.attempt.status;
                    self.finds(&row, format!("an attempt is {status} and its money {money:?}"));
                }
            }
        }
    }

    async fn pools(&mut self) {
        let real = "select p.grade, p.held, p.sold, \
             (select count(*) from seat_assignment a join seat s on s.seat_id = a.seat_id \
              where a.live = 1 and a.reservation_id is not null and s.grade = p.grade) as seated \
             from capacity_pool p";
        let pools = sqlx::query(real).fetch_all(&mut self.world.raw).await.expect("it reads");
        for pool in pools {
            let (grade, held): (String, i64) = (pool.get("grade"), pool.get("held"));
            let (sold, seated): (i64, i64) = (pool.get("sold"), pool.get("seated"));
            let holding = self.world.rows.values().filter(|row| {
                row.grade.as_str() == grade && row.capacity == domain::words::Capacity::Held
            });
            let holding: u32 = holding.map(|row| row.party.size()).sum();
            if held != i64::from(holding) || sold != seated {
                let what = format!(
                    "pool {grade} says held {held} sold {sold}, not {holding} and {seated}"
                );
                self.faults.push(Fault { about: None, what });
            }
        }
    }

    /// Every acknowledged command is carried out or undone.
    async fn promises(&mut self) {
        let said = std::mem::take(&mut *self.world.shared.said.borrow_mut());
        for Said { customer, command, decision } in said {
            let (Decision::Done(told) | Decision::Replayed(told)) = decision else { continue };
            let store = self.world.shared.store();
            let Some(row) = store.reservation(&told.id).await.expect("it reads") else {
                let about = Some(told.id.to_string());
                self.faults.push(Fault { about, what: "an acknowledged booking is lost".into() });
                continue;
            };
            let kinds = store.timeline(&row.id, 0, ALL).await.expect("it reads");
            let has = |kind: &str| kinds.iter().any(|event| event.kind.as_str() == kind);
            let kept = row.customer_id == customer
                && match &command {
                    Command::Reserve(_) => has("Reserved"),
                    Command::Pay(_) => has("PaymentRequested"),
                    Command::Select(..) => has("SeatAssigned"),
                    Command::Cancel(_) => {
                        has("CancellationRequested")
                            && matches!(row.status, S::Cancelling | S::Cancelled | S::Expired)
                    }
                };
            if !kept {
                self.finds(&row, format!("{} was acknowledged and is not there", command.name()));
            }
        }
    }

    /// One key, one effect, for customers, too: nobody has more reservations than they asked for.
    async fn once(&mut self) {
        let mut per_customer: BTreeMap<String, u32> = BTreeMap::new();
        for row in self.world.rows.values() {
            *per_customer.entry(row.customer_id.to_string()).or_insert(0) += 1;
        }
        for (customer, count) in per_customer.into_iter().filter(|(_, count)| *count > 1) {
            let what = format!("{customer} asked for one reservation and has {count}");
            self.faults.push(Fault { about: None, what });
        }
    }
}

/// Whether the gateway was asked for this operation at all.
pub(super) fn was_asked(world: &World, operation: Operation) -> bool {
    world.shared.gateway.ledger().iter().any(|entry| entry.call.operation == operation)
}
