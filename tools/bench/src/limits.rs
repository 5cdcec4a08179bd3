//! What the parts can do by themselves: the bounds for whole bookings and for accepts.

use crate::config::{Limits, Place};
use crate::null::{NullWorkers, Shape};
use crate::processes::{CpuMeter, Process};
use crate::report::Table;
use crate::statistics::{Latencies, steady_rate};
use crate::system::System;
use anyhow::Context;
use domain::ids::{CustomerId, MovieId};
use domain::party::Party;
use domain::reservation::Deadlines;
use domain::words::Grade;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::catalogue::ShowtimeFilter;
use store::reserve::{Contact, NewReservation, Offer};
use store::{Clock, Decision, Store};
use tokio::task::JoinSet;
use workers::temporal_options::STARTS_IN_FLIGHT_MAX;

/// The film of the rush catalogue.
const MOVIE: &str = "childs-play-3";
/// The store's load is spread over so many showtimes: more places than it can sell meanwhile.
const SHOWTIMES: i64 = 1_000;
/// So many callers at the same time.
const CALLERS: [usize; 3] = [1, 16, 64];

pub(crate) async fn run(place: &Place, limits: &Limits) -> anyhow::Result<Vec<Table>> {
    let during =
        if limits.smoke { Duration::from_secs(1) } else { Duration::from_secs(limits.secs) };
    let mut system = System::start(place, "limits").await?;
    let workflows = workflows(&system, during).await?;
    system.stop_marquee();
    let store = raw_store(&system.database_url, during / 3).await?;
    Ok(vec![workflows, store])
}

async fn workflows(system: &System, during: Duration) -> anyhow::Result<Table> {
    let null = Arc::new(NullWorkers::start(&system.temporal).await?);
    let mut processes = vec![Process::alone("bench", std::process::id())];
    processes.extend(system.processes.iter().filter(|process| is_temporals(process)).cloned());
    let mut columns = vec!["workflow", "per s", "p50 ms", "p95 ms"];
    let names: Vec<String> =
        processes.iter().map(|process| format!("{} CPU ms", process.name)).collect();
    columns.extend(names.iter().map(String::as_str));
    let mut table = Table::new("Workflows that do nothing", &columns);
    table.setting("in flight", STARTS_IN_FLIGHT_MAX);
    table.setting("seconds each", during.as_secs());
    for (shape, name) in [
        (Shape::NullPlain, "null, plain start"),
        (Shape::NullEager, "null, eager start"),
        (Shape::Booking, "a booking's transitions, eager start"),
    ] {
        let meter = CpuMeter::start(&processes)?;
        let began = Instant::now();
        let runs = null.keep_under_way(shape, STARTS_IN_FLIGHT_MAX, usize::MAX, during).await?;
        let used = meter.used()?;
        let took = Latencies::new(runs.iter().map(|run| run.ended - run.began).collect());
        let rate = steady_rate(runs.iter().map(|run| run.ended - began).collect());
        let mut row = vec![name.to_owned(), format!("{rate:.1}")];
        row.extend([50.0, 95.0].map(|percent| format!("{}", took.percentile(percent).as_millis())));
        row.extend(used.iter().map(|(_, cpu)| per_run_millis(*cpu, runs.len())));
        table.row(row);
    }
    let cost = null.cost().await?;
    table.note(format!(
        "The last one is Marquee's own booking workflow, with activities that answer at once: {} state \
         transitions, {} events. CPU is per workflow.",
        cost.transitions, cost.events
    ));
    Ok(table)
}

/// Whether Temporal does its work in this process.
pub(crate) fn is_temporals(process: &Process) -> bool {
    ["temporal", "postgresql"].contains(&process.name.as_str())
}

pub(crate) fn per_run_millis(cpu: Duration, runs: usize) -> String {
    format!("{:.1}", cpu.as_secs_f64() * 1000.0 / runs.max(1) as f64)
}

async fn raw_store(url: &str, during: Duration) -> anyhow::Result<Table> {
    let store = Store::open(url, Clock::System, Deadlines::default()).await?;
    let movie = MovieId::parse(MOVIE)?;
    let of_movie =
        ShowtimeFilter { movie_id: Some(movie), from: Some(store.now()), ..<_>::default() };
    let listed = store.showtimes(&of_movie, SHOWTIMES).await?;
    let offers: Vec<Offer> = listed.into_iter().map(|listed| listed.offer).collect();
    anyhow::ensure!(!offers.is_empty(), "the rush is not on sale");
    let engine = url.split_once("://").map_or(url, |(engine, _)| engine);
    let durable = if engine == "sqlite" { "SQLite, synchronous FULL" } else { "PostgreSQL" };
    let mut table =
        Table::new("The accept transaction alone", &["callers", "per s", "p50 ms", "p99 ms"]);
    table.setting("store", durable);
    table.setting("seconds each", format!("{:.1}", during.as_secs_f64()));
    for callers in CALLERS {
        let began = Instant::now();
        let lanes = (0..callers).map(|lane| {
            let (store, offers) = (store.clone(), offers.clone());
            async move {
                let mut took = Vec::new();
                let mut n = lane;
                while began.elapsed() < during {
                    let sent = Instant::now();
                    reserve(&store, &offers[n % offers.len()]).await?;
                    took.push(sent.elapsed());
                    n += callers;
                }
                anyhow::Ok(took)
            }
        });
        let lanes = lanes.collect::<JoinSet<_>>().join_all().await;
        let took = lanes.into_iter().collect::<anyhow::Result<Vec<_>>>()?.concat();
        let rate = took.len() as f64 / began.elapsed().as_secs_f64();
        let took = Latencies::new(took);
        let millis = |percent| format!("{:.1}", took.percentile(percent).as_secs_f64() * 1000.0);
        table.row([callers.to_string(), format!("{rate:.0}"), millis(50.0), millis(99.0)]);
    }
    Ok(table)
}

async fn reserve(store: &Store, offer: &Offer) -> anyhow::Result<()> {
    let new = NewReservation {
        customer_id: CustomerId::parse("bench")?,
        offer: offer.clone(),
        grade: Grade::Standard,
        party: Party::one_adult(),
        plan: None,
        contact: Contact::default(),
        unlimited: true,
        trace_parent: None,
    };
    match store.reserve(&new, None).await.context("reserve")? {
        Decision::Done(_) => Ok(()),
        other => anyhow::bail!("the store refused: {other:?}"),
    }
}
