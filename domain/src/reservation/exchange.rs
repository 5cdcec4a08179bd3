//! Other seats for those of a reservation that has its tickets (T17).

use super::Reservation;
use crate::cancellation::window::{Window, window_at};
use crate::ids::SeatId;
use crate::refusal::Refusal;
use crate::time::Time;
use crate::timeline::Event;
use crate::won::Percent;
use crate::words::{Actor, EventType, ReservationStatus};

/// Which of the seats wanted are new, and which of those had are given up; in the order of their
/// ids, which is the order in which they are locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    pub claimed: Vec<SeatId>,
    pub given_up: Vec<SeatId>,
}

impl Exchange {
    /// Seats that are in both sets stay as they are.
    pub fn of(had: &[SeatId], wanted: &[SeatId]) -> Self {
        let only = |these: &[SeatId], those: &[SeatId]| {
            let mut only: Vec<SeatId> =
                these.iter().filter(|seat| !those.contains(seat)).cloned().collect();
            only.sort();
            only
        };
        Self { claimed: only(wanted, had), given_up: only(had, wanted) }
    }

    /// The seats wanted are those had.
    pub fn is_none(&self) -> bool {
        self.claimed.is_empty() && self.given_up.is_empty()
    }
}

impl Reservation {
    /// Whether seats may be changed now: as long as all would be given back for them, since they
    /// are sold again just as late. Nobody may have gone in.
    pub fn may_change_seats(&self, now: Time, actor: Actor) -> Result<(), Refusal> {
        if self.status != ReservationStatus::Ticketed {
            return Err(Refusal::WrongState);
        }
        if self.is_undone() {
            return Err(Refusal::CancellationInProgress);
        }
        if self.is_used() {
            return Err(Refusal::TicketUsed);
        }
        match window_at(&self.showtime, actor, now) {
            Window::Open { percent: Percent::ALL, .. } => Ok(()),
            Window::Open { .. } | Window::Closed { .. } => Err(Refusal::DeadlinePassed),
        }
    }

    /// The caller has claimed the new seats, freed the old ones, and given tickets for tickets.
    pub fn change_seats(&mut self, numbers: Vec<String>, actor: Actor) -> Vec<Event> {
        let mut changed = Event::new(EventType::SeatChanged, actor).seats(&numbers);
        changed.detail.old_seat_numbers = std::mem::replace(&mut self.seat_numbers, numbers);
        vec![changed]
    }
}
