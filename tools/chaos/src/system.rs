//! The system under test: started from the real binary, in either shape.

use crate::guarded::{Launch, Process};
use crate::kind::On;
use crate::listeners::{Listeners, WEBHOOKS_ANYWHERE};
use crate::postgres::Cluster;
use crate::script::http;
use crate::wire::Wire;
use anyhow::{Context, bail};
use kafka_broker::Broker;
use rustix::process::Pid;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// The Temporal CLI may have to be built first, once per machine.
const STARTS_WITHIN: Duration = Duration::from_secs(15 * 60);
/// Deadlines of a run: short, so that those who do nothing end within it.
const DEADLINES: [&str; 4] = ["--pay-within", "15s", "--seat-within", "15s"];
const GRACE: [&str; 2] = ["--grace", "2s"];

/// What of a system can be hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Up,
    Api,
    Worker,
    OtherWorker,
    Postgres,
    Temporal,
    Gateway,
    Broker,
}

/// A running system with a data folder of its own. Its processes end with it, and with this
/// process however that ends.
pub(crate) struct System {
    pub(crate) on: On,
    pub(crate) api: String,
    /// Where `marquee check` finds the store, where it is not in the data folder.
    pub(crate) database_url: Option<String>,
    pub(crate) marquee: PathBuf,
    data_dir: TempDir,
    /// None stands for `temporal` of a fleet, whose server is a child of `marquee temporal`.
    kept: BTreeMap<Part, Process>,
    wire: Option<Wire>,
    cluster: Option<Cluster>,
    temporal: Option<String>,
    gateway: Option<String>,
    listeners: Listeners,
}

/// What to start, and from where.
pub(crate) struct Shape<'a> {
    pub(crate) on: On,
    pub(crate) marquee: &'a Path,
    /// Where a built Temporal CLI is kept from run to run.
    pub(crate) tools_dir: &'a Path,
}

impl System {
    /// Starts one and waits until a booking can be carried out.
    pub(crate) async fn start(shape: &Shape<'_>) -> anyhow::Result<Self> {
        let marquee = shape.marquee.canonicalize();
        let marquee = marquee.with_context(|| format!("no {}", shape.marquee.display()))?;
        let (port, data_dir) = (free_ports(), TempDir::with_prefix("marquee-chaos-")?);
        let files = data_dir.path().join("kafka");
        let broker = Broker::prepare(&marquee, shape.tools_dir, &files, free_ports());
        let broker = broker.context("a Kafka broker: it needs java and mvn")?;
        let mut system = Self {
            on: shape.on,
            api: format!("http://127.0.0.1:{port}"),
            database_url: None,
            marquee,
            data_dir,
            kept: BTreeMap::new(),
            wire: None,
            cluster: None,
            temporal: None,
            gateway: None,
            listeners: Listeners::start(&broker.address()).await?,
        };
        system.keep(Part::Broker, "kafka", broker.command());
        match shape.on {
            On::Embedded => system.start_embedded(port, shape.tools_dir),
            On::Fleet => system.start_fleet(port, shape.tools_dir).await?,
        }
        system.until_ready().await?;
        system.listeners.endpoint.named_at(&system.api).await?;
        Ok(system)
    }

    fn start_embedded(&mut self, port: u16, tools_dir: &Path) {
        let mut command = self.words(&["up", "--profile", "test", "--catalogue", "rush"]);
        command.extend(["--require-idempotency-key", "--data-dir"].map(OsString::from));
        command.push(self.data_dir.path().into());
        command.extend(["--listen".into(), format!("127.0.0.1:{port}").into()]);
        command.extend(["--tools-dir".into(), tools_dir.into()]);
        command.extend(DEADLINES.iter().chain(&GRACE).map(OsString::from));
        command.extend(self.listeners.flags());
        self.keep(Part::Up, "up", command);
    }

    async fn start_fleet(&mut self, port: u16, tools_dir: &Path) -> anyhow::Result<()> {
        let [gateway_port, postgres_port, wire_port, temporal_port] =
            [1, 2, 3, 4].map(|n| port + n);
        let cluster = Cluster::make(postgres_port)?;
        let launch = cluster.launch(&self.marquee, self.log("postgres"));
        self.kept.insert(Part::Postgres, Process::start(launch));
        cluster.make_database().await?;
        self.cluster = Some(cluster);
        self.wire = Some(Wire::lay(wire_port, postgres_port).await?);
        self.database_url = Some(Cluster::url(postgres_port));

        let mut temporal = self.words(&["temporal", "--data-dir"]);
        temporal.push(self.data_dir.path().into());
        temporal.extend(["--tools-dir".into(), tools_dir.into()]);
        temporal.extend(["--port".into(), temporal_port.to_string().into()]);
        self.keep(Part::Temporal, "temporal-keeper", temporal);
        let temporal = format!("127.0.0.1:{temporal_port}");

        let gateway_at = format!("127.0.0.1:{gateway_port}");
        let mut gateway = self.words(&["fake-gateway", "--listen", &gateway_at, "--journal"]);
        gateway.push(self.journal().into());
        self.keep(Part::Gateway, "gateway", gateway);
        let gateway = format!("http://{gateway_at}");

        let database = Cluster::url(wire_port);
        let shared = ["--database-url", &database, "--temporal-address", &temporal];
        let api_at = format!("127.0.0.1:{port}");
        let mut api = self.words(&["api", "--catalogue", "rush", "--require-idempotency-key"]);
        api.extend(
            ["--listen", &api_at].iter().chain(&shared).chain(&DEADLINES).map(OsString::from),
        );
        api.push(WEBHOOKS_ANYWHERE.into());
        self.keep(Part::Api, "api", api);
        for (part, name) in [(Part::Worker, "worker-1"), (Part::OtherWorker, "worker-2")] {
            let mut worker = self.words(&["worker", "--gateway-url", &gateway]);
            worker.extend(shared.iter().chain(&DEADLINES).chain(&GRACE).map(OsString::from));
            worker.extend(self.listeners.flags());
            self.keep(part, name, worker);
        }
        (self.temporal, self.gateway) = (Some(temporal), Some(gateway));
        Ok(())
    }

    fn words(&self, words: &[&str]) -> Vec<OsString> {
        let program = OsString::from(&self.marquee);
        std::iter::once(program).chain(words.iter().map(OsString::from)).collect()
    }

    fn keep(&mut self, part: Part, name: &str, command: Vec<OsString>) {
        let launch = Launch { marquee: self.marquee.clone(), command, log: self.log(name) };
        self.kept.insert(part, Process::start(launch));
    }

    fn log(&self, name: &str) -> PathBuf {
        self.data_dir.path().join(format!("{name}.log"))
    }

    async fn until_ready(&self) -> anyhow::Result<()> {
        let http = http()?;
        let began = Instant::now();
        loop {
            if let Ok(answer) = http.get(format!("{}/readyz", self.api)).send().await
                && let Ok(ready) = answer.json::<Value>().await
                && ready["store"] == "up"
                && ready["temporal"] == "up"
                && self.pid(Part::Gateway).is_some()
            {
                return Ok(());
            }
            if began.elapsed() > STARTS_WITHIN {
                bail!("the system did not start, see {}", self.data_dir.path().display());
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The process that now plays this part; none while it is down, or where nobody plays it.
    pub(crate) fn pid(&self, part: Part) -> Option<Pid> {
        match (part, self.on) {
            (Part::Temporal, _) => self.told_pid("temporal"),
            (Part::Gateway, On::Embedded) => self.told_pid("gateway"),
            _ => self.kept.get(&part)?.pid(),
        }
    }

    fn told_pid(&self, name: &str) -> Option<Pid> {
        let pid = i32::try_from(self.run_file()?["pids"][name].as_i64()?).ok();
        pid.and_then(Pid::from_raw).filter(|pid| crate::guarded::lives(*pid))
    }

    /// Where the gateway is now.
    pub(crate) fn gateway(&self) -> Option<String> {
        let told = || Some(self.run_file()?["gateway"].as_str()?.trim_end_matches('/').to_owned());
        self.gateway.clone().or_else(told).filter(|url| !url.is_empty())
    }

    pub(crate) fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// The root of the message company now, where there is one.
    pub(crate) fn messages(&self) -> Option<String> {
        Some(self.run_file()?["notices"].as_str()?.to_owned())
    }

    /// Where Temporal is now, `host:port`.
    pub(crate) fn temporal(&self) -> Option<String> {
        let told = || Some(self.run_file()?["temporal"].as_str()?.to_owned());
        self.temporal.clone().or_else(told).filter(|address| !address.is_empty())
    }

    fn run_file(&self) -> Option<Value> {
        let text = std::fs::read_to_string(self.data_dir().join("run.json")).ok()?;
        serde_json::from_str(&text).ok()
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.data_dir.path()
    }

    /// The gateway's own books.
    pub(crate) fn journal(&self) -> PathBuf {
        self.data_dir().join("gateway.jsonl")
    }

    pub(crate) fn wire(&self) -> Option<&Wire> {
        self.wire.as_ref()
    }

    /// What ended with an error of its own, and how often.
    pub(crate) fn falls(&self) -> Vec<(Part, u32)> {
        let ours = self.kept.iter().filter(|(part, _)| **part != Part::Postgres);
        ours.map(|(part, kept)| (*part, kept.falls())).filter(|(_, falls)| *falls > 0).collect()
    }

    /// Ends all of it. The data folder is kept where it is of interest, and then returned.
    pub(crate) async fn stop(mut self, keep: bool) -> Option<PathBuf> {
        for part in [Part::Up, Part::Api, Part::Worker, Part::OtherWorker, Part::Gateway] {
            self.end(part).await;
        }
        for part in [Part::Temporal, Part::Postgres, Part::Broker] {
            self.end(part).await;
        }
        keep.then(|| self.data_dir.keep())
    }

    async fn end(&mut self, part: Part) {
        if let Some(process) = self.kept.remove(&part) {
            process.stop().await;
        }
    }
}

/// The first of a few free ports: what `up` starts takes those after its own.
fn free_ports() -> u16 {
    const EACH: u32 = 8;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let places = (0..).map(|_| std::process::id() * 41 + NEXT.fetch_add(1, Ordering::Relaxed));
    let mut ports =
        places.map(|place| 20_000 + u16::try_from(place % 1_500 * EACH).expect("small"));
    let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    ports.find(|port| (*port..*port + 8).all(free)).expect("some ports are free")
}
