//! The worst a network and its workers can do all the time: every step of every run is done twice,
//! and the first answer to every question under a key is lost. A thousand bookings end right.

use super::calm::Until;
use super::customers::Intent;
use super::stage::{Point, Verdict};
use super::theater::folder;
use super::world::{Nature, Who, World};
use super::{on_a_runtime, story_of};
use fastrand::Rng;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

const WORLDS: u64 = 100;
const BOOKINGS_EACH: u32 = 10;
/// Steps beyond those of any such world.
const TURNS_MAX: u32 = 20_000;

/// What has happened once already.
#[derive(Default)]
struct Before {
    /// Of each run, the steps that were left to a second worker.
    steps: BTreeSet<(String, &'static str, i64)>,
    /// Keys whose first answer was lost.
    answers: BTreeSet<String>,
    doubled: usize,
}

#[test]
fn every_step_twice_and_every_first_answer_lost() {
    let folder = folder();
    let (bookings, doubled, lost) = on_a_runtime(async {
        let mut sum = (0, 0, 0);
        for seed in 0..WORLDS {
            let (mut world, before) = drive(folder.path(), seed).await;
            let wrong = world.judge().await;
            assert!(wrong.is_empty(), "world {seed}: {wrong:#?}\n{}", story_of(&world, &wrong));
            sum.0 += world.rows.len();
            sum.1 += before.doubled;
            sum.2 += before.answers.len();
        }
        sum
    });
    println!("{bookings} bookings, {doubled} steps done twice, {lost} first answers lost");
    assert!(bookings > 700, "{bookings}"); // the others found no room
    assert!(doubled > 2 * bookings, "{doubled}");
    assert!(lost > bookings, "{lost}");
}

async fn drive(folder: &Path, seed: u64) -> (World, Before) {
    let mut rng = Rng::with_seed(seed);
    let mut world = World::open(folder, Nature::default()).await;
    let offer = world.offer().await;
    for n in 1..=BOOKINGS_EACH {
        let intent = Intent::draw(&mut rng);
        world.customer_comes(n, &offer, intent, &rng.fork());
    }
    let mut before = Before::default();
    for _ in 0..TURNS_MAX {
        let Some(index) = world.first_ready() else {
            let Some(at) = world.next_event().await.filter(|_| !world.is_settled()) else { break };
            world.pass_time(at);
            continue;
        };
        before.goes_on(&mut world, index).await;
    }
    let rest = world.come_to_rest(Until::Settled).await;
    assert_eq!(rest, Ok(()), "world {seed}\n{}", world.trace.text());
    (world, before)
}

impl Before {
    async fn goes_on(&mut self, world: &mut World, index: usize) {
        let actor = &world.actors[index];
        match (&actor.at, &actor.who) {
            (Point::Step(_, step), Who::Run(workflow)) => {
                // A step that comes again in a later state of its row is another one.
                let id = world.reservation_of(workflow);
                let state = id.and_then(|id| world.rows.get(&id)).map_or(0, |row| row.version);
                if self.steps.insert((workflow.clone(), step, state)) {
                    self.doubled += 1;
                    return world.freeze(index, Duration::from_secs(1));
                }
                world.go(index, Verdict::Go).await;
            }
            (Point::Reply(_, call), _) if self.answers.insert(call.key.as_str().to_owned()) => {
                world.go(index, Verdict::Lost).await;
            }
            _ => world.go(index, Verdict::Go).await,
        }
    }
}
