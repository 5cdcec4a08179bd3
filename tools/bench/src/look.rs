//! Those who only look: how many reads of mypage a second, and what it costs to keep pages open that
//! move by themselves.

use crate::config::{Look, Place};
use crate::http::Http;
use crate::load::{offer, with_status};
use crate::processes::{CpuMeter, Process};
use crate::report::Table;
use crate::rush::{Show, plan_body, reserve_body, shows};
use crate::statistics::{Latencies, arrivals};
use crate::system::System;
use anyhow::{Context, ensure};
use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Each has one reservation.
const READERS: usize = 500;
/// One that is watched, and those that the reservations are of.
const SHOWTIMES: usize = 10;
/// What changes while pages are open, one after the other.
const BOOKINGS: usize = 60;
const BETWEEN_BOOKINGS: Duration = Duration::from_millis(250);
const ARRIVES_WITHIN: Duration = Duration::from_secs(20);

pub(crate) async fn run(place: &Place, look: &Look) -> anyhow::Result<Vec<Table>> {
    let system = System::start(place, "look").await?;
    let http = Arc::new(Http::new(&system.api, look.connections));
    let shows = shows(&http, SHOWTIMES).await?;
    for n in 0..READERS {
        let body = reserve_body(&shows[1 + n % (SHOWTIMES - 1)], 1);
        let made = http.request(Method::POST, "/reservations", &format!("reader-{n}"), body)?;
        http.send(made).await?.expect(StatusCode::CREATED)?;
    }
    let reads = reads(&http, look).await?;
    let marquee = system.process("marquee").context("marquee runs")?;
    let pages = pages(&http, &system.api, &shows[0], marquee, look.viewers).await?;
    Ok(vec![reads, pages])
}

async fn reads(http: &Arc<Http>, look: &Look) -> anyhow::Result<Table> {
    let during = Duration::from_secs(look.secs);
    let mut table = Table::new("Reads of mypage", &["what", "per s", "p50 ms", "p99 ms"]);
    table.setting("connections", look.connections);
    table.setting("seconds each", look.secs);
    let mut closed = async |what: &str, path: &'static str| {
        let (rate, took) = as_fast_as_answered(http, look.connections, during, path).await?;
        table.row(row(what, rate, &took));
        anyhow::Ok(rate)
    };
    closed("nothing at all (`/livez`), the limit of this machine", "/livez").await?;
    let best = closed("a customer's list (`/mypage`), as fast as answered", "/mypage").await?;
    let half = best / 2.0;
    let arrivals = arrivals(half, during, 1);
    let count = arrivals.len();
    let answers = offer(http, arrivals, |n| {
        http.request(Method::GET, "/mypage", &format!("reader-{}", n % READERS), Bytes::new())
    });
    let took = with_status(&answers.await?, 200);
    ensure!(took.count() == count, "{} of {count} were answered", took.count());
    table.row(row("the same at half of that, arriving at random moments", half, &took));
    Ok(table)
}

fn row(what: &str, rate: f64, took: &Latencies) -> [String; 4] {
    let millis = |percent| format!("{:.1}", took.percentile(percent).as_secs_f64() * 1000.0);
    [what.to_owned(), format!("{rate:.0}"), millis(50.0), millis(99.0)]
}

async fn as_fast_as_answered(
    http: &Arc<Http>,
    connections: usize,
    during: Duration,
    path: &'static str,
) -> anyhow::Result<(f64, Latencies)> {
    let began = Instant::now();
    let mut lanes = JoinSet::new();
    for lane in 0..connections {
        let http = http.clone();
        lanes.spawn(async move {
            let mut took = Vec::new();
            for n in (lane..).step_by(connections) {
                if began.elapsed() > during {
                    break;
                }
                let reader = format!("reader-{}", n % READERS);
                let sent = Instant::now();
                let answer = http.send(http.request(Method::GET, path, &reader, Bytes::new())?);
                ensure!(answer.await?.status == StatusCode::OK, "{path} is not answered");
                took.push(sent.elapsed());
            }
            Ok(took)
        });
    }
    let took = lanes.join_all().await.into_iter().collect::<anyhow::Result<Vec<_>>>()?.concat();
    Ok((took.len() as f64 / began.elapsed().as_secs_f64(), Latencies::new(took)))
}

async fn pages(
    http: &Arc<Http>,
    api: &str,
    show: &Show,
    marquee: &Process,
    viewers: usize,
) -> anyhow::Result<Table> {
    let before = marquee.memory_bytes()?;
    let seen = Arc::new(AtomicU64::new(0));
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut open = JoinSet::new();
    for n in 0..viewers {
        let stream =
            Stream::open(api, &format!("/showtimes/{}/seatmap/events", show.id), n).await?;
        let seen = seen.clone();
        open.spawn(stream.read(move |event, _| {
            seen.fetch_add(u64::from(event == "change"), Ordering::Relaxed);
        }));
    }
    for n in 0..BOOKINGS {
        let tell = tell.clone();
        open.spawn(Stream::open(api, "/mypage/events", viewers + n).await?.read(
            move |event, body| {
                let at = body["updatedAt"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
                if let ("reservation", Some(at)) = (event, at) {
                    tell.send(Timestamp::now().duration_since(at).unsigned_abs()).ok();
                }
            },
        ));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let each = marquee.memory_bytes()?.saturating_sub(before) / (viewers + BOOKINGS) as u64;

    let meter = CpuMeter::start(std::slice::from_ref(marquee))?;
    let began = Instant::now();
    for n in 0..BOOKINGS {
        let body = plan_body(show, n);
        let customer = viewer(viewers + n);
        let made = http.request(Method::POST, "/reservations", &customer, body)?;
        http.send(made).await?.expect(StatusCode::CREATED)?;
        tokio::time::sleep(BETWEEN_BOOKINGS).await;
    }
    let all = (viewers * BOOKINGS) as u64;
    while seen.load(Ordering::Relaxed) < all
        && began.elapsed() < ARRIVES_WITHIN + BETWEEN_BOOKINGS * 60
    {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let cpu = meter.used()?.iter().map(|(_, cpu)| *cpu).sum::<Duration>();
    let mut late = Vec::new();
    while let Ok(took) = told.try_recv() {
        late.push(took);
    }
    let heard = (seen.load(Ordering::Relaxed), all);
    Ok(pages_table(viewers, each, heard, &Latencies::new(late), cpu))
}

fn pages_table(
    viewers: usize,
    bytes_each: u64,
    (heard, all): (u64, u64),
    late: &Latencies,
    cpu: Duration,
) -> Table {
    let columns = ["open pages", "KiB each", "changes heard", "of", "mypage p50 ms", "p99 ms"];
    let mut table = Table::new("Pages that move by themselves", &columns);
    table.setting("bookings meanwhile", BOOKINGS);
    let millis = |percent| format!("{:.0}", late.percentile(percent).as_secs_f64() * 1000.0);
    table.row([
        format!("{viewers} of one seat map, {BOOKINGS} of mypage"),
        format!("{:.0}", bytes_each as f64 / 1024.0),
        heard.to_string(),
        all.to_string(),
        millis(50.0),
        millis(99.0),
    ]);
    table.note(format!(
        "How late: from the moment written with a step of a reservation, before its commit, to its \
         arrival ({} steps). Memory of `marquee` beyond that before they came. It used {:.1} s of CPU \
         for all of it, bookings and their runs too. A map is read once for each change, whoever \
         watches (api/src/seat_map_events.rs).",
        late.count(),
        cpu.as_secs_f64()
    ));
    table
}

fn viewer(n: usize) -> String {
    format!("viewer-{n}")
}

/// A stream of server-sent events.
struct Stream(BufReader<TcpStream>);

impl Stream {
    async fn open(api: &str, path: &str, n: usize) -> anyhow::Result<Self> {
        let address = api.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(address).await?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nx-customer-id: {}\r\n\r\n",
            viewer(n)
        );
        stream.write_all(request.as_bytes()).await?;
        let mut stream = BufReader::with_capacity(2048, stream);
        let mut head = String::new();
        stream.read_line(&mut head).await?;
        ensure!(head.starts_with("HTTP/1.1 200"), "{path} answers {head}");
        Ok(Self(stream))
    }

    /// Until it ends. Each event has its name before its data, each on a line of its own.
    async fn read(mut self, hear: impl Fn(&str, &Value)) {
        let (mut line, mut event) = (String::new(), String::new());
        while self.0.read_line(&mut line).await.is_ok_and(|read| read > 0) {
            if let Some(name) = line.strip_prefix("event: ") {
                event = name.trim().to_owned();
            } else if let Some(data) = line.strip_prefix("data: ")
                && let Ok(body) = serde_json::from_str(data)
            {
                hear(&event, &body);
            }
            line.clear();
        }
    }
}
