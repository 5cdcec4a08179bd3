//! Customers: what each wants, and how they go about it. A command that gets no answer is sent
//! again under its key, as the API asks them to.

use super::gate::Comes;
use super::shared::{Order, Shared};
use super::stage::{Point, Queue, Verdict};
use super::theater::{SALES_CLOSE_BEFORE, STARTS_AFTER, seats_of, showtime_id};
use domain::ids::{CustomerId, ReservationId, SeatId, TicketId};
use domain::party::Party;
use domain::person::Person;
use domain::refusal::Refusal;
use domain::reservation::{Pay, Plan, PlanSeats, Reservation};
use domain::seats::best;
use domain::words::{Actor, Audience, Grade, Method, ReservationStatus, Role, StatusReason};
use fastrand::Rng;
use std::rc::Rc;
use std::time::Duration;
use store::check_ins::Scan;
use store::idempotency::RequestKey;
use store::payments::PayCommand;
use store::reserve::{Contact, NewReservation, Offer};
use store::seat_map::views;
use store::{Decision, Store, StoreError};

const TRIES_MAX: u32 = 6;
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(2);
const LOOKS_MAX: u32 = 40;
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(120);

/// What a customer asks of the API: each is one call of the store.
#[derive(Debug, Clone)]
pub(super) enum Command {
    Reserve(Box<NewReservation>),
    Pay(PayCommand),
    Select(ReservationId, Vec<SeatId>),
    Cancel(ReservationId),
    /// A ticket's code is read at the gate.
    CheckIn(String),
    /// The reservation's code, where there are no tickets.
    CheckInByCode(String),
    CancelTickets(ReservationId, Vec<TicketId>),
}

/// An answer that reached its customer.
pub(super) struct Said {
    pub(super) customer: CustomerId,
    pub(super) command: Command,
    pub(super) decision: Decision,
}

/// What a customer wants.
#[derive(Debug, Clone)]
pub(super) struct Intent {
    pub(super) arrives_after: Duration,
    pub(super) adults: u32,
    pub(super) grade: Grade,
    pub(super) plan: Option<PlanSeats>,
    /// How long until payment; nothing: never.
    pub(super) pays_after: Option<Duration>,
    pub(super) pays_twice: bool,
    /// With another card, while the first waits (R27).
    pub(super) changes_card: bool,
    pub(super) chooses_after: Option<Duration>,
    /// Wants these very seats, whoever has them.
    pub(super) insists: bool,
    /// Once ticketed, wants to sit elsewhere.
    pub(super) moves: bool,
    pub(super) cancels: Option<Cancels>,
    pub(super) comes: Option<Comes>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Cancels {
    pub(super) from: ReservationStatus,
    pub(super) hesitates: u32,
    pub(super) twice: bool,
    pub(super) gives_back: GivesBack,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GivesBack {
    All,
    /// One of the tickets. Who asks twice then wants all to go.
    One,
}

impl Intent {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        let close = STARTS_AFTER.saturating_sub(SALES_CLOSE_BEFORE);
        let grade = *rng.choice(&[Grade::Standard, Grade::Standard, Grade::Prime]).expect("three");
        let adults = rng.u32(1..=2);
        let mut named = seats_of(grade);
        rng.shuffle(&mut named);
        named.truncate(usize::try_from(adults).expect("few"));
        let plan = match rng.u32(0..10) {
            0..=2 => Some(PlanSeats::Best),
            3 => Some(PlanSeats::Ids(named)),
            _ => None,
        };
        let mut thinks = || match rng.u32(0..10) {
            0 => None,
            1 => Some(minutes(9)),
            2 => Some(minutes(11)),
            _ => Some(Duration::from_secs(rng.u64(0..30))),
        };
        let (pays_after, chooses_after) = (thinks(), thinks());
        let cancels = rng.bool().then(|| Cancels {
            from: *rng.choice(BY_RANK).expect("five"),
            hesitates: rng.u32(0..8),
            twice: rng.bool(),
            gives_back: if rng.u32(0..3) == 0 { GivesBack::One } else { GivesBack::All },
        });
        let comes = rng.bool().then(|| Comes::draw(rng));
        Self {
            arrives_after: match rng.u32(0..12) {
                0 => close.saturating_sub(Duration::from_secs(rng.u64(1..20))),
                1 => close + Duration::from_secs(60),
                2..=5 => Duration::from_secs(rng.u64(0..1_200)),
                _ => Duration::from_secs(rng.u64(0..20)),
            },
            adults,
            grade,
            plan,
            pays_after,
            pays_twice: rng.u32(0..6) == 0,
            changes_card: rng.u32(0..3) == 0,
            chooses_after,
            insists: rng.u32(0..4) == 0,
            moves: rng.u32(0..4) == 0,
            cancels,
            comes,
        }
    }
}

const BY_RANK: &[ReservationStatus] = &[
    ReservationStatus::Reserved,
    ReservationStatus::PaymentPending,
    ReservationStatus::PaymentApproved,
    ReservationStatus::SeatSelected,
    ReservationStatus::Ticketed,
];

pub(super) struct Customer {
    pub(super) shared: Rc<Shared>,
    pub(super) id: CustomerId,
    pub(super) offer: Rc<Offer>,
    pub(super) intent: Intent,
    pub(super) rng: Rng,
    /// Makes keys differ between the two who act for this customer.
    pub(super) hand: &'static str,
    pub(super) keys: u32,
}

impl Customer {
    /// Reserves, pays, chooses.
    pub(super) async fn books(mut self) {
        self.shared.wait(self.intent.arrives_after).await;
        let wish = self.wish();
        let reserved = self.command(&Command::Reserve(Box::new(wish))).await;
        let Some(Decision::Done(row) | Decision::Replayed(row)) = reserved else { return };
        let id = row.id;
        for _ in 0..LOOKS_MAX {
            let Some(row) = self.row(&id).await else { return };
            match row.status {
                ReservationStatus::Reserved if row.plan.is_none() => {
                    let Some(pause) = self.intent.pays_after else { return };
                    self.shared.wait(pause).await;
                    self.pays(&row).await;
                }
                ReservationStatus::PaymentDeferred if self.intent.changes_card => {
                    self.intent.changes_card = false;
                    self.pays(&row).await;
                }
                ReservationStatus::PaymentApproved if !row.plan_has_seats() => {
                    let Some(pause) = self.intent.chooses_after else { return };
                    self.shared.wait(pause).await;
                    self.chooses(&row).await;
                }
                ReservationStatus::Reserved
                | ReservationStatus::PaymentPending
                | ReservationStatus::PaymentDeferred
                | ReservationStatus::PaymentApproved => {}
                ReservationStatus::SeatSelected if self.intent.moves => {}
                ReservationStatus::Ticketed if self.intent.moves => {
                    let others = self.any_seats(&row);
                    self.command(&Command::Select(id, others)).await;
                    return;
                }
                ReservationStatus::SeatSelected
                | ReservationStatus::Ticketed
                | ReservationStatus::Cancelling
                | ReservationStatus::Cancelled
                | ReservationStatus::Expired
                | ReservationStatus::Completed => return,
            }
            let until = self.shared.now().plus(LOOK_AGAIN_AFTER);
            self.shared.wait_until(until, true).await;
        }
    }

    /// Waits for the moment and cancels.
    pub(super) async fn cancels(mut self, how: Cancels) {
        let rank = |status| {
            let deferred = status == ReservationStatus::PaymentDeferred;
            let status = if deferred { ReservationStatus::PaymentPending } else { status };
            BY_RANK.iter().position(|of| *of == status)
        };
        for _ in 0..LOOKS_MAX {
            let known = self.known();
            let row = match &known {
                Some(id) => self.row(id).await,
                None => None,
            };
            if let Some(row) = row {
                let Some(rank_now) = rank(row.status) else { return };
                let from = match how.gives_back {
                    GivesBack::All => how.from,
                    GivesBack::One => ReservationStatus::Ticketed,
                };
                if Some(rank_now) >= rank(from) {
                    return self.cancels_now(&row, how).await;
                }
            }
            let until = self.shared.now().plus(LOOK_AGAIN_AFTER);
            self.shared.wait_until(until, true).await;
        }
    }

    async fn cancels_now(&mut self, row: &Reservation, how: Cancels) {
        for _ in 0..how.hesitates {
            self.shared.step(Queue::Booking, "hesitate").await;
        }
        let all = Command::Cancel(row.id.clone());
        let first = match how.gives_back {
            GivesBack::All => all.clone(),
            GivesBack::One => {
                let tickets = self.shared.store().tickets(&row.id).await.expect("it reads");
                let live = tickets.into_iter().find(|ticket| ticket.is_live());
                let Some(ticket) = live else { return };
                Command::CancelTickets(row.id.clone(), vec![ticket.id])
            }
        };
        self.command(&first).await;
        if how.twice {
            self.command(&all).await;
        }
    }

    fn wish(&self) -> NewReservation {
        let plan = self.intent.plan.clone();
        NewReservation {
            customer_id: self.id.clone(),
            offer: (*self.offer).clone(),
            grade: self.intent.grade,
            party: Party::parse([(Audience::Adult, self.intent.adults)]).expect("a party"),
            plan: plan.map(|seats| Plan { method: Method::Card, seats }),
            contact: Contact::default(),
            unlimited: false,
            trace_parent: None,
        }
    }

    async fn pays(&mut self, row: &Reservation) {
        let waits = row.status == ReservationStatus::PaymentDeferred;
        let method = if waits { Method::KakaoPay } else { Method::Card };
        let command = Command::Pay(PayCommand {
            reservation_id: row.id.clone(),
            pay: Pay { method, amount: row.amount, actor: Actor::Customer },
            authorization: None,
        });
        self.command(&command).await;
        if self.intent.pays_twice {
            self.command(&command).await;
        }
    }

    async fn chooses(&mut self, row: &Reservation) {
        let map = self.shared.store().seat_map(&showtime_id()).await.expect("the store answers");
        let picks = best(&views(&map), &row.party, row.grade, 3);
        let picked = match self.rng.choice(&picks) {
            Some(pick) if !self.intent.insists => pick.clone(),
            _ => self.any_seats(row),
        };
        self.command(&Command::Select(row.id.clone(), picked)).await;
    }

    /// Whoever has them.
    fn any_seats(&mut self, row: &Reservation) -> Vec<SeatId> {
        let mut any = seats_of(row.grade);
        self.rng.shuffle(&mut any);
        any.truncate(usize::try_from(row.party.size()).expect("few"));
        any
    }

    /// Sends a command until it is answered, or for long enough.
    pub(super) async fn command(&mut self, command: &Command) -> Option<Decision> {
        self.keys += 1;
        let key = format!("{}-{}-{}", self.id, self.hand, self.keys);
        for _ in 0..TRIES_MAX {
            let arrival = self.shared.stage.park(Point::Request).await;
            if arrival == Verdict::Lost {
                self.shared.wait(TRY_AGAIN_AFTER).await;
                continue;
            }
            if arrival == Verdict::Doubled {
                let (customer, command) = (self.id.clone(), command.clone());
                self.shared.order(Order::Doubled { customer, command, key: key.clone() });
            }
            let decision = carry_out(&self.shared, &self.id, command, &key).await;
            if self.shared.stage.park(Point::Response).await == Verdict::Lost {
                self.shared.wait(TRY_AGAIN_AFTER).await;
                continue;
            }
            let decision = decision?;
            if let (Command::Reserve(_), Decision::Done(row) | Decision::Replayed(row)) =
                (command, &decision)
            {
                self.shared.known.borrow_mut().push((self.id.clone(), row.id.clone()));
            }
            let said = Said {
                customer: self.id.clone(),
                command: command.clone(),
                decision: decision.clone(),
            };
            self.shared.said.borrow_mut().push(said);
            return Some(decision);
        }
        None
    }

    pub(super) fn known(&self) -> Option<ReservationId> {
        let known = self.shared.known.borrow();
        known.iter().find(|(customer, _)| *customer == self.id).map(|(_, id)| id.clone())
    }

    pub(super) async fn row(&self, id: &ReservationId) -> Option<Reservation> {
        self.shared.store().reservation(id).await.expect("the store answers")
    }
}

/// What the API does with a command, once it is there. Nothing when the store failed.
pub(super) async fn carry_out(
    shared: &Shared,
    customer: &CustomerId,
    command: &Command,
    key: &str,
) -> Option<Decision> {
    let store = shared.store();
    let before = match command {
        Command::Cancel(id) => store.reservation(id).await.ok().flatten(),
        Command::Reserve(_)
        | Command::Pay(_)
        | Command::Select(..)
        | Command::CancelTickets(..)
        | Command::CheckIn(_)
        | Command::CheckInByCode(_) => None,
    };
    let decided = command.sent(&store, customer, key).await;
    match decided {
        Ok(decision) => {
            if let (Some(before), Decision::Done(after)) = (before, &decision)
                && before.version == after.version
            {
                shared.reached("R9");
            }
            if let Some(case) = command.reaches(&decision) {
                shared.reached(case);
            }
            Some(decision)
        }
        Err(error) => {
            shared.broken.borrow_mut().push(format!("{}: {error:?}", command.name()));
            None
        }
    }
}

impl Command {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Reserve(_) => "reserve",
            Self::Pay(_) => "pay",
            Self::Select(..) => "select",
            Self::Cancel(_) => "cancel",
            Self::CheckIn(_) => "check in",
            Self::CheckInByCode(_) => "check in by code",
            Self::CancelTickets(..) => "cancel tickets",
        }
    }

    async fn sent(
        &self,
        store: &Store,
        owner: &CustomerId,
        key: &str,
    ) -> Result<Decision, StoreError> {
        let scan = Scan { gate: "gate-1".to_owned(), nonce: key.to_owned() };
        let key = RequestKey {
            principal: owner.to_string(),
            route: self.name(),
            key: key.to_owned(),
            request_hash: self.name().to_owned(),
        };
        match self {
            Self::Reserve(new) => store.reserve(new, Some(&key)).await,
            Self::Pay(pay) => store.pay(owner, pay, Some(&key)).await,
            Self::Select(id, seats) => store.select_seats(owner, id, seats, Some(&key)).await,
            Self::Cancel(id) => store.cancel(owner, id, Some(&key)).await,
            Self::CheckIn(code) => store.check_in(code, &scan).await,
            Self::CheckInByCode(code) => store.check_in_by_code(code, &scan).await,
            Self::CancelTickets(id, tickets) => {
                let customer = Person { id: owner.clone(), role: Role::Customer };
                store.cancel_tickets(&customer, id, tickets, Some(&key)).await
            }
        }
    }

    /// Which case of specification 1.4 or 1.8 this answer is.
    fn reaches(&self, decision: &Decision) -> Option<&'static str> {
        match (self, decision) {
            (Self::Reserve(_), Decision::Refused(Refusal::SoldOut, _)) => Some("T2 sold out"),
            (Self::Reserve(_), Decision::Refused(Refusal::SalesClosed, _)) => Some("T2 closed"),
            (Self::Reserve(_), Decision::Replayed(_)) => Some("T3"),
            (Self::Pay(_), Decision::Replayed(_)) => Some("R10"),
            (Self::Pay(_), Decision::Refused(Refusal::PaymentInProgress, _)) => Some("R11"),
            (Self::Select(..), Decision::Refused(Refusal::SeatsUnavailable { .. }, Some(row)))
                if row.status == ReservationStatus::Ticketed =>
            {
                Some("R15")
            }
            (_, Decision::Refused(Refusal::CancellationInProgress, _)) => Some("R23"),
            (Self::Select(..), Decision::Refused(Refusal::SeatsUnavailable { .. }, _)) => {
                Some("T13 taken")
            }
            (Self::Select(..), Decision::Refused(Refusal::DeadlinePassed, _)) => {
                Some("R5 the time won")
            }
            (Self::Select(..), Decision::Refused(Refusal::WrongState, Some(row)))
                if row.reason == Some(StatusReason::CustomerRequest) =>
            {
                Some("R7 the cancel won")
            }
            (Self::Cancel(_), Decision::Refused(Refusal::TicketUsed, _)) => {
                Some("R14 the scan won")
            }
            (Self::CheckIn(_), Decision::Refused(Refusal::TicketCancelled, _)) => {
                Some("R14 the cancel won")
            }
            (Self::CheckIn(_), Decision::Refused(Refusal::AlreadyUsed { .. }, _)) => {
                Some("T23 twice")
            }
            (Self::CheckIn(_), Decision::Refused(Refusal::TooEarly { .. }, _)) => Some("T23 early"),
            (Self::CheckIn(_), Decision::Replayed(_)) => Some("T23 again"),
            _ => None,
        }
    }
}
