//! One life of a reservation: the store's transactions, played with the same functions of the
//! domain in the same order, but without a store.

use super::*;
use crate::audit::story::may_follow;
use crate::payment::GatewayCall;

/// From the last step of a walk to the reservation's end.
const STEPS_HOME_MAX: usize = 40;

/// What the gateway says to the call that was sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reply {
    Done { lapses_in_secs: Option<u64> },
    Refused,
    Lapsed,
}

/// One transaction of the store, or time going by.
#[derive(Debug, Clone, Copy)]
pub(super) enum Op {
    Wait {
        secs: u64,
    },
    Pay {
        is_right_amount: bool,
        wait_secs: u64,
    },
    PayByPlan,
    /// The pump's part: T8, and T4 of a plan.
    Defer,
    Open(Operation),
    Answer(Reply),
    SelectSeats,
    AssignPlanSeats,
    DropPlanSeats,
    IssueTickets,
    /// A scan, under a number of the gate.
    CheckIn(u32),
    CheckInByCode(u32),
    PassTime,
    Cancel(Actor),
    /// T20: the first ticket that lives.
    CancelOne(Actor),
    ChangeSeats,
    RevokeTickets,
    FreeSeats,
    CloseCancellation,
    /// Whatever a run would do next.
    Work(Reply),
}

pub(super) struct Walk {
    pub(super) row: Reservation,
    /// Else no ticket is issued or revoked, until the way home.
    is_ticketing_up: bool,
    pub(super) now: Time,
    /// The newest.
    cancellation: Option<Cancellation>,
    /// Those before it: parts.
    pub(super) parts: Vec<Cancellation>,
    pub(super) tickets: Vec<Ticket>,
    pub(super) timeline: Vec<Event>,
    /// The last event, with the status after its step.
    told: (EventType, S),
    /// What the pool holds for this reservation.
    pub(super) pool: Capacity,
    /// Every call that was ever opened.
    keys: BTreeSet<String>,
    pub(super) ledger: Ledger,
    pub(super) pairs: BTreeSet<(S, S)>,
}

/// How often the gateway did what it was asked.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) approved: u32,
    pub(super) captured: u32,
    pub(super) voided: u32,
    pub(super) refunded: u32,
    pub(super) refunded_won: i64,
}

impl Walk {
    pub(super) fn new(
        plan: Option<PlanSeats>,
        is_ticketing_up: bool,
        policy: CancelPolicy,
    ) -> Self {
        let mut row = reserved(plan);
        row.showtime.cancel_policy = policy;
        Self {
            row,
            is_ticketing_up,
            now: NOW,
            cancellation: None,
            parts: Vec::new(),
            tickets: Vec::new(),
            timeline: Vec::new(),
            told: (EventType::Reserved, S::Reserved),
            pool: Capacity::Held,
            keys: BTreeSet::new(),
            ledger: Ledger::default(),
            pairs: BTreeSet::new(),
        }
    }

    pub(super) fn step(&mut self, op: Op) {
        let before = self.row.clone();
        self.carry_out(op);
        if before.status != self.row.status {
            self.pairs.insert((before.status, self.row.status));
        }
        self.check(&before, op);
    }

    fn carry_out(&mut self, op: Op) {
        match op {
            Op::Wait { secs } => self.now = self.now.plus(Duration::from_secs(secs)),
            Op::Pay { is_right_amount, wait_secs } => {
                let wait = Duration::from_secs(wait_secs);
                self.pay(is_right_amount, Actor::Customer, wait);
            }
            Op::PayByPlan if self.row.plan.is_some() => {
                self.pay(true, Actor::System, Duration::ZERO);
            }
            Op::PayByPlan => {}
            Op::Defer => self.defer(),
            Op::Open(operation) => self.open(operation),
            Op::Answer(reply) => self.answer(reply),
            Op::SelectSeats => self.select_seats(Actor::Customer),
            Op::AssignPlanSeats if self.row.plan_has_seats() => self.select_seats(Actor::System),
            Op::AssignPlanSeats => {}
            Op::DropPlanSeats => self.drop_plan_seats(),
            Op::IssueTickets => self.issue_tickets(),
            Op::CheckIn(nonce) => self.check_in(nonce),
            Op::CheckInByCode(nonce) => self.check_in_by_code(nonce),
            Op::PassTime => self.pass_time(),
            Op::Cancel(actor) => self.cancel(Ask { actor, tickets: None }),
            Op::CancelOne(actor) => self.cancel_one(actor),
            Op::ChangeSeats => self.change_seats(),
            Op::RevokeTickets => self.revoke_tickets(),
            Op::FreeSeats => self.free_seats(),
            Op::CloseCancellation => self.close_cancellation(),
            Op::Work(reply) => self.work(reply),
        }
    }

    pub(super) fn record(&mut self, events: Vec<Event>) {
        self.row.version += 1;
        self.row.updated_at = self.now;
        self.row.last_seq += i64::try_from(events.len()).unwrap();
        for event in &events {
            let told = (event.kind, self.row.status);
            assert!(may_follow(Some(self.told), told.0, told.1), "{told:?} after {:?}", self.told);
            self.told = told;
        }
        self.timeline.extend(events);
    }

    fn release(&mut self, from: Capacity) {
        assert_eq!(self.pool, from, "capacity is released from where it stands");
        self.pool = Capacity::Released;
    }

    /// `Store::pay`, `Store::pay_by_plan`.
    fn pay(&mut self, is_right_amount: bool, actor: Actor, wait: Duration) {
        let amount = if is_right_amount { self.row.amount } else { Won::ZERO };
        let pay = Pay { method: self.another_method(), amount, actor };
        if let Ok(events) = self.row.pay(self.now, pay, wait, &Deadlines::default()) {
            assert!(is_right_amount);
            self.record(events);
        }
    }

    /// Another than the last attempt's, as for a second card (R27).
    pub(super) fn another_method(&self) -> Method {
        match self.row.attempt.map(|attempt| attempt.method) {
            Some(Method::Card) => Method::KakaoPay,
            _ => Method::Card,
        }
    }

    fn defer(&mut self) {
        let wait = Duration::from_secs(60);
        let events = self.row.defer(self.now, wait, &Deadlines::default());
        if !events.is_empty() {
            self.record(events);
        }
    }

    /// `Store::open_call`; for a void or refund, after the look of the activity that asks for it.
    fn open(&mut self, operation: Operation) {
        let returning = matches!(operation, Operation::Void | Operation::Refund);
        if returning && self.undo_owed() != OwesUndo::Money {
            return;
        }
        if self.row.open_call.is_some() || !self.row.may_open(operation) {
            return;
        }
        let cancellation = self.row.open_cancellation.as_ref().filter(|_| returning);
        let attempt = self.row.attempt_id().unwrap();
        let key = GatewayCall::key_of(&attempt, operation, cancellation);
        assert!(self.keys.insert(key.to_string()), "{key} is opened twice");
        self.row.open(OpenCall::sent(key, operation));
        self.record(Vec::new());
    }

    /// `Store::record_answer`.
    fn answer(&mut self, reply: Reply) {
        let Some(call) = self.row.open_call.take() else { return };
        let events = match (call.operation, reply) {
            (Operation::Approve, Reply::Done { lapses_in_secs }) => self.approved(lapses_in_secs),
            (Operation::Approve, Reply::Refused) => self.declined(),
            (Operation::Approve, Reply::Lapsed) => self.lapsed(),
            (Operation::Capture, Reply::Done { .. }) => {
                self.ledger.captured += 1;
                self.row.capture()
            }
            (Operation::Capture, Reply::Refused | Reply::Lapsed) => {
                let mut events = vec![Event::new(EventType::PaymentDeclined, Actor::Gateway)];
                if self.row.status != S::Cancelling {
                    events.extend(self.open_undo(StatusReason::PaymentDeclined));
                }
                events
            }
            (operation @ (Operation::Void | Operation::Refund), Reply::Done { .. }) => {
                let returned = match operation {
                    Operation::Refund => &mut self.ledger.refunded,
                    _ => &mut self.ledger.voided,
                };
                *returned += 1;
                let cancellation = self.cancellation.as_mut().unwrap();
                if operation == Operation::Refund {
                    self.ledger.refunded_won += cancellation.amount.get();
                }
                self.row.return_money(self.now, cancellation, operation)
            }
            (Operation::Void | Operation::Refund, Reply::Refused | Reply::Lapsed) => {
                self.row.block_refund(self.cancellation.as_mut().unwrap(), "CLOSED")
            }
        };
        self.record(events);
    }

    fn approved(&mut self, lapses_in_secs: Option<u64>) -> Vec<Event> {
        self.ledger.approved += 1;
        let waited_for = self.row.status != S::Cancelling;
        if waited_for && self.now < self.row.showtime.starts_at {
            let lapses = lapses_in_secs.map(|secs| self.now.plus(Duration::from_secs(secs)));
            return self.row.approve(self.now, lapses, &Deadlines::default());
        }
        let mut events = self.row.approve_in_vain();
        if waited_for {
            events.extend(self.open_undo(StatusReason::LateApproval));
        }
        events
    }

    fn declined(&mut self) -> Vec<Event> {
        if self.row.status == S::Cancelling {
            return self.row.decline_in_vain("LIMIT");
        }
        match self.row.decline(self.now, "LIMIT", &Deadlines::default()) {
            Declined::PayAgain(events) => events,
            Declined::Ended(events) => {
                self.release(Capacity::Held);
                events
            }
        }
    }

    fn lapsed(&mut self) -> Vec<Event> {
        if self.row.status == S::Cancelling {
            return self.row.lapse_in_vain();
        }
        let left = self.row.attempts_left;
        let events = match self.row.lapse(self.now, &Deadlines::default()) {
            Declined::PayAgain(events) => events,
            Declined::Ended(events) => {
                self.release(Capacity::Held);
                events
            }
        };
        assert_eq!(self.row.attempts_left, left, "a lapse is no decline");
        events
    }

    fn open_undo(&mut self, reason: StatusReason) -> Vec<Event> {
        let id = self.cancellation_id();
        let (cancellation, events) = self.row.undo(self.now, id, reason, Actor::System);
        self.accept(cancellation);
        events
    }

    fn accept(&mut self, cancellation: Cancellation) {
        if let Some(before) = self.cancellation.replace(cancellation) {
            assert_eq!(before.state, CancellationState::Done, "one at a time");
            assert_eq!(before.scope, Scope::Part, "a whole is undone once");
            self.parts.push(before);
        }
    }

    pub(super) fn cancellation_id(&self) -> CancellationId {
        CancellationId::parse(format!("c{}", self.row.version)).unwrap()
    }

    /// `Store::select_seats`, `Store::assign_plan_seats`.
    fn select_seats(&mut self, actor: Actor) {
        if self.row.may_select_seats().is_err() {
            return;
        }
        let events = self.row.select_seats(seat_numbers(), actor);
        assert_eq!(self.pool, Capacity::Held);
        self.pool = Capacity::Sold;
        self.record(events);
    }

    fn drop_plan_seats(&mut self) {
        if self.row.may_select_seats().is_ok() && self.row.plan_has_seats() {
            let events = self.row.drop_plan_seats(self.now, &Deadlines::default());
            self.record(events);
        }
    }

    fn issue_tickets(&mut self) {
        if self.is_ticketing_up && self.row.owes() == Owes::Tickets {
            let numbers = self.row.seat_numbers.clone();
            let issued = self.give_tickets(&numbers);
            let events = self.row.issue_tickets(issued);
            self.record(events);
        }
    }

    /// `Store::pass_time`.
    fn pass_time(&mut self) {
        let events = match self.row.pass_deadline(self.now) {
            Expiry::NotDue => self.row.complete(self.now),
            Expiry::Undo(reason) => self.open_undo(reason),
            Expiry::Ended(events) => {
                self.release(Capacity::Held);
                events
            }
        };
        if self.row.status == S::Completed {
            for ticket in self.tickets.iter_mut() {
                if ticket.status == TicketStatus::Issued {
                    ticket.status = TicketStatus::NoShow;
                }
            }
        }
        if !events.is_empty() {
            self.record(events);
        }
    }

    /// `Store::cancel`.
    fn cancel(&mut self, ask: Ask<'_>) {
        let id = self.cancellation_id();
        let quoted = self.row.quote(self.now, ask, &self.tickets);
        let cancelled = self.row.cancel(self.now, id.clone(), ask, &self.tickets);
        if let Ok(Cancelling::Accepted(undo, _) | Cancelling::PartAccepted(undo, ..)) = &cancelled {
            assert_eq!(quoted.unwrap().refund, undo.amount, "what was quoted is what is refunded");
        }
        match cancelled {
            Err(_) | Ok(Cancelling::Already) => {}
            Ok(Cancelling::Ended(events)) => {
                self.release(Capacity::Held);
                self.record(events);
            }
            Ok(Cancelling::Accepted(cancellation, events)) => {
                self.request_back(&id, |ticket| ticket.is_live());
                self.accept(cancellation);
                self.record(events);
            }
            Ok(Cancelling::PartAccepted(cancellation, set, events)) => {
                self.request_back(&id, |ticket| set.contains(&ticket.id));
                self.accept(cancellation);
                self.record(events);
            }
        }
    }

    fn request_back(&mut self, id: &CancellationId, is_of_it: impl Fn(&Ticket) -> bool) {
        for ticket in self.tickets.iter_mut().filter(|ticket| is_of_it(ticket)) {
            ticket.status = TicketStatus::CancelRequested;
            ticket.cancellation_id = Some(id.clone());
        }
    }

    /// `Store::cancel_tickets`.
    fn cancel_one(&mut self, actor: Actor) {
        let live = self.tickets.iter().find(|ticket| ticket.is_live());
        let Some(id) = live.map(|ticket| ticket.id.clone()) else { return };
        self.cancel(Ask { actor, tickets: Some(&[id]) });
    }

    /// `Store::change_seats`: all of them, for seats that nobody has.
    fn change_seats(&mut self) {
        if self.row.may_change_seats(self.now, Actor::Customer).is_err() {
            return;
        }
        for ticket in self.tickets.iter_mut().filter(|ticket| ticket.is_live()) {
            ticket.status = TicketStatus::Cancelled;
        }
        let row = &self.row;
        let numbers = (0..row.party.size()).map(|n| format!("{}-{n}", row.version)).collect();
        self.give_tickets(&numbers);
        let events = self.row.change_seats(numbers, Actor::Customer);
        self.record(events);
    }

    fn give_tickets(&mut self, numbers: &Vec<String>) -> Vec<(TicketId, String)> {
        let mut issued = Vec::new();
        for number in numbers {
            let n = self.tickets.len();
            let id = TicketId::parse(format!("t{n}")).unwrap();
            self.tickets.push(Ticket {
                id: id.clone(),
                reservation_id: self.row.id.clone(),
                assignment_id: AssignmentId::parse(format!("a{n}")).unwrap(),
                seat_number: number.clone(),
                code: format!("code{n}"),
                audience: Audience::Adult,
                price: self.row.prices[&Audience::Adult],
                status: self.row.status_of_new_tickets(),
                issued_at: self.now,
                revoked_at: None,
                cancellation_id: None,
                check_in: self.row.check_in.clone(),
            });
            issued.push((id, number.clone()));
        }
        issued
    }

    /// The tickets of the newest cancellation.
    fn set(&self) -> Vec<Ticket> {
        let id = self.cancellation.as_ref().map(|cancellation| &cancellation.id);
        let of_it = |ticket: &&Ticket| ticket.cancellation_id.as_ref() == id;
        self.tickets.iter().filter(of_it).cloned().collect()
    }

    pub(super) fn undo_owed(&self) -> OwesUndo {
        let owes = |cancellation: &Cancellation| cancellation.owes(&self.row);
        self.cancellation.as_ref().map_or(OwesUndo::Nothing, owes)
    }

    /// `Store::lock_undo`: nothing when another step is owed.
    fn undo_step(
        &mut self,
        step: OwesUndo,
        carry_out: impl FnOnce(&mut Reservation, Time, &mut Cancellation) -> Vec<Event>,
    ) {
        if self.undo_owed() == step {
            let cancellation = self.cancellation.as_mut().unwrap();
            let events = carry_out(&mut self.row, self.now, cancellation);
            self.record(events);
        }
    }

    fn revoke_tickets(&mut self) {
        if !self.is_ticketing_up {
            return;
        }
        if self.undo_owed() == OwesUndo::Tickets {
            for ticket in self.tickets.iter_mut() {
                if ticket.status == TicketStatus::CancelRequested {
                    ticket.status = TicketStatus::Cancelled;
                }
            }
        }
        let revoked =
            self.set().into_iter().map(|ticket| (ticket.id, ticket.seat_number)).collect();
        self.undo_step(OwesUndo::Tickets, |row, now, cancellation| {
            row.revoke_tickets(now, cancellation, revoked)
        });
    }

    fn free_seats(&mut self) {
        let whole = self.cancellation.as_ref().is_some_and(|undo| undo.scope == Scope::Whole);
        if whole && self.undo_owed() == OwesUndo::Seats {
            let is_seated = !self.row.seat_numbers.is_empty();
            self.release(if is_seated { Capacity::Sold } else { Capacity::Held });
        }
        let set = self.set();
        self.undo_step(OwesUndo::Seats, |row, now, undo| row.free_seats(now, undo, &set));
    }

    fn close_cancellation(&mut self) {
        self.undo_step(OwesUndo::Close, |row, _, cancellation| {
            row.close_cancellation(cancellation)
        });
    }

    /// The next step of the booking's run, or of the cancellation's.
    fn work(&mut self, reply: Reply) {
        if self.row.open_call.is_some() {
            return self.answer(reply);
        }
        match self.undo_owed() {
            OwesUndo::Settle => unreachable!("no call is open"),
            OwesUndo::Tickets => return self.revoke_tickets(),
            OwesUndo::Seats => return self.free_seats(),
            OwesUndo::Money => return self.open(self.row.money_to_return().unwrap()),
            OwesUndo::Close => return self.close_cancellation(),
            OwesUndo::Nothing => {}
        }
        match self.row.owes() {
            Owes::Payment(PaymentStep::Request) => self.pay(true, Actor::System, Duration::ZERO),
            Owes::Payment(PaymentStep::Approve) => self.open(Operation::Approve),
            Owes::Payment(PaymentStep::PlanSeats) => self.select_seats(Actor::System),
            Owes::Payment(PaymentStep::Capture) => self.open(Operation::Capture),
            Owes::Tickets => self.issue_tickets(),
            Owes::Await(_) | Owes::Nothing => {}
        }
    }

    pub(super) fn is_blocked(&self) -> bool {
        let state = self.cancellation.as_ref().map(|cancellation| cancellation.state);
        state == Some(CancellationState::Blocked)
    }

    /// What was kept of what was cancelled.
    pub(super) fn fees(&self) -> i64 {
        let returned = |undo: &&Cancellation| undo.money_returned_at.is_some();
        let undone = self.parts.iter().chain(&self.cancellation).filter(returned);
        undone.map(|undo| undo.price.get() - undo.amount.get()).sum()
    }

    /// `Store::open_call`, as far as money is to go back.
    pub(super) fn may_return(&self) -> bool {
        let opens = |operation| self.row.may_open(operation);
        self.undo_owed() == OwesUndo::Money && (opens(Operation::Void) || opens(Operation::Refund))
    }

    /// With runs that work, a gateway that agrees and a customer who does nothing more.
    pub(super) fn go_home(&mut self) {
        self.is_ticketing_up = true;
        for _ in 0..STEPS_HOME_MAX {
            if self.row.status.is_terminal() || self.is_blocked() {
                return;
            }
            let version = self.row.version;
            self.step(Op::Work(Reply::Done { lapses_in_secs: None }));
            if self.row.version == version {
                let next = self.row.next_attend(self.now, 0).expect("somebody looks again");
                self.now = self.now.max(next);
                self.step(Op::PassTime);
                assert!(self.row.version > version, "{} stands still", self.row.status);
            }
        }
        panic!("{} after {STEPS_HOME_MAX} steps", self.row.status);
    }
}
