//! A real Kafka broker for tests and measurements: one process that is broker and controller, from
//! the jars that `pom.xml` pins and Maven fetches once. It is spoken to in plain, or with TLS and a
//! password, as brokers that others run are.

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const POM: &str = include_str!("../pom.xml");
/// Where its jars are kept, below the folder for tools; the version that `pom.xml` names.
const FOLDER: &str = "kafka-4.1.0";
/// Who may speak to it, and its password.
const USER: (&str, &str) = ("marquee", "for-tests-only");
const STARTS_WITHIN: Duration = Duration::from_secs(90);
/// Any name of the cluster will do: 16 bytes in base64.
const CLUSTER: &str = "bWFycXVlZS1rYWZrYS0xMQ";

/// Its files outlive its process. It ends when it is dropped, and with this program.
pub struct Broker {
    marquee: PathBuf,
    classes: String,
    folder: PathBuf,
    port: u16,
    process: Option<Running>,
}

struct Running {
    guard: Child,
    pid: Pid,
}

impl Broker {
    /// With empty files in this folder, on this port and the next two; not started. `marquee guard`
    /// will keep it.
    pub fn prepare(
        marquee: &Path,
        tools_dir: &Path,
        folder: &Path,
        port: u16,
    ) -> anyhow::Result<Self> {
        let (marquee, folder) = (marquee.to_owned(), folder.to_owned());
        std::fs::create_dir_all(&folder)?;
        let classes = classes(tools_dir)?;
        let broker = Self { marquee, classes, folder, port, process: None };
        let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        std::fs::write(broker.certificate(), own.cert.pem())?;
        std::fs::write(broker.keys(), own.signing_key.serialize_pem() + &own.cert.pem())?;
        std::fs::write(broker.settings(), broker.settings_text())?;
        let mut format = Command::new("java");
        format.args(broker.java("kafka.tools.StorageTool"));
        format.args(["format", "-t", CLUSTER, "-c"]).arg(broker.settings());
        succeed(format)?;
        Ok(broker)
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where it wants TLS and a password.
    pub fn secure_address(&self) -> String {
        format!("127.0.0.1:{}", self.port + 2)
    }

    /// What librdkafka needs to be told for that: `name=value,…`.
    pub fn secure_settings(&self) -> String {
        let ((user, password), certificate) = (USER, self.certificate());
        format!(
            "security.protocol=SASL_SSL,sasl.mechanism=PLAIN,sasl.username={user},\
             sasl.password={password},ssl.ca.location={}",
            certificate.display()
        )
    }

    /// What starts it on its files, program first.
    pub fn command(&self) -> Vec<OsString> {
        let mut command = vec!["java".into()];
        command.extend(self.java("kafka.Kafka"));
        command.push(self.settings().into());
        command
    }

    /// Starts it on its files, and waits until it takes connections.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        let log = self.folder.join("kafka.log");
        let mut guarded = Command::new(&self.marquee);
        guarded.args(["guard", "--"]).args(self.command());
        // The guard says its child's id, and hands on its own stderr.
        guarded.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&log)?);
        let mut guard = guarded.spawn()?;
        let mut pid = String::new();
        BufReader::new(guard.stdout.take().context("it is piped")?).read_line(&mut pid)?;
        let pid = pid.trim().parse().ok().and_then(Pid::from_raw);
        let pid = pid.with_context(|| format!("Kafka did not start, see {}", log.display()))?;
        self.process = Some(Running { guard, pid });
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            if began.elapsed() > STARTS_WITHIN {
                bail!("Kafka does not start, see {}", log.display());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// In the middle of whatever it does.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let mut running = self.process.take().context("it runs")?;
        kill_process(running.pid, Signal::KILL)?;
        running.guard.wait()?;
        Ok(())
    }

    fn java(&self, class: &str) -> Vec<OsString> {
        ["-Xmx256m", "-cp", &self.classes, class].map(OsString::from).into()
    }

    fn settings(&self) -> PathBuf {
        self.folder.join("server.properties")
    }

    fn certificate(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }

    fn keys(&self) -> PathBuf {
        self.folder.join("keys.pem")
    }

    /// It makes no topic by itself.
    fn settings_text(&self) -> String {
        let (port, controller, secure) = (self.port, self.port + 1, self.port + 2);
        let (logs, keys, (user, password)) = (self.folder.join("logs"), self.keys(), USER);
        format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},\
             SASL_SSL://127.0.0.1:{secure}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:{secure}\n\
             sasl.enabled.mechanisms=PLAIN\n\
             listener.name.sasl_ssl.ssl.keystore.type=PEM\n\
             listener.name.sasl_ssl.ssl.keystore.location={}\n\
             listener.name.sasl_ssl.plain.sasl.jaas.config=\
             org.apache.kafka.common.security.plain.PlainLoginModule required \
             user_{user}=\"{password}\";\n\
             controller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,\
             SASL_SSL:SASL_SSL\n\
             log.dirs={}\n\
             auto.create.topics.enable=false\n\
             offsets.topic.replication.factor=1\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n\
             group.initial.rebalance.delay.ms=0\n",
            keys.display(),
            logs.display()
        )
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut running) = self.process.take() {
            // The guard ends the broker when its stdin closes.
            drop(running.guard.stdin.take());
            running.guard.wait().ok();
        }
    }
}

/// Kafka's own class path.
fn classes(tools_dir: &Path) -> anyhow::Result<String> {
    let folder = tools_dir.join(FOLDER);
    if !folder.join("complete").exists() {
        std::fs::create_dir_all(&folder)?;
        let pom = folder.join("pom.xml");
        std::fs::write(&pom, POM)?;
        let mut fetch = Command::new("mvn");
        fetch.args(["--quiet", "--batch-mode", "--file"]).arg(&pom);
        fetch.arg("dependency:copy-dependencies");
        fetch.arg(format!("-DoutputDirectory={}", folder.display()));
        succeed(fetch)?;
        std::fs::write(folder.join("complete"), "")?;
    }
    Ok(format!("{}/*", folder.display()))
}

fn succeed(mut command: Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(())
}
