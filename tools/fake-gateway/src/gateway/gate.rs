//! Whether a call is let in, and what keeps it out: the script, the limits, or an earlier call.

use super::load::{Load, Place};
use super::{Ending, State, WORKING_MAX};
use crate::answer::Answer;
use crate::delivery::{Delivery, Face, Key, OrderId};
use crate::faults::{Fault, Verb};
use std::sync::Arc;
use std::time::Duration;

/// The faults that keep a call from being looked at.
const AT_THE_GATE: [Fault; 5] =
    [Fault::Reset, Fault::Hang, Fault::Down, Fault::Overload, Fault::Fail];

/// What becomes of a delivery.
pub(super) enum Admission {
    /// It takes this long, and this place.
    Work(Duration, Place),
    /// It was answered before.
    Repeat(Arc<Answer>),
    Stop(Stop),
}

/// Why a call is not looked at.
pub(super) enum Stop {
    End(Ending),
    /// It keeps its place and the client waits in vain.
    Hang(Duration, Place),
}

impl Stop {
    pub(super) async fn end(self) -> Ending {
        match self {
            Self::End(ending) => ending,
            Self::Hang(lasts, _place) => {
                tokio::time::sleep(lasts).await;
                Ending::Silence
            }
        }
    }
}

impl State {
    pub(super) fn admit(&mut self, load: &Load, delivery: &Delivery) -> Admission {
        let Delivery { key, order, operation, .. } = delivery;
        self.counts.count(key, order);
        let verb = Verb::from(*operation);
        let place = match self.let_in(load, verb, order.as_str()) {
            Ok(place) => place,
            Err(stop) => return Admission::Stop(stop),
        };
        if let Some(answer) = self.books.answer(key) {
            let same = delivery.face == Face::Toss || answer.answers(delivery);
            return if same { Admission::Repeat(answer.clone()) } else { end(Ending::KeyReused) };
        }
        if let Some(working) = self.working.get(key) {
            let same = working == delivery;
            return end(if same { Ending::InProgress } else { Ending::KeyReused });
        }
        if self.working.len() >= WORKING_MAX {
            return end(Ending::Unavailable);
        }
        if self.strikes(delivery, Fault::Late) {
            self.late.push(delivery.clone());
            return end(Ending::Silence);
        }
        self.working.insert(key.clone(), delivery.clone());
        let authorized = delivery.face != Face::House;
        Admission::Work(self.script.latency(verb, order.as_str(), authorized), place)
    }

    pub(super) fn look_up(&mut self, load: &Load, key: &Key) -> Result<Ending, Stop> {
        let _place = self.let_in(load, Verb::Inquire, key.as_str())?;
        let Some(answer) = self.books.answer(key).cloned() else {
            let works = self.working.contains_key(key);
            return Ok(if works { Ending::InProgress } else { Ending::NotFound });
        };
        let misread = self.script.strike(Verb::Inquire, key.as_str(), &[Fault::WrongAmount]);
        Ok(Ending::Answered(if misread.is_some() { Arc::new(answer.misread()) } else { answer }))
    }

    /// All answers of an order that are safe, unless something keeps the question out.
    pub(super) fn read(&mut self, load: &Load, order: &OrderId) -> Result<Vec<Arc<Answer>>, Stop> {
        let _place = self.let_in(load, Verb::Inquire, order.as_str())?;
        Ok(self.books.answers_of(order))
    }

    /// Gives a place to a call that nothing keeps out.
    pub(super) fn let_in(&mut self, load: &Load, verb: Verb, order: &str) -> Result<Place, Stop> {
        let struck = self.script.strike(verb, order, &AT_THE_GATE);
        let at_once = struck.and_then(|struck| match struck.fault {
            Fault::Reset => Some(Ending::Silence),
            Fault::Down => Some(Ending::Unavailable),
            Fault::Overload => Some(Ending::Overloaded),
            Fault::Fail => Some(Ending::Broken),
            _ => None,
        });
        if let Some(ending) = at_once {
            return Err(Stop::End(ending));
        }
        let settings = self.script.settings();
        let entered = load.enter(settings.calls_max, settings.calls_per_second_max);
        let Ok(place) = entered else { return Err(Stop::End(Ending::Overloaded)) };
        match struck {
            Some(hang) => Err(Stop::Hang(hang.lasts, place)),
            None => Ok(place),
        }
    }

    /// Whether this fault strikes this delivery now; if so, it is used up once.
    pub(super) fn strikes(&mut self, delivery: &Delivery, fault: Fault) -> bool {
        let verb = Verb::from(delivery.operation);
        self.script.strike(verb, delivery.order.as_str(), &[fault]).is_some()
    }
}

fn end(ending: Ending) -> Admission {
    Admission::Stop(Stop::End(ending))
}
