//! What is on offer: movies, theaters, auditoriums with their seats, showtimes with their prices.

use crate::ids::{AuditoriumId, MovieId, SeatId, ShowtimeId, TheaterId};
use crate::party::PARTY_SIZE_LIMIT;
use crate::time::Time;
use crate::won::Won;
use crate::words::{
    AgeRating, Audience, AuditoriumKind, CancelPolicy, Grade, MovieStatus, SeatKind, ShowtimeStatus,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Advertisements run between the printed start and the film.
pub const ADS_MINUTES: u32 = 10;
/// The longest film, in minutes.
pub const RUNTIME_MINUTES_MAX: u32 = 600;
/// A showtime is put on at most this long before it starts.
pub const AHEAD_MAX: Duration = Duration::from_secs(400 * 24 * 3600);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movie {
    pub id: MovieId,
    pub title: String,
    pub original_title: String,
    pub runtime_minutes: u32,
    pub age_rating: AgeRating,
    pub status: MovieStatus,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theater {
    pub id: TheaterId,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auditorium {
    pub id: AuditoriumId,
    pub theater_id: TheaterId,
    pub name: String,
    pub kind: AuditoriumKind,
    pub layout_version: u32,
    /// Every physical seat; immutable within one layout version.
    pub seats: Vec<Seat>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    pub id: SeatId,
    /// `A`, `B`, … from the screen backwards.
    pub row: String,
    /// The label people read, row and position: `A12`.
    pub number: String,
    pub grade: Grade,
    pub kind: SeatKind,
    /// A physical run of seats between aisles; the gap rule judges within one row of one block.
    pub block: String,
    /// Position on the plan, in seat widths from the left wall, aisles counted. Within one row of
    /// one block neighbours differ by exactly 1.
    pub x: u32,
    /// Position on the plan, in rows from the screen.
    pub y: u32,
}

/// Prices per grade and audience type.
pub type Prices = BTreeMap<Grade, BTreeMap<Audience, Won>>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Showtime {
    pub id: ShowtimeId,
    pub movie_id: MovieId,
    pub auditorium_id: AuditoriumId,
    pub starts_at: Time,
    pub ends_at: Time,
    pub sales_open_at: Time,
    pub sales_close_at: Time,
    pub status: ShowtimeStatus,
    pub cancel_policy: CancelPolicy,
    pub max_party_size: u32,
    pub prices: Prices,
}

impl Showtime {
    pub fn on_sale(&self, now: Time) -> bool {
        self.status == ShowtimeStatus::OnSale
            && self.sales_open_at <= now
            && now < self.sales_close_at
    }
}

/// A showtime as staff wants to put it on.
#[derive(Debug, Clone)]
pub struct NewShowtime {
    pub movie_id: MovieId,
    pub auditorium_id: AuditoriumId,
    pub starts_at: Time,
    /// At once where it is missing.
    pub sales_open_at: Option<Time>,
    /// At the start where it is missing.
    pub sales_close_at: Option<Time>,
    pub cancel_policy: CancelPolicy,
    pub max_party_size: u32,
    pub prices: Prices,
}

/// Why it cannot be put on like this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnfitShowtime {
    #[error("it starts after now and within {} days", AHEAD_MAX.as_secs() / 86_400)]
    StartsAt,
    #[error("sales open before they close")]
    SalesOpenAt,
    #[error("sales close after now, and at the start at the latest")]
    SalesCloseAt,
    #[error("1 to {PARTY_SIZE_LIMIT} people")]
    MaxPartySize,
    #[error("the auditorium has the grades {}", listed(.0))]
    Grades(BTreeSet<Grade>),
    #[error("{0} is sold to {whom}", whom = listed(audiences(*.0)))]
    Audiences(Grade),
    #[error("nobody comes for nothing: 1 won or more")]
    Free,
}

fn listed(words: impl IntoIterator<Item: ToString>) -> String {
    words.into_iter().map(|word| word.to_string()).collect::<Vec<_>>().join(", ")
}

/// Whom a grade is sold to.
pub fn audiences(grade: Grade) -> &'static [Audience] {
    match grade {
        Grade::Economy | Grade::Standard | Grade::Prime => {
            &[Audience::Adult, Audience::Teen, Audience::Senior]
        }
        Grade::Accessible => &[Audience::Wheelchair, Audience::Companion],
    }
}

impl NewShowtime {
    /// The showtime of this film, given the grades of the auditorium's seats.
    pub fn put_on(
        self,
        id: ShowtimeId,
        movie: &Movie,
        grades: BTreeSet<Grade>,
        now: Time,
    ) -> Result<Showtime, UnfitShowtime> {
        let starts_at = self.starts_at;
        let sales_open_at = self.sales_open_at.unwrap_or(now);
        let sales_close_at = self.sales_close_at.unwrap_or(starts_at);
        if starts_at <= now || starts_at > now.plus(AHEAD_MAX) {
            return Err(UnfitShowtime::StartsAt);
        }
        if sales_close_at <= now || sales_close_at > starts_at {
            return Err(UnfitShowtime::SalesCloseAt);
        }
        if sales_open_at >= sales_close_at {
            return Err(UnfitShowtime::SalesOpenAt);
        }
        if !(1..=PARTY_SIZE_LIMIT).contains(&self.max_party_size) {
            return Err(UnfitShowtime::MaxPartySize);
        }
        judge_prices(&self.prices, grades)?;
        let length = Duration::from_secs(60 * u64::from(ADS_MINUTES + movie.runtime_minutes));
        Ok(Showtime {
            id,
            movie_id: self.movie_id,
            auditorium_id: self.auditorium_id,
            starts_at,
            ends_at: starts_at.plus(length),
            sales_open_at,
            sales_close_at,
            status: ShowtimeStatus::OnSale,
            cancel_policy: self.cancel_policy,
            max_party_size: self.max_party_size,
            prices: self.prices,
        })
    }
}

/// Each grade has a price for all whom it is sold to, and for nobody else.
fn judge_prices(prices: &Prices, grades: BTreeSet<Grade>) -> Result<(), UnfitShowtime> {
    if !prices.keys().eq(&grades) {
        return Err(UnfitShowtime::Grades(grades));
    }
    for (grade, fares) in prices {
        let sold_to: BTreeSet<&Audience> = audiences(*grade).iter().collect();
        if !fares.keys().eq(sold_to) {
            return Err(UnfitShowtime::Audiences(*grade));
        }
        if fares.values().any(|won| *won == Won::ZERO) {
            return Err(UnfitShowtime::Free);
        }
    }
    Ok(())
}

/// What is left of one grade of one showtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    pub grade: Grade,
    pub open: bool,
    pub sellable: u32,
    pub held: u32,
    pub sold: u32,
}

impl Pool {
    pub fn remaining(&self) -> u32 {
        self.sellable.saturating_sub(self.held + self.sold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_millis(1_800_000_000_000);
    const HOUR: Duration = Duration::from_secs(3_600);

    fn won(amount: i64) -> Won {
        Won::parse(amount).expect("an amount")
    }

    fn movie() -> Movie {
        Movie {
            id: MovieId::parse("oldboy").expect("plain"),
            title: "올드보이".to_owned(),
            original_title: "Oldboy".to_owned(),
            runtime_minutes: 120,
            age_rating: AgeRating::Nineteen,
            status: MovieStatus::Showing,
        }
    }

    fn new() -> NewShowtime {
        let of = |grade| audiences(grade).iter().map(|it| (*it, won(9_000))).collect();
        NewShowtime {
            movie_id: movie().id,
            auditorium_id: AuditoriumId::parse("hongdae-1").expect("plain"),
            starts_at: NOW.plus(HOUR),
            sales_open_at: None,
            sales_close_at: None,
            cancel_policy: CancelPolicy::Standard,
            max_party_size: 8,
            prices: [Grade::Standard, Grade::Accessible].map(|grade| (grade, of(grade))).into(),
        }
    }

    fn put_on(new: NewShowtime) -> Result<Showtime, UnfitShowtime> {
        let id = ShowtimeId::parse("late").expect("plain");
        new.put_on(id, &movie(), BTreeSet::from([Grade::Standard, Grade::Accessible]), NOW)
    }

    #[test]
    fn what_is_left_open_is_the_usual() {
        let showtime = put_on(new()).expect("it fits");
        assert!(showtime.on_sale(NOW));
        assert_eq!(showtime.sales_close_at, showtime.starts_at);
        assert_eq!(showtime.ends_at, showtime.starts_at.plus(Duration::from_secs(130 * 60)));
    }

    #[test]
    fn times_are_in_order() {
        let check =
            |starts: Duration, open: Option<Duration>, close: Option<Duration>, expected| {
                let at = |after: Duration| NOW.plus(after);
                let (sales_open_at, sales_close_at) = (open.map(at), close.map(at));
                let new =
                    NewShowtime { starts_at: at(starts), sales_open_at, sales_close_at, ..new() };
                assert_eq!(put_on(new).err(), expected, "{starts:?} {open:?} {close:?}");
            };
        let moment = Duration::from_millis(1);
        check(Duration::ZERO, None, None, Some(UnfitShowtime::StartsAt));
        check(moment, None, None, None);
        check(AHEAD_MAX, None, None, None);
        check(AHEAD_MAX + moment, None, None, Some(UnfitShowtime::StartsAt));
        check(HOUR, None, Some(HOUR + moment), Some(UnfitShowtime::SalesCloseAt));
        check(HOUR, None, Some(Duration::ZERO), Some(UnfitShowtime::SalesCloseAt));
        check(HOUR, Some(HOUR), None, Some(UnfitShowtime::SalesOpenAt));
        check(HOUR, Some(HOUR / 2), Some(HOUR / 2), Some(UnfitShowtime::SalesOpenAt));
        check(HOUR, Some(HOUR / 2), Some(HOUR / 2 + moment), None);
    }

    #[test]
    fn every_grade_has_a_price_for_all_whom_it_is_sold_to() {
        let check = |change: fn(&mut Prices), expected: &str| {
            let mut new = new();
            change(&mut new.prices);
            assert_eq!(put_on(new).map(|it| it.id).expect_err("unfit").to_string(), expected);
        };
        let grades = "the auditorium has the grades STANDARD, ACCESSIBLE";
        check(Prices::clear, grades);
        check(|prices| drop(prices.remove(&Grade::Accessible)), grades);
        check(|prices| drop(prices.insert(Grade::Prime, BTreeMap::new())), grades);
        check(
            |prices| {
                prices.entry(Grade::Standard).or_default().remove(&Audience::Teen);
            },
            "STANDARD is sold to ADULT, TEEN, SENIOR",
        );
        check(
            |prices| {
                prices.entry(Grade::Accessible).or_default().insert(Audience::Adult, won(1));
            },
            "ACCESSIBLE is sold to WHEELCHAIR, COMPANION",
        );
        check(
            |prices| {
                prices.entry(Grade::Standard).or_default().insert(Audience::Senior, Won::ZERO);
            },
            "nobody comes for nothing: 1 won or more",
        );
    }

    #[test]
    fn parties_have_a_size() {
        for (max_party_size, fits) in [(0, false), (1, true), (20, true), (21, false)] {
            assert_eq!(put_on(NewShowtime { max_party_size, ..new() }).is_ok(), fits);
        }
    }
}
