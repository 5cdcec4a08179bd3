//! A `marquee up` in the test profile, with deadlines short enough to wait for.

use crate::customer::Customer;
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The Temporal CLI may have to be built first.
const STARTS_WITHIN: Duration = Duration::from_secs(15 * 60);
/// A customer who acts at once acts in time, also on a busy machine.
const SHORT: [&str; 8] =
    ["--pay-within", "5s", "--seat-within", "5s", "--defer-within", "5s", "--grace", "0s"];

/// It ends with this value.
pub(crate) struct System {
    pub(crate) customer: Customer,
    /// `host:port`.
    pub(crate) temporal: String,
    data_dir: TempDir,
    process: Child,
}

impl System {
    pub(crate) async fn start(marquee: &Path, listen: SocketAddr) -> anyhow::Result<Self> {
        let data_dir = tempfile::tempdir()?;
        let log = File::create(data_dir.path().join("up.log"))?;
        let mut command = Command::new(marquee);
        // Under a guard, whose stdin closes when this process ends, in whatever way.
        command.args(["guard", "--"]).arg(marquee).args(["up", "--profile", "test", "--data-dir"]);
        command.arg(data_dir.path()).arg("--listen").arg(listen.to_string()).args(SHORT);
        command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        let context = || format!("cannot start {}; `cargo build` makes it", marquee.display());
        let process = command.spawn().with_context(context)?;
        let customer = Customer::of(String::new(), String::new());
        let mut system = Self { customer, temporal: String::new(), data_dir, process };
        system.until_up().await?;
        system.customer.gateway_is_fast().await?;
        Ok(system)
    }

    async fn until_up(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            if let Some(run) = self.run_file() {
                let of = |name: &str| run[name].as_str().unwrap_or_default().to_owned();
                self.customer = Customer::of(of("api"), of("gateway"));
                self.temporal = of("temporal");
                let ready = self.customer.get("/readyz").await;
                if ready.is_ok_and(|ready| ready["temporal"] == json!("up")) {
                    return Ok(());
                }
            }
            let ended = self.process.try_wait()?.is_some();
            if ended || began.elapsed() > STARTS_WITHIN {
                bail!("up did not start: {}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn run_file(&self) -> Option<Value> {
        let text = std::fs::read_to_string(self.data_dir.path().join("run.json")).ok()?;
        serde_json::from_str(&text).ok()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.data_dir.path().join("up.log")).unwrap_or_default()
    }
}

impl Drop for System {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().ok();
    }
}
