//! Times as people in Korea read them. There is no summer time.

use domain::words::Language;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};

fn seoul() -> TimeZone {
    Offset::constant(9).to_time_zone()
}

pub(crate) fn today() -> Date {
    Timestamp::now().to_zoned(seoul()).date()
}

/// `2026-12-04T19:30`, as forms have it.
pub(crate) fn now() -> String {
    Timestamp::now().to_zoned(seoul()).strftime("%Y-%m-%dT%H:%M").to_string()
}

/// The instant that a clock in Seoul shows this.
pub(crate) fn in_seoul(shown: DateTime) -> Option<Timestamp> {
    shown.to_zoned(seoul()).ok().map(|at| at.timestamp())
}

/// `19:30`
pub(crate) fn clock(at: Timestamp) -> String {
    at.to_zoned(seoul()).strftime("%H:%M").to_string()
}

/// `12월 4일 (금) 19:30`, `Fri 4 Dec, 19:30`
pub(crate) fn moment(at: Timestamp, language: Language) -> String {
    let at = at.to_zoned(seoul());
    let (month, day, weekday) = (at.month(), at.day(), weekday(at.date(), language));
    match language {
        Language::Korean => format!("{month}월 {day}일 ({weekday}) {}", at.strftime("%H:%M")),
        Language::English => format!("{weekday} {}", at.strftime("%-d %b, %H:%M")),
    }
}

pub(crate) fn weekday(date: Date, language: Language) -> String {
    const KOREAN: [&str; 7] = ["월", "화", "수", "목", "금", "토", "일"];
    match language {
        Language::Korean => {
            KOREAN[usize::from(date.weekday().to_monday_zero_offset().unsigned_abs())].to_owned()
        }
        Language::English => date.strftime("%a").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_times_in_their_own_way() {
        let at: Timestamp = "2026-12-04T10:30:00Z".parse().unwrap();
        assert_eq!(moment(at, Language::Korean), "12월 4일 (금) 19:30");
        assert_eq!(moment(at, Language::English), "Fri 4 Dec, 19:30");
    }
}
