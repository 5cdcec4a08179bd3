//! How much of a seated reservation is given back until when, as agreed when it was sold.

use crate::reservation::SoldShowtime;
use crate::time::Time;
use crate::won::Percent;
use crate::words::{Actor, CancelPolicy};
use std::time::Duration;

/// Later than this before the start a seat is not sold again.
pub const LATE_BEFORE_START: Duration = Duration::from_secs(20 * 60);

/// Korea has one time zone, nine hours ahead of UTC, and no summer time.
const SEOUL_AHEAD_MILLIS: i64 = 9 * 3_600 * 1_000;
const DAY_MILLIS: i64 = 24 * 3_600 * 1_000;

/// How cancelling stands at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    Open {
        percent: Percent,
        until: Time,
        /// What is given back from then on; nothing: it closes.
        then: Option<Percent>,
    },
    Closed {
        at: Time,
    },
}

/// How much is given back, until when.
#[derive(Debug, Clone, Copy)]
struct Step {
    percent: Percent,
    until: Time,
}

/// What whoever cancels a seated reservation now gets back, and when that changes next.
pub fn window_at(showtime: &SoldShowtime, actor: Actor, now: Time) -> Window {
    let (first, second) = steps(showtime, actor);
    match second {
        _ if now < first.until => Window::Open {
            percent: first.percent,
            until: first.until,
            then: second.map(|step| step.percent),
        },
        Some(step) if now < step.until => {
            Window::Open { percent: step.percent, until: step.until, then: None }
        }
        last => Window::Closed { at: last.map_or(first.until, |step| step.until) },
    }
}

/// The steps of a policy in the order of their times.
fn steps(showtime: &SoldShowtime, actor: Actor) -> (Step, Option<Step>) {
    let starts_at = showtime.starts_at;
    let late = starts_at.minus(LATE_BEFORE_START);
    let all = |until| Step { percent: Percent::ALL, until };
    match showtime.cancel_policy {
        CancelPolicy::Standard => match actor {
            Actor::Customer => (all(late), None),
            Actor::Staff | Actor::System | Actor::Gateway => (all(starts_at), None),
        },
        // The consumer dispute standards and the commission's standard terms say the same: all until
        // 20 minutes before, half until the start, then nothing (consumernews.co.kr, article
        // 739274; joongang.co.kr, article 849696 on the terms of 2001). Neither knows channels.
        CancelPolicy::Kftc => (all(late), Some(Step { percent: Percent::HALF, until: starts_at })),
        // As cinemas do with stage greetings, at the counter, too (dureraum.org, notice of 2020).
        CancelPolicy::Event => (all(day_of(starts_at)), None),
    }
}

/// When the day of this instant began in Seoul.
fn day_of(at: Time) -> Time {
    let there = at.as_millis() + SEOUL_AHEAD_MILLIS;
    Time::from_millis(there - there.rem_euclid(DAY_MILLIS) - SEOUL_AHEAD_MILLIS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reservation::tests::reserved;
    use proptest::prelude::*;

    /// 2026-11-22 19:30 in Seoul.
    const STARTS_AT: Time = Time::from_millis(1_795_343_400_000);
    const MINUTE: i64 = 60 * 1_000;

    fn showtime(policy: CancelPolicy) -> SoldShowtime {
        let mut showtime = reserved(None).showtime;
        (showtime.starts_at, showtime.cancel_policy) = (STARTS_AT, policy);
        showtime
    }

    fn before_start(millis: i64) -> Time {
        Time::from_millis(STARTS_AT.as_millis() - millis)
    }

    fn check(policy: CancelPolicy, actor: Actor, millis_before: i64, percent: Option<i64>) {
        let window = window_at(&showtime(policy), actor, before_start(millis_before));
        let open = match window {
            Window::Open { percent, .. } => Some(i64::from(percent.get())),
            Window::Closed { .. } => None,
        };
        assert_eq!(open, percent, "{policy}, {actor}, {millis_before} ms before the start");
    }

    #[test]
    fn standard_closes_for_customers_before_the_start_and_for_staff_with_it() {
        use CancelPolicy::Standard;
        check(Standard, Actor::Customer, 21 * MINUTE, Some(100));
        check(Standard, Actor::Customer, 20 * MINUTE + 1, Some(100));
        check(Standard, Actor::Customer, 20 * MINUTE, None);
        check(Standard, Actor::Customer, 19 * MINUTE, None);
        check(Standard, Actor::Staff, 19 * MINUTE, Some(100));
        check(Standard, Actor::Staff, 1, Some(100));
        check(Standard, Actor::Staff, 0, None);
        check(Standard, Actor::Staff, -MINUTE, None);
    }

    #[test]
    fn the_standard_terms_give_back_half_in_the_last_minutes() {
        for actor in [Actor::Customer, Actor::Staff] {
            check(CancelPolicy::Kftc, actor, 20 * MINUTE + 1, Some(100));
            check(CancelPolicy::Kftc, actor, 20 * MINUTE, Some(50));
            check(CancelPolicy::Kftc, actor, 19 * MINUTE, Some(50));
            check(CancelPolicy::Kftc, actor, 1, Some(50));
            check(CancelPolicy::Kftc, actor, 0, None);
        }
        let window =
            window_at(&showtime(CancelPolicy::Kftc), Actor::Customer, before_start(MINUTE));
        let half = Window::Open { percent: Percent::HALF, until: STARTS_AT, then: None };
        assert_eq!(window, half);
    }

    #[test]
    fn events_are_refused_on_the_day_by_the_clocks_of_seoul() {
        let since_midnight = (19 * 60 + 30) * MINUTE;
        for actor in [Actor::Customer, Actor::Staff] {
            check(CancelPolicy::Event, actor, since_midnight + 1, Some(100));
            check(CancelPolicy::Event, actor, since_midnight, None);
            check(CancelPolicy::Event, actor, 21 * MINUTE, None);
        }
        let window = window_at(&showtime(CancelPolicy::Event), Actor::Customer, STARTS_AT);
        assert_eq!(window, Window::Closed { at: before_start(since_midnight) });
    }

    proptest! {
        /// What is told of the next change is what holds then; less as time goes by, never more.
        #[test]
        fn the_next_change_comes_as_told(
            policy in proptest::sample::select(CancelPolicy::EVERY),
            actor in proptest::sample::select(Actor::EVERY),
            before in -60 * MINUTE..48 * 60 * MINUTE,
        ) {
            let showtime = showtime(policy);
            let mut now = before_start(before);
            while let Window::Open { percent, until, then } = window_at(&showtime, actor, now) {
                prop_assert!(now < until && until <= STARTS_AT);
                let just_before = Time::from_millis(until.as_millis() - 1);
                let same = Window::Open { percent, until, then };
                prop_assert_eq!(window_at(&showtime, actor, just_before), same);
                match (then, window_at(&showtime, actor, until)) {
                    (None, Window::Closed { at }) => prop_assert_eq!(at, until),
                    (Some(then), Window::Open { percent: now, .. }) => {
                        prop_assert_eq!(then, now);
                        prop_assert!(then < percent);
                    }
                    other => prop_assert!(false, "{:?}", other),
                }
                now = until;
            }
        }
    }
}
