//! Seats for a party that cannot sit together: broken as little as possible, near each other.

use super::cheapest::{Step, cheapest};
use super::ideal::{SEAT_WIDTH, between};
use super::together::{Free, GAP_COST};
use std::collections::BTreeSet;

/// What it costs to break the party once more, in distance saved.
const BREAK_COST: i64 = 12 * SEAT_WIDTH;

/// What it costs on top when somebody sits alone.
const ALONE_COST: i64 = 12 * SEAT_WIDTH;

/// Around how many seats the party is tried to be gathered.
const ANCHORS_MAX: usize = 8;

/// How many seats per person are looked at first: the nearest to the anchor.
const NEARBY_SEATS_PER_PERSON: usize = 4;

/// Choices that break the party as little as possible, best first, each around another seat.
///
/// They have new single seats only where none of that size can do without, hence are legal; and
/// there is one whenever enough seats are left.
pub(super) fn near_each_other(free: &[Free<'_>], size: usize) -> Vec<Vec<usize>> {
    let anchors = anchors(free, size);
    let mut found: Vec<(i64, Vec<usize>)> =
        anchors.into_iter().filter_map(|anchor| gather(free, size, anchor)).collect();
    found.sort_unstable();
    let mut seen = BTreeSet::new();
    found.retain(|(_, picked)| seen.insert(picked.clone()));
    found.into_iter().map(|(_, picked)| picked).collect()
}

/// The seats to gather around: the best of its run each, of the most promising runs.
fn anchors<'f, 'a>(free: &'f [Free<'a>], size: usize) -> Vec<&'f Free<'a>> {
    let cost_of = |people: usize, each: i64| i64::try_from(people).unwrap_or(0) * each;
    let mut runs = Vec::new();
    for run in free.chunk_by(|a, b| a.run == b.run) {
        let of_grade = || run.iter().filter(|seat| seat.of_grade);
        let Some(anchor) = of_grade().min_by_key(|seat| seat.distance) else { continue };
        let elsewhere = size.saturating_sub(of_grade().count());
        runs.push((cost_of(size, anchor.distance) + cost_of(elsewhere, BREAK_COST), anchor));
    }
    runs.sort_by_key(|(cost, _)| *cost);
    runs.into_iter().take(ANCHORS_MAX).map(|(_, anchor)| anchor).collect()
}

/// The cheapest choice around one seat, by gaps, then breaks and distances.
fn gather(free: &[Free<'_>], size: usize, anchor: &Free<'_>) -> Option<(i64, Vec<usize>)> {
    let nearby = walk(free, &nearby(free, size, anchor), size, anchor);
    // Only all seats together can tell that a gap cannot be avoided.
    nearby.filter(|(cost, _)| *cost < GAP_COST).or_else(|| {
        let all: Vec<usize> = (0..free.len()).collect();
        walk(free, &all, size, anchor)
    })
}

/// The seats of the nearest runs, as many as give a small party a choice; runs stay whole.
fn nearby(free: &[Free<'_>], size: usize, anchor: &Free<'_>) -> Vec<usize> {
    let mut runs: Vec<(i64, &[Free<'_>])> = free
        .chunk_by(|a, b| a.run == b.run)
        .map(|run| {
            let distance = run.iter().map(|seat| between(seat.seat, anchor.seat)).min();
            (distance.unwrap_or(i64::MAX), run)
        })
        .collect();
    runs.sort_by_key(|(distance, _)| *distance);
    let mut nearby = Vec::new();
    let mut of_grade = 0;
    for (_, run) in runs {
        if of_grade >= NEARBY_SEATS_PER_PERSON * size {
            break;
        }
        of_grade += run.iter().filter(|seat| seat.of_grade).count();
        nearby.extend(run[0].run.clone());
    }
    nearby.sort_unstable();
    nearby
}

/// The cheapest choice from some runs.
fn walk(
    free: &[Free<'_>],
    path: &[usize],
    size: usize,
    anchor: &Free<'_>,
) -> Option<(i64, Vec<usize>)> {
    let seats: Vec<(usize, &Free<'_>, i64)> = path
        .iter()
        .map(|index| (*index, &free[*index]))
        .map(|(i, seat)| (i, seat, seat.distance + 2 * between(seat.seat, anchor.seat)))
        .collect();
    // A state is how many seats are taken and what stands to the left of the next seat.
    let tails = Tail::EVERY.len();
    let step = |at: usize, state: usize, taken: bool| -> Step {
        let (count, tail) = (state / tails, Tail::EVERY[state % tails]);
        let (index, seat, comfort_cost) = seats[at];
        if taken && (count == size || !seat.of_grade) {
            return None;
        }
        let (mut tail, mut cost) = if taken { tail.take(comfort_cost) } else { (tail.leave(), 0) };
        if index + 1 == seat.run.end {
            if tail == Tail::FreeOne && seat.run.len() > 1 {
                cost += GAP_COST;
            }
            tail = Tail::Wall;
        }
        Some(((count + usize::from(taken)) * tails + tail as usize, cost))
    };
    let (cost, picked) = cheapest(seats.len(), (size + 1) * tails, size * tails, step)?;
    Some((cost, picked.into_iter().map(|at| path[at]).collect()))
}

/// What stands to the left of the next seat.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tail {
    Wall,
    FreeOne,
    FreeMore,
    TakenOne,
    TakenMore,
}

impl Tail {
    /// By their numbers.
    const EVERY: [Tail; 5] =
        [Tail::Wall, Tail::FreeOne, Tail::FreeMore, Tail::TakenOne, Tail::TakenMore];

    fn leave(self) -> Tail {
        match self {
            Tail::Wall | Tail::TakenOne | Tail::TakenMore => Tail::FreeOne,
            Tail::FreeOne | Tail::FreeMore => Tail::FreeMore,
        }
    }

    fn take(self, cost: i64) -> (Tail, i64) {
        match self {
            Tail::Wall | Tail::FreeMore => (Tail::TakenOne, cost + BREAK_COST + ALONE_COST),
            Tail::FreeOne => (Tail::TakenOne, cost + BREAK_COST + ALONE_COST + GAP_COST),
            Tail::TakenOne => (Tail::TakenMore, cost - ALONE_COST),
            Tail::TakenMore => (Tail::TakenMore, cost),
        }
    }
}
