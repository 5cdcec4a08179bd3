//! The rules of choosing seats (specification 1.9): who may sit where, the gap rule, and the best
//! seats that obey both.
//!
//! A map is every seat of one showtime with its state, in any order. When a reservation changes
//! its seats, its own old ones are shown as available: they are free the moment it moves.

mod accessible;
mod apart;
mod cheapest;
mod gap;
mod ideal;
mod together;

use crate::catalogue::Seat;
use crate::ids::SeatId;
use crate::party::Party;
use crate::words::{Grade, SeatKind};
use std::collections::{BTreeMap, BTreeSet};

/// How many legal choices are told to whoever would leave a single seat.
pub const ALTERNATIVES_MAX: usize = 3;

/// What a seat is to the party that chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeatState {
    Available,
    /// Assigned to another reservation.
    Taken,
    /// Kept back by the house.
    Blocked,
}

/// One seat of a showtime's map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeatView<'a> {
    pub seat: &'a Seat,
    pub state: SeatState,
}

/// Why a selection is not assigned. Seats stand in the order in which they were chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeatRefusal {
    /// Not as many different seats as people (`seat-count`).
    SeatCount { wanted: u32, given: u32 },
    /// No such seats in this showtime's auditorium.
    UnknownSeat(Vec<SeatId>),
    /// Seats of another grade than the one paid (`wrong-grade`).
    WrongGrade(Vec<SeatId>),
    /// Seats whose kind does not fit the admissions (`accessible-seat-only`): wheelchair places and
    /// companion seats chosen by others, or a companion seat without its wheelchair.
    AccessibleSeatOnly(Vec<SeatId>),
    /// Seats that others have or the house keeps (`seats-unavailable`).
    SeatsTaken(Vec<SeatId>),
    /// The selection would leave single free seats that were not single before
    /// (`single-seat-gap`); the stranded seats from left to right, the alternatives best first.
    SingleSeatGap { stranded: Vec<SeatId>, alternatives: Vec<Vec<SeatId>> },
}

/// Judges a selection against the map; the first rule that is broken is the answer.
///
/// In order (specification 1.9): count, unknown seats, grade, kinds, taken, gap.
pub fn judge(
    map: &[SeatView<'_>],
    party: &Party,
    grade: Grade,
    chosen: &[SeatId],
) -> Result<(), SeatRefusal> {
    let ids = distinct(party, chosen)?;
    let seats = known(map, &ids, chosen)?;
    // A wheelchair place chosen by others is a matter of kind, whatever grade they paid.
    none(&seats, SeatRefusal::WrongGrade, |view| {
        view.seat.grade != grade && view.seat.grade != Grade::Accessible
    })?;
    kinds(&seats, party, grade)?;
    none(&seats, SeatRefusal::SeatsTaken, |view| view.state != SeatState::Available)?;
    no_new_gap(map, party, grade, &ids)
}

/// The best seats for this party: up to `wanted` suggestions, best first, none repeating.
///
/// Every suggestion passes [`judge`]; there is none only when the party does not fit the grade or
/// no legal choice is left. Seats of a suggestion stand from left to right, block by block.
pub fn best(map: &[SeatView<'_>], party: &Party, grade: Grade, wanted: usize) -> Vec<Vec<SeatId>> {
    if wanted == 0 || !party.fits_grade(grade) {
        return Vec::new();
    }
    match grade {
        Grade::Economy | Grade::Standard | Grade::Prime => {
            together::best(map, party.size(), grade, wanted)
        }
        Grade::Accessible => accessible::best(map, party, wanted),
    }
}

/// Exactly as many seats as admissions; a seat named twice is not two seats.
fn distinct<'a>(party: &Party, chosen: &'a [SeatId]) -> Result<BTreeSet<&'a SeatId>, SeatRefusal> {
    let wanted = party.size();
    let refusal = |given: usize| SeatRefusal::SeatCount {
        wanted,
        given: u32::try_from(given).unwrap_or(u32::MAX),
    };
    if u32::try_from(chosen.len()) != Ok(wanted) {
        return Err(refusal(chosen.len()));
    }
    let ids: BTreeSet<&SeatId> = chosen.iter().collect();
    if ids.len() < chosen.len() { Err(refusal(ids.len())) } else { Ok(ids) }
}

/// The chosen seats as they stand in the map, in the order in which they were chosen.
fn known<'a>(
    map: &[SeatView<'a>],
    ids: &BTreeSet<&SeatId>,
    chosen: &[SeatId],
) -> Result<Vec<SeatView<'a>>, SeatRefusal> {
    let found: BTreeMap<&SeatId, SeatView<'a>> = map
        .iter()
        .filter(|view| ids.contains(&view.seat.id))
        .map(|view| (&view.seat.id, *view))
        .collect();
    let unknown: Vec<SeatId> =
        chosen.iter().filter(|id| !found.contains_key(id)).cloned().collect();
    if !unknown.is_empty() {
        return Err(SeatRefusal::UnknownSeat(unknown));
    }
    Ok(chosen.iter().filter_map(|id| found.get(id).copied()).collect())
}

/// Each admission's type must fit the seat's kind.
fn kinds(seats: &[SeatView<'_>], party: &Party, grade: Grade) -> Result<(), SeatRefusal> {
    if !party.fits_grade(grade) {
        return none(seats, SeatRefusal::AccessibleSeatOnly, |_| true);
    }
    match grade {
        Grade::Economy | Grade::Standard | Grade::Prime => {
            none(seats, SeatRefusal::AccessibleSeatOnly, |view| !is_normal(view.seat))
        }
        Grade::Accessible => {
            let chosen: Vec<&Seat> = seats.iter().map(|view| view.seat).collect();
            let misfits = accessible::misfits(&chosen, party);
            none(seats, SeatRefusal::AccessibleSeatOnly, |view| misfits.contains(&view.seat.id))
        }
    }
}

/// The gap rule, which is not for wheelchair places: they have no neighbours to strand.
fn no_new_gap(
    map: &[SeatView<'_>],
    party: &Party,
    grade: Grade,
    ids: &BTreeSet<&SeatId>,
) -> Result<(), SeatRefusal> {
    if grade == Grade::Accessible {
        return Ok(());
    }
    let free = gap::free(map);
    let stranded = gap::stranded(&free, ids);
    if stranded.is_empty() || !gap::avoidable(&free, grade, party.size()) {
        return Ok(());
    }
    let alternatives = best(map, party, grade, ALTERNATIVES_MAX);
    Err(SeatRefusal::SingleSeatGap { stranded, alternatives })
}

/// Refuses the seats that are bad, if there are any.
fn none(
    seats: &[SeatView<'_>],
    refusal: fn(Vec<SeatId>) -> SeatRefusal,
    is_bad: impl Fn(&SeatView<'_>) -> bool,
) -> Result<(), SeatRefusal> {
    let bad = ids(seats.iter().filter(|view| is_bad(view)).map(|view| view.seat));
    if bad.is_empty() { Ok(()) } else { Err(refusal(bad)) }
}

fn ids<'a>(seats: impl Iterator<Item = &'a Seat>) -> Vec<SeatId> {
    seats.map(|seat| seat.id.clone()).collect()
}

/// A seat for anybody, neither a wheelchair place nor a companion seat.
fn is_normal(seat: &Seat) -> bool {
    match seat.kind {
        SeatKind::Normal => seat.grade != Grade::Accessible,
        SeatKind::Wheelchair | SeatKind::Companion => false,
    }
}

/// Seats row by row within their blocks, from left to right.
fn in_plan_order<'a>(seats: impl Iterator<Item = &'a Seat>) -> Vec<&'a Seat> {
    let mut seats: Vec<&Seat> = seats.collect();
    seats.sort_by(|a, b| (&a.block, &a.row, a.x, &a.id).cmp(&(&b.block, &b.row, b.x, &b.id)));
    seats
}

/// Whether two seats stand side by side, with no aisle between them.
fn side_by_side(a: &Seat, b: &Seat) -> bool {
    a.x.abs_diff(b.x) == 1 && a.row == b.row && a.block == b.block
}

#[cfg(test)]
mod tests;
