//! Best seats that this process is about to assign. Bookings by plan that come together would all
//! pick the same ones; with this each picks others. Only a hint: who has a seat is decided by the
//! unique index.

use crate::seat_map::{MapSeat, views};
use domain::ids::{SeatId, ShowtimeId};
use domain::party::Party;
use domain::seats::{SeatState, best};
use domain::words::Grade;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Picked = HashSet<(ShowtimeId, SeatId)>;

#[derive(Clone, Default)]
pub(crate) struct Picks(Arc<Mutex<Picked>>);

/// Seats picked for one reservation; others may pick them again when it is gone.
pub(crate) struct Pick {
    picks: Picks,
    showtime: ShowtimeId,
    sorted: Vec<SeatId>,
}

impl Picks {
    /// The best seats that nobody has and nobody else has picked; where there are none, the best
    /// that nobody has.
    pub(crate) fn best(
        &self,
        showtime: &ShowtimeId,
        map: Vec<MapSeat>,
        party: &Party,
        grade: Grade,
    ) -> Option<Pick> {
        let mut picked = self.lock();
        let mut left = map.clone();
        for seat in &mut left {
            if picked.contains(&(showtime.clone(), seat.seat.id.clone())) {
                seat.state = SeatState::Taken;
            }
        }
        let best = |map: &[MapSeat]| best(&views(map), party, grade, 1).into_iter().next();
        let seats = best(&left).or_else(|| best(&map))?;
        Some(self.picked(&mut picked, showtime, seats))
    }

    /// Seats that the plan itself names.
    pub(crate) fn named(&self, showtime: &ShowtimeId, seats: Vec<SeatId>) -> Pick {
        self.picked(&mut self.lock(), showtime, seats)
    }

    fn picked(&self, picked: &mut Picked, showtime: &ShowtimeId, mut seats: Vec<SeatId>) -> Pick {
        seats.sort();
        picked.extend(seats.iter().map(|seat| (showtime.clone(), seat.clone())));
        Pick { picks: self.clone(), showtime: showtime.clone(), sorted: seats }
    }

    fn lock(&self) -> MutexGuard<'_, Picked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pick {
    pub(crate) fn sorted(&self) -> &[SeatId] {
        &self.sorted
    }
}

impl Drop for Pick {
    fn drop(&mut self) {
        let mut picked = self.picks.lock();
        for seat in self.sorted.drain(..) {
            picked.remove(&(self.showtime.clone(), seat));
        }
    }
}
