//! A broker of the test's own (`tools/kafka`), and the Python of those who read from it.

use super::consumer::Topic;
use crate::app::{MARQUEE, free_ports, tools_dir};
use crate::python::python;
use crate::repository::skipped_without;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

pub(crate) struct Broker {
    kafka: kafka_broker::Broker,
    python: PathBuf,
    _folder: TempDir,
}

impl Broker {
    /// With empty files, not started; none where it cannot run.
    ///
    /// On CI that is a failure: there no test must pass by not running.
    pub(crate) async fn prepare() -> Option<Self> {
        let missing = |program: &&&str| Command::new(program).arg("--version").output().is_err();
        if let Some(missing) = ["java", "mvn", "python3", "redis-server"].iter().find(missing) {
            skipped_without(missing);
            return None;
        }
        let folder = TempDir::with_prefix("marquee-kafka-").expect("the temp folder is writable");
        let (marquee, files) = (Path::new(MARQUEE), folder.path());
        let kafka = kafka_broker::Broker::prepare(marquee, &tools_dir(), files, free_ports());
        Some(Self { kafka: kafka.expect("a broker"), python: python(), _folder: folder })
    }

    pub(crate) fn address(&self) -> String {
        self.kafka.address()
    }

    /// What lets Marquee speak to it, with TLS and a password.
    pub(super) fn flags(&self) -> [String; 4] {
        let (address, settings) = (self.kafka.secure_address(), self.kafka.secure_settings());
        ["--kafka-brokers".to_owned(), address, "--kafka-settings".to_owned(), settings]
    }

    pub(super) fn python(&self) -> &Path {
        &self.python
    }

    pub(crate) fn topic(&self, name: &'static str) -> Topic {
        Topic { python: self.python.clone(), brokers: self.address(), name }
    }

    /// Starts it on its files, and waits until it takes connections.
    pub(crate) async fn start(&mut self) {
        self.kafka.start().await.expect("Kafka");
    }

    /// In the middle of whatever it does.
    pub(super) fn kill(&mut self) {
        self.kafka.kill().expect("it ran");
    }
}
