//! Webhooks: how long a partner's endpoint is tried, and how many it may have.

use std::time::Duration;

/// The receiver has so long to answer.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// An event that was not taken for so long is given up; an endpoint that took nothing, switched off.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(72 * 3_600);
/// An old secret signs beside the new one for so long.
pub const OLD_SECRET_FOR: Duration = Duration::from_secs(24 * 3_600);
/// What became of a delivery can be read for so long.
pub const LOG_FOR: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Endpoints of one partner.
pub const ENDPOINTS_MAX: i64 = 10;
/// A receiver that asks for more patience than this is tried earlier.
const PAUSE_MAX: Duration = Duration::from_secs(3_600);
/// While nothing arrives at an endpoint, it is tried with one event at a time, this often at least.
const PROBE_EVERY_MAX: Duration = Duration::from_secs(60);

/// How long after the failed try `tries` (from 1 on) of an event the next one comes. In the manner of
/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>,
/// "Deliverability and reliability". The receiver may ask for more.
pub fn try_again_after(tries: u32, asked: Option<Duration>) -> Duration {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    let secs = match tries {
        0 | 1 => 5,
        2 => MINUTE,
        3 => 5 * MINUTE,
        4 => 30 * MINUTE,
        5 => 2 * HOUR,
        6 => 5 * HOUR,
        _ => 10 * HOUR,
    };
    Duration::from_secs(secs).max(granted(asked))
}

/// How long an endpoint is left alone at which nothing has arrived `failures` times running.
pub fn leave_alone_for(failures: u32, asked: Option<Duration>) -> Duration {
    let doubled = Duration::from_secs(1 << failures.saturating_sub(1).min(10));
    doubled.min(PROBE_EVERY_MAX).max(granted(asked))
}

fn granted(asked: Option<Duration>) -> Duration {
    asked.unwrap_or_default().min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_endpoint_is_tried_ever_less() {
        let secs = [1, 2, 3, 6, 7, 1_000].map(|n| leave_alone_for(n, None).as_secs());
        assert_eq!(secs, [1, 2, 4, 32, 60, 60]);
        let asked = |secs| leave_alone_for(1, Some(Duration::from_secs(secs))).as_secs();
        assert_eq!([asked(0), asked(30), asked(100_000)], [1, 30, 3_600]);
    }

    #[test]
    fn an_event_is_tried_some_times_in_the_days_that_it_has() {
        let mut waited = Duration::ZERO;
        let mut tries = 0;
        while waited < GIVE_UP_AFTER {
            tries += 1;
            waited += try_again_after(tries, None);
        }
        assert_eq!(tries, 13);
    }
}
