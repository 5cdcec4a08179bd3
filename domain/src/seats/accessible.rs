//! Wheelchair places and the companion seats linked to them: side by side, one for one.

use super::cheapest::{Step, cheapest};
use super::ideal::{Ideal, SEAT_WIDTH, between};
use super::{SeatState, SeatView, ids, in_plan_order, side_by_side};
use crate::catalogue::Seat;
use crate::ids::SeatId;
use crate::party::Party;
use crate::words::{Audience, Grade, SeatKind};
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// What it costs to take a wheelchair place but not the free companion seat beside it: those who
/// come with a companion need both, those who come alone do not.
const PAIR_COST: i64 = 100 * SEAT_WIDTH;

/// Around how many wheelchair places a party is tried to be gathered.
const ANCHORS_MAX: usize = 8;

/// The chosen seats on which nobody of this party may sit; all are of grade ACCESSIBLE.
pub(super) fn misfits<'a>(chosen: &[&'a Seat], party: &Party) -> BTreeSet<&'a SeatId> {
    let companions = chosen.iter().filter(|seat| seat.kind == SeatKind::Companion).count();
    let wanted = number(party.count(Audience::Companion));
    let alone = alone(&in_plan_order(chosen.iter().copied()));
    let fits = |seat: &Seat| match (seat.kind, companions.cmp(&wanted)) {
        (SeatKind::Normal, _) => false,
        // A companion would sit on a wheelchair place, or a wheelchair stand on a companion seat.
        (SeatKind::Wheelchair, order) => order != Ordering::Less,
        (SeatKind::Companion, Ordering::Greater) => false,
        (SeatKind::Companion, _) => !alone.contains(&seat.id),
    };
    chosen.iter().filter(|seat| !fits(seat)).map(|seat| &seat.id).collect()
}

/// The companion seats without a wheelchair place of their own beside them.
///
/// From left to right each takes the place to its left if it can, which leaves most to the others.
fn alone<'a>(seats: &[&'a Seat]) -> BTreeSet<&'a SeatId> {
    let of_kind = |kind| seats.iter().copied().filter(move |seat| seat.kind == kind);
    let mut linked = BTreeSet::new();
    let mut alone = BTreeSet::new();
    for companion in of_kind(SeatKind::Companion) {
        let own = of_kind(SeatKind::Wheelchair)
            .find(|place| side_by_side(place, companion) && !linked.contains(&place.id));
        match own {
            Some(place) => linked.insert(&place.id),
            None => alone.insert(&companion.id),
        };
    }
    alone
}

/// Up to `wanted` choices for a party that fits grade ACCESSIBLE, near each other, best first.
pub(super) fn best(map: &[SeatView<'_>], party: &Party, wanted: usize) -> Vec<Vec<SeatId>> {
    let free = map
        .iter()
        .filter(|view| view.state == SeatState::Available && view.seat.grade == Grade::Accessible);
    let free = in_plan_order(free.map(|view| view.seat));
    let ideal = Ideal::of(map);
    let mut anchors: Vec<&Seat> =
        free.iter().copied().filter(|seat| seat.kind == SeatKind::Wheelchair).collect();
    anchors.sort_by_key(|seat| ideal.distance(seat));
    anchors.truncate(ANCHORS_MAX);

    let mut found: Vec<_> = anchors
        .into_iter()
        .filter_map(|anchor| {
            let cost = |seat: &Seat| ideal.distance(seat) + 2 * between(seat, anchor);
            gather(&free, party, &free.iter().map(|seat| cost(seat)).collect::<Vec<_>>())
        })
        .collect();
    found.sort_unstable();
    let mut seen = BTreeSet::new();
    found.retain(|(_, picked)| seen.insert(picked.clone()));
    found.truncate(wanted);
    found.iter().map(|(_, picked)| ids(picked.iter().map(|i| free[*i]))).collect()
}

/// The cheapest choice, given what each seat costs.
fn gather(free: &[&Seat], party: &Party, costs: &[i64]) -> Option<(i64, Vec<usize>)> {
    let wheelchairs = number(party.count(Audience::Wheelchair));
    let companions = number(party.count(Audience::Companion));
    let tails = Tail::EVERY.len();
    // A state is how many seats of either kind are taken and what the last one waits for.
    let states = (wheelchairs + 1) * (companions + 1) * tails;
    cheapest(free.len(), states, states - tails, |index, state, taken| -> Step {
        let (counts, mut tail) = (state / tails, Tail::EVERY[state % tails]);
        let (mut w, mut c) = (counts / (companions + 1), counts % (companions + 1));
        let mut cost = 0;
        if taken {
            (tail, cost) = tail.take(free[index].kind, has_free_companion(free, index))?;
            cost += costs[index];
            match free[index].kind {
                SeatKind::Wheelchair => w += 1,
                SeatKind::Companion => c += 1,
                SeatKind::Normal => {}
            }
            if w > wheelchairs || c > companions {
                return None;
            }
        } else {
            tail = tail.end()?;
        }
        let ends = free.get(index + 1).is_none_or(|next| !side_by_side(free[index], next));
        if ends {
            tail = tail.end()?;
        }
        Some(((w * (companions + 1) + c) * tails + tail as usize, cost))
    })
}

fn has_free_companion(free: &[&Seat], index: usize) -> bool {
    let seat = free[index];
    let beside = [index.checked_sub(1), index.checked_add(1)];
    let mut beside = beside.into_iter().flatten().filter_map(|i| free.get(i));
    beside.any(|other| other.kind == SeatKind::Companion && side_by_side(seat, other))
}

/// What the seat to the left can still be linked to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tail {
    Closed,
    /// A wheelchair place without a companion, which is fine.
    Wheelchair,
    /// A companion seat that needs the next seat for its wheelchair.
    Companion,
}

impl Tail {
    /// By their numbers.
    const EVERY: [Tail; 3] = [Tail::Closed, Tail::Wheelchair, Tail::Companion];

    /// The next seat is taken.
    fn take(self, kind: SeatKind, beside_companion: bool) -> Option<(Tail, i64)> {
        match (kind, self) {
            (SeatKind::Wheelchair, Tail::Companion) => Some((Tail::Closed, 0)),
            (SeatKind::Wheelchair, Tail::Closed | Tail::Wheelchair) => {
                Some((Tail::Wheelchair, if beside_companion { PAIR_COST } else { 0 }))
            }
            (SeatKind::Companion, Tail::Wheelchair) => Some((Tail::Closed, -PAIR_COST)),
            (SeatKind::Companion, Tail::Closed) => Some((Tail::Companion, 0)),
            (SeatKind::Companion, Tail::Companion) | (SeatKind::Normal, _) => None,
        }
    }

    /// Nothing is beside it any more.
    fn end(self) -> Option<Tail> {
        match self {
            Tail::Closed | Tail::Wheelchair => Some(Tail::Closed),
            Tail::Companion => None,
        }
    }
}

fn number(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
