//! Times as people in Korea read them. There is no summer time.

use domain::words::Language;
use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::{Offset, TimeZone};

fn seoul() -> TimeZone {
    Offset::constant(9).to_time_zone()
}

pub(crate) fn today() -> Date {
    Timestamp::now().to_zoned(seoul()).date()
}

/// `19:30`
pub(crate) fn clock(at: Timestamp) -> String {
    let at = at.to_zoned(seoul());
    format!("{:02}:{:02}", at.hour(), at.minute())
}

/// `12월 4일 (금) 19:30`, `Fri 4 Dec, 19:30`
pub(crate) fn moment(at: Timestamp, language: Language) -> String {
    let day = day(at.to_zoned(seoul()).date(), language);
    match language {
        Language::Korean => format!("{day} {}", clock(at)),
        Language::English => format!("{day}, {}", clock(at)),
    }
}

pub(crate) fn day(date: Date, language: Language) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (month, day) = (date.month(), date.day());
    match language {
        Language::Korean => format!("{month}월 {day}일 ({})", weekday(date, language)),
        Language::English => {
            let month = MONTHS[usize::from(month.unsigned_abs()) - 1];
            format!("{} {day} {month}", weekday(date, language))
        }
    }
}

pub(crate) fn weekday(date: Date, language: Language) -> &'static str {
    let (ko, en) = match date.weekday() {
        Weekday::Monday => ("월", "Mon"),
        Weekday::Tuesday => ("화", "Tue"),
        Weekday::Wednesday => ("수", "Wed"),
        Weekday::Thursday => ("목", "Thu"),
        Weekday::Friday => ("금", "Fri"),
        Weekday::Saturday => ("토", "Sat"),
        Weekday::Sunday => ("일", "Sun"),
    };
    if language == Language::Korean { ko } else { en }
}

/// `14,000원`, `₩14,000`
pub(crate) fn won(won: i64, language: Language) -> String {
    let digits = won.unsigned_abs().to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    match language {
        Language::Korean => format!("{text}원"),
        Language::English => format!("₩{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_times_and_amounts_in_their_own_way() {
        let at: Timestamp = "2026-12-04T10:30:00Z".parse().unwrap();
        assert_eq!(moment(at, Language::Korean), "12월 4일 (금) 19:30");
        assert_eq!(moment(at, Language::English), "Fri 4 Dec, 19:30");
        for (amount, ko, en) in
            [(0, "0원", "₩0"), (900, "900원", "₩900"), (1_234_000, "1,234,000원", "₩1,234,000")]
        {
            assert_eq!(
                (won(amount, Language::Korean).as_str(), won(amount, Language::English).as_str()),
                (ko, en)
            );
        }
    }
}
