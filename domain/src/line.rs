//! The line before the gateway: those whose approval is owed and was not sent yet, and how long
//! somebody who joins now is likely to wait. An estimate, told to people; it decides no more than
//! whether they are told.

use crate::time::Time;
use std::time::Duration;

/// Answers are counted over this much of the past at most.
pub const RATE_OVER: Duration = Duration::from_secs(10);
/// What is taken for granted until the line itself has shown how fast it moves: 64 calls at a time
/// would be answered twice as fast, so nobody is put off for a crowd of a moment.
const ASSUMED_PER_SEC: u64 = 50;
/// What is assumed weighs as much as this much of what was seen.
const ASSUMED_FOR: Duration = Duration::from_secs(1);
/// Nobody is told to wait longer; their deadline comes sooner, as a rule.
pub const WAIT_MAX: Duration = Duration::from_secs(60 * 60);

/// The line as it was at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    pub at: Time,
    pub waiting: u64,
    /// Since when the one in front waits; nothing when nobody does.
    pub oldest_since: Option<Time>,
    /// Approvals that the gateway answered since [`Line::answers_since`].
    pub answered: u64,
}

impl Line {
    /// While somebody waits, the gateway could have served them: what it answered meanwhile is what
    /// it can do, however much or little that is.
    pub fn answers_since(at: Time, oldest_since: Time) -> Time {
        oldest_since.max(at.minus(RATE_OVER))
    }

    /// The wait of one who joins at `now`, behind `joined` others who came after the line was
    /// counted.
    pub fn wait(&self, now: Time, joined: u64) -> Duration {
        let (answers, over) = self.pace();
        let elapsed = u128::from(millis(now.since(self.at)));
        let served = elapsed * answers / over;
        let before = u128::from(self.waiting + joined).saturating_sub(served);
        let wait = u64::try_from(before * over / answers).unwrap_or(u64::MAX);
        Duration::from_millis(wait).max(self.stood(now)).min(WAIT_MAX)
    }

    /// So many answers in so many milliseconds.
    fn pace(&self) -> (u128, u128) {
        let seen_for =
            self.oldest_since.map(|oldest| self.at.since(Self::answers_since(self.at, oldest)));
        let over = millis(seen_for.unwrap_or_default() + ASSUMED_FOR);
        let assumed = ASSUMED_PER_SEC * ASSUMED_FOR.as_secs();
        (u128::from(self.answered + assumed), u128::from(over))
    }

    /// A line in which nobody has been served says nothing about when it moves again: as long as it
    /// has stood is the best guess.
    fn stood(&self, now: Time) -> Duration {
        match self.oldest_since {
            Some(oldest) if self.answered == 0 => now.since(oldest),
            Some(_) | None => Duration::ZERO,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Time = Time::from_millis(1_795_000_000_000);

    fn line(waiting: u64, oldest_for: Duration, answered: u64) -> Line {
        let oldest_since = (waiting > 0).then(|| NOW.minus(oldest_for));
        Line { at: NOW, waiting, oldest_since, answered }
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn how_long_one_waits() {
        let check = |line: Line, expected: Duration| assert_eq!(line.wait(NOW, 0), expected);
        check(line(0, secs(0), 0), Duration::ZERO);
        // A few who have just come are no line.
        check(line(20, Duration::from_millis(100), 0), Duration::from_millis(440));
        // A crowd that has just come is one.
        check(line(1_000, Duration::from_millis(100), 0), secs(22));
        // Ten seconds have shown what the gateway can do.
        check(line(1_000, secs(60), 150), secs(55));
        check(line(1_000, secs(60), 1_050), secs(10));
        // It does nothing, and who came first has been waiting for so long.
        check(line(3, secs(3), 0), secs(3));
        check(line(3, secs(300), 0), secs(300));
        check(line(3, secs(90_000), 0), WAIT_MAX);
        // Somebody was left behind, and all others are served.
        check(line(2, secs(60), 500), Duration::from_millis(40));
    }

    #[test]
    fn who_came_meanwhile_counts_and_who_was_served_does_not() {
        let moving = line(100, secs(10), 500);
        assert_eq!(moving.wait(NOW, 0), secs(2));
        assert_eq!(moving.wait(NOW, 100), secs(4));
        assert_eq!(moving.wait(NOW.plus(secs(1)), 100), secs(3));
        assert_eq!(moving.wait(NOW.plus(secs(60)), 100), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn a_longer_line_is_no_shorter_wait(
            waiting in 0..100_000u64,
            more in 0..100_000u64,
            oldest_millis in 0..10_000_000u64,
            answered in 0..100_000u64,
            late_millis in 0..100_000u64,
        ) {
            let now = NOW.plus(Duration::from_millis(late_millis));
            let wait = |waiting| {
                line(waiting, Duration::from_millis(oldest_millis), answered).wait(now, 0)
            };
            prop_assert!(wait(waiting) <= wait(waiting + more));
            prop_assert!(wait(waiting + more) <= WAIT_MAX);
            let fewer = line(waiting + more, Duration::from_millis(oldest_millis), answered / 2);
            prop_assert!(fewer.wait(now, 0) >= wait(waiting + more));
        }
    }
}
