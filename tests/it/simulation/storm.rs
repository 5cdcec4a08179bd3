//! Dice: one seed decides who comes next, what fails and how, and when time passes.

use super::calm::Until;
use super::customers::Intent;
use super::stage::{Asking, Point, Verdict};
use super::world::{Nature, Who, World};
use domain::ids::ReservationId;
use domain::words::Operation;
use fastrand::Rng;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Longer storms reach nothing new.
const TURNS_MAX: u32 = 600;

/// Everything that may go wrong. A seed has about half of the kinds.
const FAULTS: &[&str] = &[
    "request lost",
    "request doubled",
    "API killed after commit",
    "never reached gateway",
    "gateway 503",
    "gateway slow",
    "gateway 503 after effect",
    "answer lost",
    "declined",
    "capture refused",
    "refund refused",
    "delivered again",
    "delayed",
    "worker killed",
    "worker stands still",
    "pump killed",
    "word lost",
    "undo repeated",
    "process killed",
    "machine stands still",
    "Temporal forgets",
    "Temporal down",
    "payment workers down",
    "ticketing down",
];

pub(super) struct Storm {
    rng: Rng,
    faults: BTreeSet<&'static str>,
    /// How many may still come.
    left: u32,
    /// No card is good in this world.
    declines: bool,
    /// Fault, and the reservation that it met; nobody: all of them.
    met: Vec<(&'static str, Option<ReservationId>)>,
}

impl Storm {
    fn draw(rng: &mut Rng) -> Self {
        let faults = FAULTS.iter().copied().filter(|_| rng.bool()).collect();
        let declines = rng.u32(0..12) == 0;
        Self { faults, left: rng.u32(0..16), declines, met: Vec::new(), rng: rng.fork() }
    }

    /// Until everybody has done what they wanted, or for long enough.
    async fn rages(&mut self, world: &mut World) {
        for _ in 0..TURNS_MAX {
            let ready = world.ready();
            if self.rng.u32(0..40) == 0 && self.befalls_all(world).await {
                continue;
            }
            if self.rng.u32(0..12) == 0 {
                let pause = Duration::from_millis(self.rng.u64(1..20_000));
                world.pass_time(world.now().plus(pause));
                continue;
            }
            match self.rng.choice(&ready) {
                Some(index) => self.turn(world, *index).await,
                None if world.actors.is_empty() => return,
                None => match world.next_event().await {
                    Some(at) => world.pass_time(at),
                    None => return,
                },
            }
        }
    }

    async fn turn(&mut self, world: &mut World, index: usize) {
        let kinds = kinds_at(&world.actors[index].at, &world.actors[index].who);
        let about = about(&world.actors[index].at, &world.actors[index].who, world);
        if self.declines && is_approval(&world.actors[index].at) {
            self.met.push(("declined", about));
            return world.go(index, Verdict::Refuse).await;
        }
        let actor = &world.actors[index];
        let at_gateway = matches!(actor.at, Point::Send(..) | Point::Reply(..));
        let undoes = matches!(&actor.who, Who::Run(workflow) if workflow.starts_with("undo/"));
        let chance = if at_gateway || undoes { 3 } else { 8 };
        if self.left == 0 || self.rng.u32(0..chance) > 0 {
            return world.go(index, Verdict::Go).await;
        }
        let kinds: Vec<&str> = kinds.iter().copied().filter(|k| self.faults.contains(k)).collect();
        let Some(kind) = self.rng.choice(&kinds).copied() else {
            return world.go(index, Verdict::Go).await;
        };
        self.left -= 1;
        self.met.push((kind, about));
        self.strike(world, index, kind).await;
    }

    async fn strike(&mut self, world: &mut World, index: usize, kind: &'static str) {
        match kind {
            "request lost"
            | "API killed after commit"
            | "never reached gateway"
            | "answer lost" => world.go(index, Verdict::Lost).await,
            "request doubled" => world.go(index, Verdict::Doubled).await,
            "gateway 503" | "gateway 503 after effect" => {
                world.go(index, Verdict::Unavailable).await;
            }
            "gateway slow" => {
                // Every half second somebody asks again, so not for long.
                let pause = Duration::from_secs(self.rng.u64(1..45));
                world.go(index, Verdict::Slow(pause)).await;
            }
            "declined" | "capture refused" | "refund refused" => {
                world.go(index, Verdict::Refuse).await;
            }
            "delivered again" => {
                if let Point::Send(_, call) | Point::Reply(_, call) = &world.actors[index].at {
                    let call = call.clone();
                    let pause = self.pause();
                    world.deliver_again(call, pause);
                }
                world.go(index, Verdict::Go).await;
            }
            "delayed" => {
                let until = world.now().plus(self.pause());
                world.actors[index].held_until = until;
            }
            "worker killed" | "pump killed" => world.kill(index),
            "worker stands still" => {
                let pause = self.pause();
                world.freeze(index, pause);
            }
            "undo repeated" => {
                let pause = self.pause();
                world.repeat_undo(index, pause);
                world.go(index, Verdict::Go).await;
            }
            other => unreachable!("{other} befalls all"),
        }
    }

    /// False when no such fault may come.
    async fn befalls_all(&mut self, world: &mut World) -> bool {
        const KINDS: [&str; 7] = [
            "process killed",
            "machine stands still",
            "Temporal forgets",
            "Temporal down",
            "payment workers down",
            "ticketing down",
            "word lost",
        ];
        let kinds: Vec<&str> = KINDS.into_iter().filter(|k| self.faults.contains(k)).collect();
        let Some(kind) = self.rng.choice(kinds) else { return false };
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        self.met.push((kind, None));
        let pause = self.outage();
        let until = world.now().plus(pause);
        world.trace.says(world.now(), format!("{kind} (Temporal or not) for {pause:?}"));
        match kind {
            "process killed" => world.restart().await,
            "machine stands still" => world.machine_stands_still(pause),
            "Temporal forgets" => world.forget_runs(),
            "Temporal down" => world.shared.temporal_back_at.set(until),
            "payment workers down" => world.payment_back_at = until,
            "ticketing down" => world.ticket_back_at = until,
            _ => {
                world.lose_word();
            }
        }
        true
    }

    /// How long something takes that should take no time.
    fn pause(&mut self) -> Duration {
        Duration::from_secs(*self.rng.choice(&[1, 7, 15, 45, 700, 2_600]).expect("six"))
    }

    fn outage(&mut self) -> Duration {
        Duration::from_secs(*self.rng.choice(&[8, 30, 200, 2_600, 20_000]).expect("five"))
    }

    /// What was broken works again.
    fn heals(&mut self, world: &mut World) {
        self.left = 0;
        let now = world.now();
        world.payment_back_at = now.min(world.payment_back_at);
        world.ticket_back_at = now.min(world.ticket_back_at);
        world.shared.temporal_back_at.set(now.min(world.shared.temporal_back_at.get()));
        world.actors.iter_mut().for_each(|actor| actor.held_until = now);
        world.trace.says(now, "the storm is over (machine, Temporal)".to_owned());
    }
}

fn is_approval(at: &Point) -> bool {
    matches!(at, Point::Send(Asking::Deliver, call) if call.operation == Operation::Approve)
}

/// What may go wrong for somebody at this point.
fn kinds_at(at: &Point, who: &Who) -> &'static [&'static str] {
    let worker = matches!(who, Who::Run(_));
    match (at, who) {
        (Point::Request, _) => &["request lost", "request doubled", "delayed"],
        (Point::Response, Who::Customer(_)) => &["API killed after commit", "delayed"],
        (Point::Send(Asking::Deliver, call), _) => match call.operation {
            Operation::Approve if worker => AT_APPROVE,
            Operation::Capture if worker => AT_CAPTURE,
            Operation::Void | Operation::Refund if worker => AT_RETURN,
            _ => &["never reached gateway", "delayed"],
        },
        (Point::Send(Asking::Inquire, _), Who::Run(_)) => {
            &["never reached gateway", "gateway 503", "delayed", "worker killed"]
        }
        (Point::Reply(..), Who::Run(_)) => &[
            "answer lost",
            "gateway 503 after effect",
            "delayed",
            "delivered again",
            "worker killed",
            "worker stands still",
        ],
        (Point::Step(..), Who::Run(workflow)) if workflow.starts_with("undo/") => {
            &["worker killed", "worker stands still", "delayed", "undo repeated", "undo repeated"]
        }
        (Point::Step(..), Who::Run(_)) => &["worker killed", "worker stands still", "delayed"],
        (Point::Step(..), Who::Pump) => &["pump killed", "delayed"],
        _ => &[],
    }
}

const AT_APPROVE: &[&str] = &[
    "never reached gateway",
    "gateway 503",
    "gateway slow",
    "declined",
    "declined",
    "delayed",
    "delivered again",
    "worker killed",
    "worker stands still",
];
const AT_CAPTURE: &[&str] = &[
    "never reached gateway",
    "gateway 503",
    "gateway slow",
    "capture refused",
    "delayed",
    "delivered again",
    "worker killed",
    "worker stands still",
];
const AT_RETURN: &[&str] = &[
    "never reached gateway",
    "gateway 503",
    "gateway slow",
    "refund refused",
    "delayed",
    "delivered again",
    "worker killed",
    "worker stands still",
];

fn about(at: &Point, who: &Who, world: &World) -> Option<ReservationId> {
    match (at, who) {
        (Point::Send(_, call) | Point::Reply(_, call), _) => Some(call.reservation_id.clone()),
        (_, Who::Customer(id)) => {
            let mut own = world.rows.values().filter(|row| row.customer_id == *id);
            own.next().map(|row| row.id.clone())
        }
        (_, Who::Run(workflow)) => world.reservation_of(workflow),
        _ => None,
    }
}

/// One seed's world, from the beginning to its rest.
pub(super) struct Played {
    pub(super) world: World,
    pub(super) rest: Result<(), String>,
}

/// Plays a seed. The same seed plays the same, step by step.
pub(super) async fn play(folder: &Path, seed: u64, plant: &Nature) -> Played {
    let mut rng = Rng::with_seed(seed);
    let lapses_soon = rng.u32(0..6) == 0;
    let nature = Nature {
        lapse: if lapses_soon { Duration::from_secs(9 * 60) } else { plant.lapse },
        stepwise: rng.bool(),
        ..plant.clone()
    };
    let mut world = World::open(folder, nature).await;
    let offer = world.offer().await;
    for n in 1..=rng.u32(3..=8) {
        let intent = Intent::draw(&mut rng);
        world.customer_comes(n, &offer, intent, &rng.fork());
    }
    if rng.u32(0..10) == 0 {
        world.house_gives_up(Duration::from_secs(rng.u64(1..9_000)));
    }
    let mut storm = Storm::draw(&mut rng);
    storm.rages(&mut world).await;
    storm.heals(&mut world);
    let until = if rng.bool() { Until::Settled } else { Until::ShowOver };
    let surprised = rng.u32(0..4) == 0 && world.is_surprised(&mut rng).await > 0;
    let mut rest = world.come_to_rest(until).await;
    let surprised = (rng.u32(0..3) == 0 && world.is_surprised(&mut rng).await > 0) || surprised;
    let worked = world.staff_works(&mut rng).await > 0;
    if rest.is_ok() && (surprised || worked) {
        // A late approval is no reservation's own: it is over when nothing is attended any more.
        rest = world.come_to_rest(Until::ShowOver).await;
    }
    for (fault, met) in &storm.met {
        for row in world.rows.values().filter(|row| met.as_ref().is_none_or(|id| *id == row.id)) {
            world.reach.fault(fault, row.status.as_str());
        }
    }
    Played { world, rest }
}
