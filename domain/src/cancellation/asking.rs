//! A person asks to cancel, or what cancelling would give back: both are judged by the same rules,
//! so that what was quoted is what is refunded (T18, T19, T20).

use super::window::{Window, window_at};
use super::{Cancellation, price_of};
use crate::ids::{CancellationId, TicketId};
use crate::refusal::Refusal;
use crate::reservation::Reservation;
use crate::ticket::Ticket;
use crate::time::Time;
use crate::timeline::Event;
use crate::won::{Percent, Won};
use crate::words::{Actor, EventType, ReservationStatus, StatusReason, TicketStatus};

/// Who asks, for what.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    pub actor: Actor,
    /// None: all that is left.
    pub tickets: Option<&'a [TicketId]>,
}

/// How a wish to cancel is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancelling {
    /// It has been asked before.
    Already,
    /// Nothing was sent: it has ended; its capacity is to be released (T18).
    Ended(Vec<Event>),
    /// The undo of all that is left has been accepted; this cancellation carries it out.
    Accepted(Cancellation, Vec<Event>),
    /// The undo of these tickets has been accepted.
    PartAccepted(Cancellation, Vec<TicketId>, Vec<Event>),
}

/// What cancelling would give back now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    pub percent: Percent,
    pub refund: Won,
    pub next: Option<Change>,
}

/// From when on something else is given back; nothing: from then on it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    pub at: Time,
    pub percent: Option<Percent>,
}

/// What is asked for, as the rules see it.
enum Judged<'a> {
    Already,
    Whole(Terms),
    Part(Terms, Vec<&'a Ticket>),
}

struct Terms {
    percent: Percent,
    next: Option<Change>,
}

impl Reservation {
    /// T18, T19, T20: a person asks to end it, or to give back some of its tickets. `tickets` are
    /// all that it has or had.
    pub fn cancel(
        &mut self,
        now: Time,
        id: CancellationId,
        ask: Ask<'_>,
        tickets: &[Ticket],
    ) -> Result<Cancelling, Refusal> {
        let reason = match ask.actor {
            Actor::Staff => StatusReason::StaffRequest,
            Actor::Customer | Actor::System | Actor::Gateway => StatusReason::CustomerRequest,
        };
        let by = (reason, ask.actor);
        match self.judge_ask(now, ask, tickets)? {
            Judged::Already => Ok(Cancelling::Already),
            Judged::Whole(_) if self.owes_nobody() => {
                let end = self.end(ReservationStatus::Cancelled, reason, ask.actor);
                let asked = Event::new(EventType::CancellationRequested, ask.actor);
                Ok(Cancelling::Ended(vec![asked.reason(Some(reason)), end]))
            }
            Judged::Whole(terms) => {
                let (cancellation, events) = self.undo_whole(now, id, by, terms.percent);
                Ok(Cancelling::Accepted(cancellation, events))
            }
            Judged::Part(terms, set) => {
                let (cancellation, events) = self.undo_part(now, id, by, (terms.percent, &set));
                let set = set.into_iter().map(|ticket| ticket.id.clone()).collect();
                Ok(Cancelling::PartAccepted(cancellation, set, events))
            }
        }
    }

    /// What [`Reservation::cancel`] would give back at this moment.
    pub fn quote(&self, now: Time, ask: Ask<'_>, tickets: &[Ticket]) -> Result<Quote, Refusal> {
        let (price, terms) = match self.judge_ask(now, ask, tickets)? {
            Judged::Already if self.open_cancellation.is_some() => {
                return Err(Refusal::CancellationInProgress);
            }
            Judged::Already => return Err(Refusal::WrongState),
            Judged::Whole(terms) if self.owes_nobody() => (Won::ZERO, terms),
            Judged::Whole(terms) => (self.worth(), terms),
            Judged::Part(terms, set) => (price_of(set), terms),
        };
        let Terms { percent, next } = terms;
        Ok(Quote { percent, refund: price.percent_rounded_up(percent), next })
    }

    fn judge_ask<'a>(
        &self,
        now: Time,
        ask: Ask<'_>,
        tickets: &'a [Ticket],
    ) -> Result<Judged<'a>, Refusal> {
        if matches!(self.status, ReservationStatus::Expired | ReservationStatus::Completed) {
            return Err(Refusal::WrongState);
        }
        let named = ask.tickets.map(|ids| named(ids, tickets)).transpose()?;
        let already = match &named {
            Some(named) => are_one_set(named, tickets),
            None => {
                matches!(self.status, ReservationStatus::Cancelling | ReservationStatus::Cancelled)
            }
        };
        if already {
            return Ok(Judged::Already);
        }
        if self.open_cancellation.is_some() {
            return Err(Refusal::CancellationInProgress);
        }
        if named.is_none() && self.is_used() {
            return Err(Refusal::TicketUsed);
        }
        let live: Vec<&Ticket> = tickets.iter().filter(|ticket| ticket.is_live()).collect();
        let set = named.unwrap_or_else(|| live.clone());
        let gone: Vec<TicketId> =
            set.iter().filter(|ticket| !ticket.is_live()).map(|ticket| ticket.id.clone()).collect();
        if !gone.is_empty() {
            return Err(Refusal::TicketsCancelled { tickets: gone });
        }
        let terms = self.terms(now, ask.actor)?;
        if set.iter().any(|ticket| ticket.status == TicketStatus::Used) {
            return Err(Refusal::TicketUsed);
        }
        let whole = set.len() == live.len();
        Ok(if whole { Judged::Whole(terms) } else { Judged::Part(terms, set) })
    }

    /// Before a deal exists the window does not matter, and a fee is kept only from captured money.
    fn terms(&self, now: Time, actor: Actor) -> Result<Terms, Refusal> {
        let dealt =
            matches!(self.status, ReservationStatus::SeatSelected | ReservationStatus::Ticketed);
        if !dealt {
            return Ok(Terms { percent: Percent::ALL, next: None });
        }
        match window_at(&self.showtime, actor, now) {
            Window::Closed { at } => Err(Refusal::CancelWindowClosed { closed_at: at }),
            Window::Open { percent, until, then } => {
                let taken = self.is_captured() || self.open_call.is_some();
                let percent = if taken { percent } else { Percent::ALL };
                Ok(Terms { percent, next: Some(Change { at: until, percent: then }) })
            }
        }
    }

    /// No money was sent for, and none was taken.
    fn owes_nobody(&self) -> bool {
        self.open_call.is_none() && self.money_to_return().is_none()
    }
}

/// The tickets of these ids, each once; all have to be this reservation's.
fn named<'a>(ids: &[TicketId], tickets: &'a [Ticket]) -> Result<Vec<&'a Ticket>, Refusal> {
    let known = |id: &TicketId| tickets.iter().any(|ticket| ticket.id == *id);
    let unknown: Vec<TicketId> = ids.iter().filter(|id| !known(id)).cloned().collect();
    if !unknown.is_empty() || ids.is_empty() {
        return Err(Refusal::UnknownTickets { tickets: unknown });
    }
    Ok(tickets.iter().filter(|ticket| ids.contains(&ticket.id)).collect())
}

/// Whether these are all tickets of one cancellation: then they were asked for before.
fn are_one_set(named: &[&Ticket], tickets: &[Ticket]) -> bool {
    let Some(of) = named.first().and_then(|ticket| ticket.cancellation_id.as_ref()) else {
        return false;
    };
    let in_it = |ticket: &&Ticket| ticket.cancellation_id.as_ref() == Some(of);
    named.iter().all(in_it) && tickets.iter().filter(in_it).count() == named.len()
}
