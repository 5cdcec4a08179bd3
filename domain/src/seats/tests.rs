//! Examples are drawn: one line per row from the screen backwards, a space is an aisle.
//! Standard seats are `.`, prime `p`, economy `e`; taken `x`, blocked `#`; wheelchair places `w`,
//! companion seats `c`, taken `W` and `C`. Seats are called by row letter and `x` from 0.

mod laws;

use super::*;
use crate::words::Audience;

struct Plan {
    seats: Vec<(Seat, SeatState)>,
}

impl Plan {
    fn drawn(rows: &[&str]) -> Self {
        let mut seats = Vec::new();
        for (y, drawing) in rows.iter().enumerate() {
            let row = char::from(b'A' + u8::try_from(y).expect("few rows")).to_string();
            let mut block = 0;
            for (x, mark) in drawing.chars().enumerate() {
                if mark == ' ' {
                    block += 1;
                    continue;
                }
                let seat = seat(&row, y, x, block, mark);
                let state = match mark {
                    'x' | 'W' | 'C' => SeatState::Taken,
                    '#' => SeatState::Blocked,
                    _ => SeatState::Available,
                };
                seats.push((seat, state));
            }
        }
        Self { seats }
    }

    fn map(&self) -> Vec<SeatView<'_>> {
        self.seats.iter().map(|(seat, state)| SeatView { seat, state: *state }).collect()
    }

    fn judge(&self, party: &Party, grade: Grade, chosen: &str) -> Result<(), SeatRefusal> {
        judge(&self.map(), party, grade, &seat_ids(chosen))
    }

    /// The suggestions as texts, each checked against the judge.
    fn best(&self, party: &Party, grade: Grade, wanted: usize) -> Vec<String> {
        let map = self.map();
        let found = best(&map, party, grade, wanted);
        assert!(found.len() <= wanted);
        for (i, seats) in found.iter().enumerate() {
            assert_eq!(judge(&map, party, grade, seats), Ok(()), "{seats:?}");
            assert!(!found[..i].contains(seats), "repeated {seats:?}");
        }
        found.iter().map(|seats| text(seats)).collect()
    }
}

fn seat(row: &str, y: usize, x: usize, block: usize, mark: char) -> Seat {
    let number = format!("{row}{x}");
    let (grade, kind) = match mark {
        'w' | 'W' => (Grade::Accessible, SeatKind::Wheelchair),
        'c' | 'C' => (Grade::Accessible, SeatKind::Companion),
        'p' => (Grade::Prime, SeatKind::Normal),
        'e' => (Grade::Economy, SeatKind::Normal),
        _ => (Grade::Standard, SeatKind::Normal),
    };
    Seat {
        id: SeatId::parse(number.clone()).expect("an id"),
        row: row.to_owned(),
        number,
        grade,
        kind,
        block: block.to_string(),
        x: u32::try_from(x).expect("narrow"),
        y: u32::try_from(y).expect("few rows"),
    }
}

fn seat_ids(text: &str) -> Vec<SeatId> {
    text.split_whitespace().map(|id| SeatId::parse(id).expect("an id")).collect()
}

fn text(seats: &[SeatId]) -> String {
    seats.iter().map(SeatId::as_str).collect::<Vec<_>>().join(" ")
}

fn adults(count: u32) -> Party {
    Party::parse([(Audience::Adult, count)]).expect("a party")
}

fn wheelchairs(wheelchairs: u32, companions: u32) -> Party {
    Party::parse([(Audience::Wheelchair, wheelchairs), (Audience::Companion, companions)])
        .expect("a party")
}

/// What the gap rule says of adults in STANDARD: the stranded seats, none when allowed.
fn check_gap(rows: &[&str], chosen: &str, stranded: &str) {
    let plan = Plan::drawn(rows);
    let party = adults(u32::try_from(seat_ids(chosen).len()).expect("few"));
    match plan.judge(&party, Grade::Standard, chosen) {
        Ok(()) => assert_eq!("", stranded, "{rows:?} {chosen}"),
        Err(SeatRefusal::SingleSeatGap { stranded: found, alternatives }) => {
            assert_eq!(text(&found), stranded, "{rows:?} {chosen}");
            assert!(!alternatives.is_empty());
            assert!(alternatives.len() <= ALTERNATIVES_MAX);
            for seats in &alternatives {
                assert_eq!(judge(&plan.map(), &party, Grade::Standard, seats), Ok(()));
            }
        }
        Err(other) => panic!("{rows:?} {chosen}: {other:?}"),
    }
}

#[test]
fn as_many_seats_as_people() {
    let plan = Plan::drawn(&["....."]);
    let check = |chosen: &str, given: u32| {
        let refusal = SeatRefusal::SeatCount { wanted: 2, given };
        assert_eq!(plan.judge(&adults(2), Grade::Standard, chosen), Err(refusal), "{chosen}");
    };
    check("", 0);
    check("A0", 1);
    check("A0 A1 A2", 3);
    check("A0 A0", 1);
    check("A0 A1 A1", 3);
}

#[test]
fn the_first_broken_rule_is_the_answer() {
    let plan = Plan::drawn(&["....x.p#wc"]);
    let check = |chosen: &str, refusal: fn(Vec<SeatId>) -> SeatRefusal, bad: &str| {
        let party = adults(u32::try_from(seat_ids(chosen).len()).expect("few"));
        let judged = plan.judge(&party, Grade::Standard, chosen);
        assert_eq!(judged, Err(refusal(seat_ids(bad))), "{chosen}");
    };
    check("Z9 A6 A8 A4 A1 Z1", SeatRefusal::UnknownSeat, "Z9 Z1");
    check("A6 A8 A4 A1", SeatRefusal::WrongGrade, "A6");
    check("A9 A4 A8 A1", SeatRefusal::AccessibleSeatOnly, "A9 A8");
    check("A7 A1 A4", SeatRefusal::SeatsTaken, "A7 A4");
    check_gap(&["....x.p#wc"], "A0 A5", "A6");
}

#[test]
fn wheelchair_places_are_for_wheelchairs() {
    let plan = Plan::drawn(&[".wcw.cw.wc"]);
    let check = |party: &Party, grade: Grade, chosen: &str, bad: &str| {
        let expected = match bad {
            "" => Ok(()),
            bad => Err(SeatRefusal::AccessibleSeatOnly(seat_ids(bad))),
        };
        assert_eq!(plan.judge(party, grade, chosen), expected, "{party:?} {grade} {chosen}");
    };
    let accessible = Grade::Accessible;
    check(&wheelchairs(1, 0), accessible, "A1", "");
    check(&wheelchairs(1, 0), accessible, "A2", "A2");
    check(&wheelchairs(1, 1), accessible, "A1 A2", "");
    check(&wheelchairs(1, 1), accessible, "A6 A5", "");
    check(&wheelchairs(1, 1), accessible, "A1 A5", "A5");
    check(&wheelchairs(1, 1), accessible, "A1 A3", "A1 A3");
    check(&wheelchairs(2, 0), accessible, "A1 A2", "A2");
    check(&wheelchairs(2, 1), accessible, "A1 A2 A3", "");
    check(&wheelchairs(2, 1), accessible, "A1 A5 A3", "A5");
    check(&wheelchairs(2, 2), accessible, "A8 A9 A5 A6", "");
    check(&wheelchairs(2, 2), accessible, "A1 A2 A3 A5", "A5");
    // Parties that fit no such grade never get so far; if they did, they would sit nowhere.
    check(&adults(1), accessible, "A1", "A1");
    check(&adults(1), Grade::Standard, "A1", "A1");
    check(&wheelchairs(1, 0), Grade::Standard, "A0", "A0");
    assert_eq!(
        plan.judge(&wheelchairs(1, 0), accessible, "A0"),
        Err(SeatRefusal::WrongGrade(seat_ids("A0")))
    );
}

#[test]
fn one_companion_seat_does_not_serve_two_companions_nor_one_wheelchair_two() {
    let plan = Plan::drawn(&["cwc.w"]);
    let judged = plan.judge(&wheelchairs(2, 2), Grade::Accessible, "A0 A1 A2 A4");
    assert_eq!(judged, Err(SeatRefusal::AccessibleSeatOnly(seat_ids("A2"))));
}

#[test]
fn no_single_seat_is_left() {
    check_gap(&["....."], "A0 A1", "");
    check_gap(&["....."], "A1 A2", "A0");
    check_gap(&["......"], "A1 A2 A4", "A0 A3 A5");
    check_gap(&["..... ....."], "A3 A6", "A4");
    check_gap(&["..... ....."], "A4 A6", "");
    // Walls: sold, blocked, wheelchair and companion seats, aisles.
    for row in ["...x....", "...#....", "...w....", "...c....", "... ....", "...W...."] {
        check_gap(&[row], "A0 A1", "A2");
        check_gap(&[row], "A4 A5", "");
    }
    // A seat of another grade is a neighbour, and can be stranded.
    check_gap(&["..p ...."], "A0 A1", "A2");
    check_gap(&["..pp ...."], "A0 A1", "");
    check_gap(&["..pp ...."], "A1 A5", "A0");
}

#[test]
fn a_block_ends_even_where_the_aisle_has_no_width() {
    let mut plan = Plan::drawn(&["......"]);
    for (seat, _) in plan.seats.iter_mut().filter(|(seat, _)| seat.x > 2) {
        seat.block = "right".to_owned();
    }
    let stranded = match plan.judge(&adults(2), Grade::Standard, "A0 A1") {
        Err(SeatRefusal::SingleSeatGap { stranded, .. }) => text(&stranded),
        other => format!("{other:?}"),
    };
    assert_eq!(stranded, "A2");
    assert_eq!(plan.best(&adults(2), Grade::Standard, 1), ["A2 A3"]);
}

#[test]
fn what_was_single_before_may_stay_or_be_taken() {
    check_gap(&[".x....."], "A2 A3", "");
    check_gap(&[".x....."], "A0", "");
    check_gap(&["...x....."], "A1", "A0 A2");
    check_gap(&["x.x....."], "A1 A3", "");
}

#[test]
fn the_rule_is_waived_when_no_choice_of_that_size_keeps_it() {
    check_gap(&["..x..", "x..x."], "A0", "A1");
    check_gap(&["..x.."], "A0", "");
    check_gap(&["..."], "A0 A1", "");
    check_gap(&["..."], "A1", "A0 A2");
    check_gap(&["...", "xx."], "A0 A1", "A2");
    // Another grade is no way out.
    check_gap(&["...", "ppp"], "A0 A1", "");
    check_gap(&["...", "ww."], "A0 A1", "A2");
}

#[test]
fn the_best_seats_are_in_the_middle_of_the_reference_row() {
    let rows = ["......."; 7];
    let plan = Plan::drawn(&rows);
    let check = |size: u32, expected: &[&str]| {
        assert_eq!(plan.best(&adults(size), Grade::Standard, expected.len()), expected, "{size}");
    };
    check(1, &["E3", "E2", "E4"]);
    check(3, &["E2 E3 E4", "E0 E1 E2", "E4 E5 E6", "D2 D3 D4"]);
    check(7, &["E0 E1 E2 E3 E4 E5 E6", "D0 D1 D2 D3 D4 D5 D6"]);
    assert!(plan.best(&adults(2), Grade::Prime, 3).is_empty());
    assert!(plan.best(&wheelchairs(1, 0), Grade::Standard, 3).is_empty());
    assert!(plan.best(&adults(2), Grade::Standard, 0).is_empty());
}

#[test]
fn the_best_seats_leave_no_single_one() {
    let check = |rows: &[&str], size: u32, expected: &[&str]| {
        let plan = Plan::drawn(rows);
        let found = plan.best(&adults(size), Grade::Standard, expected.len());
        assert_eq!(found, expected, "{rows:?} {size}");
    };
    check(&["....."], 2, &["A0 A1", "A3 A4"]);
    check(&["......"], 2, &["A2 A3", "A0 A1", "A4 A5"]);
    check(&["xx...xxx", "x..xxxxx"], 2, &["B1 B2"]);
    check(&["..p.."], 3, &["A0 A1 A4"]);
    // Waived, but one single seat is better than two.
    check(&["..."], 2, &["A0 A1", "A1 A2"]);
    check(&["..xxx", "xp.px"], 1, &["A1", "A0", "B2"]);
}

#[test]
fn a_party_that_cannot_sit_together_sits_near_each_other() {
    let check = |rows: &[&str], size: u32, expected: &str| {
        let plan = Plan::drawn(rows);
        assert_eq!(plan.best(&adults(size), Grade::Standard, 1), [expected], "{rows:?} {size}");
    };
    check(&["..xxxxxx", "..xxxx..", "xxxxxx.."], 4, "B6 B7 C6 C7");
    check(&["xx. ..xx", "xx. xxxx"], 3, "A2 A4 A5");
    check(&["xxxx....", "xxxx....", "....xxxx"], 8, "A4 A5 A6 A7 B4 B5 B6 B7");
    // Two and two, though three and one would be nearer to the middle.
    check(&["xxxxxx...x.x..x..xxxx"], 4, "A12 A13 A15 A16");
    check(&["...x..", "xxxx.."], 5, "A0 A1 A2 A4 A5");
    // Two of three would strand the third.
    check(&["...x.", "...x."], 5, "A2 B0 B1 B2 B4");
}

#[test]
fn the_best_wheelchair_places_come_with_their_companions() {
    let check = |rows: &[&str], party: Party, expected: &[&str]| {
        let plan = Plan::drawn(rows);
        let found = plan.best(&party, Grade::Accessible, expected.len().max(1));
        assert_eq!(found, expected, "{rows:?} {party:?}");
    };
    check(&["wc..cw", "......"], wheelchairs(1, 1), &["A0 A1", "A4 A5"]);
    check(&["wc..cw", "......"], wheelchairs(2, 2), &["A0 A1 A4 A5"]);
    check(&["wcwcww"], wheelchairs(1, 0), &["A5"]);
    check(&["Wcw"], wheelchairs(1, 1), &["A1 A2"]);
    check(&["wC", "cW"], wheelchairs(1, 1), &[]);
    check(&["wcw"], wheelchairs(2, 2), &[]);
    check(&["wcw"], wheelchairs(2, 1), &["A0 A1 A2"]);
}

#[test]
fn every_count_of_two_long_runs_is_found() {
    // Nine of ten would strand the tenth, so nineteen of twenty must break up differently.
    let plan = Plan::drawn(&["..........", "..........", "..x.xx...x"]);
    for size in 1..=20 {
        assert!(!plan.best(&adults(size), Grade::Standard, 3).is_empty(), "{size}");
    }
}
