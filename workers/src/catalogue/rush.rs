//! The rush: ten large auditoriums showing one film all day, for weeks.

use super::layout::Layout;
use super::{CHILDS_PLAY_3, Start, day_of, showtime};
use domain::catalogue::{Auditorium, Showtime, Theater};
use domain::ids::{AuditoriumId, TheaterId};
use domain::time::Time;
use domain::words::AuditoriumKind;
use jiff::ToSpan;

const THEATER: &str = "rush";

const AUDITORIUMS: u32 = 10;
const DAYS: i64 = 30;
const FIRST_START_MINUTE: u32 = 8 * 60;
const STARTS_PER_DAY: u32 = 9;
/// Each auditorium starts a little later than the one before it.
const STAGGER_MINUTES: usize = 5;

/// 400 seats of one grade. With the numbers above: 1,080,000 places.
const LAYOUT: Layout = Layout {
    side: 10,
    centre: 20,
    rows: 10,
    taper: 0,
    economy_rows: 0,
    prime_rows: 0..0,
    accessible_rows: 0..0,
};

pub(super) fn theater() -> Theater {
    Theater { id: theater_id(), name: "마키 스타디움".to_owned() }
}

pub(super) fn auditoriums() -> Vec<Auditorium> {
    (1..=AUDITORIUMS).map(auditorium).collect()
}

pub(super) fn showtimes(now: Time, auditoriums: &[Auditorium]) -> Vec<Showtime> {
    let today = day_of(now);
    let mut showtimes = Vec::new();
    for day in 1..=DAYS {
        let day = today.saturating_add(day.days());
        for (first, auditorium) in (FIRST_START_MINUTE..).step_by(STAGGER_MINUTES).zip(auditoriums)
        {
            for n in 0..STARTS_PER_DAY {
                let minute = first + n * CHILDS_PLAY_3.slot_minutes();
                showtimes.push(showtime(&CHILDS_PLAY_3, auditorium, Start { day, minute }));
            }
        }
    }
    showtimes
}

fn auditorium(n: u32) -> Auditorium {
    let id = AuditoriumId::parse(format!("{THEATER}-{n}")).expect("letters and digits");
    Auditorium {
        seats: LAYOUT.seats(&id),
        id,
        theater_id: theater_id(),
        name: format!("{n}관"),
        kind: AuditoriumKind::Standard,
        layout_version: 1,
    }
}

fn theater_id() -> TheaterId {
    TheaterId::parse(THEATER).expect("letters")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{midnight, sellable};
    use domain::words::Grade;
    use std::collections::BTreeMap;
    use std::time::Duration;

    #[test]
    fn there_are_over_a_million_places_of_one_grade_from_tomorrow_on() {
        let today = midnight(jiff::civil::date(2026, 11, 22));
        let tomorrow = midnight(jiff::civil::date(2026, 11, 23));
        let auditoriums = auditoriums();
        let pools: BTreeMap<_, _> = auditoriums.iter().map(|a| (&a.id, sellable(a))).collect();
        assert!(pools.values().all(|pool| pool.keys().eq([&Grade::Standard])));
        for hour in [0, 12, 23] {
            let now = today.plus(Duration::from_secs(60 * 60 * hour));
            let showtimes = showtimes(now, &auditoriums);
            assert!(showtimes.iter().all(|showtime| showtime.starts_at >= tomorrow));
            let places = showtimes.iter().map(|s| pools[&s.auditorium_id][&Grade::Standard]);
            assert_eq!(places.sum::<u32>(), 1_080_000);
        }
    }
}
