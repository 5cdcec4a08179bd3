//! The demo chain: four invented theaters, eight films, a week of showtimes.

use super::layout::Layout;
use super::{CHILDS_PLAY_3, Film, Start, day_of, showtime};
use domain::catalogue::{Auditorium, Movie, Showtime, Theater};
use domain::ids::{AuditoriumId, TheaterId};
use domain::time::Time;
use domain::words::{AgeRating, AuditoriumKind};
use jiff::ToSpan;
use jiff::civil::Date;

/// Today and the days after it that have showtimes.
const DAYS: i64 = 7;
/// 24:30, the last start of a business day.
const LAST_START_MINUTE: u32 = 24 * 60 + 30;

const STATION_17: Film = Film {
    id: "station-17",
    title: "우주 정거장 17",
    original_title: "Station Seventeen",
    runtime_minutes: 142,
    age_rating: AgeRating::Twelve,
};
const STORM_RUN: Film = Film {
    id: "storm-run",
    title: "폭풍 추격",
    original_title: "Storm Run",
    runtime_minutes: 118,
    age_rating: AgeRating::Twelve,
};
const KINGS_ARCHIVE: Film = Film {
    id: "kings-archive",
    title: "왕의 서고",
    original_title: "왕의 서고",
    runtime_minutes: 131,
    age_rating: AgeRating::Fifteen,
};
const DETECTIVE_NEXT_DOOR: Film = Film {
    id: "detective-next-door",
    title: "옆집 탐정",
    original_title: "옆집 탐정",
    runtime_minutes: 107,
    age_rating: AgeRating::Fifteen,
};
const BLACK_PIER: Film = Film {
    id: "black-pier",
    title: "검은 부두",
    original_title: "검은 부두",
    runtime_minutes: 113,
    age_rating: AgeRating::Nineteen,
};
const STAR_CAT: Film = Film {
    id: "star-cat",
    title: "별을 세는 고양이",
    original_title: "星をかぞえる猫",
    runtime_minutes: 96,
    age_rating: AgeRating::All,
};
const SPRING_POST_OFFICE: Film = Film {
    id: "spring-post-office",
    title: "봄날의 우체국",
    original_title: "봄날의 우체국",
    runtime_minutes: 104,
    age_rating: AgeRating::All,
};

const SLATE: [&Film; 8] = [
    &CHILDS_PLAY_3,
    &STATION_17,
    &STORM_RUN,
    &KINGS_ARCHIVE,
    &DETECTIVE_NEXT_DOOR,
    &BLACK_PIER,
    &STAR_CAT,
    &SPRING_POST_OFFICE,
];

/// 156 seats.
const LARGE: Layout = Layout {
    side: 4,
    centre: 10,
    rows: 9,
    taper: 2,
    economy_rows: 2,
    prime_rows: 5..8,
    accessible_rows: 8..9,
};
/// 110 seats.
const SMALL: Layout = Layout {
    side: 4,
    centre: 6,
    rows: 8,
    taper: 1,
    economy_rows: 2,
    prime_rows: 4..7,
    accessible_rows: 7..8,
};
/// 274 seats.
const IMAX: Layout = Layout {
    side: 6,
    centre: 14,
    rows: 11,
    taper: 3,
    economy_rows: 3,
    prime_rows: 6..10,
    accessible_rows: 9..11,
};
/// 112 seats.
const FOUR_DX: Layout = Layout {
    side: 4,
    centre: 8,
    rows: 7,
    taper: 0,
    economy_rows: 1,
    prime_rows: 3..6,
    accessible_rows: 6..7,
};
/// 72 seats.
const PREMIUM: Layout = Layout {
    side: 4,
    centre: 4,
    rows: 6,
    taper: 0,
    economy_rows: 1,
    prime_rows: 2..5,
    accessible_rows: 5..6,
};

struct House {
    id: &'static str,
    name: &'static str,
    rooms: &'static [Room],
}

struct Room {
    id: &'static str,
    name: &'static str,
    kind: AuditoriumKind,
    layout: Layout,
    /// The first start of a day, since midnight.
    first_start_minute: u32,
    /// The films of a day in turn; each day begins with the next one.
    program: &'static [&'static Film],
}

const HOUSES: [House; 4] = [
    House {
        id: "gangnam",
        name: "마키 강남",
        rooms: &[
            Room {
                id: "gangnam-1",
                name: "1관",
                kind: AuditoriumKind::Standard,
                layout: LARGE,
                first_start_minute: 9 * 60,
                program: &[&CHILDS_PLAY_3, &KINGS_ARCHIVE, &CHILDS_PLAY_3, &STORM_RUN],
            },
            Room {
                id: "gangnam-2",
                name: "2관",
                kind: AuditoriumKind::Standard,
                layout: SMALL,
                first_start_minute: 9 * 60 + 20,
                program: &[&STAR_CAT, &DETECTIVE_NEXT_DOOR, &CHILDS_PLAY_3, &BLACK_PIER],
            },
            Room {
                id: "gangnam-imax",
                name: "IMAX관",
                kind: AuditoriumKind::Imax,
                layout: IMAX,
                first_start_minute: 8 * 60 + 40,
                program: &[&STATION_17, &STATION_17, &STORM_RUN],
            },
            Room {
                id: "gangnam-premium",
                name: "프리미엄관",
                kind: AuditoriumKind::Premium,
                layout: PREMIUM,
                first_start_minute: 9 * 60 + 50,
                program: &[&KINGS_ARCHIVE, &SPRING_POST_OFFICE, &STATION_17],
            },
        ],
    },
    House {
        id: "hongdae",
        name: "마키 홍대",
        rooms: &[
            Room {
                id: "hongdae-1",
                name: "1관",
                kind: AuditoriumKind::Standard,
                layout: LARGE,
                first_start_minute: 9 * 60 + 10,
                program: &[&CHILDS_PLAY_3, &DETECTIVE_NEXT_DOOR, &CHILDS_PLAY_3, &STATION_17],
            },
            Room {
                id: "hongdae-2",
                name: "2관",
                kind: AuditoriumKind::Standard,
                layout: SMALL,
                first_start_minute: 9 * 60 + 30,
                program: &[&SPRING_POST_OFFICE, &BLACK_PIER, &STAR_CAT, &KINGS_ARCHIVE],
            },
            Room {
                id: "hongdae-4dx",
                name: "4DX관",
                kind: AuditoriumKind::FourDx,
                layout: FOUR_DX,
                first_start_minute: 8 * 60 + 50,
                program: &[&STORM_RUN, &CHILDS_PLAY_3, &STATION_17],
            },
        ],
    },
    House {
        id: "pangyo",
        name: "마키 판교",
        rooms: &[
            Room {
                id: "pangyo-1",
                name: "1관",
                kind: AuditoriumKind::Standard,
                layout: LARGE,
                first_start_minute: 8 * 60 + 55,
                program: &[&STAR_CAT, &CHILDS_PLAY_3, &KINGS_ARCHIVE, &CHILDS_PLAY_3],
            },
            Room {
                id: "pangyo-2",
                name: "2관",
                kind: AuditoriumKind::Standard,
                layout: SMALL,
                first_start_minute: 9 * 60 + 25,
                program: &[&DETECTIVE_NEXT_DOOR, &SPRING_POST_OFFICE, &STORM_RUN],
            },
            Room {
                id: "pangyo-imax",
                name: "IMAX관",
                kind: AuditoriumKind::Imax,
                layout: IMAX,
                first_start_minute: 9 * 60 + 5,
                program: &[&STATION_17, &STORM_RUN],
            },
        ],
    },
    House {
        id: "haeundae",
        name: "마키 해운대",
        rooms: &[
            Room {
                id: "haeundae-1",
                name: "1관",
                kind: AuditoriumKind::Standard,
                layout: LARGE,
                first_start_minute: 9 * 60 + 15,
                program: &[&STORM_RUN, &CHILDS_PLAY_3, &BLACK_PIER, &CHILDS_PLAY_3],
            },
            Room {
                id: "haeundae-2",
                name: "2관",
                kind: AuditoriumKind::Standard,
                layout: SMALL,
                first_start_minute: 9 * 60 + 35,
                program: &[&STAR_CAT, &KINGS_ARCHIVE, &SPRING_POST_OFFICE, &DETECTIVE_NEXT_DOOR],
            },
        ],
    },
];

pub(super) fn movies() -> Vec<Movie> {
    SLATE.iter().map(|film| film.movie()).collect()
}

pub(super) fn theaters() -> Vec<Theater> {
    let theater = |house: &House| Theater { id: house.theater_id(), name: house.name.to_owned() };
    HOUSES.iter().map(theater).collect()
}

pub(super) fn auditoriums() -> Vec<Auditorium> {
    let houses = HOUSES.iter();
    houses.flat_map(|house| house.rooms.iter().map(|room| room.auditorium(house))).collect()
}

/// Yesterday counts too: its last showtimes may be still to come shortly after midnight.
pub(super) fn showtimes(now: Time) -> Vec<Showtime> {
    let today = day_of(now);
    let mut showtimes = Vec::new();
    for house in &HOUSES {
        for room in house.rooms {
            let auditorium = room.auditorium(house);
            for day in -1..DAYS {
                let day = today.saturating_add(day.days());
                for (film, start) in room.timetable(day) {
                    showtimes.push(showtime(film, &auditorium, start));
                }
            }
        }
    }
    showtimes.retain(|showtime| showtime.starts_at > now);
    showtimes
}

impl House {
    fn theater_id(&self) -> TheaterId {
        TheaterId::parse(self.id).expect("the tables hold plain ids")
    }
}

impl Room {
    fn auditorium(&self, house: &House) -> Auditorium {
        let id = AuditoriumId::parse(self.id).expect("the tables hold plain ids");
        Auditorium {
            seats: self.layout.seats(&id),
            id,
            theater_id: house.theater_id(),
            name: self.name.to_owned(),
            kind: self.kind,
            layout_version: 1,
        }
    }

    /// What runs on one business day. The day alone decides it.
    fn timetable(&self, day: Date) -> Vec<(&'static Film, Start)> {
        let mut timetable = Vec::new();
        let mut minute = self.first_start_minute;
        let turn = day.day_of_year().unsigned_abs().into();
        for film in self.program.iter().cycle().skip(turn) {
            if minute > LAST_START_MINUTE {
                break;
            }
            timetable.push((*film, Start { day, minute }));
            minute += film.slot_minutes();
        }
        timetable
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::sellable;
    use domain::words::Grade;
    use std::collections::BTreeSet;

    #[test]
    fn auditoriums_are_as_large_as_their_layouts_say() {
        for (layout, seats) in
            [(LARGE, 156), (SMALL, 110), (IMAX, 274), (FOUR_DX, 112), (PREMIUM, 72)]
        {
            let id = AuditoriumId::parse("a").expect("an id");
            assert_eq!(layout.seats(&id).len(), seats);
        }
    }

    #[test]
    fn every_kind_of_auditorium_and_every_rating_is_there() {
        let auditoriums = auditoriums();
        for kind in AuditoriumKind::EVERY {
            assert!(auditoriums.iter().any(|auditorium| auditorium.kind == *kind), "{kind}");
        }
        for rating in AgeRating::EVERY {
            assert!(SLATE.iter().any(|film| film.age_rating == *rating), "{rating}");
        }
        for auditorium in &auditoriums {
            assert!(sellable(auditorium).keys().eq(Grade::EVERY), "{}", auditorium.id);
        }
    }

    #[test]
    fn a_day_runs_from_morning_to_after_midnight_with_every_film() {
        for day in days() {
            let mut films = BTreeSet::new();
            let mut last = 0;
            for room in HOUSES.iter().flat_map(|house| house.rooms) {
                let timetable = room.timetable(day);
                let starts: Vec<u32> = timetable.iter().map(|(_, start)| start.minute).collect();
                assert!((5..=9).contains(&starts.len()), "{}", room.id);
                assert!((8 * 60 + 30..=10 * 60).contains(&starts[0]), "{}", room.id);
                last = last.max(starts[starts.len() - 1]);
                films.extend(timetable.iter().map(|(film, _)| film.id));
            }
            assert!((24 * 60..=LAST_START_MINUTE).contains(&last), "{day}");
            assert_eq!(films.len(), SLATE.len(), "{day}");
        }
    }

    #[test]
    fn every_theater_shows_the_film_of_the_report_several_times_a_day() {
        for day in days() {
            for house in &HOUSES {
                let shows = house.rooms.iter().flat_map(|room| room.timetable(day));
                let count = shows.filter(|(film, _)| film.id == CHILDS_PLAY_3.id).count();
                assert!(count >= 3, "{} on {day}", house.id);
            }
        }
    }

    /// A fortnight over the end of a year.
    fn days() -> impl Iterator<Item = Date> {
        (0..14).map(|n| jiff::civil::date(2026, 12, 25).saturating_add(n.days()))
    }
}
