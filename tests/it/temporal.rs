//! A Temporal server of a test's own: `marquee temporal` under a guard.

use crate::app::{MARQUEE, free_ports, tools_dir, until};
use serde_json::Value;
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A running server. It ends with this value, and with the test process however that ends.
pub(crate) struct Temporal {
    data_dir: TempDir,
    port: u16,
    process: Option<Child>,
}

impl Temporal {
    pub(crate) async fn start() -> Self {
        let data_dir = tempfile::tempdir().expect("a temporary folder");
        let mut temporal = Self { data_dir, port: free_ports(), process: None };
        temporal.start_again().await;
        temporal
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// With the data folder and the port that it had before.
    pub(crate) async fn start_again(&mut self) {
        let log = self.data_dir.path().join("temporal-command.log");
        let log = std::fs::File::create(log).expect("a log file");
        let mut command = Command::new(MARQUEE);
        command.args(["guard", "--", MARQUEE, "temporal", "--port", &self.port.to_string()]);
        command.arg("--data-dir").arg(self.data_dir.path());
        command.env("MARQUEE_TOOLS_DIR", tools_dir());
        command.stdin(Stdio::piped()).stdout(log.try_clone().expect("a second handle")).stderr(log);
        self.process = Some(command.spawn().expect("marquee starts"));
        let listens = async || TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok();
        until("Temporal", listens).await;
    }

    /// Kills the server, and ends what would start it again.
    pub(crate) fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let run = std::fs::read_to_string(self.data_dir.path().join("run.json")).ok();
        let run = run.and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let pid = run.and_then(|run| i32::try_from(run["pids"]["temporal"].as_i64()?).ok());
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
        }
        drop(process.stdin.take());
        process.wait().ok();
    }

    /// Temporal's own CLI, speaking to this server. It was found on PATH, or built.
    pub(crate) fn cli(&self) -> Command {
        let tools = std::fs::read_dir(tools_dir()).into_iter().flatten().flatten();
        let built = tools.map(|entry| entry.path()).find(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("temporal-v"))
        });
        let mut cli = Command::new(built.unwrap_or_else(|| "temporal".into()));
        cli.env("TEMPORAL_ADDRESS", self.address());
        cli
    }

    pub(crate) fn forget(&self) {
        for name in ["temporal.db", "temporal.db-wal", "temporal.db-shm"] {
            std::fs::remove_file(self.data_dir.path().join(name)).ok();
        }
    }
}

impl Drop for Temporal {
    fn drop(&mut self) {
        self.stop();
    }
}
