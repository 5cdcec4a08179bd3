//! The processes that `up` starts beside itself: kept running, and ended with it.

use crate::guard::{Guarded, Launch};
use crate::ports::Port;
use crate::run_file::RunFile;
use anyhow::Context;
use std::ffi::OsString;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A child that ended by itself is started again after this pause.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// A child listens within this time after its first start.
const LISTENS_WITHIN: Duration = Duration::from_secs(30);

/// How a child is started.
pub(crate) struct Child {
    pub(crate) name: &'static str,
    pub(crate) command: Vec<OsString>,
    /// Gets what the child prints.
    pub(crate) log: PathBuf,
    /// Where it listens; they stay its own while it is started again.
    pub(crate) ports: Vec<Port>,
}

/// What all children share.
#[derive(Clone)]
pub(crate) struct Nursery {
    /// This program, which is also the guard of its children.
    pub(crate) marquee: PathBuf,
    pub(crate) data_dir: PathBuf,
    run_file: Arc<Mutex<RunFile>>,
    quit: watch::Receiver<bool>,
}

impl Nursery {
    pub(crate) fn new(
        data_dir: PathBuf,
        api: String,
        quit: watch::Receiver<bool>,
    ) -> anyhow::Result<Self> {
        let marquee = std::env::current_exe().context("where is this program?")?;
        let run_file = Arc::new(Mutex::new(RunFile::new(api)));
        Ok(Self { marquee, data_dir, run_file, quit })
    }

    /// Changes `run.json`.
    pub(crate) fn tell(&self, change: impl FnOnce(&mut RunFile)) -> anyhow::Result<()> {
        let mut run_file = self.run_file.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut run_file);
        run_file.write(&self.data_dir)
    }

    /// Starts the child and waits until it listens; starts it again whenever it ends; stops it on
    /// `quit`.
    pub(crate) async fn keep(&self, child: Child) -> anyhow::Result<JoinHandle<()>> {
        let mut nursery = self.clone();
        let mut running = nursery.start_listening(&child).await?;
        Ok(tokio::spawn(async move {
            loop {
                let name = child.name;
                tokio::select! {
                    ended = running.wait() => {
                        let how = ended.map_or_else(|error| error.to_string(), |e| e.to_string());
                        tracing::warn!(child = name, how, "{name} ended; starting it again");
                    }
                    _ = nursery.quit.changed() => return running.stop().await,
                }
                running = match nursery.start_again(&child).await {
                    Some(running) => running,
                    None => return,
                };
            }
        }))
    }

    /// Starts the child for the first time. The one of a killed `up` may take seconds to let go of
    /// the files, and this one ends until then.
    async fn start_listening(&mut self, child: &Child) -> anyhow::Result<Guarded> {
        let Child { name, log, ports, .. } = child;
        let mut running = self.start(child).await?;
        let mut listens = pin!(async {
            for port in ports {
                port.listens(LISTENS_WITHIN).await?;
            }
            anyhow::Ok(())
        });
        loop {
            tokio::select! {
                listening = &mut listens => {
                    let silent = || format!("{name} does not start, see {}", log.display());
                    return listening.map(|()| running).with_context(silent);
                }
                _ = running.wait() => {
                    running = self.start_again(child).await.context("asked to stop")?;
                }
            }
        }
    }

    async fn start_again(&mut self, child: &Child) -> Option<Guarded> {
        loop {
            tokio::select! {
                () = tokio::time::sleep(AGAIN_AFTER) => {}
                _ = self.quit.changed() => return None,
            }
            match self.start(child).await {
                Ok(running) => return Some(running),
                Err(error) => tracing::warn!(error = format!("{error:#}"), "cannot start again"),
            }
        }
    }

    async fn start(&self, child: &Child) -> anyhow::Result<Guarded> {
        let Child { name, command, log, ports: _ } = child;
        let launch = Launch { marquee: &self.marquee, name, command, log, envs: &[] };
        let running = Guarded::spawn(launch).await?;
        self.tell(|run| {
            run.pids.insert(name, running.pid());
        })?;
        Ok(running)
    }
}
