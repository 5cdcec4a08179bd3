//! A deploy at noon: processes are replaced, killed and exchanged for another release while people
//! book, and some hundred bookings stand open across it.

use crate::config::{Deploys, Gateway, Place};
use crate::fleet::{Fleet, Member};
use crate::http::Http;
use crate::load::Answered;
use crate::report::Table;
use crate::rush::{Show, plan_body, reserve_body, shows};
use crate::statistics::Latencies;
use crate::system::{set_gateway, violations};
use anyhow::{Context, ensure};
use futures::stream::{self, StreamExt, TryStreamExt};
use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use temporalio_client::tonic::IntoRequest;
use temporalio_client::{Client, ClientOptions, ConnectionOptions, WorkflowFetchHistoryOptions};
use temporalio_common::protos::temporal::api::workflowservice::v1::SetWorkerDeploymentCurrentVersionRequest;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};
use workflows::booking::{Booking, workflow_id};

/// Before and after each change nothing else happens for so long.
const QUIET: Duration = Duration::from_secs(6);
const STEADY: Duration = Duration::from_secs(20);
const CONNECTIONS: usize = 32;
const CUSTOMERS: usize = 50;
const LOOKS: usize = 4;
const LOOKS_EVERY: Duration = Duration::from_millis(250);
const AT_ONCE: usize = 8;
const ENDED_WITHIN: Duration = Duration::from_secs(180);
const DEPLOYMENT: &str = "marquee";
/// Whose bookings stand open.
const OPEN: &str = "open";
/// The id of a booking, and its customer.
type Made = (String, String);
/// The report's own rows: its deploys with and without a readiness probe.
const REPORTS: [[&str; 9]; 2] = [
    ["report's, without readiness", "", "70.45", "", "", "", "", "", ""],
    ["report's, with readiness", "", "100.00", "", "", "", "", "", ""],
];

/// The processes that are there now.
struct Crew {
    apis: Vec<Member>,
    workers: Vec<Member>,
}

/// What all of it shares.
struct Noon<'a> {
    fleet: &'a Fleet,
    asked: &'a Deploys,
    http: Arc<Http>,
    shows: Vec<Show>,
    temporal: Client,
    booked: AtomicUsize,
    /// p99 of the steady time.
    steady: Duration,
    table: Table,
}

pub(crate) async fn run(place: &Place, asked: &Deploys) -> anyhow::Result<Vec<Table>> {
    let fleet = Fleet::prepare(place, "deploys").await?;
    set_gateway(&fleet.gateway, Gateway::Slow).await?;
    let old = fleet.marquee.clone();
    let mut crew = Crew { apis: Vec::new(), workers: Vec::new() };
    for _ in 0..2 {
        crew.apis.push(fleet.api(&old).await?);
        crew.workers.push(fleet.worker(&old, &[], &[]).await?);
    }
    let starts = crew.apis.iter().chain(&crew.workers).map(|member| member.ready_after);
    let starts = Latencies::new(starts.collect());
    let http = Arc::new(Http::new(&fleet.api, CONNECTIONS));
    let shows = shows(&http, 200).await?;
    let url: reqwest::Url = format!("http://{}", fleet.temporal).parse()?;
    let options = ConnectionOptions::new(url).identity("bench").build();
    let temporal = Client::connect(options, ClientOptions::new("default").build()).await?;
    let columns = [
        "deploy",
        "requests",
        "good %",
        "p50 ms",
        "p99 ms",
        "× steady",
        "longest s without a ticket",
        "workflow tasks failed",
        "bookings (not ended)",
    ];
    let mut table = Table::new("Deploys at noon", &columns);
    table.setting("bookings per s", asked.rate);
    table.setting("open across each", asked.open);
    table.setting("APIs and workers", "2 + 2");
    for row in REPORTS {
        table.row(row.map(str::to_owned));
    }
    let (booked, steady) = (AtomicUsize::new(0), Duration::ZERO);
    let mut noon = Noon { fleet: &fleet, asked, http, shows, temporal, booked, steady, table };

    noon.phase("steady", async || {
        sleep(STEADY).await;
        Ok(())
    })
    .await?;
    noon.phase("rolling restart", async || crew.replace(&fleet, &old, None).await).await?;
    noon.phase("an API killed", async || {
        crew.apis.swap_remove(0).kill()?;
        crew.apis.push(fleet.api(&old).await?);
        Ok(())
    })
    .await?;
    noon.phase("a worker killed", async || {
        crew.workers.swap_remove(0).kill()?;
        crew.workers.push(fleet.worker(&old, &[], &[]).await?);
        Ok(())
    })
    .await?;
    if let Some(next) = &asked.next {
        let next = next.canonicalize().with_context(|| format!("--next {}", next.display()))?;
        noon.releases(&mut crew, &old, &next).await?;
    }
    noon.table.note(format!(
        "Requests are creates and, four times as many, looks at mypage, through a balancer. A process was ready \
         {:.2} s after its start, the slowest of four. `marquee check` at the end: {} violations.",
        starts.max().as_secs_f64(),
        violations(&fleet.marquee, &fleet.data_dir, &fleet.database_url)?
    ));
    Ok(vec![noon.table])
}

impl Crew {
    /// One by one, new ones first.
    async fn replace(
        &mut self,
        fleet: &Fleet,
        program: &Path,
        build: Option<&str>,
    ) -> anyhow::Result<()> {
        for _ in 0..self.apis.len() {
            self.apis.push(fleet.api(program).await?);
            self.apis.remove(0).stop().await?;
        }
        for _ in 0..self.workers.len() {
            self.workers.push(worker_of(fleet, program, build).await?);
            self.workers.remove(0).stop().await?;
        }
        Ok(())
    }
}

/// With worker versioning where a build is named.
async fn worker_of(fleet: &Fleet, program: &Path, build: Option<&str>) -> anyhow::Result<Member> {
    let build = build.map(|build| {
        [("TEMPORAL_DEPLOYMENT_NAME", DEPLOYMENT), ("TEMPORAL_WORKER_BUILD_ID", build)]
    });
    fleet.worker(program, &[], build.as_ref().map_or(&[], |both| both)).await
}

impl Noon<'_> {
    /// Another release whose workflow has changed, in both ways, and back again.
    async fn releases(&mut self, crew: &mut Crew, old: &Path, next: &Path) -> anyhow::Result<()> {
        let fleet = self.fleet;
        self.phase("upgrade, patched", async || crew.replace(fleet, next, None).await).await?;
        self.phase("rollback, patched", async || crew.replace(fleet, old, None).await).await?;

        // From here on by versions.
        crew.replace(fleet, old, Some("old")).await?;
        let temporal = self.temporal.clone();
        make_current(&temporal, "old").await?;
        let mut replaced = Vec::new();
        self.phase("upgrade, by versions", async || {
            for _ in 0..2 {
                crew.apis.push(fleet.api(next).await?);
                crew.apis.remove(0).stop().await?;
                replaced.push(worker_of(fleet, next, Some("next")).await?);
            }
            std::mem::swap(&mut replaced, &mut crew.workers);
            make_current(&temporal, "next").await
        })
        .await?;
        self.phase("rollback, by versions", async || {
            make_current(&temporal, "old").await?;
            for _ in 0..2 {
                crew.apis.push(fleet.api(old).await?);
                crew.apis.remove(0).stop().await?;
            }
            Ok(())
        })
        .await?;
        for member in replaced {
            member.stop().await?;
        }
        Ok(())
    }

    /// A row of the table: people book while this is done, and others have bookings open across it.
    async fn phase(
        &mut self,
        name: &str,
        change: impl AsyncFnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        eprintln!("{name}");
        let open = self.open().await?;
        let over = Arc::new(AtomicBool::new(false));
        let people = self.people(over.clone());
        let changed = async {
            sleep(QUIET).await;
            let changed = change().await;
            sleep(QUIET).await;
            over.store(true, Ordering::Relaxed);
            changed
        };
        let (seen, changed) = tokio::join!(people, changed);
        changed.with_context(|| name.to_owned())?;
        let (answers, made) = seen?;
        self.go_on(&open).await?;
        let mut ended = Vec::new();
        let mut missing = 0_usize;
        for (id, customer) in &made {
            match self.ticketed_at(id, customer).await? {
                Some(at) => ended.push(at),
                None => missing += 1,
            }
        }
        for reservation in &open {
            let id = reservation["id"].as_str().context("an id")?;
            missing += usize::from(self.ticketed_at(id, OPEN).await?.is_none());
        }
        let open = open.iter().filter_map(|reservation| reservation["id"].as_str());
        let all: Vec<&str> = made.iter().map(|(id, _)| id.as_str()).chain(open).collect();
        let failed = self.failed_tasks(&all).await?;
        let good = answers.iter().filter(|a| matches!(a.status, Some(200 | 201)));
        let took = Latencies::new(good.map(|answer| answer.took).collect());
        let p99 = took.percentile(99.0);
        if self.steady.is_zero() {
            self.steady = p99;
        }
        let millis = |took: Duration| format!("{:.1}", took.as_secs_f64() * 1000.0);
        self.table.row([
            name.to_owned(),
            answers.len().to_string(),
            format!("{:.2}", 100.0 * took.count() as f64 / answers.len().max(1) as f64),
            millis(took.percentile(50.0)),
            millis(p99),
            format!("{:.1}", p99.as_secs_f64() / self.steady.as_secs_f64()),
            format!("{:.1}", longest_gap(ended).as_secs_f64()),
            failed.to_string(),
            format!("{} ({missing})", all.len()),
        ]);
        println!("{}", self.table.markdown());
        Ok(())
    }

    /// Reservations whose customers take their time.
    async fn open(&self) -> anyhow::Result<Vec<Value>> {
        let reserve = |n: usize| async move {
            let show = &self.shows[n % self.shows.len()];
            self.command(Method::POST, "/reservations", reserve_body(show, 1), StatusCode::CREATED)
                .await
        };
        stream::iter(0..self.asked.open).map(reserve).buffered(AT_ONCE).try_collect().await
    }

    /// They pay, choose their seats, and get their tickets.
    async fn go_on(&self, open: &[Value]) -> anyhow::Result<()> {
        let go_on = |reservation: &Value| {
            let reservation = reservation.clone();
            async move {
                let path =
                    format!("/reservations/{}", reservation["id"].as_str().context("an id")?);
                let pay = json!({"method": "CARD", "amount": reservation["amount"]}).to_string();
                let pays = format!("{path}/payments");
                let answer = self.http.request(Method::POST, &pays, OPEN, pay.into())?;
                let answer = self.http.send(answer).await?;
                // Not yet, where the payment waits for its turn.
                ensure!(answer.status.is_success(), "{pays} answered {}", answer.status);
                let approved = self.becomes(&path, "PAYMENT_APPROVED").await?;
                let show = approved["showtimeId"].as_str().context("a showtime")?;
                let best = format!("/showtimes/{show}/best-seats?partySize=1&grade=STANDARD");
                let best = self.http.get(&best, OPEN).await?;
                let seats = json!({"seatIds": best["items"][0]["seatIds"]}).to_string();
                self.command(Method::PUT, &format!("{path}/seats"), seats.into(), StatusCode::OK)
                    .await?;
                anyhow::Ok(())
            }
        };
        stream::iter(open).map(go_on).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn becomes(&self, path: &str, status: &str) -> anyhow::Result<Value> {
        let began = Instant::now();
        loop {
            let found = self.http.get(path, OPEN).await?;
            if found["status"] == status {
                return Ok(found);
            }
            ensure!(began.elapsed() < ENDED_WITHIN, "{path} is {}", found["status"]);
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn command(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        status: StatusCode,
    ) -> anyhow::Result<Value> {
        let answer = self.http.send(self.http.request(method, path, OPEN, body)?).await?;
        answer.expect(status).with_context(|| path.to_owned())
    }

    /// People who come at a pace until it is over: how they were answered, and what they have made.
    async fn people(&self, over: Arc<AtomicBool>) -> anyhow::Result<(Vec<Answered>, Vec<Made>)> {
        let mut pace = interval(Duration::from_secs_f64(1.0 / self.asked.rate));
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut coming = JoinSet::new();
        while !over.load(Ordering::Relaxed) {
            pace.tick().await;
            let n = self.booked.fetch_add(1, Ordering::Relaxed);
            let body = plan_body(&self.shows[n % self.shows.len()], n);
            let customer = format!("noon-{}", n % CUSTOMERS);
            coming.spawn(book_and_look(self.http.clone(), customer, body));
        }
        let (mut answers, mut made) = (Vec::new(), Vec::new());
        for one in coming.join_all().await {
            let (two, id) = one?;
            answers.extend(two);
            made.extend(id);
        }
        Ok((answers, made))
    }

    /// When it had its tickets, since 1970; nothing when it has none in time.
    async fn ticketed_at(&self, id: &str, customer: &str) -> anyhow::Result<Option<Duration>> {
        let began = Instant::now();
        while began.elapsed() < ENDED_WITHIN {
            let found = self.http.get(&format!("/mypage/{id}"), customer).await?;
            if found["status"] == "TICKETED" {
                let at: jiff::Timestamp = found["updatedAt"].as_str().context("a time")?.parse()?;
                return Ok(Some(Duration::from_millis(u64::try_from(at.as_millisecond())?)));
            }
            sleep(Duration::from_millis(200)).await;
        }
        Ok(None)
    }

    /// Workflow tasks of these bookings that failed, by their histories.
    async fn failed_tasks(&self, ids: &[&str]) -> anyhow::Result<usize> {
        let failed = |id: String| {
            let temporal = self.temporal.clone();
            async move {
                let run = workflow_id(&domain::ids::ReservationId::parse(id)?);
                let handle = temporal.get_workflow_handle::<Booking>(run);
                let history = handle.fetch_history(WorkflowFetchHistoryOptions::default());
                let text = String::from_utf8(history.to_json().await?)?;
                anyhow::Ok(text.matches("WorkflowTaskFailedEventAttributes").count())
            }
        };
        let ids: Vec<String> = ids.iter().map(|&id| id.to_owned()).collect();
        let each = stream::iter(ids).map(failed).buffer_unordered(AT_ONCE);
        each.try_fold(0, |sum, failed| async move { Ok(sum + failed) }).await
    }
}

/// One customer, who books and then looks some times; an answer counts from when it was asked for.
async fn book_and_look(
    http: Arc<Http>,
    customer: String,
    body: Bytes,
) -> anyhow::Result<(Vec<Answered>, Option<Made>)> {
    let mut answers = Vec::new();
    let mut made = None;
    let looks = (0..LOOKS).map(|_| (Method::GET, "/mypage?limit=5", Bytes::new()));
    for (method, path, body) in std::iter::once((Method::POST, "/reservations", body)).chain(looks)
    {
        if method == Method::GET {
            sleep(LOOKS_EVERY).await;
        }
        let began = Instant::now();
        let answer = http.send(http.request(method, path, &customer, body)?).await.ok();
        let status = answer.as_ref().map(|answer| answer.status.as_u16());
        answers.push(Answered { status, took: began.elapsed() });
        if let Some(answer) = answer.filter(|answer| answer.status == StatusCode::CREATED) {
            let reservation = answer.expect(StatusCode::CREATED)?;
            let id = reservation["id"].as_str().context("an id")?;
            made = Some((id.to_owned(), customer.clone()));
        }
    }
    Ok((answers, made))
}

fn longest_gap(at: Vec<Duration>) -> Duration {
    let mut at = at;
    at.sort_unstable();
    at.windows(2).map(|two| two[1] - two[0]).max().unwrap_or_default()
}

/// What is new begins with this build from now on.
async fn make_current(temporal: &Client, build: &str) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let request = SetWorkerDeploymentCurrentVersionRequest {
            namespace: "default".to_owned(),
            deployment_name: DEPLOYMENT.to_owned(),
            build_id: build.to_owned(),
            identity: "bench".to_owned(),
            ..<_>::default()
        };
        let mut service = temporal.connection().workflow_service();
        let made = service.set_worker_deployment_current_version(request.into_request()).await;
        match made {
            Ok(_) => return Ok(()),
            // Until its first poll was seen.
            Err(why) => {
                let given_up = began.elapsed() > Duration::from_secs(60);
                ensure!(!given_up, "{build} does not become current: {why}");
            }
        }
        sleep(Duration::from_millis(500)).await;
    }
}
