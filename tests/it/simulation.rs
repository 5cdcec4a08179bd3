//! The simulation: the real rules, the real store on SQLite and the real "what does it owe" steps;
//! models of the gateway, of Temporal and of time. One step at a time, decided by one seed. What
//! fails is played again, line by line, with
//! `SIMULATION_SEED=<seed> cargo test -p workers --test it simulation`.

mod aftermath;
mod calm;
mod crashes;
mod customers;
mod gate;
mod gateway;
mod house;
mod judge;
mod late;
mod leaving;
mod pauses;
mod planted;
mod pump;
mod reach;
mod runs;
mod shared;
mod stage;
mod storm;
mod theater;
mod trace;
mod twice;
mod world;

use judge::Wrong;
use reach::Reach;
use std::time::Instant;
use storm::{Played, play};
use world::{Nature, World};

const SEEDS: u64 = 1_000;
/// One runtime each: a world's steps take turns, worlds do not.
const THREADS: u64 = 2;
/// Which seed to play alone, with its whole trace.
const SEED: &str = "SIMULATION_SEED";

#[test]
fn no_seed_breaks_a_promise() {
    if let Some(seed) = chosen_seed() {
        let (told, trace) = on_a_runtime(async { tell(seed).await });
        println!("{trace}");
        assert_eq!(told, None);
        return;
    }
    let began = Instant::now();
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            std::thread::spawn(move || {
                on_a_runtime(async move { play_all((thread..SEEDS).step_by(2)).await })
            })
        })
        .collect();
    let mut reach = Reach::default();
    for thread in threads {
        match thread.join().expect("no world panics") {
            Ok(reached) => reach.add(reached),
            Err(story) => panic!("{story}"),
        }
    }
    println!("{}\n{SEEDS} seeds in {:?}", reach.table(), began.elapsed());
    assert_eq!(reach.missed(), Vec::<&str>::new(), "built, and no seed reaches it");
}

#[test]
fn the_same_seed_plays_the_same() {
    for seed in [3, 14, 159] {
        let first = on_a_runtime(async { trace_of(seed).await });
        let second = on_a_runtime(async { trace_of(seed).await });
        assert!(first.lines().count() > 20, "{first}");
        assert_eq!(first, second);
    }
}

fn chosen_seed() -> Option<u64> {
    std::env::var(SEED).ok().map(|seed| seed.parse().expect("a seed is a number"))
}

fn on_a_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be started").block_on(work)
}

async fn play_all(seeds: impl Iterator<Item = u64>) -> Result<Reach, String> {
    let folder = theater::folder();
    let mut reach = Reach::default();
    for seed in seeds {
        let mut played = play(folder.path(), seed, &Nature::default()).await;
        if let Some(story) = story(seed, &mut played).await {
            return Err(story);
        }
        reach.add(std::mem::take(&mut played.world.reach));
    }
    Ok(reach)
}

async fn trace_of(seed: u64) -> String {
    let folder = theater::folder();
    play(folder.path(), seed, &Nature::default()).await.world.trace.text()
}

async fn tell(seed: u64) -> (Option<String>, String) {
    let folder = theater::folder();
    let mut played = play(folder.path(), seed, &Nature::default()).await;
    (story(seed, &mut played).await, played.world.trace.text())
}

/// What is wrong, the story of the first reservation that it is about, and how to see it again.
async fn story(seed: u64, played: &mut Played) -> Option<String> {
    let mut wrong = played.world.judge().await;
    if let Err(what) = &played.rest {
        wrong.insert(0, Wrong { about: None, what: what.clone() });
    }
    if wrong.is_empty() {
        return None;
    }
    let told = story_of(&played.world, &wrong);
    let wrong: Vec<&str> = wrong.iter().map(|wrong| wrong.what.as_str()).collect();
    let again = format!("{SEED}={seed} cargo test -p workers --test it simulation -- --nocapture");
    Some(format!("seed {seed}: {wrong:#?}\n{told}\nagain: {again}"))
}

/// What happened to the first reservation that is meant, or everything.
fn story_of(world: &World, wrong: &[Wrong]) -> String {
    match wrong.iter().find_map(|wrong| wrong.about.clone()) {
        Some(id) => world.trace.story(&id),
        None => world.trace.text(),
    }
}
