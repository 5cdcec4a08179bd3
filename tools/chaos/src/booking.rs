//! One booking of the load: what its customer wants, and how it went.

use crate::customer::{Answer, Crowd, Customer};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const MOVIE: &str = "사탄의인형3";
const PAY_TRIES_MAX: u32 = 3;
const SEAT_TRIES_MAX: u32 = 12;
const LOOK_EVERY: Duration = Duration::from_millis(400);

/// How a reservation is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The report's own call: one adult, carried through by a plan.
    Report,
    /// The full form with a plan.
    Plan,
    /// Reserve, pay, choose seats, each on its own.
    Steps,
}

/// When the customer cancels or goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Never,
    /// Some time after the reservation was made, whatever its state.
    CancelsAfter(Duration),
    CancelsReserved,
    CancelsApproved,
    CancelsSeated,
    CancelsTicketed,
    NeverPays,
    NeverChooses,
}

/// What a customer wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) form: Form,
    pub(crate) turn: Turn,
    pub(crate) party: u32,
}

impl Wish {
    pub(crate) fn draw(rng: &mut fastrand::Rng) -> Self {
        let party = rng.u32(1..=4);
        let soon = Duration::from_millis(rng.u64(0..4_000));
        let (form, turn) = match rng.u32(0..20) {
            0..4 => (Form::Report, Turn::Never),
            4..7 => (Form::Plan, Turn::Never),
            7..11 => (Form::Steps, Turn::Never),
            11 => (Form::Plan, Turn::CancelsTicketed),
            12..14 => (Form::Plan, Turn::CancelsAfter(soon)),
            14 => (Form::Steps, Turn::CancelsReserved),
            15 => (Form::Steps, Turn::CancelsApproved),
            16 => (Form::Steps, Turn::CancelsSeated),
            17 => (Form::Steps, Turn::CancelsTicketed),
            18 => (Form::Steps, Turn::NeverPays),
            _ => (Form::Steps, Turn::NeverChooses),
        };
        let party = if form == Form::Report { 1 } else { party };
        Self { form, turn, party }
    }

    /// Whether the system carries it through to its ticket without its customer.
    pub(crate) fn is_carried(&self) -> bool {
        self.form != Form::Steps && self.turn == Turn::Never
    }

    /// A booking that carries itself through.
    pub(crate) fn planned() -> Self {
        Self { form: Form::Plan, turn: Turn::Never, party: 1 }
    }
}

/// How it went.
pub(crate) struct Booking {
    pub(crate) wish: Wish,
    pub(crate) customer: Customer,
    /// None where no reservation was made.
    pub(crate) id: Option<String>,
    pub(crate) sent_at: Instant,
    /// None where it had not ended when the run was over.
    pub(crate) ended_at: Option<Instant>,
    /// The reservation as it was last seen.
    pub(crate) last: Value,
    /// The statuses that commands were acknowledged with.
    pub(crate) acknowledged: Vec<String>,
    /// True: the customer's cancellation was accepted.
    pub(crate) cancelled: bool,
    /// The definitive refusal of the create.
    pub(crate) refused: Option<Answer>,
    pub(crate) look_every: Duration,
}

impl Booking {
    pub(crate) fn new(wish: Wish, customer: Customer) -> Self {
        Self {
            wish,
            customer,
            id: None,
            sent_at: Instant::now(),
            ended_at: None,
            last: Value::Null,
            acknowledged: Vec::new(),
            cancelled: false,
            refused: None,
            look_every: LOOK_EVERY,
        }
    }

    pub(crate) fn status(&self) -> &str {
        self.last["status"].as_str().unwrap_or_default()
    }

    /// Whether no more happens to it: it has ended, or waits for staff.
    pub(crate) fn has_ended(&self) -> bool {
        match self.status() {
            "TICKETED" | "CANCELLED" | "EXPIRED" | "COMPLETED" => true,
            "CANCELLING" => self.is_blocked(),
            _ => false,
        }
    }

    /// Whether its refund was refused for good.
    pub(crate) fn is_blocked(&self) -> bool {
        self.status() == "CANCELLING" && self.last["cancellation"]["state"] == "BLOCKED"
    }

    pub(crate) fn was_under_way(&self, at: Instant) -> bool {
        self.sent_at <= at && self.ended_at.is_none_or(|ended| at < ended)
    }

    /// Carries the customer's part out and waits for the end.
    pub(crate) async fn carry_out(mut self, showtimes: Arc<Vec<String>>) -> Self {
        self.sent_at = Instant::now();
        // None: the run was over in the middle.
        if self.act(&showtimes).await.is_some() && self.id.is_some() {
            self.until(Self::has_ended).await;
        } else if self.refused.is_some() {
            self.ended_at = Some(Instant::now());
        }
        self
    }

    async fn act(&mut self, showtimes: &[String]) -> Option<()> {
        self.reserve(showtimes).await?;
        if self.id.is_none() {
            return Some(());
        }
        if let Turn::CancelsAfter(wait) = self.wish.turn {
            sleep(wait).await;
            return self.cancel().await;
        }
        if self.wish.turn == Turn::CancelsReserved {
            return self.cancel().await;
        }
        if self.wish.form == Form::Steps {
            self.pay_and_choose().await?;
        }
        match self.wish.turn {
            Turn::CancelsSeated => self.cancel().await,
            Turn::CancelsTicketed => {
                self.until(Self::has_ended).await?;
                match self.status() {
                    "TICKETED" => self.cancel().await,
                    _ => Some(()),
                }
            }
            Turn::Never
            | Turn::CancelsAfter(_)
            | Turn::CancelsReserved
            | Turn::CancelsApproved
            | Turn::NeverPays
            | Turn::NeverChooses => Some(()),
        }
    }

    async fn pay_and_choose(&mut self) -> Option<()> {
        if self.wish.turn == Turn::NeverPays {
            return Some(());
        }
        for _ in 0..PAY_TRIES_MAX {
            self.pay().await?;
            self.until(|b| !["PAYMENT_PENDING", "PAYMENT_DEFERRED"].contains(&b.status())).await?;
            if self.status() != "RESERVED" {
                break;
            }
        }
        if self.status() != "PAYMENT_APPROVED" {
            return Some(());
        }
        match self.wish.turn {
            Turn::CancelsApproved => self.cancel().await,
            Turn::NeverChooses => Some(()),
            _ => self.choose().await,
        }
    }

    async fn reserve(&mut self, showtimes: &[String]) -> Option<()> {
        let Wish { form, party, .. } = self.wish;
        let showtime = &showtimes[self.customer.rng.usize(..showtimes.len())];
        let mut body = json!({
            "showtimeId": showtime, "grade": "STANDARD",
            "admissions": [{"type": "ADULT", "count": party}],
            "contact": {"name": "홍길동", "phone": "010-1234-5678"},
        });
        match form {
            Form::Report => body = json!({"customerName": "홍길동", "movieName": MOVIE}),
            Form::Plan => body["plan"] = json!({"method": "CARD", "seats": "best"}),
            Form::Steps => {}
        }
        let answer = self.command(Method::POST, "/reservations", &body).await?;
        match answer.body["id"].as_str() {
            Some(id) if answer.is_done() => self.id = Some(id.to_owned()),
            _ => self.refused = Some(answer),
        }
        Some(())
    }

    async fn pay(&mut self) -> Option<()> {
        let body = json!({"method": "CARD", "amount": self.last["amount"]});
        self.command(Method::POST, &self.path("/payments"), &body).await?;
        self.look().await
    }

    async fn choose(&mut self) -> Option<()> {
        for _ in 0..SEAT_TRIES_MAX {
            let best = format!(
                "/showtimes/{}/best-seats?partySize={}&grade=STANDARD",
                self.last["showtimeId"].as_str().unwrap_or_default(),
                self.wish.party
            );
            let found = self.customer.read(&best).await?;
            let seats = json!({"seatIds": found.body["items"][0]["seatIds"]});
            let answer = self.command(Method::PUT, &self.path("/seats"), &seats).await?;
            // The gap rule is judged on the map of that moment, as the suggestion was before.
            if !["seats-unavailable", "single-seat-gap"].contains(&answer.code()) {
                return self.look().await;
            }
        }
        Some(())
    }

    async fn cancel(&mut self) -> Option<()> {
        let body = json!({"reason": "CUSTOMER_REQUEST"});
        let answer = self.command(Method::POST, &self.path("/cancellation"), &body).await?;
        // Asked again, or of one that is being undone anyway, the answer speaks of that.
        self.cancelled = answer.is_done() && answer.body["statusReason"] == "CUSTOMER_REQUEST";
        Some(())
    }

    async fn command(&mut self, method: Method, path: &str, body: &Value) -> Option<Answer> {
        let answer = self.customer.command(method, path, body).await?;
        if answer.is_done() {
            self.last = answer.body.clone();
            self.acknowledged.push(self.status().to_owned());
        }
        Some(answer)
    }

    fn path(&self, rest: &str) -> String {
        format!("/reservations/{}{rest}", self.id.as_deref().unwrap_or_default())
    }

    async fn look(&mut self) -> Option<()> {
        let path = self.path("");
        let found = self.customer.read(&path).await?;
        if !found.is_done() {
            let wrong = format!("an acknowledged reservation is not found: {}", found.status);
            self.customer.wrong.push(wrong);
            return None;
        }
        if found.body["status"] != self.last["status"] {
            self.customer.tell(format!("is {}", found.body["status"]));
        }
        self.last = found.body;
        Some(())
    }

    async fn until(&mut self, holds: impl Fn(&Self) -> bool) -> Option<()> {
        self.look().await?;
        while !holds(self) {
            sleep(self.look_every).await;
            self.look().await?;
        }
        self.ended_at = self.has_ended().then(Instant::now);
        Some(())
    }
}

/// The load of one seed: who comes when.
pub(crate) struct Load {
    pub(crate) api: String,
    pub(crate) name: String,
    pub(crate) crowd: Arc<Crowd>,
    pub(crate) began: Instant,
    pub(crate) showtimes: Arc<Vec<String>>,
}

impl Load {
    pub(crate) fn customer(&self, n: usize, seed: u64) -> Customer {
        let id = format!("{}-{n}", self.name);
        Customer::new(id, &self.api, self.crowd.clone(), self.began, seed)
    }
}
