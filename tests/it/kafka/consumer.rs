//! kafka-python, in a virtual environment of its own, as other teams run it.

use crate::app::SOON;
use crate::repository::root;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::time::timeout;

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Record {
    pub(crate) key: String,
    pub(crate) value: Value,
    pub(super) headers: BTreeMap<String, String>,
}

impl Record {
    fn place(&self) -> (String, i64) {
        (self.key.clone(), self.value["seq"].as_i64().expect("a place"))
    }
}

/// How many different events these are.
pub(super) fn different<'r>(records: impl IntoIterator<Item = &'r Record>) -> usize {
    records.into_iter().map(Record::place).collect::<BTreeSet<_>>().len()
}

pub(crate) struct Topic {
    pub(super) python: PathBuf,
    pub(super) brokers: String,
    pub(super) name: &'static str,
}

impl Topic {
    /// All that is there now, each partition in order; nothing while it cannot be read.
    pub(crate) async fn read(&self) -> Vec<Record> {
        let output = self.consumer().output();
        let output = timeout(SOON, output).await.expect("it ends").expect("python runs");
        let printed = String::from_utf8(output.stdout).expect("JSON is UTF-8");
        printed.lines().map(|line| serde_json::from_str(line).expect("a record")).collect()
    }

    /// A new group of so many consumers, which read on from now.
    pub(super) fn group(&self, consumers: usize) -> Group {
        let (tell, told) = mpsc::unbounded_channel();
        let members = (0..consumers).map(|n| self.member(n, tell.clone())).collect();
        Group { _members: members, told, shares: vec![Vec::new(); consumers] }
    }

    fn consumer(&self) -> tokio::process::Command {
        let script = root().join("tests/it/kafka/consumer.py");
        let mut command = tokio::process::Command::new(&self.python);
        command.arg(script).arg(&self.brokers).arg(self.name).kill_on_drop(true);
        command
    }

    fn member(&self, number: usize, tell: mpsc::UnboundedSender<(usize, Record)>) -> Child {
        let mut command = self.consumer();
        command.arg("a-team").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("python runs");
        let mut lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let record = serde_json::from_str(&line).expect("a record");
                tell.send((number, record)).ok();
            }
        });
        process
    }
}

pub(super) struct Group {
    /// They end with their standard input.
    _members: Vec<Child>,
    told: mpsc::UnboundedReceiver<(usize, Record)>,
    shares: Vec<Vec<Record>>,
}

impl Group {
    /// What each of them got, when they have got all these.
    pub(super) async fn shares(mut self, all: &[Record]) -> Vec<Vec<Record>> {
        let all = different(all);
        let reading = async {
            while different(self.shares.iter().flatten()) < all {
                let (member, record) = self.told.recv().await.expect("they go on");
                self.shares[member].push(record);
            }
        };
        timeout(SOON, reading).await.expect("they read all");
        self.shares
    }
}
