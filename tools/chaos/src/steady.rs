//! How long the throughput is away after a kill under steady load.

use crate::booking::{Booking, Load, Wish};
use crate::config::Config;
use crate::customer::Crowd;
use crate::guarded::kill;
use crate::kind::On;
use crate::system::{Part, Shape, System};
use anyhow::Context;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

const WARM_UP: Duration = Duration::from_secs(8);
/// Before a kill the throughput is measured for as long, after it observed.
const CALM: Duration = Duration::from_secs(10);
const WATCHED: Duration = Duration::from_secs(20);
const WINDOW: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(50);
/// The figure to reach.
const BACK_WITHIN: Duration = Duration::from_secs(3);
const SHARE: f64 = 0.95;

/// Kills so often, prints how long the throughput was away each time, and says whether that was
/// within the figure each time.
pub async fn measure(config: &Config, times: u32) -> anyhow::Result<bool> {
    let mut within = true;
    for time in 1..=times {
        let Away { before, lull } = once(config).await?;
        let told =
            lull.map_or("not back".to_owned(), |lull| format!("{:.2} s", lull.as_secs_f64()));
        println!("kill {time}: {before:.1} bookings/s before, 95 % of it again after {told}");
        within &= lull.is_some_and(|lull| lull <= BACK_WITHIN);
    }
    Ok(within)
}

struct Away {
    /// Bookings ended per second before the kill.
    before: f64,
    /// From the kill until the first second with 95 % of it began.
    lull: Option<Duration>,
}

async fn once(config: &Config) -> anyhow::Result<Away> {
    let (marquee, tools_dir) = (config.marquee()?, config.tools_dir()?);
    let shape = Shape { on: config.on, marquee: &marquee, tools_dir: &tools_dir };
    let system = System::start(&shape).await?;
    let part = match config.on {
        On::Embedded => Part::Up,
        On::Fleet => Part::Worker,
    };
    let began = Instant::now();
    let load = Load {
        api: system.api.clone(),
        name: "steady".to_owned(),
        crowd: Arc::new(Crowd::default()),
        began,
        showtimes: Arc::new(crate::seed::some_showtimes(&system.api).await?),
    };
    let killed_at = began + WARM_UP + CALM;
    let customers = send(&load, config.rate);
    sleep_until(killed_at).await;
    kill(system.pid(part).context("it runs")?);
    let mut ends = Vec::new();
    for customer in customers {
        ends.extend(customer.await?.ended_at);
    }
    system.stop(false).await;

    let within = |from: Instant, lasting: Duration| {
        ends.iter().filter(|end| **end >= from && **end < from + lasting).count() as f64
    };
    let before = within(killed_at - CALM, CALM) / CALM.as_secs_f64();
    let enough = before * SHARE * WINDOW.as_secs_f64();
    let lulls = (0..).map(|step| STEP * step).take_while(|lull| *lull + WINDOW < WATCHED);
    let lull = lulls.into_iter().find(|lull| within(killed_at + *lull, WINDOW) >= enough);
    Ok(Away { before, lull })
}

fn send(load: &Load, rate: u32) -> Vec<tokio::task::JoinHandle<Booking>> {
    let pause = Duration::from_secs(1) / rate;
    let lasting = WARM_UP + CALM + WATCHED;
    let times = (0..).map(|n| pause * n).take_while(|after| *after < lasting);
    let mut customers = Vec::new();
    for (n, after) in times.enumerate() {
        let mut booking = Booking::new(Wish::planned(), load.customer(n, n as u64));
        booking.look_every = Duration::from_millis(100);
        let (at, showtimes) = (load.began + after, load.showtimes.clone());
        customers.push(tokio::spawn(async move {
            sleep_until(at).await;
            booking.carry_out(showtimes).await
        }));
    }
    customers
}
