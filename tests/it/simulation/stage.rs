//! Where actors stand still. An actor is a future; only one is polled at a time, and it is polled
//! until it parks or ends, so that what happens between two points is one step.

use domain::payment::GatewayCall;
use domain::time::Time;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

/// Whose worker carries a step out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queue {
    Booking,
    Payment,
    Ticket,
}

/// What is asked of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asking {
    Deliver,
    Inquire,
}

/// Where an actor stands until the scheduler lets it go on.
#[derive(Debug, Clone)]
pub(super) enum Point {
    /// Before a step of ours.
    Step(Queue, &'static str),
    /// A customer's command is on its way.
    Request,
    /// It was decided; the answer is on its way.
    Response,
    /// A question is on its way to the gateway.
    Send(Asking, GatewayCall),
    /// The gateway has decided; its answer is on its way.
    Reply(Asking, GatewayCall),
    /// Nothing to do before this time; some may be woken earlier.
    Wait { until: Time, wakeable: bool },
}

/// How an actor goes on from its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Go,
    /// What is on its way is lost.
    Lost,
    /// The network delivers it twice.
    Doubled,
    /// The gateway says 503.
    Unavailable,
    /// The gateway hangs up and works on it for this long.
    Slow(Duration),
    /// The gateway refuses, if its rules have not done so already.
    Refuse,
}

/// The one stage of a world.
#[derive(Debug, Clone, Default)]
pub(super) struct Stage(Arc<Mutex<Slots>>);

#[derive(Debug, Default)]
struct Slots {
    parked: Option<Point>,
    verdict: Option<Verdict>,
}

impl Stage {
    /// The polled actor stands still here.
    pub(super) async fn park(&self, point: Point) -> Verdict {
        Parking { stage: self.clone(), point: Some(point) }.await
    }

    /// Polls an actor until it parks, or to its end: then nothing.
    pub(super) async fn go_on(
        &self,
        actor: &mut Pin<Box<dyn Future<Output = ()>>>,
        verdict: Verdict,
    ) -> Option<Point> {
        self.slots().verdict = Some(verdict);
        let parked = std::future::poll_fn(|cx| match actor.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => match self.slots().parked.take() {
                Some(point) => Poll::Ready(Some(point)),
                None => Poll::Pending, // it waits for the database
            },
        })
        .await;
        self.slots().verdict = None;
        parked
    }

    /// Polls an actor so often, or until it parks.
    pub(super) async fn go_on_for(
        &self,
        actor: &mut Pin<Box<dyn Future<Output = ()>>>,
        verdict: Verdict,
        mut polls: u32,
    ) {
        self.slots().verdict = Some(verdict);
        std::future::poll_fn(|cx| {
            polls = polls.saturating_sub(1);
            let ended = actor.as_mut().poll(cx).is_ready();
            let parked = self.slots().parked.take().is_some();
            if ended || parked || polls == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        self.slots().verdict = None;
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, Slots> {
        self.0.lock().expect("nobody panics under the lock")
    }
}

struct Parking {
    stage: Stage,
    point: Option<Point>,
}

impl Future for Parking {
    type Output = Verdict;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Verdict> {
        if let Some(point) = self.point.take() {
            self.stage.slots().parked = Some(point);
            return Poll::Pending;
        }
        match self.stage.slots().verdict.take() {
            Some(verdict) => Poll::Ready(verdict),
            None => Poll::Pending,
        }
    }
}
