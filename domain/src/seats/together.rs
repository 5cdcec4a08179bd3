//! The best normal seats: side by side if there are such, else near each other.

use super::ideal::Ideal;
use super::{SeatView, apart, gap, ids};
use crate::catalogue::Seat;
use crate::ids::SeatId;
use crate::words::Grade;
use std::collections::BTreeSet;
use std::ops::Range;

/// What a new single seat costs: more than any distance, so that it is never made for comfort.
pub(super) const GAP_COST: i64 = 1 << 50;

/// A free normal seat and what there is to know about it.
pub(super) struct Free<'a> {
    pub(super) seat: &'a Seat,
    /// It may be taken: the party paid for its grade.
    pub(super) of_grade: bool,
    /// From where people like to sit.
    pub(super) distance: i64,
    /// The indexes of its run.
    pub(super) run: Range<usize>,
}

/// Up to `wanted` legal choices of `size` seats in a grade other than ACCESSIBLE, best first.
pub(super) fn best(
    map: &[SeatView<'_>],
    size: u32,
    grade: Grade,
    wanted: usize,
) -> Vec<Vec<SeatId>> {
    let free = gap::free(map);
    let Ok(party_size) = usize::try_from(size) else { return Vec::new() };
    let waived = !gap::avoidable(&free, grade, size);
    let free = described(&free, &Ideal::of(map), grade);

    let mut found = side_by_side(&free, party_size, waived);
    found.truncate(wanted);
    if found.len() < wanted && party_size > 1 {
        let seen: BTreeSet<Vec<usize>> = found.iter().cloned().collect();
        let apart = apart::near_each_other(&free, party_size);
        found.extend(apart.into_iter().filter(|picked| !seen.contains(picked)));
        found.truncate(wanted);
    }
    found.iter().map(|picked| ids(picked.iter().map(|i| free[*i].seat))).collect()
}

fn described<'a>(free: &[&'a Seat], ideal: &Ideal, grade: Grade) -> Vec<Free<'a>> {
    let mut described = Vec::with_capacity(free.len());
    for run in gap::runs(free) {
        let indexes = described.len()..described.len() + run.len();
        described.extend(run.iter().map(|seat| Free {
            seat,
            of_grade: seat.grade == grade,
            distance: ideal.distance(seat),
            run: indexes.clone(),
        }));
    }
    described
}

/// Every legal choice within one run and without a break, by gaps, then distance.
fn side_by_side(free: &[Free<'_>], size: usize, waived: bool) -> Vec<Vec<usize>> {
    let mut found = Vec::new();
    for (start, seats) in free.windows(size).enumerate() {
        let run = &seats[0].run;
        if start + size > run.end || !seats.iter().all(|seat| seat.of_grade) {
            continue;
        }
        let left = start - run.start;
        let right = run.end - (start + size);
        let gaps = i64::from(left == 1) + i64::from(right == 1);
        if gaps == 0 || waived {
            let distance: i64 = seats.iter().map(|seat| seat.distance).sum();
            found.push((gaps * GAP_COST + distance, start));
        }
    }
    found.sort_unstable();
    found.into_iter().map(|(_, start)| (start..start + size).collect()).collect()
}
