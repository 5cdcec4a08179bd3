//! When a payment company is to be left alone. A plain state machine over instants that it is
//! given; nothing here waits or reads a clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Judged are the last so many calls.
const RECENT: usize = 20;
/// So many of them failed: the company is down.
const FAILED_MAX: usize = 10;
/// So many of them failed or were slow: the company is overloaded. More than half, because the time
/// that is measured here is the company's and our own: answers due after 400 to 620 ms that come a
/// tenth of a second late on a busy machine are slow as often as not, and no reason to stop.
const TROUBLED_MAX: usize = 18;
/// How long it is left alone after failures, the first time and the longest. Then a single call
/// tries it out, which burdens no company; while one that works again is not called, a line waits.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(4);
/// The company itself may ask for a pause, of this length at most.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(5 * 60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Calls are made.
    Closed,
    /// None is made.
    Open,
    /// One is made at a time, to see.
    HalfOpen,
}

impl State {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// How one call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Went {
    Well,
    /// It was answered, later than it should.
    Slowly,
    /// No answer, or none that says anything.
    Wrong,
    /// The company has too many of us and says when to come back.
    Away(Duration),
}

/// Leave to make one call. It says nothing about the company once the state has changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    era: u64,
}

#[derive(Debug)]
pub struct Breaker {
    phase: Phase,
    /// Counts the changes of phase.
    era: u64,
    recent: VecDeque<Went>,
    /// How long it will be open the next time.
    pause: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed,
    Open { until: Instant },
    HalfOpen { probing: bool },
}

impl Default for Breaker {
    fn default() -> Self {
        let recent = VecDeque::with_capacity(RECENT);
        Self { phase: Phase::Closed, era: 0, recent, pause: PAUSE_FIRST }
    }
}

impl Breaker {
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Closed => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen { .. } => State::HalfOpen,
        }
    }

    /// Until when it is open.
    pub fn open_until(&self) -> Option<Instant> {
        match self.phase {
            Phase::Open { until } => Some(until),
            Phase::Closed | Phase::HalfOpen { .. } => None,
        }
    }

    /// Time has passed: what was open long enough is half open.
    pub fn tick(&mut self, now: Instant) {
        if self.open_until().is_some_and(|until| until <= now) {
            self.enter(Phase::HalfOpen { probing: false });
        }
    }

    /// Leave to make a call now; nothing while it is open, or while another tries it out.
    pub fn admit(&mut self, now: Instant) -> Option<Pass> {
        self.tick(now);
        match &mut self.phase {
            Phase::Closed => {}
            Phase::HalfOpen { probing } if !*probing => *probing = true,
            Phase::HalfOpen { .. } | Phase::Open { .. } => return None,
        }
        Some(Pass { era: self.era })
    }

    /// A call was made under this pass.
    pub fn went(&mut self, pass: Pass, went: Went, now: Instant) {
        if let (Went::Away(pause), Phase::Open { until }) = (went, &mut self.phase) {
            *until = (*until).max(now + pause.min(RETRY_AFTER_MAX));
        }
        if pass.era != self.era {
            return;
        }
        match (self.phase, went) {
            (Phase::Open { .. }, _) => {}
            // It works and has said when: to stay away longer would only make the line longer.
            (_, Went::Away(pause)) => {
                self.enter(Phase::Open { until: now + pause.min(RETRY_AFTER_MAX) });
            }
            // Also when it is still slow: it answers. If all are slow again it is given another
            // pause, and so on, which serves the line better than one call at a time would.
            (Phase::HalfOpen { .. }, Went::Well | Went::Slowly) => self.enter(Phase::Closed),
            (Phase::HalfOpen { .. }, Went::Wrong) => self.open(now),
            (Phase::Closed, Went::Well | Went::Slowly | Went::Wrong) => self.judge(went, now),
        }
    }

    /// Whoever had this pass makes no more calls under it.
    pub fn hand_back(&mut self, pass: Pass) {
        if pass.era == self.era
            && let Phase::HalfOpen { probing } = &mut self.phase
        {
            *probing = false;
        }
    }

    fn judge(&mut self, went: Went, now: Instant) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(went);
        let failed = self.recent.iter().filter(|went| **went == Went::Wrong).count();
        let well = self.recent.iter().filter(|went| **went == Went::Well).count();
        if failed >= FAILED_MAX || self.recent.len() - well >= TROUBLED_MAX {
            self.open(now);
        } else if self.recent.len() == RECENT {
            self.pause = PAUSE_FIRST;
        }
    }

    fn open(&mut self, now: Instant) {
        self.enter(Phase::Open { until: now + self.pause });
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.era += 1;
        self.recent.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls one after the other, at an instant that moves on by hand.
    struct Company {
        breaker: Breaker,
        now: Instant,
    }

    impl Company {
        fn new() -> Self {
            Self { breaker: Breaker::default(), now: Instant::now() }
        }

        fn call(&mut self, went: Went) {
            let pass = self.breaker.admit(self.now).expect("calls are made");
            self.breaker.went(pass, went, self.now);
            self.breaker.hand_back(pass);
        }

        fn calls(&mut self, count: usize, went: Went) {
            (0..count).for_each(|_| self.call(went));
        }

        fn after(&mut self, secs: u64) -> State {
            self.now += Duration::from_secs(secs);
            self.breaker.tick(self.now);
            self.breaker.state()
        }

        fn opened() -> Self {
            let mut company = Self::new();
            company.calls(FAILED_MAX, Went::Wrong);
            company
        }
    }

    #[test]
    fn ten_failures_of_twenty_open_it() {
        let mut company = Company::new();
        for _ in 0..5 {
            company.calls(11, Went::Well);
            company.calls(9, Went::Wrong);
        }
        assert_eq!(company.breaker.state(), State::Closed, "nine of twenty");
        company.calls(11, Went::Well);
        company.calls(10, Went::Wrong);
        assert_eq!(company.breaker.state(), State::Open);
        assert_eq!(company.breaker.admit(company.now), None);
    }

    #[test]
    fn almost_all_have_to_be_slow_to_open_it() {
        let mut company = Company::new();
        for _ in 0..5 {
            company.calls(3, Went::Well);
            company.calls(17, Went::Slowly);
        }
        assert_eq!(company.breaker.state(), State::Closed);
        company.call(Went::Slowly);
        assert_eq!(company.breaker.state(), State::Open);
    }

    #[test]
    fn answers_after_400_to_620_ms_keep_it_closed_on_a_busy_machine_too() {
        // Slow from 610 ms on; our own part of the time varies as well.
        for own_millis in [0, 20, 50, 80] {
            let mut company = Company::new();
            for call in 0..100_000u64 {
                let millis = 400 + call.wrapping_mul(7_919) % 221 + own_millis;
                company.call(if millis > 610 { Went::Slowly } else { Went::Well });
                assert_eq!(company.breaker.state(), State::Closed, "after {call} calls");
            }
        }
    }

    #[test]
    fn it_is_left_alone_for_one_second_then_twice_as_long_each_time() {
        let mut company = Company::opened();
        assert_eq!(company.after(0), State::Open);
        for pause in [1, 2, 4, 4] {
            assert_eq!(company.after(pause - 1), State::Open);
            assert_eq!(company.after(1), State::HalfOpen);
            company.call(Went::Wrong);
            assert_eq!(company.breaker.state(), State::Open);
        }
    }

    /// R20.
    #[test]
    fn half_open_it_is_tried_by_one_at_a_time() {
        let mut company = Company::opened();
        company.after(1);
        let probe = company.breaker.admit(company.now).expect("one");
        for _ in 0..50 {
            assert_eq!(company.breaker.admit(company.now), None);
        }
        company.breaker.hand_back(probe);
        let next = company.breaker.admit(company.now).expect("the first made no call");
        company.breaker.went(next, Went::Well, company.now);
        assert_eq!(company.breaker.state(), State::Closed);
        company.calls(50, Went::Well);
    }

    #[test]
    fn a_slow_company_is_given_pauses() {
        let mut company = Company::new();
        for pause in [1, 2, 4, 4] {
            company.calls(TROUBLED_MAX, Went::Slowly);
            assert_eq!(company.after(pause - 1), State::Open);
            assert_eq!(company.after(1), State::HalfOpen);
            company.call(Went::Slowly);
            assert_eq!(company.breaker.state(), State::Closed);
        }
    }

    #[test]
    fn what_was_asked_before_it_opened_says_nothing_about_now() {
        let mut company = Company::new();
        let before = company.breaker.admit(company.now).expect("it is closed");
        company.calls(FAILED_MAX, Went::Wrong);
        company.breaker.went(before, Went::Well, company.now);
        assert_eq!(company.breaker.state(), State::Open);
        company.after(1);
        let probe = company.breaker.admit(company.now).expect("one");
        company.breaker.went(before, Went::Wrong, company.now);
        company.breaker.hand_back(before);
        assert_eq!(company.breaker.state(), State::HalfOpen);
        assert_eq!(company.breaker.admit(company.now), None, "the probe is still out");
        company.breaker.went(probe, Went::Well, company.now);
        company.breaker.went(before, Went::Wrong, company.now);
        assert_eq!(company.breaker.state(), State::Closed);
    }

    #[test]
    fn who_is_told_when_to_come_back_does() {
        let secs = Duration::from_secs;
        let mut company = Company::new();
        let late = company.breaker.admit(company.now).expect("it is closed");
        company.call(Went::Away(secs(12)));
        assert_eq!(company.after(11), State::Open);
        company.breaker.went(late, Went::Away(secs(4)), company.now);
        assert_eq!(company.after(3), State::Open, "the later of the two");
        assert_eq!(company.after(1), State::HalfOpen);
        company.call(Went::Away(secs(86_400)));
        assert_eq!(company.after(299), State::Open);
        assert_eq!(company.after(1), State::HalfOpen, "nobody is believed for longer");
        for _ in 0..10 {
            company.call(Went::Well);
            company.call(Went::Away(secs(1)));
            assert_eq!(company.after(1), State::HalfOpen, "and nobody is kept waiting longer");
        }
    }

    #[test]
    fn a_company_that_works_again_is_forgiven() {
        let mut company = Company::opened();
        company.after(1);
        company.call(Went::Well);
        company.calls(RECENT - FAILED_MAX - 1, Went::Well);
        company.calls(FAILED_MAX, Went::Wrong);
        assert_eq!(company.after(1), State::Open, "not yet");
        company.after(1);
        company.call(Went::Well);
        company.calls(RECENT, Went::Well);
        company.calls(FAILED_MAX, Went::Wrong);
        assert_eq!(company.after(1), State::HalfOpen);
    }
}
