//! APIs and workers as processes of their own, behind a balancer, on PostgreSQL and Temporal's own
//! server; each may be replaced or killed.

use crate::config::Place;
use crate::full_server::FullServer;
use crate::guarded::{Guarded, free_ports};
use crate::system::{empty_folder, marquee};
use anyhow::{Context, ensure};
use balancer::Balancer;
use rustix::process::{Pid, Signal, kill_process};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longer than the balancer takes to see that a process is not ready.
const DRAIN: &str = "1s";
const READY_WITHIN: Duration = Duration::from_secs(60);
const ENDS_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Ends when it is dropped, what stands below at last.
pub(crate) struct Fleet {
    pub(crate) api: String,
    pub(crate) gateway: String,
    /// `host:port`.
    pub(crate) temporal: String,
    pub(crate) database_url: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) marquee: PathBuf,
    balancer: Balancer,
    http: reqwest::Client,
    _gateway: Guarded,
    _full: FullServer,
}

/// One process of it.
pub(crate) struct Member {
    process: Guarded,
    log: PathBuf,
    /// From its start until it was ready.
    pub(crate) ready_after: Duration,
}

impl Fleet {
    /// What all share; no API and no worker yet.
    pub(crate) async fn prepare(place: &Place, name: &str) -> anyhow::Result<Self> {
        let marquee = marquee(place)?;
        let data_dir = empty_folder(place, name)?;
        let full = FullServer::start(&marquee, &place.tools_dir, &data_dir).await?;
        let gateway_at = format!("127.0.0.1:{}", free_ports()?);
        let journal = data_dir.join("gateway.jsonl").display().to_string();
        let program = marquee.display().to_string();
        let stand_in = [&program, "fake-gateway", "--listen", &gateway_at, "--journal", &journal];
        let gateway = Guarded::start(&marquee, stand_in, &data_dir.join("gateway.log"), &[])?;
        let balancer = Balancer::start().await?;
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build()?;
        let fleet = Self {
            api: format!("http://{}", balancer.address),
            gateway: format!("http://{gateway_at}/"),
            temporal: full.address.clone(),
            database_url: full.database_url.clone(),
            data_dir,
            marquee,
            balancer,
            http,
            _gateway: gateway,
            _full: full,
        };
        fleet.answers(&format!("{}livez", fleet.gateway)).await?;
        Ok(fleet)
    }

    /// Another API, of this program; returns when the balancer uses it.
    pub(crate) async fn api(&self, program: &Path) -> anyhow::Result<Member> {
        let port = free_ports()?;
        let listen = SocketAddr::from(([127, 0, 0, 1], port));
        let at = listen.to_string();
        let flags = ["api", "--drain", DRAIN, "--catalogue", "rush", "--listen", &at];
        let member = self.start(program, &flags, port + 1, &[]).await?;
        self.balancer.add(listen).await?;
        Ok(member)
    }

    /// Another worker for all queues, with these flags; returns when it is ready.
    pub(crate) async fn worker(
        &self,
        program: &Path,
        flags: &[&str],
        variables: &[(&str, &str)],
    ) -> anyhow::Result<Member> {
        self.start(program, &[&["worker"], flags].concat(), free_ports()?, variables).await
    }

    async fn start(
        &self,
        program: &Path,
        flags: &[&str],
        operations: u16,
        variables: &[(&str, &str)],
    ) -> anyhow::Result<Member> {
        let operations = format!("127.0.0.1:{operations}");
        let words = [&[&*program.to_string_lossy()], flags, &["--operations-listen", &operations]];
        let log = self.data_dir.join(format!("{}.log", flags[0]));
        let settings = [
            ("MARQUEE_DATABASE_URL", self.database_url.as_str()),
            ("MARQUEE_GATEWAY_URL", &self.gateway),
            ("TEMPORAL_ADDRESS", &self.temporal),
            // What is measured is not the caution after a start.
            ("MARQUEE_GRACE", "0s"),
        ];
        let began = Instant::now();
        let variables = [&settings, variables].concat();
        let process = Guarded::start(&self.marquee, words.concat(), &log, &variables)?;
        self.answers(&format!("http://{operations}/readyz"))
            .await
            .with_context(|| format!("see {}", log.display()))?;
        Ok(Member { process, log, ready_after: began.elapsed() })
    }

    async fn answers(&self, url: &str) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            if self.http.get(url).send().await.is_ok_and(|answer| answer.status() == 200) {
                return Ok(());
            }
            ensure!(began.elapsed() < READY_WITHIN, "{url} does not answer");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

impl Member {
    /// Ends it in an orderly way.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)?;
        let began = Instant::now();
        loop {
            if let Some(status) = self.process.ended()? {
                ensure!(status.success(), "it ended with {status}, see {}", self.log.display());
                return Ok(());
            }
            ensure!(began.elapsed() < ENDS_WITHIN, "it does not end, see {}", self.log.display());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// As a machine that lost its power.
    pub(crate) fn kill(self) -> anyhow::Result<()> {
        self.signal(Signal::KILL)
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.process.pid).ok().and_then(Pid::from_raw).context("a pid")?;
        Ok(kill_process(pid, signal)?)
    }
}
