//! A broker of the test's own: Kafka itself, fetched once by Maven (`tools/kafka`).

use super::consumer::Topic;
use crate::app::{MARQUEE, free_ports, tools_dir};
use crate::python::python;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const STARTS_WITHIN: Duration = Duration::from_secs(90);
/// Any name of the cluster will do: 16 bytes in base64.
const CLUSTER: &str = "bWFycXVlZS1rYWZrYS0xMQ";

/// Its files outlive its process.
pub(super) struct Broker {
    classes: String,
    folder: TempDir,
    port: u16,
    python: PathBuf,
    process: Option<Child>,
}

impl Broker {
    /// With empty files, not started; none where it cannot run.
    ///
    /// On CI that is a failure: there no test must pass by not running.
    pub(super) async fn prepare() -> Option<Self> {
        let missing = |program: &&&str| Command::new(program).arg("--version").output().is_err();
        if let Some(missing) = ["java", "mvn", "python3", "redis-server"].iter().find(missing) {
            assert!(std::env::var_os("CI").is_none(), "CI needs {missing}");
            eprintln!("Tests on Kafka are skipped: install {missing}.");
            return None;
        }
        let (classes, folder) = (classes(), TempDir::with_prefix("marquee-kafka-"));
        let folder = folder.expect("the temp folder is writable");
        let broker = Self { classes, folder, port: free_ports(), python: python(), process: None };
        std::fs::write(broker.settings(), broker.settings_text()).expect("it is writable");
        let mut format = broker.java("kafka.tools.StorageTool");
        format.args(["format", "-t", CLUSTER, "-c"]).arg(broker.settings());
        succeed(format);
        Some(broker)
    }

    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(super) fn python(&self) -> &Path {
        &self.python
    }

    pub(super) fn topic(&self, name: &'static str) -> Topic {
        Topic { python: self.python.clone(), brokers: self.address(), name }
    }

    /// Starts it on its files, and waits until it takes connections.
    pub(super) async fn start(&mut self) {
        let java = self.java("kafka.Kafka");
        let log = std::fs::File::create(self.folder.path().join("kafka.log")).expect("a log file");
        let mut guarded = Command::new(MARQUEE);
        guarded.args(["guard", "--"]).arg(java.get_program()).args(java.get_args());
        guarded.arg(self.settings()).stdin(Stdio::piped()).stderr(Stdio::null()).stdout(log);
        self.process = Some(guarded.spawn().expect("java was found"));
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let log = || std::fs::read_to_string(self.folder.path().join("kafka.log"));
            assert!(began.elapsed() < STARTS_WITHIN, "Kafka does not start: {:?}", log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// In the middle of whatever it does.
    pub(super) fn kill(&mut self) {
        let mut guard = self.process.take().expect("it runs");
        let children = format!("/proc/{0}/task/{0}/children", guard.id());
        let child = std::fs::read_to_string(children).expect("it runs");
        let pid = child.trim().parse().ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.expect("a pid"), rustix::process::Signal::KILL)
            .expect("it runs");
        guard.wait().expect("it ends");
    }

    fn java(&self, class: &str) -> Command {
        let mut java = Command::new("java");
        java.args(["-Xmx256m", "-cp", &self.classes, class]);
        java
    }

    fn settings(&self) -> PathBuf {
        self.folder.path().join("server.properties")
    }

    /// One process that is broker and controller. It makes no topic by itself.
    fn settings_text(&self) -> String {
        let (port, controller) = (self.port, self.port + 1);
        let logs = self.folder.path().join("logs");
        format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
             controller.listener.names=CONTROLLER\n\
             log.dirs={}\n\
             auto.create.topics.enable=false\n\
             offsets.topic.replication.factor=1\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n\
             group.initial.rebalance.delay.ms=0\n",
            logs.display()
        )
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut guard) = self.process.take() {
            // The guard ends the broker when its stdin closes.
            drop(guard.stdin.take());
            guard.wait().ok();
        }
    }
}

/// Kafka's own class path, fetched once per machine.
fn classes() -> String {
    let folder = tools_dir().join("kafka-4.1.0");
    if !folder.join("complete").exists() {
        let pom = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/kafka/pom.xml");
        let mut fetch = Command::new("mvn");
        fetch
            .args(["--quiet", "--batch-mode", "--file"])
            .arg(pom)
            .arg("dependency:copy-dependencies");
        fetch.arg(format!("-DoutputDirectory={}", folder.display()));
        succeed(fetch);
        std::fs::write(folder.join("complete"), "").expect("it is writable");
    }
    format!("{}/*", folder.display())
}

pub(crate) fn succeed(mut command: Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}
