//! Notices: what a customer is told of a reservation, when, and how often it is tried.

use crate::time::Time;
use crate::words::{Channel, NoticeKind};
use std::time::Duration;

/// A notice about a status that is mostly left again within moments waits for so long. When a newer
/// one has come meanwhile it is never sent: five messages in one second tell nobody anything.
pub const PASSING_FOR: Duration = Duration::from_secs(5);
/// Statuses on the way to another. So is RESERVED with a plan, which goes on by itself.
pub const PASSING: [NoticeKind; 4] = [
    NoticeKind::PaymentPending,
    NoticeKind::PaymentApproved,
    NoticeKind::SeatSelected,
    NoticeKind::Cancelling,
];
/// The one notice that wakes nobody: it thanks for the visit.
pub const NOT_URGENT: NoticeKind = NoticeKind::Completed;
/// A customer may have a notice sent again so often.
pub const COPIES_MAX: i64 = 3;

/// Korea has one time and no summer time.
const KOREA_AHEAD: Duration = Duration::from_secs(9 * 3_600);
const DAY: i64 = 24 * 3_600_000;
/// Between nine in the evening and eight in the morning nothing is sent that can wait (the hours of
/// the Korean network act, art. 50, which binds advertising; we keep them for more).
const NIGHT_BEGINS: i64 = 21 * 3_600_000;
const NIGHT_ENDS: i64 = 8 * 3_600_000;

/// The next moment by day in Korea: this one, or eight in the morning.
pub fn by_day(now: Time) -> Time {
    let millis = now.plus(KOREA_AHEAD).as_millis().rem_euclid(DAY);
    let midnight = now.as_millis() - millis;
    if millis < NIGHT_ENDS {
        return Time::from_millis(midnight + NIGHT_ENDS);
    }
    if millis >= NIGHT_BEGINS {
        return Time::from_millis(midnight + DAY + NIGHT_ENDS);
    }
    now
}

/// How long after the failed try `tries` (from 1 on) the next one comes; nothing: it has failed.
/// AlimTalk gives way to SMS within a minute, which goes on for an hour: nothing comes after it.
pub fn try_again_after(channel: Channel, tries: u32) -> Option<Duration> {
    let secs = match (channel, tries) {
        (_, 1) => 2,
        (_, 2) => 8,
        (_, 3) => 30,
        (Channel::Sms, 4..=32) => 120,
        _ => return None,
    };
    Some(Duration::from_secs(secs))
}

/// How long after asking in vain for the `asked`th time whether it has arrived it is asked again;
/// nothing: it stays as sent.
pub fn ask_again_after(asked: u32) -> Option<Duration> {
    let secs = [3, 10, 60, 600, 3_600];
    secs.get(usize::try_from(asked).ok()?).copied().map(Duration::from_secs)
}

/// The digits of a Korean mobile number as both companies want them, `01012345678`; nothing when it
/// is none: only there is KakaoTalk, and only there do texts arrive.
pub fn mobile(phone: &str) -> Option<String> {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    let digits = match digits.strip_prefix("82") {
        Some(rest) if phone.trim_start().starts_with('+') => {
            format!("0{}", rest.trim_start_matches('0'))
        }
        _ => digits,
    };
    let fits = digits.starts_with("01") && (10..=11).contains(&digits.len());
    fits.then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON_IN_KOREA: i64 = 1_764_126_000_000; // 2025-11-26T03:00:00Z

    fn hours(hours: i64) -> Time {
        Time::from_millis(NOON_IN_KOREA + hours * 3_600_000)
    }

    #[test]
    fn nights_are_spared() {
        assert_eq!(by_day(hours(0)), hours(0));
        assert_eq!(by_day(hours(8)), hours(8), "eight in the evening");
        assert_eq!(by_day(hours(9)), hours(20), "nine in the evening");
        assert_eq!(by_day(hours(15)), hours(20), "three in the morning");
        assert_eq!(by_day(hours(20)), hours(20), "eight in the morning");
    }

    #[test]
    fn numbers_are_written_in_many_ways() {
        for phone in ["010-1234-5678", "01012345678", "+82 10 1234 5678", "+82 010-1234-5678"] {
            assert_eq!(mobile(phone).as_deref(), Some("01012345678"), "{phone}");
        }
        for phone in ["02-123-4567", "+1 415 555 0100", "", "82", "010"] {
            assert_eq!(mobile(phone), None, "{phone}");
        }
    }

    #[test]
    fn tries_end() {
        assert_eq!(try_again_after(Channel::AlimTalk, 1), Some(Duration::from_secs(2)));
        assert_eq!(try_again_after(Channel::AlimTalk, 4), None);
        assert_eq!(try_again_after(Channel::Sms, 32), Some(Duration::from_secs(120)));
        assert_eq!(try_again_after(Channel::Sms, 33), None);
        assert_eq!(ask_again_after(0), Some(Duration::from_secs(3)));
        assert_eq!(ask_again_after(5), None);
    }
}
