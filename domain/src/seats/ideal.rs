//! What makes a seat good: near the middle of its row and near the reference row.

use crate::catalogue::Seat;
use crate::seats::SeatView;
use std::collections::BTreeMap;

/// Lengths are in sixths of a seat's width: halves for row middles, thirds for the reference row.
pub(super) const SEAT_WIDTH: i64 = 6;

/// A row is about two seats deep.
const ROW_DEPTH: i64 = 2 * SEAT_WIDTH;

/// Where people like to sit in one auditorium.
pub(super) struct Ideal {
    /// The middle of each row, by `y`.
    middles: BTreeMap<u32, i64>,
    /// Two thirds of the way back from the screen.
    reference: i64,
}

impl Ideal {
    /// Of the whole auditorium: neither sold seats nor other grades move the screen.
    pub(super) fn of(map: &[SeatView<'_>]) -> Self {
        let mut ends: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
        for SeatView { seat, .. } in map {
            let (left, right) = ends.entry(seat.y).or_insert((seat.x, seat.x));
            (*left, *right) = ((*left).min(seat.x), (*right).max(seat.x));
        }
        let front = ends.first_key_value().map_or(0, |(y, _)| i64::from(*y));
        let back = ends.last_key_value().map_or(0, |(y, _)| i64::from(*y));
        let middle = |(left, right)| (i64::from(left) + i64::from(right)) * SEAT_WIDTH / 2;
        Self {
            middles: ends.into_iter().map(|(y, ends)| (y, middle(ends))).collect(),
            reference: (front + 2 * back) * ROW_DEPTH / 3,
        }
    }

    /// How far a seat is from where people like to sit.
    pub(super) fn distance(&self, seat: &Seat) -> i64 {
        let (across, back) = position(seat);
        let middle = self.middles.get(&seat.y).copied().unwrap_or(across);
        (across - middle).abs() + (back - self.reference).abs()
    }
}

/// How far two seats are from each other.
pub(super) fn between(a: &Seat, b: &Seat) -> i64 {
    let (a, b) = (position(a), position(b));
    (a.0 - b.0).abs() + (a.1 - b.1).abs()
}

fn position(seat: &Seat) -> (i64, i64) {
    (i64::from(seat.x) * SEAT_WIDTH, i64::from(seat.y) * ROW_DEPTH)
}
