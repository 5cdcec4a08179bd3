//! Leave to call a payment company, asked for before anything is written: so many calls at a time
//! at most, and none while the company is to be left alone. Whoever is refused has done nothing.

use crate::breaker::{Breaker, Pass, State, Went};
use crate::{Asked, Outcome, Unknown};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep_until, timeout};

/// There are few more to ask for leave than there is leave, so each soon has it.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);
/// Who does not is to ask again after this, unless the company is left alone for longer.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What a payment company can bear, per process of ours.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Calls under way at the same time, at most.
    pub calls: usize,
    /// An answer that takes longer is a sign of overload. It is waited for all the same.
    pub slow: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { calls: 64, slow: Duration::from_millis(610) }
    }
}

/// One for all who call the same company.
#[derive(Clone)]
pub struct Limiter(Arc<Shared>);

struct Shared {
    limits: Limits,
    places: Arc<Semaphore>,
    breaker: Mutex<Breaker>,
    state: watch::Sender<State>,
}

/// The company is not to be called now.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the gateway is left alone for {again_after:?}")]
pub struct LeftAlone {
    pub again_after: Duration,
}

/// Leave to make calls, one after the other, for one operation.
pub struct Permit {
    limiter: Limiter,
    pass: Pass,
    _place: OwnedSemaphorePermit,
}

impl Limiter {
    pub fn new(limits: Limits) -> Self {
        let (breaker, state) = (Mutex::default(), watch::channel(State::Closed).0);
        let places = Arc::new(Semaphore::new(limits.calls));
        Self(Arc::new(Shared { limits, places, breaker, state }))
    }

    pub fn limits(&self) -> Limits {
        self.0.limits
    }

    /// Whether the company is called, as it changes.
    pub fn state(&self) -> watch::Receiver<State> {
        self.0.state.subscribe()
    }

    pub async fn permit(&self) -> Result<Permit, LeftAlone> {
        let free = timeout(LEAVE_WITHIN, self.0.places.clone().acquire_owned()).await;
        let Ok(Ok(place)) = free else { return Err(self.left_alone()) };
        let pass = self.with_breaker(|breaker| breaker.admit(Instant::now()));
        let pass = pass.ok_or_else(|| self.left_alone())?;
        Ok(Permit { limiter: self.clone(), pass, _place: place })
    }

    fn left_alone(&self) -> LeftAlone {
        let until = self.with_breaker(|breaker| breaker.open_until());
        let open_for = until.map(|until| until.saturating_duration_since(Instant::now()));
        LeftAlone { again_after: open_for.unwrap_or_default().max(ASK_AGAIN_AFTER) }
    }

    /// Does something to the breaker, and tells those who watch it.
    fn with_breaker<T>(&self, act: impl FnOnce(&mut Breaker) -> T) -> T {
        let mut breaker = self.0.breaker.lock().expect("nobody panics under the lock");
        let before = breaker.open_until();
        let done = act(&mut breaker);
        let (state, until) = (breaker.state(), breaker.open_until());
        self.0.state.send_if_modified(|told| std::mem::replace(told, state) != state);
        if let Some(until) = until.filter(|_| before != until) {
            self.look_again_at(until);
        }
        done
    }

    fn look_again_at(&self, until: Instant) {
        let limiter = self.clone();
        tokio::spawn(async move {
            sleep_until(until.into()).await;
            limiter.with_breaker(|breaker| breaker.tick(Instant::now()));
        });
    }
}

impl Permit {
    /// Waits for the answer, however long it takes, and learns from it.
    pub async fn call(&self, asked: Asked<'_>) -> Result<Outcome, Unknown> {
        let began = Instant::now();
        let answered = asked.await;
        let went = went(&answered, began.elapsed() > self.limiter.0.limits.slow);
        self.limiter.with_breaker(|breaker| breaker.went(self.pass, went, Instant::now()));
        answered
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.limiter.with_breaker(|breaker| breaker.hand_back(self.pass));
    }
}

/// What an answer says about the company's health, whatever it says about the payment.
fn went(answered: &Result<Outcome, Unknown>, is_slow: bool) -> Went {
    match answered {
        Err(Unknown::TooMany { retry_after: Some(pause) }) => Went::Away(*pause),
        Err(
            Unknown::TooMany { retry_after: None }
            | Unknown::NoAnswer(_)
            | Unknown::Temporary { .. },
        ) => Went::Wrong,
        Err(Unknown::NotDefinitive { status }) if *status >= 500 => Went::Wrong,
        Ok(_) | Err(Unknown::NotDefinitive { .. } | Unknown::Misfit(_)) if is_slow => Went::Slowly,
        Ok(_) | Err(Unknown::NotDefinitive { .. } | Unknown::Misfit(_)) => Went::Well,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::payment::Answer;

    fn limiter(calls: usize) -> Limiter {
        Limiter::new(Limits { calls, ..Limits::default() })
    }

    async fn call(permit: &Permit, answer: Result<Outcome, Unknown>) {
        permit.call(Box::pin(async { answer })).await.ok();
    }

    fn unavailable() -> Result<Outcome, Unknown> {
        Err(Unknown::NotDefinitive { status: 503 })
    }

    #[tokio::test]
    async fn so_many_at_a_time_and_no_more() {
        let limiter = limiter(2);
        let (one, two) = (limiter.permit().await.unwrap(), limiter.permit().await.unwrap());
        let refused = limiter.permit().await.err().expect("both are out");
        assert_eq!(refused.again_after, ASK_AGAIN_AFTER);
        drop(one);
        let three = limiter.permit().await.unwrap();
        assert!(limiter.permit().await.is_err());
        drop((two, three));
        assert!(limiter.permit().await.is_ok());
    }

    #[tokio::test]
    async fn who_is_left_alone_is_told_and_tried_by_one_later() {
        let limiter = limiter(20);
        let mut state = limiter.state();
        let mut permits = Vec::new();
        for _ in 0..20 {
            permits.push(limiter.permit().await.unwrap());
        }
        for permit in &permits {
            call(permit, unavailable()).await;
        }
        drop(permits);
        assert_eq!(*state.borrow_and_update(), State::Open);
        let again_after = limiter.permit().await.err().expect("it is open").again_after;
        assert_eq!(again_after, ASK_AGAIN_AFTER);
    }

    #[test]
    fn what_answers_say_about_the_company() {
        let check = |answered: Result<Outcome, Unknown>, slow, expected| {
            assert_eq!(went(&answered, slow), expected, "{answered:?}");
        };
        let refused = || Outcome::Known(Answer::Refused { code: "LIMIT".to_owned() });
        let away = Duration::from_secs(7);
        check(Ok(refused()), false, Went::Well);
        check(Ok(Outcome::NotFound), true, Went::Slowly);
        check(Ok(Outcome::InProgress), false, Went::Well);
        check(unavailable(), true, Went::Wrong);
        check(Err(Unknown::NotDefinitive { status: 422 }), false, Went::Well);
        check(Err(Unknown::TooMany { retry_after: Some(away) }), false, Went::Away(away));
        check(Err(Unknown::TooMany { retry_after: None }), false, Went::Wrong);
        check(Err(Unknown::Misfit("odd".to_owned())), false, Went::Well);
    }
}
