//! What holds on every map, checked against all selections of small ones.

use super::*;
use proptest::prelude::*;

/// Few enough seats that every selection can be tried.
const SEATS_MAX: usize = 10;

/// One to three rows of such seats.
fn drawings(marks: &'static str) -> impl Strategy<Value = Vec<String>> {
    let mark = proptest::sample::select(marks.chars().collect::<Vec<_>>());
    let row = proptest::collection::vec(mark, 0..=6);
    let row = row.prop_map(|marks| marks.into_iter().collect::<String>());
    proptest::collection::vec(row, 1..=3).prop_filter("few seats", |rows| {
        let seats = rows.iter().flat_map(|row| row.chars()).filter(|mark| *mark != ' ');
        (1..=SEATS_MAX).contains(&seats.count())
    })
}

fn plan(drawing: &[String]) -> Plan {
    Plan::drawn(&drawing.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Every selection of so many seats, whatever they are.
fn selections(plan: &Plan, size: u32) -> Vec<Vec<SeatId>> {
    (0u32..1 << plan.seats.len())
        .filter(|set| set.count_ones() == size)
        .map(|set| {
            let chosen = plan.seats.iter().enumerate().filter(|(i, _)| set >> i & 1 == 1);
            chosen.map(|(_, (seat, _))| seat.id.clone()).collect()
        })
        .collect()
}

/// The rules once more, as plainly as the specification puts them.
struct Oracle<'a> {
    plan: &'a Plan,
    grade: Grade,
}

impl Oracle<'_> {
    fn find(&self, id: &SeatId) -> &(Seat, SeatState) {
        self.plan.seats.iter().find(|(seat, _)| seat.id == *id).expect("a seat of the plan")
    }

    fn beside(a: &Seat, b: &Seat) -> bool {
        a.block == b.block && a.row == b.row && (a.x + 1 == b.x || b.x + 1 == a.x)
    }

    fn seats(&self, chosen: &[SeatId]) -> Vec<&Seat> {
        chosen.iter().map(|id| &self.find(id).0).collect()
    }

    fn may_be_taken(&self, chosen: &[SeatId]) -> bool {
        chosen.iter().all(|id| {
            let (seat, state) = self.find(id);
            *state == SeatState::Available && seat.grade == self.grade
        })
    }

    fn is_single(&self, seat: &Seat, chosen: &[SeatId]) -> bool {
        let free = |(other, state): &&(Seat, SeatState)| {
            *state == SeatState::Available
                && other.kind == SeatKind::Normal
                && !chosen.contains(&other.id)
        };
        let mut free = self.plan.seats.iter().filter(free);
        free.clone().any(|(other, _)| other.id == seat.id)
            && !free.any(|(other, _)| Self::beside(seat, other))
    }

    fn new_singles(&self, chosen: &[SeatId]) -> Vec<SeatId> {
        let is_new = |seat: &Seat| self.is_single(seat, chosen) && !self.is_single(seat, &[]);
        let seats = self.plan.seats.iter().map(|(seat, _)| seat);
        seats.filter(|seat| is_new(seat)).map(|seat| seat.id.clone()).collect()
    }

    fn waived(&self, size: u32) -> bool {
        !selections(self.plan, size)
            .iter()
            .any(|chosen| self.may_be_taken(chosen) && self.new_singles(chosen).is_empty())
    }

    /// Tries every way to give the companions a wheelchair place each.
    fn linked(companions: &[&Seat], places: &[&Seat]) -> bool {
        let Some((first, others)) = companions.split_first() else { return true };
        (0..places.len()).any(|i| {
            let mut left = places.to_vec();
            let place = left.remove(i);
            Self::beside(first, place) && Self::linked(others, &left)
        })
    }

    fn seated(&self, chosen: &[SeatId], wheelchairs: usize) -> bool {
        let (places, companions): (Vec<&Seat>, Vec<&Seat>) =
            self.seats(chosen).into_iter().partition(|seat| seat.kind == SeatKind::Wheelchair);
        places.len() == wheelchairs && Self::linked(&companions, &places)
    }

    fn unbroken(&self, chosen: &[SeatId]) -> bool {
        self.seats(chosen).windows(2).all(|pair| Self::beside(pair[0], pair[1]))
    }
}

proptest! {
    #[test]
    fn the_gap_rule_is_what_every_selection_tried_says(
        drawing in drawings("......xxp#w "), size in 1u32..5,
    ) {
        let plan = plan(&drawing);
        let oracle = Oracle { plan: &plan, grade: Grade::Standard };
        let waived = oracle.waived(size);
        for chosen in selections(&plan, size).iter().filter(|chosen| oracle.may_be_taken(chosen)) {
            let judged = judge(&plan.map(), &adults(size), Grade::Standard, chosen);
            let mut singles = oracle.new_singles(chosen);
            match judged {
                Ok(()) => prop_assert!(waived || singles.is_empty(), "{drawing:?} {chosen:?}"),
                Err(SeatRefusal::SingleSeatGap { mut stranded, alternatives }) => {
                    prop_assert!(!waived && !singles.is_empty(), "{drawing:?} {chosen:?}");
                    singles.sort();
                    stranded.sort();
                    prop_assert_eq!(stranded, singles);
                    prop_assert!((1..=ALTERNATIVES_MAX).contains(&alternatives.len()));
                }
                Err(other) => prop_assert!(false, "{drawing:?} {chosen:?} {other:?}"),
            }
        }
    }

    #[test]
    fn nothing_else_than_free_seats_of_the_grade_passes(
        drawing in drawings("....xpe#wcWC "), size in 1u32..4, grade in 0..Grade::EVERY.len(),
    ) {
        let (plan, grade) = (plan(&drawing), Grade::EVERY[grade]);
        let oracle = Oracle { plan: &plan, grade };
        for chosen in selections(&plan, size).iter().filter(|chosen| !oracle.may_be_taken(chosen)) {
            prop_assert!(judge(&plan.map(), &adults(size), grade, chosen).is_err());
        }
    }

    #[test]
    fn the_best_seats_are_legal_and_together_if_any_are(
        drawing in drawings("......xxp#w "), size in 1u32..6, wanted in 1usize..6,
    ) {
        let plan = plan(&drawing);
        let oracle = Oracle { plan: &plan, grade: Grade::Standard };
        let found = plan.best(&adults(size), Grade::Standard, wanted);
        let waived = oracle.waived(size);
        let legal: Vec<_> = selections(&plan, size)
            .into_iter()
            .filter(|chosen| oracle.may_be_taken(chosen))
            .filter(|chosen| waived || oracle.new_singles(chosen).is_empty())
            .collect();
        prop_assert_eq!(found.is_empty(), legal.is_empty(), "{:?}", drawing);
        let together = legal.iter().filter(|chosen| oracle.unbroken(chosen)).count();
        for (i, seats) in found.iter().enumerate() {
            let unbroken = oracle.unbroken(&seat_ids(seats));
            prop_assert_eq!(unbroken, i < together, "{:?} {}", &drawing, seats);
        }
        // No other legal choice has fewer new single seats; without a waiver none has any.
        if let (Some(first), 0) = (found.first(), together) {
            let gaps = oracle.new_singles(&seat_ids(first)).len();
            let fewest = legal.iter().map(|chosen| oracle.new_singles(chosen).len()).min();
            prop_assert_eq!(Some(gaps), fewest);
        }
    }

    #[test]
    fn wheelchairs_and_companions_sit_as_every_selection_tried_says(
        drawing in drawings("wwwccc.WC "), places in 1u32..4, companions in 0u32..4,
    ) {
        let companions = companions.min(places);
        let plan = plan(&drawing);
        let oracle = Oracle { plan: &plan, grade: Grade::Accessible };
        let party = wheelchairs(places, companions);
        let mut possible = false;
        for chosen in selections(&plan, party.size()).iter().filter(|ids| oracle.may_be_taken(ids)) {
            let legal = oracle.seated(chosen, usize::try_from(places).expect("few"));
            let judged = judge(&plan.map(), &party, Grade::Accessible, chosen);
            prop_assert_eq!(judged.is_ok(), legal, "{:?} {:?}", &drawing, chosen);
            possible |= legal;
        }
        let found = plan.best(&party, Grade::Accessible, 3);
        prop_assert_eq!(found.is_empty(), !possible, "{:?}", drawing);
    }

    #[test]
    fn the_order_of_the_map_does_not_matter(
        drawing in drawings(".....xp#wc "), size in 1u32..5,
    ) {
        let plan = plan(&drawing);
        let mut backwards = plan.map();
        backwards.reverse();
        prop_assert_eq!(
            best(&plan.map(), &adults(size), Grade::Standard, 4),
            best(&backwards, &adults(size), Grade::Standard, 4)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whoever_has_a_seat_left_gets_a_suggestion(
        rows in proptest::collection::vec("[.xp ]{0,30}", 1..12), size in 1u32..=20,
    ) {
        let plan = plan(&rows);
        let left = rows.iter().flat_map(|row| row.chars()).filter(|mark| *mark == '.').count();
        let found = plan.best(&adults(size), Grade::Standard, 3);
        prop_assert_eq!(found.is_empty(), left < usize::try_from(size).expect("few"));
    }
}
