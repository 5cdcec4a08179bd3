//! The system that is measured: the real `marquee up` with everything below it.

use crate::config::{Gateway, Place, Server};
use crate::fleet::{Fleet, Member};
use crate::full_server::FullServer;
use crate::guarded::{Guarded, free_ports};
use crate::http::Http;
use crate::processes::Process;
use anyhow::{Context, bail};
use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The Temporal CLI may have to be built first.
const STARTS_WITHIN: Duration = Duration::from_secs(15 * 60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Ends when it is dropped.
pub(crate) struct System {
    pub(crate) api: String,
    pub(crate) gateway: String,
    /// `host:port`.
    pub(crate) temporal: String,
    pub(crate) database_url: String,
    pub(crate) data_dir: PathBuf,
    /// All that take part, without this process.
    pub(crate) processes: Vec<Process>,
    pub(crate) marquee: PathBuf,
    up: Option<Guarded>,
    /// Ends after `up`.
    _full: Option<FullServer>,
    /// Instead of both.
    _fleet: Option<(Fleet, Vec<Member>)>,
}

impl System {
    /// Starts one with a new folder of this name and waits until bookings are carried out.
    pub(crate) async fn start(place: &Place, name: &str) -> anyhow::Result<Self> {
        Self::start_with(place, name, &[]).await
    }

    /// As [`System::start`], with more flags.
    pub(crate) async fn start_with(
        place: &Place,
        name: &str,
        flags: &[&str],
    ) -> anyhow::Result<Self> {
        let mut system = Self::prepare(place, name).await?;
        system.launch(flags).await?;
        system.until_ready().await?;
        Ok(system)
    }

    /// As [`System::start_with`], with two APIs and two workers, which get the flags.
    pub(crate) async fn start_fleet(
        place: &Place,
        name: &str,
        flags: &[&str],
    ) -> anyhow::Result<Self> {
        let fleet = Fleet::prepare(place, name).await?;
        let mut members = Vec::new();
        for _ in 0..2 {
            members.push(fleet.api(&fleet.marquee).await?);
            members.push(fleet.worker(&fleet.marquee, flags, &[]).await?);
        }
        Ok(Self {
            api: fleet.api.clone(),
            gateway: fleet.gateway.clone(),
            temporal: fleet.temporal.clone(),
            database_url: fleet.database_url.clone(),
            data_dir: fleet.data_dir.clone(),
            processes: Vec::new(),
            marquee: fleet.marquee.clone(),
            up: None,
            _full: None,
            _fleet: Some((fleet, members)),
        })
    }

    /// As [`System::start`], but Marquee looks for Temporal where nobody listens.
    pub(crate) async fn start_without_temporal(place: &Place, name: &str) -> anyhow::Result<Self> {
        let mut system = Self::prepare(place, name).await?;
        system.temporal = format!("127.0.0.1:{}", free_ports()?);
        system.launch(&[]).await?;
        Ok(system)
    }

    /// A folder, and the server below Marquee; nothing of Marquee yet.
    pub(crate) async fn prepare(place: &Place, name: &str) -> anyhow::Result<Self> {
        let marquee = marquee(place)?;
        let data_dir = empty_folder(place, name)?;
        let full = match place.server {
            Server::Embedded => None,
            Server::Full => Some(FullServer::start(&marquee, &place.tools_dir, &data_dir).await?),
        };
        let in_data_dir = || format!("sqlite://{}", data_dir.join("marquee.db").display());
        Ok(Self {
            api: String::new(),
            gateway: String::new(),
            temporal: full.as_ref().map_or_else(String::new, |full| full.address.clone()),
            database_url: full.as_ref().map_or_else(in_data_dir, |full| full.database_url.clone()),
            data_dir,
            processes: Vec::new(),
            marquee,
            up: None,
            _full: full,
            _fleet: None,
        })
    }

    /// Starts `up` and waits until it has told where everything is.
    pub(crate) async fn launch(&mut self, flags: &[&str]) -> anyhow::Result<()> {
        let listen = format!("127.0.0.1:{}", free_ports()?);
        let data_dir = self.data_dir.display().to_string();
        let marquee = self.marquee.display().to_string();
        let mut command = vec![marquee.as_str(), "up", "--data-dir", &data_dir];
        command.extend(["--listen", &listen, "--catalogue", "rush"]);
        command.extend(["--database-url", &self.database_url]);
        if !self.temporal.is_empty() {
            command.extend(["--temporal-address", &self.temporal]);
        }
        command.extend(flags);
        let log = self.data_dir.join("up.log");
        // One that ran here before has left its own.
        std::fs::remove_file(self.data_dir.join("run.json")).ok();
        let mut up = Guarded::start(&self.marquee, command, &log, &[])?;
        let began = Instant::now();
        let run = loop {
            if let Some(run) = self.run_file().filter(|run| run["temporal"] != "") {
                break run;
            }
            if up.ended()?.is_some() || began.elapsed() > STARTS_WITHIN {
                bail!("marquee up does not start, see {}", log.display());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        let text = |name: &str| run[name].as_str().unwrap_or_default().to_owned();
        (self.api, self.gateway, self.temporal) = (text("api"), text("gateway"), text("temporal"));
        self.processes.clear();
        let pids = run["pids"].as_object().context("run.json has no pids")?;
        for (name, pid) in pids {
            let pid = u32::try_from(pid.as_u64().context("a pid is a number")?)?;
            self.processes.push(Process::alone(name, pid));
        }
        self.processes.extend(self._full.iter().flat_map(|full| full.processes.clone()));
        self.up = Some(up);
        Ok(())
    }

    pub(crate) async fn until_ready(&self) -> anyhow::Result<()> {
        let http = Http::new(&self.api, 1);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(120) {
            if http.get("/readyz", "bench").await.is_ok_and(|ready| ready["temporal"] == "up") {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        bail!("Temporal is not reached, see {}", self.data_dir.join("up.log").display())
    }

    /// Ends `up`; its database stays, and the server below it.
    pub(crate) fn stop_marquee(&mut self) {
        self.up = None;
    }

    pub(crate) fn process(&self, name: &str) -> Option<&Process> {
        self.processes.iter().find(|process| process.name == name)
    }

    /// The root of the stand-in for a message company.
    pub(crate) fn notices(&self) -> anyhow::Result<String> {
        let run = self.run_file().context("it runs")?;
        Ok(run["notices"].as_str().context("an address")?.to_owned())
    }

    fn run_file(&self) -> Option<Value> {
        let text = std::fs::read_to_string(self.data_dir.join("run.json")).ok()?;
        serde_json::from_str(&text).ok()
    }
}

/// How long the payment company takes from now on.
pub(crate) async fn set_gateway(gateway: &str, speed: Gateway) -> anyhow::Result<()> {
    let script = match speed {
        Gateway::Instant => json!({"approveMillis": [0, 0], "otherMillis": [0, 0]}),
        Gateway::Slow => json!({"approveMillis": [400, 620], "otherMillis": [20, 60]}),
    };
    script_gateway(gateway, &script).await
}

/// Has the payment company behave by this from now on.
pub(crate) async fn script_gateway(gateway: &str, script: &Value) -> anyhow::Result<()> {
    let http = Http::new(gateway, 1);
    let body = Bytes::from(script.to_string());
    let answer = http.send(http.request(Method::PUT, "/faults", "bench", body)?).await?;
    answer.expect(StatusCode::OK).context("the gateway's script")?;
    Ok(())
}

/// How many violations `marquee check` finds.
pub(crate) fn violations(
    marquee: &Path,
    data_dir: &Path,
    database_url: &str,
) -> anyhow::Result<String> {
    let output = Command::new(marquee)
        .arg("check")
        .arg("--data-dir")
        .arg(data_dir)
        .args(["--database-url", database_url])
        .output()
        .context("cannot run marquee check")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let last = printed.lines().last().context("marquee check printed nothing")?;
    let (_, count) = last.rsplit_once(", ").with_context(|| format!("not a summary: {last}"))?;
    Ok(count.trim_end_matches(" violations").to_owned())
}

/// A new folder of this name.
pub(crate) fn empty_folder(place: &Place, name: &str) -> anyhow::Result<PathBuf> {
    let folder = place.data_dir.join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let context = || format!("cannot make {}", folder.display());
    std::fs::create_dir_all(&folder).with_context(context)?;
    folder.canonicalize().with_context(context)
}

/// The program that is measured.
pub(crate) fn marquee(place: &Place) -> anyhow::Result<PathBuf> {
    let beside = || Ok::<_, std::io::Error>(std::env::current_exe()?.with_file_name("marquee"));
    let path = place.marquee.clone().map_or_else(beside, Ok)?;
    let built = || format!("no {}: cargo build --release -p workers, or --marquee", path.display());
    path.canonicalize().with_context(built)
}
