//! Processes that are started again whenever they end, as a service manager would, and that end
//! with this one, however it ends: each runs under `marquee guard`.

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// The guard gives its command 5 s to end.
const STOPS_WITHIN: Duration = Duration::from_secs(20);
/// What the guard reports of a command that a signal ended.
const KILLED: i32 = 128 + 9;

/// What is to run.
#[derive(Clone)]
pub(crate) struct Launch {
    pub(crate) marquee: PathBuf,
    pub(crate) command: Vec<OsString>,
    /// Gets what the command prints.
    pub(crate) log: PathBuf,
}

/// A process that is kept running.
pub(crate) struct Process {
    pid: watch::Receiver<Option<Pid>>,
    falls: Arc<AtomicU32>,
    quit: watch::Sender<bool>,
    keeper: JoinHandle<()>,
}

impl Process {
    pub(crate) fn start(launch: Launch) -> Self {
        let (told, pid) = watch::channel(None);
        let (quit, quitting) = watch::channel(false);
        let falls = Arc::new(AtomicU32::new(0));
        let keeper = tokio::spawn(keep(launch, told, falls.clone(), quitting));
        Self { pid, falls, quit, keeper }
    }

    /// None while it is down.
    pub(crate) fn pid(&self) -> Option<Pid> {
        *self.pid.borrow()
    }

    /// How many times it ended with an error of its own, not by a signal.
    pub(crate) fn falls(&self) -> u32 {
        self.falls.load(Ordering::Relaxed)
    }

    /// Ends it for good.
    pub(crate) async fn stop(self) {
        self.quit.send_replace(true);
        timeout(STOPS_WITHIN, self.keeper).await.ok();
    }
}

async fn keep(
    launch: Launch,
    pid: watch::Sender<Option<Pid>>,
    falls: Arc<AtomicU32>,
    mut quit: watch::Receiver<bool>,
) {
    loop {
        match spawn(&launch).await {
            Ok((mut guard, lifeline, started)) => {
                pid.send_replace(Some(started));
                tokio::select! {
                    ended = guard.wait() => {
                        if ended.is_ok_and(fell) {
                            falls.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    _ = quit.changed() => {
                        resume(started);
                        drop(lifeline);
                        guard.wait().await.ok();
                        return;
                    }
                }
                pid.send_replace(None);
            }
            Err(error) => eprintln!("cannot start {:?}: {error:#}", launch.command),
        }
        tokio::select! {
            () = sleep(AGAIN_AFTER) => {}
            _ = quit.changed() => return,
        }
    }
}

fn fell(status: ExitStatus) -> bool {
    !status.success() && status.code() != Some(KILLED)
}

async fn spawn(launch: &Launch) -> anyhow::Result<(Child, ChildStdin, Pid)> {
    let Launch { marquee, command, log } = launch;
    let log_file = open_log(log)?;
    let mut guard = Command::new(marquee)
        .args(["guard", "--"])
        .args(command)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log_file)
        .spawn()
        .with_context(|| format!("cannot run {}", marquee.display()))?;
    let lifeline = guard.stdin.take().context("stdin is piped")?;
    let stdout = guard.stdout.take().context("stdout is piped")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).await?;
    let pid = line.trim().parse().ok().and_then(Pid::from_raw);
    ensure!(pid.is_some(), "the guard told no pid, see {}", log.display());
    Ok((guard, lifeline, pid.context("just checked")?))
}

fn open_log(log: &Path) -> anyhow::Result<std::fs::File> {
    let opened = OpenOptions::new().create(true).append(true).open(log);
    opened.with_context(|| format!("cannot open {}", log.display()))
}

/// `kill -9`. Whether it was there to be killed.
pub(crate) fn kill(pid: Pid) -> bool {
    kill_process(pid, Signal::KILL).is_ok()
}

/// SIGTERM: asks it to end in an orderly way.
pub(crate) fn terminate(pid: Pid) -> bool {
    kill_process(pid, Signal::TERM).is_ok()
}

/// SIGQUIT, which PostgreSQL takes as an immediate stop.
pub(crate) fn quit(pid: Pid) -> bool {
    kill_process(pid, Signal::QUIT).is_ok()
}

/// SIGSTOP: it goes nowhere until [`resume`].
pub(crate) fn pause(pid: Pid) -> bool {
    kill_process(pid, Signal::STOP).is_ok()
}

pub(crate) fn resume(pid: Pid) -> bool {
    kill_process(pid, Signal::CONT).is_ok()
}

/// Whether a process has this number.
pub(crate) fn lives(pid: Pid) -> bool {
    rustix::process::test_kill_process(pid).is_ok()
}
