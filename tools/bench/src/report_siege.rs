//! The report's own measurement, repeated: `siege` with 100 users for a minute and the report's
//! body, beside what siege cannot see: whether every accepted booking ends right, and whether the
//! payment company was kept busy and was never asked for more than it takes.

use crate::config::{Case, Place, ReportSiege};
use crate::http::Http;
use crate::report::Table;
use crate::siege::Siege;
use crate::siege_program::besiege;
use crate::statistics::Latencies;
use crate::system::{System, script_gateway, violations};
use anyhow::{Context, ensure};
use domain::words::ReservationStatus;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use store::Store;

/// A company that is down for half of the time is away, and back, for so long.
const DOWN_FOR: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After the last paced booking all have to have ended within this time.
const ENDED_WITHIN: Duration = Duration::from_secs(300);

/// The report's own system on such a machine, with the same siege (design 7).
const REPORTS: [[&str; 7]; 2] = [
    ["report's system", "", "100.00", "16.2", "5.86", "18.5", ""],
    ["report's, with its breaker", "", "69.46", "14.7", "6.53", "", ""],
];

pub(crate) async fn run(place: &Place, asked: &ReportSiege) -> anyhow::Result<Vec<Table>> {
    let mut raw = Table::new(
        "The report's siege, as fast as it goes",
        &["gateway", "calls answered", "available %", "per s", "mean s", "longest s", "failed"],
    );
    raw.setting("siege", format!("-c100 -t{}S", asked.raw_secs));
    raw.setting("gateway takes calls at a time", asked.calls);
    raw.setting("processes", if asked.fleet { "2 APIs, 2 workers" } else { "1" });
    for row in REPORTS {
        raw.row(row.map(str::to_owned));
    }
    let mut seen = Table::new(
        "What siege cannot see: the same bookings some time later",
        &[
            "gateway",
            "accepted",
            "lost",
            "ticketed",
            "expired",
            "in line",
            "deferred at the end",
            "violations",
            "busy %",
            "over the limit",
            "repeats %",
        ],
    );
    seen.setting("seconds later", asked.drain_secs);
    let mut paced = Table::new(
        format!("{} bookings per second, each followed to its end", asked.rate),
        &[
            "gateway",
            "accepted",
            "not accepted",
            "ticketed",
            "expired",
            "answer p99 ms",
            "ticket p50 s",
            "ticket p99 s",
            "violations",
            "over the limit",
        ],
    );
    paced.setting("seconds", asked.paced_secs);
    for &case in &asked.case {
        eprintln!("{}: siege", case.name());
        let (siege, later) = besieged(place, asked, case).await?;
        raw.row(siege);
        seen.row(later);
        eprintln!("{}: paced", case.name());
        paced.row(followed(place, asked, case).await?);
    }
    seen.note(
        "In line: paid for later, without another click. Busy: the company's calls under way, of \
         those that it takes, from the first second of the siege to the end of the wait. Repeats: \
         deliveries under a key that had been delivered before, of first ones. Violations: what \
         `marquee check` finds over store and ledger, among it anything charged twice.",
    );
    Ok(vec![raw, seen, paced])
}

/// The siege, and how its bookings stand some time later.
async fn besieged(
    place: &Place,
    asked: &ReportSiege,
    case: Case,
) -> anyhow::Result<([String; 7], [String; 11])> {
    let system = start(place, asked, &format!("siege-{}", case.name())).await?;
    let gateway = Http::new(&system.gateway, 1);
    let weather = tokio::spawn(keep_up(system.gateway.clone(), asked.calls, case));
    let before = gateway.get("/load", "bench").await?;
    let siege = besiege(&system.api, asked.raw_secs, &system.data_dir).await?;
    let store = Store::open_to_read(&system.database_url).await?;
    let at_the_end = Standing::now(&store).await?;
    let busy = wait_until_ended(&store, &gateway, Duration::from_secs(asked.drain_secs), &before);
    let (after, load) = busy.await?;
    weather.abort();
    let rows = after.all();
    let repeats = repeats(&gateway).await?;
    let over = load["overLimit"].as_u64().context("overLimit")?
        - before["overLimit"].as_u64().context("overLimit")?;
    let row = [
        case.name().to_owned(),
        siege.successful.to_string(),
        format!("{:.2}", siege.availability),
        format!("{:.1}", siege.per_sec),
        format!("{:.2}", siege.mean_secs),
        format!("{:.2}", siege.longest_secs),
        siege.failed.to_string(),
    ];
    let later = [
        case.name().to_owned(),
        rows.to_string(),
        siege.successful.saturating_sub(rows).to_string(),
        after.of(ReservationStatus::Ticketed).to_string(),
        after.of(ReservationStatus::Expired).to_string(),
        after.under_way().to_string(),
        at_the_end.of(ReservationStatus::PaymentDeferred).to_string(),
        violations(&system.marquee, &system.data_dir, &system.database_url)?,
        format!("{:.1}", busy_percent(&before, &load, asked.calls)?),
        over.to_string(),
        format!("{repeats:.1}"),
    ];
    Ok((row, later))
}

/// Customers who come at a pace that the company can serve, and stay until the end.
async fn followed(place: &Place, asked: &ReportSiege, case: Case) -> anyhow::Result<[String; 10]> {
    let system = start(place, asked, &format!("paced-{}", case.name())).await?;
    let gateway = Http::new(&system.gateway, 1);
    let weather = tokio::spawn(keep_up(system.gateway.clone(), asked.calls, case));
    let siege = Siege::new(&system.api);
    let during = Duration::from_secs(asked.paced_secs);
    let coming = siege.paced(asked.rate, during, ENDED_WITHIN);
    let healing = async {
        tokio::time::sleep(during).await;
        weather.abort();
        script_gateway(&system.gateway, &script(asked.calls, Case::Healthy)).await
    };
    let (came, healed) = tokio::join!(coming, healing);
    healed?;
    let came = came?;
    let ended = |status: &str| {
        let fit = came.ended.iter().filter(|ended| ended.status == status);
        Latencies::new(fit.map(|ended| ended.at.saturating_sub(ended.sent)).collect())
    };
    let (ticketed, expired) = (ended("TICKETED"), ended("EXPIRED"));
    let answers = Latencies::new(came.ended.iter().map(|ended| ended.answered).collect());
    ensure!(
        ticketed.count() + expired.count() == came.ended.len(),
        "some bookings ended otherwise"
    );
    let load = gateway.get("/load", "bench").await?;
    let secs = |took: Duration| format!("{:.1}", took.as_secs_f64());
    Ok([
        case.name().to_owned(),
        came.ended.len().to_string(),
        came.not_accepted.to_string(),
        ticketed.count().to_string(),
        expired.count().to_string(),
        format!("{:.1}", answers.percentile(99.0).as_secs_f64() * 1000.0),
        secs(ticketed.percentile(50.0)),
        secs(ticketed.percentile(99.0)),
        violations(&system.marquee, &system.data_dir, &system.database_url)?,
        load["overLimit"].to_string(),
    ])
}

async fn start(place: &Place, asked: &ReportSiege, name: &str) -> anyhow::Result<System> {
    // What the company takes is shared among the workers.
    let workers = if asked.fleet { 2 } else { 1 };
    let calls = (asked.calls / workers).max(1).to_string();
    let flags = ["--gateway-calls", &calls];
    let system = match asked.fleet {
        true => System::start_fleet(place, name, &flags).await?,
        false => System::start_with(place, name, &flags).await?,
    };
    script_gateway(&system.gateway, &script(asked.calls, Case::Healthy)).await?;
    Ok(system)
}

/// The company of the report: 400 to 620 ms, so many calls at a time; and what ails it.
fn script(calls: u64, case: Case) -> Value {
    let rules = match case {
        Case::Healthy => json!([]),
        Case::Overloaded => json!([
            {"fault": "SLOW", "for": {"share": 0.5, "seed": 1}, "millis": [700, 2500]},
            {"fault": "OVERLOAD", "for": {"share": 0.2, "seed": 2}},
        ]),
        Case::Down => json!([{"fault": "DOWN", "for": {"millis": DOWN_FOR.as_millis()}}]),
    };
    json!({"approveMillis": [400, 620], "otherMillis": [20, 60], "callsMax": calls, "rules": rules})
}

/// Keeps the company as the case has it, until it is aborted.
async fn keep_up(gateway: String, calls: u64, case: Case) -> anyhow::Result<()> {
    loop {
        script_gateway(&gateway, &script(calls, case)).await?;
        match case {
            Case::Healthy | Case::Overloaded => return Ok(()),
            Case::Down => tokio::time::sleep(2 * DOWN_FOR).await,
        }
    }
}

/// Waits until nothing is under way any more, but not longer than this. What the company's load
/// was when its last backlog ended says how busy it had been.
async fn wait_until_ended(
    store: &Store,
    gateway: &Http,
    at_most: Duration,
    before: &Value,
) -> anyhow::Result<(Standing, Value)> {
    let began = Instant::now();
    let mut load = before.clone();
    loop {
        let standing = Standing::now(store).await?;
        if standing.under_way() == 0 {
            return Ok((standing, load));
        }
        load = gateway.get("/load", "bench").await?;
        if began.elapsed() > at_most {
            return Ok((standing, load));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn busy_percent(before: &Value, after: &Value, calls: u64) -> anyhow::Result<f64> {
    let of = |load: &Value, name: &str| load[name].as_f64().context("a number of /load");
    let busy = of(after, "busyMillis")? - of(before, "busyMillis")?;
    let elapsed = of(after, "atMillis")? - of(before, "atMillis")?;
    Ok(100.0 * busy / (elapsed * calls as f64).max(1.0))
}

/// Deliveries beyond the first of their key, in percent of first ones.
async fn repeats(gateway: &Http) -> anyhow::Result<f64> {
    let deliveries = gateway.get("/deliveries", "bench").await?;
    let items = deliveries["items"].as_array().context("a list")?;
    let again: u64 = items.iter().filter_map(|item| item["count"].as_u64()).map(|n| n - 1).sum();
    Ok(100.0 * again as f64 / items.len().max(1) as f64)
}

/// How many reservations stand where.
struct Standing(Vec<(ReservationStatus, u64)>);

impl Standing {
    async fn now(store: &Store) -> anyhow::Result<Self> {
        Ok(Self(store.count_by_status().await?))
    }

    fn all(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    fn of(&self, wanted: ReservationStatus) -> u64 {
        self.0.iter().filter(|(status, _)| *status == wanted).map(|(_, count)| count).sum()
    }

    /// What has neither its tickets nor ended otherwise.
    fn under_way(&self) -> u64 {
        let settled = |status: &ReservationStatus| {
            status.is_terminal() || *status == ReservationStatus::Ticketed
        };
        self.0.iter().filter(|(status, _)| !settled(status)).map(|(_, count)| count).sum()
    }
}
