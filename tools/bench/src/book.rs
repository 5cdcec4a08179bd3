//! Whole bookings by the report's call, until they are ticketed, in turns with null workflows of
//! the very same shape on the same server: what else the machine does strikes both.

use crate::config::{Book, Gateway, Place};
use crate::limits::per_run_millis;
use crate::null::{NullWorkers, Shape, cost_of};
use crate::processes::{CpuMeter, Process};
use crate::report::Table;
use crate::siege::{Booked, Siege};
use crate::statistics::{Latencies, median, slope, steady_rate};
use crate::system::{System, set_gateway};
use anyhow::Context;
use domain::ids::ReservationId;
use ears::now;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use workers::connection::{Target, connect};
use workflows::booking::workflow_id;

/// Caches are warm after so many.
const WARM_UP: usize = 100;
/// Memory is looked at this often, and shown so many times.
const SAMPLE_EVERY: Duration = Duration::from_secs(2);
const SAMPLES_SHOWN: usize = 10;
const NO_END: Duration = Duration::from_secs(3600);

/// The rounds at one speed of the payment company.
struct Rounds {
    rows: Vec<Row>,
    took: Vec<Duration>,
    cpu_of_bookings: BTreeMap<String, Duration>,
    cpu_of_null: BTreeMap<String, Duration>,
    threads: BTreeMap<String, Duration>,
    runs: usize,
}

struct Row {
    null: f64,
    bookings: f64,
}

pub(crate) async fn run(place: &Place, book: &Book) -> anyhow::Result<Vec<Table>> {
    let system = System::start(place, "book").await?;
    let siege = Siege::new(&system.api);
    if let Some(count) = book.memory {
        return Ok(vec![memory(&system, &siege, book, count).await?]);
    }
    let null = Arc::new(NullWorkers::start(&system.temporal).await?);
    set_gateway(&system.gateway, Gateway::Instant).await?;
    let warm = siege.run(WARM_UP, book.outstanding).await?;
    null.keep_under_way(Shape::Booking, book.outstanding, WARM_UP, NO_END).await?;

    let mut rates = Table::new(
        "Whole bookings beside null workflows of the same shape",
        &[
            "gateway",
            "round",
            "null per s",
            "bookings per s",
            "ratio",
            "p50 ms",
            "p95 ms",
            "max ms",
        ],
    );
    rates.setting("under way", book.outstanding);
    rates.setting("bookings per round", book.count);
    let mut processes = vec![Process::alone("bench", std::process::id())];
    processes.extend(system.processes.iter().cloned());
    let names: Vec<&str> = processes.iter().map(|process| process.name.as_str()).collect();
    let columns = [&["CPU ms per"], &names[..], &["sum"]].concat();
    let mut cpu = Table::new("What they cost", &columns);
    let mut threads =
        Table::new("Marquee's own CPU by thread", &["thread", "gateway", "ms per booking"]);
    for &speed in &book.gateway {
        set_gateway(&system.gateway, speed).await?;
        let rounds = rounds(&system, &siege, &null, book, &processes).await?;
        let speed = format!("{speed:?}").to_lowercase();
        rounds.show(&speed, &names, &mut rates, &mut cpu, &mut threads);
    }
    rates.note(shapes(&system, &null, &warm).await?);
    cpu.note(
        "For null workflows `bench` is their worker, for bookings the load generator. CPU time \
         depends on what else runs on the machine too, but far less than rates do.",
    );
    Ok(vec![rates, cpu, threads])
}

async fn rounds(
    system: &System,
    siege: &Arc<Siege>,
    null: &Arc<NullWorkers>,
    book: &Book,
    processes: &[Process],
) -> anyhow::Result<Rounds> {
    let mut rounds = Rounds {
        rows: Vec::new(),
        took: Vec::new(),
        cpu_of_bookings: BTreeMap::new(),
        cpu_of_null: BTreeMap::new(),
        threads: BTreeMap::new(),
        runs: 0,
    };
    let marquee = system.process("marquee").context("marquee runs")?;
    for round in 1..=book.rounds {
        let (meter, began) = (CpuMeter::start(processes)?, Instant::now());
        let runs =
            null.keep_under_way(Shape::Booking, book.outstanding, book.count, NO_END).await?;
        add(&mut rounds.cpu_of_null, meter.used()?);
        let null = steady_rate(runs.iter().map(|run| run.ended - began).collect());

        let (meter, threads) = (CpuMeter::start(processes)?, marquee.cpu_by_thread()?);
        let began = now();
        let booked = siege.run(book.count, book.outstanding).await?;
        add(&mut rounds.cpu_of_bookings, meter.used()?);
        let since = marquee.cpu_by_thread()?.into_iter().map(|(name, cpu)| {
            let before = threads.get(&name).copied().unwrap_or_default();
            (name, cpu.saturating_sub(before))
        });
        add(&mut rounds.threads, since);
        let ends = booked.iter().map(|booked| booked.ticketed.saturating_sub(began));
        let bookings = steady_rate(ends.collect());
        rounds.took.extend(booked.iter().map(|b| b.ticketed.saturating_sub(b.sent)));
        rounds.runs += book.count;
        eprintln!("round {round}: {null:.1} null/s, {bookings:.1} bookings/s");
        rounds.rows.push(Row { null, bookings });
    }
    Ok(rounds)
}

fn add(to: &mut BTreeMap<String, Duration>, used: impl IntoIterator<Item = (String, Duration)>) {
    for (name, cpu) in used {
        *to.entry(name).or_default() += cpu;
    }
}

impl Rounds {
    fn show(
        self,
        speed: &str,
        names: &[&str],
        rates: &mut Table,
        cpu: &mut Table,
        threads: &mut Table,
    ) {
        let rate = |rate: f64| format!("{rate:.1}");
        for (round, row) in (1..).zip(&self.rows) {
            let ratio = format!("{:.2}", row.bookings / row.null);
            let empty = [const { String::new() }; 3];
            let cells =
                [speed.to_owned(), round.to_string(), rate(row.null), rate(row.bookings), ratio];
            rates.row(cells.into_iter().chain(empty));
        }
        let middle = |of: fn(&Row) -> f64| median(self.rows.iter().map(of).collect());
        let took = Latencies::new(self.took);
        let millis = |took: Duration| took.as_millis().to_string();
        rates.row([
            speed.to_owned(),
            "**median**".to_owned(),
            rate(middle(|row| row.null)),
            format!("**{}**", rate(middle(|row| row.bookings))),
            format!("**{:.2}**", middle(|row| row.bookings / row.null)),
            millis(took.percentile(50.0)),
            millis(took.percentile(95.0)),
            millis(took.max()),
        ]);
        for (what, used) in
            [("null workflow", &self.cpu_of_null), ("booking", &self.cpu_of_bookings)]
        {
            let sum = used.values().sum();
            let each = names.iter().map(|&name| used.get(name).copied().unwrap_or_default());
            let cells = each.chain([sum]).map(|cpu| per_run_millis(cpu, self.runs));
            cpu.row(std::iter::once(format!("{what}, {speed} gateway")).chain(cells));
        }
        let mut by_cost: Vec<(String, Duration)> = self.threads.into_iter().collect();
        by_cost.sort_by_key(|(_, cpu)| std::cmp::Reverse(*cpu));
        for (name, used) in by_cost.into_iter().filter(|(_, cpu)| *cpu > Duration::ZERO) {
            threads.row([
                name,
                speed.to_owned(),
                format!("{:.2}", used.as_secs_f64() * 1000.0 / self.runs as f64),
            ]);
        }
    }
}

/// Whether the null workflow has the shape of a real booking, by the server's own count.
async fn shapes(system: &System, null: &NullWorkers, booked: &[Booked]) -> anyhow::Result<String> {
    let of_null = null.cost().await?;
    let target = Target::plain(&system.temporal, "default")?;
    let client = connect(&target, "bench").await;
    let id = ReservationId::parse(booked.first().context("some are booked")?.id.as_str())?;
    let of_booking = cost_of(&client, &workflow_id(&id)).await?;
    Ok(format!(
        "A booking took {} state transitions and {} events, its null workflow {} and {}. Rates are \
         between the first and the last tenth of each round.",
        of_booking.transitions, of_booking.events, of_null.transitions, of_null.events
    ))
}

/// One look at the memory of all.
struct Sample {
    finished: usize,
    /// In the order of the processes.
    mib: Vec<f64>,
}

async fn memory(
    system: &System,
    siege: &Arc<Siege>,
    book: &Book,
    count: usize,
) -> anyhow::Result<Table> {
    set_gateway(&system.gateway, Gateway::Instant).await?;
    let samples = async {
        let mut samples = Vec::new();
        let mut running = Box::pin(siege.run(count, book.outstanding));
        loop {
            tokio::select! {
                ended = &mut running => break ended.map(|_| samples),
                () = tokio::time::sleep(SAMPLE_EVERY) => {}
            }
            let mib = system.processes.iter().map(|process| {
                process.memory_bytes().map(|bytes| bytes as f64 / f64::from(1 << 20))
            });
            let mib = mib.collect::<anyhow::Result<Vec<_>>>()?;
            samples.push(Sample { finished: siege.finished(), mib });
        }
    };
    let samples: Vec<Sample> = samples.await?;
    let names = system.processes.iter().map(|process| process.name.as_str());
    let names: Vec<String> = names.map(|name| format!("{name} MiB")).collect();
    let columns: Vec<&str> =
        std::iter::once("bookings").chain(names.iter().map(String::as_str)).collect();
    let mut table = Table::new(format!("Memory over {count} bookings"), &columns);
    table.setting("under way", book.outstanding);
    for sample in samples.iter().step_by((samples.len() / SAMPLES_SHOWN).max(1)) {
        let mib = sample.mib.iter().map(|mib| format!("{mib:.0}"));
        table.row(std::iter::once(sample.finished.to_string()).chain(mib));
    }
    let later = &samples[samples.len() / 2..];
    let growth = system.processes.iter().enumerate().map(|(n, process)| {
        let points: Vec<(f64, f64)> = later.iter().map(|s| (s.finished as f64, s.mib[n])).collect();
        format!("{} {:+.2}", process.name, slope(&points) * 1000.0)
    });
    let growth: Vec<String> = growth.collect();
    table.note(format!(
        "Growth in the second half, MiB per 1,000 bookings (least squares): {}.",
        growth.join(", ")
    ));
    Ok(table)
}
