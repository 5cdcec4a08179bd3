//! The catalogues that `marquee` can put on sale by itself: a cinema chain to try the product with,
//! and a rush with room for a million parties.
//!
//! Plain data from `now`: a showtime depends on its day alone, so a later seeding repeats what is
//! there word for word and adds the days that have come into reach.

use domain::catalogue::{ADS_MINUTES, Auditorium, Movie, Prices, Showtime, Theater};
use domain::ids::{MovieId, ShowtimeId};
use domain::time::Time;
use domain::won::Won;
use domain::words::{
    AgeRating, Audience, AuditoriumKind, CancelPolicy, Grade, MovieStatus, ShowtimeStatus,
};
use jiff::civil::{Date, Weekday};
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan};
use std::collections::BTreeMap;
use std::time::Duration;

mod demo;
mod layout;
mod rush;

/// What one seeding writes.
///
/// Every id is stable, so writing it again adds only what is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    pub movies: Vec<Movie>,
    pub theaters: Vec<Theater>,
    pub auditoriums: Vec<Auditorium>,
    pub showtimes: Vec<Showtime>,
}

/// A small cinema chain with a week of showtimes, none of which has started.
pub fn demo(now: Time) -> Catalogue {
    Catalogue {
        movies: demo::movies(),
        theaters: demo::theaters(),
        auditoriums: demo::auditoriums(),
        showtimes: demo::showtimes(now),
    }
}

/// One film in one theater with over a million free places, from tomorrow on.
pub fn rush(now: Time) -> Catalogue {
    let auditoriums = rush::auditoriums();
    let showtimes = rush::showtimes(now, &auditoriums);
    Catalogue {
        movies: vec![CHILDS_PLAY_3.movie()],
        theaters: vec![rush::theater()],
        auditoriums,
        showtimes,
    }
}

/// Seats per grade: what each capacity pool of a showtime starts with.
pub fn sellable(auditorium: &Auditorium) -> BTreeMap<Grade, u32> {
    let mut sellable = BTreeMap::new();
    for seat in &auditorium.seats {
        *sellable.entry(seat.grade).or_insert(0) += 1;
    }
    sellable
}

/// The film of the report's calls, which name it by this very title.
const CHILDS_PLAY_3: Film = Film {
    id: "childs-play-3",
    title: "사탄의인형3",
    original_title: "Child's Play 3",
    runtime_minutes: 90,
    age_rating: AgeRating::Nineteen,
};

/// Korea has no summer time, so a fixed offset is its time zone.
const KST: Offset = Offset::constant(9);

/// The least time between the end of one showtime and the start of the next.
const CLEANING_MINUTES: u32 = 20;
/// Showtimes start on marks of the clock.
const START_MARK_MINUTES: u32 = 5;
/// Further than any catalogue reaches ahead, so that all of it is on sale.
const SALES_OPEN_DAYS_BEFORE: i64 = 35;
const PARTY_SIZE_MAX: u32 = 8;

const ADULT_WON: i64 = 14_000;
const WEEKEND_SURCHARGE_WON: i64 = 1_000;
const IMAX_SURCHARGE_WON: i64 = 5_000;
const FOUR_DX_SURCHARGE_WON: i64 = 6_000;
const PREMIUM_SURCHARGE_WON: i64 = 11_000;
/// 조조.
const MORNING_DISCOUNT_WON: i64 = 4_000;
const MORNING_ENDS_MINUTE: u32 = 10 * 60;
const ECONOMY_DISCOUNT_WON: i64 = 1_000;
const PRIME_SURCHARGE_WON: i64 = 1_000;
const TEEN_DISCOUNT_WON: i64 = 3_000;

/// A movie as the tables of this catalogue write it.
struct Film {
    id: &'static str,
    title: &'static str,
    original_title: &'static str,
    runtime_minutes: u32,
    age_rating: AgeRating,
}

impl Film {
    fn movie_id(&self) -> MovieId {
        MovieId::parse(self.id).expect("the tables hold plain ids")
    }

    fn movie(&self) -> Movie {
        Movie {
            id: self.movie_id(),
            title: self.title.to_owned(),
            original_title: self.original_title.to_owned(),
            runtime_minutes: self.runtime_minutes,
            age_rating: self.age_rating,
            status: MovieStatus::Showing,
        }
    }

    /// From the printed start until people leave.
    fn running_minutes(&self) -> u32 {
        self.runtime_minutes + ADS_MINUTES
    }

    /// From one start until the same auditorium can start again.
    fn slot_minutes(&self) -> u32 {
        (self.running_minutes() + CLEANING_MINUTES).next_multiple_of(START_MARK_MINUTES)
    }
}

/// A start on one business day: 24:30 belongs to the evening before it.
#[derive(Clone, Copy)]
struct Start {
    day: Date,
    /// Since midnight in Seoul; beyond 24 hours for starts in the night.
    minute: u32,
}

impl Start {
    fn at(self) -> Time {
        midnight(self.day).plus(minutes(self.minute))
    }

    /// The start as people read it, for ids.
    fn stamp(self) -> String {
        let (day, minute) = (self.day, self.minute);
        let day = day.saturating_add(i64::from(minute / (24 * 60)).days());
        let (hour, minute) = (minute / 60 % 24, minute % 60);
        format!("{:04}{:02}{:02}-{hour:02}{minute:02}", day.year(), day.month(), day.day())
    }

    /// Friday counts, as in Korean multiplexes. Public holidays are not known here.
    fn is_weekend(self) -> bool {
        match self.day.weekday() {
            Weekday::Friday | Weekday::Saturday | Weekday::Sunday => true,
            Weekday::Monday | Weekday::Tuesday | Weekday::Wednesday | Weekday::Thursday => false,
        }
    }
}

fn minutes(minutes: u32) -> Duration {
    Duration::from_secs(60 * u64::from(minutes))
}

/// The calendar day in Seoul.
fn day_of(now: Time) -> Date {
    let now = Timestamp::from_millisecond(now.as_millis()).expect("clocks stay below year 10000");
    KST.to_datetime(now).date()
}

fn midnight(day: Date) -> Time {
    let midnight = KST.to_timestamp(day.at(0, 0, 0, 0)).expect("clocks stay below year 10000");
    Time::from_millis(midnight.as_millisecond())
}

fn showtime(film: &Film, auditorium: &Auditorium, start: Start) -> Showtime {
    let id = format!("s-{}-{}", auditorium.id, start.stamp());
    let starts_at = start.at();
    Showtime {
        id: ShowtimeId::parse(id).expect("an auditorium id and digits make an id"),
        movie_id: film.movie_id(),
        auditorium_id: auditorium.id.clone(),
        starts_at,
        ends_at: starts_at.plus(minutes(film.running_minutes())),
        sales_open_at: midnight(start.day.saturating_sub(SALES_OPEN_DAYS_BEFORE.days())),
        sales_close_at: starts_at,
        status: ShowtimeStatus::OnSale,
        cancel_policy: auditorium_policy(auditorium),
        max_party_size: PARTY_SIZE_MAX,
        prices: prices(auditorium, start),
    }
}

/// IMAX is sold on the commission's standard terms, premium rooms show previews with guests.
fn auditorium_policy(auditorium: &Auditorium) -> CancelPolicy {
    match auditorium.kind {
        AuditoriumKind::Standard | AuditoriumKind::FourDx => CancelPolicy::Standard,
        AuditoriumKind::Imax => CancelPolicy::Kftc,
        AuditoriumKind::Premium => CancelPolicy::Event,
    }
}

/// A price for each grade that the auditorium has.
fn prices(auditorium: &Auditorium, start: Start) -> Prices {
    let surcharge = match auditorium.kind {
        AuditoriumKind::Standard => 0,
        AuditoriumKind::Imax => IMAX_SURCHARGE_WON,
        AuditoriumKind::FourDx => FOUR_DX_SURCHARGE_WON,
        AuditoriumKind::Premium => PREMIUM_SURCHARGE_WON,
    };
    let weekend = if start.is_weekend() { WEEKEND_SURCHARGE_WON } else { 0 };
    let morning = if start.minute < MORNING_ENDS_MINUTE { MORNING_DISCOUNT_WON } else { 0 };
    let adult = ADULT_WON + surcharge + weekend - morning;
    sellable(auditorium).into_keys().map(|grade| (grade, fares(grade, adult))).collect()
}

/// What each audience type pays, given what an adult pays for a seat of grade STANDARD.
fn fares(grade: Grade, adult: i64) -> BTreeMap<Audience, Won> {
    match grade {
        Grade::Economy => ordinary_fares(adult - ECONOMY_DISCOUNT_WON),
        Grade::Standard => ordinary_fares(adult),
        Grade::Prime => ordinary_fares(adult + PRIME_SURCHARGE_WON),
        Grade::Accessible => BTreeMap::from([
            (Audience::Wheelchair, won(adult / 2)),
            (Audience::Companion, won(adult / 2)),
        ]),
    }
}

fn ordinary_fares(adult: i64) -> BTreeMap<Audience, Won> {
    BTreeMap::from([
        (Audience::Adult, won(adult)),
        (Audience::Teen, won(adult - TEEN_DISCOUNT_WON)),
        (Audience::Senior, won(adult / 2)),
    ])
}

fn won(amount: i64) -> Won {
    Won::parse(amount).expect("the price table stays far inside the limits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ids::ID_CHARS_MAX;
    use std::collections::{BTreeSet, HashMap};

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    /// Every hour of a Sunday in Seoul, and the instants beside its beginning.
    fn instants() -> Vec<Time> {
        let midnight = midnight(jiff::civil::date(2026, 11, 22));
        let edges = [-1, 1].map(|millis| Time::from_millis(midnight.as_millis() + millis));
        (0..24).map(|hour| midnight.plus(minutes(60 * hour))).chain(edges).collect()
    }

    fn by_auditorium(catalogue: &Catalogue) -> BTreeMap<&str, Vec<&Showtime>> {
        let mut lists: BTreeMap<&str, Vec<&Showtime>> = BTreeMap::new();
        for showtime in &catalogue.showtimes {
            lists.entry(showtime.auditorium_id.as_str()).or_default().push(showtime);
        }
        lists.values_mut().for_each(|list| list.sort_by_key(|showtime| showtime.starts_at));
        lists
    }

    fn assert_sound(catalogue: &Catalogue, now: Time) {
        assert_ids_are_unique(catalogue);
        assert_on_sale(catalogue, now);
        assert_no_overlap(catalogue);
        assert_shown_for_its_movie_and_priced_in_full(catalogue);
    }

    fn assert_ids_are_unique(catalogue: &Catalogue) {
        let movies = catalogue.movies.iter().map(|movie| movie.id.as_str());
        let theaters = catalogue.theaters.iter().map(|theater| theater.id.as_str());
        let auditoriums = catalogue.auditoriums.iter().map(|auditorium| auditorium.id.as_str());
        let seats = catalogue.auditoriums.iter().flat_map(|auditorium| &auditorium.seats);
        let showtimes = catalogue.showtimes.iter().map(|showtime| showtime.id.as_str());
        let kinds: [Vec<&str>; 5] = [
            movies.collect(),
            theaters.collect(),
            auditoriums.collect(),
            seats.map(|seat| seat.id.as_str()).collect(),
            showtimes.collect(),
        ];
        for ids in &kinds {
            assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
            assert!(ids.iter().all(|id| id.len() <= ID_CHARS_MAX));
        }
        for auditorium in &catalogue.auditoriums {
            assert!(kinds[1].contains(&auditorium.theater_id.as_str()), "{}", auditorium.id);
        }
    }

    fn assert_on_sale(catalogue: &Catalogue, now: Time) {
        for showtime in &catalogue.showtimes {
            assert!(showtime.on_sale(now), "{}", showtime.id);
            assert!(showtime.starts_at > now, "{}", showtime.id);
            assert_eq!(showtime.starts_at.as_millis() % (5 * 60 * 1000), 0, "{}", showtime.id);
        }
    }

    fn assert_no_overlap(catalogue: &Catalogue) {
        for list in by_auditorium(catalogue).values() {
            for pair in list.windows(2) {
                let free = pair[1].starts_at.since(pair[0].ends_at);
                assert!(free >= minutes(CLEANING_MINUTES), "{} {}", pair[0].id, pair[1].id);
            }
        }
    }

    fn assert_shown_for_its_movie_and_priced_in_full(catalogue: &Catalogue) {
        for showtime in &catalogue.showtimes {
            let movie = catalogue.movies.iter().find(|movie| movie.id == showtime.movie_id);
            let room = catalogue.auditoriums.iter().find(|room| room.id == showtime.auditorium_id);
            let (movie, room) = (movie.expect("its movie"), room.expect("its auditorium"));
            let length = showtime.ends_at.since(showtime.starts_at);
            assert_eq!(length, minutes(movie.runtime_minutes + ADS_MINUTES), "{}", showtime.id);
            assert!(showtime.prices.keys().eq(sellable(room).keys()), "{}", showtime.id);
            for (grade, fares) in &showtime.prices {
                let audiences: Vec<&Audience> = fares.keys().collect();
                let expected = match grade {
                    Grade::Economy | Grade::Standard | Grade::Prime => {
                        vec![&Audience::Adult, &Audience::Teen, &Audience::Senior]
                    }
                    Grade::Accessible => vec![&Audience::Wheelchair, &Audience::Companion],
                };
                assert_eq!(audiences, expected, "{}", showtime.id);
            }
        }
    }

    #[test]
    fn the_demo_is_sound_at_any_time_of_day() {
        for now in instants() {
            let catalogue = demo(now);
            assert_sound(&catalogue, now);
            assert!((400..=1_500).contains(&catalogue.showtimes.len()));
        }
    }

    #[test]
    fn the_rush_is_sound() {
        for now in instants().into_iter().step_by(8) {
            assert_sound(&rush(now), now);
        }
    }

    #[test]
    fn the_film_of_the_report_is_always_about_to_start() {
        for now in instants() {
            let catalogue = demo(now);
            let shown =
                catalogue.showtimes.iter().filter(|s| s.movie_id.as_str() == "childs-play-3");
            let starts: BTreeSet<Time> = shown.map(|showtime| showtime.starts_at).collect();
            assert!(starts.last().expect("some").since(now) >= 5 * DAY);
            let mut from = now;
            for start in starts {
                assert!(start.since(from) <= DAY / 2, "{from:?}");
                from = start;
            }
        }
    }

    #[test]
    fn a_later_seeding_repeats_what_is_there_and_adds_the_next_day() {
        for now in instants().into_iter().step_by(4) {
            for catalogue in [demo, rush] {
                let (today, tomorrow) = (catalogue(now), catalogue(now.plus(DAY)));
                assert_eq!(today, catalogue(now));
                assert_eq!(today.movies, tomorrow.movies);
                assert_eq!(today.theaters, tomorrow.theaters);
                assert_eq!(today.auditoriums, tomorrow.auditoriums);
                let known: HashMap<_, _> = today.showtimes.iter().map(|s| (&s.id, s)).collect();
                let (again, new): (Vec<_>, Vec<_>) =
                    tomorrow.showtimes.iter().partition(|s| known.contains_key(&s.id));
                assert!(again.iter().all(|showtime| known[&showtime.id] == *showtime));
                assert!(again.len() > 5 * new.len());
                assert!(!new.is_empty());
            }
        }
    }

    #[test]
    fn prices_follow_the_day_the_hour_and_the_seat() {
        let check = |kind, day: i8, minute, expected: [i64; 4]| {
            let auditoriums = demo::auditoriums();
            let room = auditoriums.iter().find(|room| room.kind == kind).expect("of each kind");
            let prices = prices(room, Start { day: jiff::civil::date(2026, 11, day), minute });
            let won = |grade, audience| prices[&grade][&audience].get();
            let fares = [
                won(Grade::Economy, Audience::Adult),
                won(Grade::Standard, Audience::Teen),
                won(Grade::Prime, Audience::Senior),
                won(Grade::Accessible, Audience::Wheelchair),
            ];
            assert_eq!(fares, expected, "{kind} on {day} at {minute}");
        };
        check(AuditoriumKind::Standard, 19, 600, [13_000, 11_000, 7_500, 7_000]);
        check(AuditoriumKind::Standard, 19, 595, [9_000, 7_000, 5_500, 5_000]);
        check(AuditoriumKind::Standard, 20, 600, [14_000, 12_000, 8_000, 7_500]);
        check(AuditoriumKind::Imax, 21, 600, [19_000, 17_000, 10_500, 10_000]);
        check(AuditoriumKind::FourDx, 23, 1_470, [19_000, 17_000, 10_500, 10_000]);
        check(AuditoriumKind::Premium, 23, 600, [24_000, 22_000, 13_000, 12_500]);
    }

    #[test]
    fn a_start_after_midnight_bears_the_date_people_read() {
        let start = Start { day: jiff::civil::date(2026, 12, 31), minute: 24 * 60 + 30 };
        assert_eq!(start.stamp(), "20270101-0030");
        assert_eq!(start.at().since(midnight(jiff::civil::date(2027, 1, 1))), minutes(30));
    }
}
