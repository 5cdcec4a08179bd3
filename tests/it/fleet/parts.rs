//! The processes of a fleet, each started, stopped and killed by the test.

use crate::app::{Customer, MARQUEE, free_ports, until};
use crate::temporal::Temporal;
use rustix::process::{Pid, Signal};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// Longer than a balancer of the tests takes to see that a process is not ready.
const DRAIN: &str = "1s";

/// One process of ours under a guard. It ends with this value.
pub(crate) struct Part {
    guard: Child,
    pid: Pid,
    log: PathBuf,
}

impl Part {
    pub(crate) fn start(folder: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let log = folder.join(format!("{}-{number}.log", arguments[0]));
        let mut guard = Command::new(MARQUEE)
            .args(["guard", "--", MARQUEE])
            .args(arguments)
            .envs(settings.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).expect("a log file"))
            .spawn()
            .expect("marquee starts");
        // The guard tells the pid of what it guards.
        let mut line = String::new();
        let stdout = guard.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let pid = line.trim().parse().ok().and_then(Pid::from_raw).expect("a pid");
        Self { guard, pid, log }
    }

    pub(super) fn kill(mut self) {
        self.signal(Signal::KILL);
        self.guard.wait().expect("it ends");
    }

    pub(super) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid, signal).expect("it runs");
    }

    /// Ends it in an orderly way; false when it did not end well.
    pub(crate) fn stop(mut self) -> bool {
        // Waiting would close it, and the guard would hurry its command.
        let lifeline = self.guard.stdin.take();
        self.signal(Signal::TERM);
        let ended = self.guard.wait().expect("it ends");
        drop(lifeline);
        if !ended.success() {
            self.show_log();
        }
        ended.success()
    }

    fn show_log(&self) {
        eprintln!("{}:\n{}", self.log.display(), self.log());
    }

    /// All that it has said.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show_log();
        }
        // A stopped process does not hear SIGTERM.
        rustix::process::kill_process(self.pid, Signal::CONT).ok();
        drop(self.guard.stdin.take());
        self.guard.wait().ok();
    }
}

/// One of several alike.
pub(crate) struct Replica {
    pub(super) part: Part,
    /// Of its API.
    pub(super) address: SocketAddr,
    operations: SocketAddr,
}

impl Replica {
    /// What `/readyz` answers those who operate it; 0 while nobody answers.
    pub(crate) async fn ready(&self) -> u16 {
        let answer = self.ask("readyz").await;
        answer.map_or(0, |answer| answer.status().as_u16())
    }

    /// Ends it in an orderly way while the test goes on; false when it did not end well.
    pub(super) async fn stopped(self) -> bool {
        tokio::task::spawn_blocking(|| self.part.stop()).await.expect("no panic")
    }

    /// Whether its API has answered somebody.
    pub(super) async fn serves(&self) -> bool {
        self.metrics().await.contains("marquee_http_requests_total")
    }

    pub(super) async fn metrics(&self) -> String {
        let answer = self.ask("metrics").await.expect("it lives");
        answer.text().await.expect("a page")
    }

    async fn ask(&self, page: &str) -> reqwest::Result<reqwest::Response> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        http.get(format!("http://{}/{page}", self.operations)).send().await
    }
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// What the processes of a fleet share: a database, a Temporal, a gateway, settings.
pub(crate) struct Fleet {
    pub(crate) temporal: Temporal,
    pub(super) gateway: String,
    api: String,
    settings: Vec<(&'static str, String)>,
    folder: TempDir,
    _gateway: Part,
}

impl Fleet {
    /// Without API and workers yet.
    pub(crate) async fn on(database: &str) -> Self {
        let temporal = Temporal::start().await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [gateway, api] = [free_ports(), free_ports()].map(|port| local(port).to_string());
        let journal = folder.path().join("gateway.jsonl").display().to_string();
        let stand_in = ["fake-gateway", "--listen", &gateway, "--journal", &journal];
        let stand_in = [&stand_in[..], &["--approve-millis", "50", "100"]].concat();
        let _gateway = Part::start(folder.path(), &stand_in, &[]);
        let settings = vec![
            ("MARQUEE_DATABASE_URL", database.to_owned()),
            ("MARQUEE_GATEWAY_URL", format!("http://{gateway}/")),
            ("TEMPORAL_ADDRESS", temporal.address()),
            ("MARQUEE_LISTEN", api.clone()),
        ];
        let (gateway, api) = (format!("http://{gateway}"), format!("http://{api}"));
        let fleet = Self { temporal, gateway, api, settings, folder, _gateway };
        let http = fleet.customer("tester").http;
        let alive = format!("{}/livez", fleet.gateway);
        until("the gateway", async || http.get(&alive).send().await.is_ok()).await;
        fleet
    }

    pub(crate) fn api(&self) -> Part {
        self.start(&["api"])
    }

    pub(crate) fn worker(&self, queues: &str) -> Part {
        self.start(&["worker", "--queues", queues])
    }

    /// An API that others may stand beside; returns when it is ready.
    pub(super) async fn api_replica(&self) -> Replica {
        let port = free_ports();
        let listen = local(port).to_string();
        self.replica(&["api", "--drain", DRAIN, "--listen", &listen], port).await
    }

    /// A worker for all queues; returns when it is ready.
    pub(super) async fn worker_replica(&self) -> Replica {
        self.replica(&["worker"], free_ports()).await
    }

    /// A worker for bookings alone; returns when it is ready.
    pub(super) async fn booking_replica(&self) -> Replica {
        self.replica(&["worker", "--queues", "booking"], free_ports()).await
    }

    /// One that something keeps from its work; returns when it answers.
    pub(crate) async fn unready_worker(&self) -> Replica {
        let replica = self.begin(&["worker"], free_ports());
        until("a process", async || replica.ready().await != 0).await;
        replica
    }

    async fn replica(&self, arguments: &[&str], port: u16) -> Replica {
        let replica = self.begin(arguments, port);
        until("a ready process", async || replica.ready().await == 200).await;
        replica
    }

    fn begin(&self, arguments: &[&str], port: u16) -> Replica {
        let (address, operations) = (local(port), local(port + 1));
        let listen = operations.to_string();
        let part = self.start(&[arguments, &["--operations-listen", &listen]].concat());
        Replica { part, address, operations }
    }

    /// A setting of those that are started from now on; an empty one is none.
    pub(crate) fn set(&mut self, name: &'static str, value: String) {
        self.settings.retain(|(known, _)| *known != name);
        if !value.is_empty() {
            self.settings.push((name, value));
        }
    }

    fn start(&self, arguments: &[&str]) -> Part {
        let settings: Vec<(&str, &str)> =
            self.settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Part::start(self.folder.path(), arguments, &settings)
    }

    pub(crate) async fn until_ready(&self) {
        let http = self.customer("tester").http;
        let ready = format!("{}/readyz", self.api);
        let answers = async || http.get(&ready).send().await.is_ok_and(|it| it.status() == 200);
        until("the API", answers).await;
    }

    pub(crate) fn customer(&self, name: &str) -> Customer {
        Customer::new(&self.api, &self.gateway, name)
    }
}
