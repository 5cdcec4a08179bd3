//! Seat maps: three blocks between two aisles, narrower towards the screen.

use domain::catalogue::Seat;
use domain::ids::{AuditoriumId, SeatId};
use domain::words::{Grade, SeatKind};
use std::ops::Range;

/// Seat widths that one aisle takes on the plan.
const AISLE_X: u32 = 1;

/// A wheelchair place and the companion seat beside it.
const PAIR_SEATS: u32 = 2;

/// The shape of one auditorium; rows count from 0 at the screen.
pub(super) struct Layout {
    /// Seats per row in the blocks L and R, at their widest.
    pub(super) side: u32,
    /// Seats per row in the block C.
    pub(super) centre: u32,
    pub(super) rows: u32,
    /// By so many seats the front row is narrower at each wall; each row behind it by one less.
    pub(super) taper: u32,
    /// The front rows, which are of grade ECONOMY.
    pub(super) economy_rows: u32,
    /// The rows whose centre block is of grade PRIME.
    pub(super) prime_rows: Range<u32>,
    /// The rows with a wheelchair place at each wall. One per block, so that there is never a doubt
    /// which wheelchair place a companion seat belongs to.
    pub(super) accessible_rows: Range<u32>,
}

impl Layout {
    /// Row by row from the screen, each from the left wall.
    pub(super) fn seats(&self, auditorium: &AuditoriumId) -> Vec<Seat> {
        let mut seats = Vec::new();
        for row in 0..self.rows {
            let letter = row_letter(row);
            for (position, (block, x)) in (1..).zip(self.places(row)) {
                let number = format!("{letter}{position}");
                let id = format!("{auditorium}-{number}");
                let kind = self.kind(row, x);
                seats.push(Seat {
                    id: SeatId::parse(id).expect("an auditorium id and a number make an id"),
                    row: letter.to_string(),
                    number,
                    grade: self.grade(row, block, kind),
                    kind,
                    block: block.to_owned(),
                    x,
                    y: row + 1,
                });
            }
        }
        seats
    }

    /// The block and x of each seat of a row.
    fn places(&self, row: u32) -> impl Iterator<Item = (&'static str, u32)> {
        let cut = self.cut(row);
        let centre = 1 + self.side + AISLE_X;
        let right = centre + self.centre + AISLE_X;
        let left_block = (1 + cut..1 + self.side).map(|x| ("L", x));
        let centre_block = (centre..centre + self.centre).map(|x| ("C", x));
        let right_block = (right..right + self.side - cut).map(|x| ("R", x));
        left_block.chain(centre_block).chain(right_block)
    }

    fn cut(&self, row: u32) -> u32 {
        self.taper.saturating_sub(row)
    }

    fn kind(&self, row: u32, x: u32) -> SeatKind {
        if !self.accessible_rows.contains(&row) {
            return SeatKind::Normal;
        }
        let x_max = 2 * (self.side + AISLE_X) + self.centre;
        let from_wall = (x - 1).min(x_max - x) - self.cut(row);
        match from_wall {
            0 => SeatKind::Wheelchair,
            1..PAIR_SEATS => SeatKind::Companion,
            PAIR_SEATS.. => SeatKind::Normal,
        }
    }

    fn grade(&self, row: u32, block: &str, kind: SeatKind) -> Grade {
        match kind {
            SeatKind::Wheelchair | SeatKind::Companion => Grade::Accessible,
            SeatKind::Normal if row < self.economy_rows => Grade::Economy,
            SeatKind::Normal if block == "C" && self.prime_rows.contains(&row) => Grade::Prime,
            SeatKind::Normal => Grade::Standard,
        }
    }
}

fn row_letter(row: u32) -> char {
    let letters = ('A'..='Z').nth(row as usize);
    letters.expect("no auditorium has more than 26 rows")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{demo, rush};
    use domain::catalogue::Auditorium;
    use std::collections::{BTreeMap, BTreeSet};

    fn auditoriums() -> Vec<Auditorium> {
        [demo::auditoriums(), rush::auditoriums()].concat()
    }

    /// The seats of each row of each block, by x.
    fn runs(auditorium: &Auditorium) -> BTreeMap<(&str, &str), Vec<&Seat>> {
        let mut runs: BTreeMap<(&str, &str), Vec<&Seat>> = BTreeMap::new();
        for seat in &auditorium.seats {
            runs.entry((&seat.row, &seat.block)).or_default().push(seat);
        }
        runs.values_mut().for_each(|run| run.sort_by_key(|seat| seat.x));
        runs
    }

    #[test]
    fn numbers_and_places_are_unique() {
        for auditorium in auditoriums() {
            let seats = &auditorium.seats;
            let numbers: BTreeSet<&str> = seats.iter().map(|seat| seat.number.as_str()).collect();
            let places: BTreeSet<(u32, u32)> = seats.iter().map(|seat| (seat.x, seat.y)).collect();
            assert_eq!(numbers.len(), seats.len(), "{}", auditorium.id);
            assert_eq!(places.len(), seats.len(), "{}", auditorium.id);
        }
    }

    #[test]
    fn neighbours_differ_by_one_and_aisles_part_the_blocks() {
        for auditorium in auditoriums() {
            for (run, seats) in runs(&auditorium) {
                assert!(seats.len() >= 2, "{} {run:?}", auditorium.id);
                for pair in seats.windows(2) {
                    assert_eq!(pair[1].x - pair[0].x, 1, "{} {run:?}", auditorium.id);
                }
            }
            for pair in auditorium.seats.windows(2).filter(|pair| pair[0].row == pair[1].row) {
                let aisle = pair[1].x - pair[0].x > 1;
                assert_eq!(aisle, pair[0].block != pair[1].block, "{}", pair[1].id);
            }
        }
    }

    #[test]
    fn numbers_run_across_the_row() {
        for auditorium in auditoriums() {
            let mut last = BTreeMap::new();
            for seat in &auditorium.seats {
                let position = last.entry(&seat.row).or_insert(0);
                *position += 1;
                assert_eq!(seat.number, format!("{}{position}", seat.row));
                assert_eq!(seat.id.as_str(), format!("{}-{}", auditorium.id, seat.number));
            }
        }
    }

    #[test]
    fn each_wheelchair_place_has_its_own_companion_beside_it() {
        for auditorium in demo::auditoriums() {
            let mut pairs = 0;
            for (run, seats) in runs(&auditorium) {
                let of = |kind| seats.iter().filter(move |seat| seat.kind == kind);
                let (wheelchairs, companions): (Vec<_>, Vec<_>) =
                    (of(SeatKind::Wheelchair).collect(), of(SeatKind::Companion).collect());
                assert_eq!(wheelchairs.len(), companions.len(), "{} {run:?}", auditorium.id);
                assert!(wheelchairs.len() <= 1, "{} {run:?}", auditorium.id);
                for (wheelchair, companion) in wheelchairs.iter().zip(&companions) {
                    assert_eq!(wheelchair.x.abs_diff(companion.x), 1, "{}", wheelchair.id);
                    pairs += 1;
                }
                let accessible =
                    seats.iter().filter(|seat| seat.grade == Grade::Accessible).count();
                assert_eq!(accessible, wheelchairs.len() + companions.len());
                // A lone ordinary seat beside the pair could never be sold to a party of two.
                assert_ne!(seats.len() - accessible, 1, "{} {run:?}", auditorium.id);
            }
            assert!(pairs >= 2, "{}", auditorium.id);
        }
    }

    #[test]
    fn a_small_map_is_as_drawn() {
        let layout = Layout {
            side: 3,
            centre: 2,
            rows: 3,
            taper: 1,
            economy_rows: 1,
            prime_rows: 1..3,
            accessible_rows: 2..3,
        };
        let id = AuditoriumId::parse("a").expect("an id");
        let drawn: Vec<String> = layout
            .seats(&id)
            .iter()
            .map(|seat| {
                format!("{}{}:{}{}", seat.block, seat.number, seat.x, &seat.grade.as_str()[..1])
            })
            .collect();
        let rows = [
            "LA1:2E LA2:3E CA3:5E CA4:6E RA5:8E RA6:9E",
            "LB1:1S LB2:2S LB3:3S CB4:5P CB5:6P RB6:8S RB7:9S RB8:10S",
            "LC1:1A LC2:2A LC3:3S CC4:5P CC5:6P RC6:8S RC7:9A RC8:10A",
        ];
        assert_eq!(drawn.join(" "), rows.join(" "));
    }
}
