//! The gap rule: no selection may leave a single free seat that was not single before.
//!
//! A run is the free normal seats between two walls: aisles, block ends, sold, blocked, wheelchair
//! and companion seats. Seats of every grade belong to it, for every grade can be stranded. A run
//! of one seat is single already, so no selection makes it worse.

use super::{SeatState, SeatView, in_plan_order, is_normal, side_by_side};
use crate::catalogue::Seat;
use crate::ids::SeatId;
use crate::party::PARTY_SIZE_LIMIT;
use crate::words::Grade;
use std::collections::BTreeSet;

/// The free normal seats of a map, runs one after the other.
pub(super) fn free<'a>(map: &[SeatView<'a>]) -> Vec<&'a Seat> {
    let free = map.iter().filter(|view| view.state == SeatState::Available);
    in_plan_order(free.map(|view| view.seat).filter(|seat| is_normal(seat)))
}

/// Cuts free seats in plan order into their runs.
pub(super) fn runs<'s, 'a>(free: &'s [&'a Seat]) -> impl Iterator<Item = &'s [&'a Seat]> {
    free.chunk_by(|a, b| side_by_side(a, b))
}

/// The seats that a selection of free seats would make single.
pub(super) fn stranded(free: &[&Seat], chosen: &BTreeSet<&SeatId>) -> Vec<SeatId> {
    let mut stranded = Vec::new();
    for run in runs(free).filter(|run| run.len() > 1) {
        for left in run.split(|seat| chosen.contains(&seat.id)) {
            if let [single] = left {
                stranded.push(single.id.clone());
            }
        }
    }
    stranded
}

/// Whether so many free seats of the grade can be taken without a new single seat.
///
/// Any set of seats counts, side by side or not. Exact: a run answers alone for the seats that it
/// strands, so it is enough to know which counts each run can give and which sums they make.
pub(super) fn avoidable(free: &[&Seat], grade: Grade, size: u32) -> bool {
    let counts = runs(free).fold(Counts::NONE, |sum, run| sum.plus(takable(run, grade)));
    counts.contains(size)
}

/// How many seats of the grade can be taken from one run without a new single seat.
fn takable(run: &[&Seat], grade: Grade) -> Counts {
    // By what stands to the left of the next seat: a wall or a taken seat, one free seat, or more.
    let (mut none, mut one, mut more) = (Counts::NONE, Counts::EMPTY, Counts::EMPTY);
    for seat in run {
        let taken = if seat.grade == grade { none.or(more).one_more() } else { Counts::EMPTY };
        (none, one, more) = (taken, none, one.or(more));
    }
    if run.len() == 1 { none.or(one) } else { none.or(more) }
}

/// A set of seat counts from 0 to [`PARTY_SIZE_LIMIT`], one bit each.
#[derive(Clone, Copy)]
struct Counts(u32);

const _: () = assert!(PARTY_SIZE_LIMIT < u32::BITS, "every party size has its bit");

impl Counts {
    const EMPTY: Counts = Counts(0);
    /// Just the count of no seat at all.
    const NONE: Counts = Counts(1);

    fn contains(self, count: u32) -> bool {
        self.0 >> count & 1 == 1
    }

    fn or(self, other: Counts) -> Counts {
        Counts(self.0 | other.0)
    }

    /// Every count with one seat more; counts beyond every party fall off.
    fn one_more(self) -> Counts {
        Counts(self.0 << 1)
    }

    /// Every sum of a count of this set and a count of the other.
    fn plus(self, other: Counts) -> Counts {
        let sums = (0..=PARTY_SIZE_LIMIT).filter(|count| other.contains(*count));
        Counts(sums.fold(0, |all, count| all | self.0 << count))
    }
}
