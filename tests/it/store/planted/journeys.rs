//! What customers do, driven as far as it goes: by the store's own steps, with a gateway that keeps
//! a ledger. Each driver error ends one journey, because a planted bug may cause it.

use crate::store::fixture::Fixture;
use crate::store::fixture::catalogue::{EVENING, TWENTY};
use crate::store::fixture::steps::{approval, declined, key, pay_command, seats};
use crate::store::showtimes::give_up;
use domain::audit::LedgerEntry;
use domain::cancellation::OwesUndo;
use domain::ids::{CallKey, CustomerId, PaymentAttemptId, ReservationId};
use domain::payment::{Answer, GatewayCall};
use domain::person::Person;
use domain::refund_account::{Reference, RefundAccount};
use domain::reservation::{Owes, PaymentStep, PlanSeats, Reservation};
use domain::time::Time;
use domain::won::Won;
use domain::words::{Operation, Role};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use store::audit::Ledger;
use store::blocked_refunds::WayOut;
use store::check_ins::Scan;
use store::gateway_calls::Opened;
use store::settling::Settlement;
use store::{Decision, StoreError};

/// No journey takes more steps.
const STEPS_MAX: u32 = 20;
/// So that what comes later is later.
const STEP: Duration = Duration::from_secs(1);

/// What is wrong around the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    Nothing,
    /// The driver sends a capture again under a key of its own.
    CapturesTwice,
    /// The gateway takes more than it was asked.
    CapturesMore,
    /// The gateway has lost a capture that it answered.
    ForgetsCaptures,
    /// The gateway refused, the driver records that it was done.
    TakesRefusedForDone,
    /// The driver has the refund done as soon as the customer cancels.
    RefundsAtOnce,
    /// The API answers before the transaction is committed, and then it is not.
    AcknowledgesTooEarly,
    /// Somebody else's money is booked on our account.
    TakesMoneyOfNobody,
}

pub(super) struct House<'f> {
    pub(super) f: &'f Fixture,
    wrong: Wrong,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    ledger: Vec<LedgerEntry>,
    refused: BTreeSet<(ReservationId, Operation)>,
    acknowledged: Vec<ReservationId>,
}

impl<'f> House<'f> {
    pub(super) fn new(f: &'f Fixture, wrong: Wrong) -> Self {
        Self { f, wrong, books: Mutex::default() }
    }

    pub(super) fn ledger(&self) -> Ledger {
        Ledger::of(self.books().ledger.clone())
    }

    pub(super) fn acknowledged(&self) -> Vec<ReservationId> {
        self.books().acknowledged.clone()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().expect("nobody panics under this lock")
    }

    /// Every journey, so that each ending and each wait is there.
    pub(super) async fn drive(&self) {
        let f = self.f;
        let at_once = self.reserved(2).await;
        self.cancel(&at_once).await;
        let never_paid = self.reserved(2).await;
        let unsent = self.reserved(2).await;
        self.pay(&unsent).await;
        let late = self.reserved(2).await;
        self.pay(&late).await;
        f.store.open_call(&late.id, Operation::Approve).await.ok();
        self.declined_once().await;
        self.declined_for_good().await;
        let over = self.booked(&["A6", "A7"]).await;
        let seen = self.booked(&["C6", "C7"]).await;
        let back = self.booked(&["B1", "B2"]).await;
        self.cancel(&back).await;
        self.carry(&back).await;
        self.booked(&["B1", "B2"]).await;
        let voided = self.paid().await;
        self.cancel(&voided).await;
        self.carry(&voided).await;
        let uncaptured = self.paid().await;
        self.refuse(&uncaptured, Operation::Capture);
        self.choose(&uncaptured, &["C1", "C2"]).await;
        self.carry(&uncaptured).await;
        let blocked = self.booked(&["D1", "D2"]).await;
        self.refuse(&blocked, Operation::Refund);
        self.cancel(&blocked).await;
        self.carry(&blocked).await;
        self.rescued().await;
        self.found_late().await;
        self.settled_by_hand().await;
        let seated = self.paid().await;
        self.choose(&seated, &["E1", "E2"]).await;
        let undoing = self.booked(&["F1", "F2"]).await;
        self.cancel(&undoing).await;
        self.gives_back_and_moves().await;
        self.given_up().await;
        let planned = f.planned(2, PlanSeats::Best).await;
        self.carry(&planned).await;
        let seatless = self.paid().await;
        f.advance(Duration::from_secs(45 * 60));
        for row in [&never_paid, &unsent, &seatless] {
            self.time_passes(row).await;
        }
        self.reserved(1).await;
        self.paid().await;
        let sent = self.reserved(1).await;
        self.pay(&sent).await;
        f.store.open_call(&sent.id, Operation::Approve).await.ok();
        f.set_time(late.showtime.starts_at);
        self.carry(&late).await;
        self.come_in(&seen).await;
        self.come_in_by_code(&seated).await;
        f.set_time(over.over_at());
        self.time_passes(&over).await;
        self.time_passes(&seen).await;
        while f.store.relay().await.is_ok_and(|fed| !fed.is_empty()) {}
    }

    /// T22, of another showtime: one has tickets, one has paid nothing.
    async fn given_up(&self) {
        let store = &self.f.store;
        let rows = [self.reserved_at(TWENTY, 2).await, self.reserved_at(TWENTY, 1).await];
        self.pay(&rows[0]).await;
        self.carry(&rows[0]).await;
        self.choose(&rows[0], &["A1", "A2"]).await;
        self.carry(&rows[0]).await;
        give_up(self.f, TWENTY).await;
        for due in store.take_due_showtimes(10).await.unwrap_or_default() {
            store.give_up_reservations(&due).await.ok();
        }
        self.carry(&rows[0]).await;
    }

    /// One of the two does.
    async fn come_in(&self, row: &Reservation) {
        self.f.advance(STEP);
        let tickets = self.f.store.tickets(&row.id).await.unwrap_or_default();
        let Some(first) = tickets.first() else { return };
        self.f.store.check_in(&first.code, &scan()).await.ok();
    }

    async fn come_in_by_code(&self, row: &Reservation) {
        self.f.advance(STEP);
        self.call(&row.id, Operation::Capture).await.ok();
        self.f.store.check_in_by_code(&row.code, &scan()).await.ok();
    }

    /// T20, to its end and under way, and T17.
    async fn gives_back_and_moves(&self) {
        let parted = self.booked(&["B6", "B7", "B8"]).await;
        self.give_back(&parted, "B6").await;
        self.carry(&parted).await;
        let parting = self.booked(&["F6", "F7", "F8"]).await;
        self.give_back(&parting, "F6").await;
        let moved = self.booked(&["D6", "D7"]).await;
        self.choose(&moved, &["E6", "E7"]).await;
        self.carry(&moved).await;
    }

    async fn give_back(&self, row: &Reservation, number: &str) {
        self.f.advance(STEP);
        let ids = self.f.tickets_on(row, &[number]).await;
        let customer = Person { id: row.customer_id.clone(), role: Role::Customer };
        self.f.store.cancel_tickets(&customer, &row.id, &ids, None).await.ok();
    }

    /// T6, then a better card.
    async fn declined_once(&self) {
        let row = self.reserved(2).await;
        self.refuse(&row, Operation::Approve);
        for _ in 0..2 {
            self.pay(&row).await;
            self.carry(&row).await;
        }
        self.choose(&row, &["A1", "A2"]).await;
        self.carry(&row).await;
    }

    /// T7.
    async fn declined_for_good(&self) {
        let row = self.reserved(2).await;
        for _ in 0..3 {
            self.refuse(&row, Operation::Approve);
            self.pay(&row).await;
            self.carry(&row).await;
        }
    }

    /// A refund that is refused: to another account, and outside.
    async fn rescued(&self) {
        let account = RefundAccount::parse("088", "110123456789", "a").expect("an account");
        let outside = Reference::parse("T-1").expect("plain");
        let ways = [WayOut::Account(account), WayOut::Outside(outside)];
        for (way, numbers) in ways.iter().zip([["D6", "D7"], ["E6", "E7"]]) {
            let row = self.booked(&numbers).await;
            self.refuse(&row, Operation::Refund);
            self.cancel(&row).await;
            self.carry(&row).await;
            let Some(undo) = self.f.row(&row.id).await.open_cancellation else { continue };
            self.f.store.unblock_refund(&staff(), &undo, way, None).await.ok();
            self.carry(&row).await;
        }
    }

    /// T26: of a declined attempt, beside another one that is carried through, and after the end.
    async fn found_late(&self) {
        let row = self.reserved(1).await;
        self.refuse(&row, Operation::Approve);
        self.pay(&row).await;
        self.carry(&row).await;
        self.pay(&row).await;
        self.surprise(&row).await;
        self.carry(&row).await;
        self.choose(&row, &["C8"]).await;
        self.carry(&row).await;
        let ended = self.reserved(1).await;
        self.refuse(&ended, Operation::Approve);
        self.pay(&ended).await;
        self.carry(&ended).await;
        self.cancel(&ended).await;
        self.surprise(&ended).await;
    }

    /// The gateway has approved the first attempt after all, and its books are read.
    async fn surprise(&self, row: &Reservation) {
        let attempt_id = PaymentAttemptId::nth(&row.id, 1);
        let key = CallKey::parse(format!("{attempt_id}-after-all")).expect("plain");
        self.write(LedgerEntry {
            seq: 0,
            key,
            attempt_id,
            operation: Operation::Approve,
            amount: row.amount,
            done: true,
            at: self.f.store.now(),
        });
        let books = self.books().ledger.clone();
        self.f.store.reconcile(&books[books.len() - 1..]).await.ok();
        for id in self.f.late_undos(row).await {
            self.f.advance(STEP);
            if let Ok(Opened::Fresh(call)) = self.f.store.open_late_call(&id).await {
                let answer = self.delivered(&call);
                self.f.advance(STEP);
                self.f.store.record_answer(&call.key, &answer).await.ok();
            }
            self.f.store.close_cancellation(&id).await.ok();
        }
    }

    /// The gateway has done it, and nobody but staff hears of it.
    async fn settled_by_hand(&self) {
        let row = self.reserved(1).await;
        self.pay(&row).await;
        if let Ok(Opened::Fresh(call)) = self.f.store.open_call(&row.id, Operation::Approve).await {
            let answer = self.delivered(&call);
            let reference = Reference::parse("R-1").expect("plain");
            let settlement = Settlement { answer, reference };
            self.f.store.settle_call(&staff(), &call.key, &settlement).await.ok();
        }
        self.cancel(&row).await;
        self.carry(&row).await;
    }

    async fn booked(&self, numbers: &[&str]) -> Reservation {
        let row = self.paid_for(u32::try_from(numbers.len()).expect("few")).await;
        self.choose(&row, numbers).await;
        self.carry(&row).await;
        row
    }

    async fn paid(&self) -> Reservation {
        self.paid_for(2).await
    }

    async fn paid_for(&self, adults: u32) -> Reservation {
        let row = self.reserved(adults).await;
        self.pay(&row).await;
        self.carry(&row).await;
        row
    }

    /// Under a key, as good clients do, and acknowledged.
    async fn reserved(&self, adults: u32) -> Reservation {
        self.reserved_at(EVENING, adults).await
    }

    async fn reserved_at(&self, showtime: &str, adults: u32) -> Reservation {
        self.f.advance(STEP);
        let wish = self.f.wish(showtime, adults).await;
        let key = key(&wish.customer_id, "create", "body");
        match self.f.store.reserve(&wish, Some(&key)).await {
            Ok(Decision::Done(row)) => {
                self.books().acknowledged.push(row.id.clone());
                if self.wrong == Wrong::AcknowledgesTooEarly {
                    let gone = format!("{}0", row.id);
                    let gone = ReservationId::parse(gone).expect("plain");
                    self.books().acknowledged.push(gone);
                }
                row
            }
            other => panic!("no bug keeps a customer from reserving: {other:?}"),
        }
    }

    async fn pay(&self, row: &Reservation) {
        self.f.advance(STEP);
        self.f.store.pay(&row.customer_id, &pay_command(row), None).await.ok();
    }

    async fn choose(&self, row: &Reservation, numbers: &[&str]) {
        self.f.advance(STEP);
        self.f.store.select_seats(&row.customer_id, &row.id, &seats(numbers), None).await.ok();
    }

    async fn cancel(&self, row: &Reservation) {
        self.f.advance(STEP);
        self.f.store.cancel(&row.customer_id, &row.id, None).await.ok();
        if self.wrong == Wrong::RefundsAtOnce {
            let row = self.f.row(&row.id).await;
            let (Some(attempt), Some(undo)) = (row.attempt_id(), &row.open_cancellation) else {
                return;
            };
            if row.is_captured() {
                let key = GatewayCall::key_of(&attempt, Operation::Refund, Some(undo));
                self.write(entry(key, &row, Operation::Refund, self.f.store.now()));
            }
        }
    }

    /// The pump comes by when the row is due by time.
    async fn time_passes(&self, row: &Reservation) {
        let now = self.f.row(&row.id).await;
        self.f.store.attend_time(&now).await.ok();
        self.carry(row).await;
    }

    fn refuse(&self, row: &Reservation, operation: Operation) {
        self.books().refused.insert((row.id.clone(), operation));
    }

    /// Does what is owed until nothing is, as the workflows do.
    async fn carry(&self, row: &Reservation) {
        for _ in 0..STEPS_MAX {
            self.f.advance(STEP);
            match self.step(&row.id).await {
                Ok(true) => {}
                Ok(false) | Err(_) => return,
            }
        }
    }

    /// False when there is nothing to do.
    async fn step(&self, id: &ReservationId) -> Result<bool, StoreError> {
        let store = &self.f.store;
        let Some(row) = store.reservation(id).await? else { return Ok(false) };
        if let Some(undo) = &row.open_cancellation {
            let Some((row, owes)) = store.undo_owed(undo).await? else { return Ok(false) };
            match owes {
                OwesUndo::Settle => {
                    let Some(open) = &row.open_call else { return Ok(false) };
                    self.call(id, open.operation).await?;
                }
                OwesUndo::Tickets => store.revoke_tickets(undo).await?,
                OwesUndo::Seats => store.free_seats(undo).await?,
                OwesUndo::Money => {
                    let Some(back) = row.money_to_return() else { return Ok(false) };
                    self.call(id, back).await?;
                }
                OwesUndo::Close => store.close_cancellation(undo).await?,
                OwesUndo::Nothing => return Ok(false),
            }
            return Ok(true);
        }
        match row.owes() {
            Owes::Payment(PaymentStep::Request) => store.pay_by_plan(id).await?,
            Owes::Payment(PaymentStep::Approve) => self.call(id, Operation::Approve).await?,
            Owes::Payment(PaymentStep::PlanSeats) => store.assign_plan_seats(id).await?,
            Owes::Payment(PaymentStep::Capture) => self.call(id, Operation::Capture).await?,
            Owes::Tickets => store.issue_tickets(id).await?,
            Owes::Await(_) | Owes::Nothing => return Ok(false),
        }
        Ok(true)
    }

    /// Open, deliver, record.
    async fn call(&self, id: &ReservationId, operation: Operation) -> Result<(), StoreError> {
        let store = &self.f.store;
        let call = match store.open_call(id, operation).await? {
            Opened::Fresh(call) | Opened::Sent(call) => call,
            Opened::NotOwed => return Ok(()),
        };
        let answer = self.delivered(&call);
        self.f.advance(STEP);
        store.record_answer(&call.key, &answer).await
    }

    /// The gateway: one key, one effect, but for what is wrong with it.
    fn delivered(&self, call: &GatewayCall) -> Answer {
        let known = self.books().ledger.iter().find(|entry| entry.key == call.key).cloned();
        let at = self.f.store.now();
        let refusal = (call.reservation_id.clone(), call.operation);
        let done = match known {
            Some(entry) => entry.done,
            None => {
                let done = !self.books().refused.remove(&refusal);
                self.write(LedgerEntry {
                    seq: 0,
                    key: call.key.clone(),
                    attempt_id: call.attempt_id.clone(),
                    operation: call.operation,
                    amount: call.body.amount,
                    done,
                    at,
                });
                done
            }
        };
        if done || self.wrong == Wrong::TakesRefusedForDone { approval() } else { declined() }
    }

    /// Puts an entry into the ledger, as the gateway at hand does.
    fn write(&self, mut entry: LedgerEntry) {
        let captures = entry.operation == Operation::Capture;
        match self.wrong {
            Wrong::ForgetsCaptures if captures => return,
            Wrong::CapturesMore if captures => {
                entry.amount = Won::parse(entry.amount.get() + 1_000).expect("an amount");
            }
            Wrong::CapturesTwice if captures => {
                let again = CallKey::parse(format!("{}-again", entry.key)).expect("plain");
                self.books().ledger.push(LedgerEntry { key: again, ..entry.clone() });
            }
            Wrong::TakesMoneyOfNobody if captures => {
                let nobody = "r-nobody-1".to_owned().try_into().expect("plain");
                let key = CallKey::parse("r-nobody-1-capture").expect("plain");
                let theirs = LedgerEntry { key, attempt_id: nobody, ..entry.clone() };
                self.books().ledger.push(theirs);
            }
            _ => {}
        }
        let mut books = self.books();
        entry.seq = books.ledger.len() as u64 + 1;
        books.ledger.push(entry);
    }
}

fn scan() -> Scan {
    Scan { gate: "gate-1".to_owned(), nonce: "n1".to_owned() }
}

fn staff() -> Person {
    Person { id: CustomerId::parse("staff-1").expect("plain"), role: Role::Staff }
}

fn entry(key: CallKey, row: &Reservation, operation: Operation, at: Time) -> LedgerEntry {
    let attempt_id = row.attempt_id().expect("money moves for an attempt");
    LedgerEntry { seq: 0, key, attempt_id, operation, amount: row.amount, done: true, at }
}
