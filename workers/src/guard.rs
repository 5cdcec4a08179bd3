//! Children that end with their parent, also when `kill -9` ends it.
//!
//! Nobody can clean up after their own SIGKILL, so a small process stands between: the guard. It
//! holds the reading end of a pipe, its stdin, whose only writing end is the parent's. However the
//! parent ends, the kernel closes that end, and the guard ends what it guards.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use tokio::io::{AsyncBufReadExt, BufReader};

/// How long a command may take to end after SIGTERM, before SIGKILL.
const TERM_GRACE: Duration = Duration::from_secs(5);

/// How long a guard may take to end: the grace of its command, and time to say so.
const STOP_WITHIN: Duration = Duration::from_secs(7);

/// How long a guard may take to start its command and tell the pid.
const START_WITHIN: Duration = Duration::from_secs(10);

/// What the parent wants to have run under a guard.
pub(crate) struct Launch<'a> {
    /// The `marquee` binary, which is its own guard.
    pub(crate) marquee: &'a Path,
    /// What people call the command, for messages.
    pub(crate) name: &'static str,
    pub(crate) command: &'a [OsString],
    /// Gets the command's stdout and stderr, at its end.
    pub(crate) log: &'a Path,
    /// Added to the environment of the parent.
    pub(crate) envs: &'a [(&'a str, &'a str)],
}

/// A command under a guard. Dropping this stops the command too, without waiting for its end.
pub(crate) struct Guarded {
    name: &'static str,
    guard: tokio::process::Child,
    /// Never written to: that it is open is all it says.
    lifeline: tokio::process::ChildStdin,
    pid: u32,
}

impl Guarded {
    /// Starts the command and returns as soon as its pid is known.
    pub(crate) async fn spawn(launch: Launch<'_>) -> anyhow::Result<Self> {
        let Launch { marquee, name, command, log, envs } = launch;
        let log_file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot open {} for {name}", log.display()))?;
        let mut guard = tokio::process::Command::new(marquee)
            .arg("guard")
            .arg("--")
            .args(command)
            .envs(envs.iter().copied())
            // Ctrl-C in a terminal goes to a whole process group. The command must outlive the
            // first moments of its parent's orderly end, so it must not get that signal.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .with_context(|| format!("cannot start {} to guard {name}", marquee.display()))?;
        let lifeline = guard.stdin.take().context("the guard has no stdin")?;
        let stdout = guard.stdout.take().context("the guard has no stdout")?;
        let pid = tokio::time::timeout(START_WITHIN, read_pid(stdout))
            .await
            .context("it told no pid in time")
            .flatten()
            .with_context(|| format!("{name} did not start, see {}", log.display()))?;
        Ok(Self { name, guard, lifeline, pid })
    }

    /// The pid of the command itself, not of its guard.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for the command to end by itself, and may be dropped and called again.
    ///
    /// A command ended by signal N reads as exit code 128 + N, as in a shell.
    pub(crate) async fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        let group = self.guard.id();
        let status =
            self.guard.wait().await.with_context(|| format!("cannot wait for {}", self.name))?;
        // A signal to the guard itself left the command without one. While it lives the group's
        // number is nobody else's.
        if status.signal().is_some() {
            kill_group(group);
        }
        Ok(status)
    }

    /// Ends the command: SIGTERM, and SIGKILL where that does not help.
    pub(crate) async fn stop(self) {
        let Self { name, mut guard, lifeline, .. } = self;
        drop(lifeline);
        let group = guard.id();
        if tokio::time::timeout(STOP_WITHIN, guard.wait()).await.is_err() {
            tracing::warn!(process.name = name, "the guard of {name} does not end, killing both");
            kill_group(group);
        }
    }
}

/// Runs `command` until it ends or the guard's own stdin does: the body of `marquee guard`.
pub(crate) fn run(command: Vec<OsString>) -> anyhow::Result<ExitCode> {
    let (program, arguments) = command.split_first().context("nothing to guard")?;
    // The guard's stdout is the pipe that the pid goes through. The command's goes to the log, the
    // guard's stderr, so that the parent need not read for as long as the command lives.
    let mut child = std::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let pid = Pid::from_child(&child);
    // Fails where the parent is gone already, which the watcher of stdin notices too.
    let _ = writeln!(std::io::stdout(), "{}", child.id());

    let (events, inbox) = mpsc::channel();
    watch_parent(events.clone());
    watch_command(pid, events);
    if inbox.recv() == Ok(Event::ParentGone) {
        end(pid, &inbox);
    }
    let status = child.wait().context("cannot wait for the command")?;
    Ok(exit_code(status))
}

#[derive(PartialEq)]
enum Event {
    ParentGone,
    CommandEnded,
}

fn watch_parent(events: mpsc::Sender<Event>) {
    std::thread::spawn(move || {
        // An error reads like the end: a lifeline that cannot be watched is none.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = events.send(Event::ParentGone);
    });
}

/// Waits without reaping: until `run` reaps it the pid stays taken, so a signal sent to it
/// meanwhile can hit nobody else.
fn watch_command(pid: Pid, events: mpsc::Sender<Event>) {
    std::thread::spawn(move || {
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let _ = rustix::io::retry_on_intr(|| rustix::process::waitid(WaitId::Pid(pid), ended));
        let _ = events.send(Event::CommandEnded);
    });
}

/// Asks the command to end, and makes it end. Errors mean that it has ended meanwhile.
fn end(pid: Pid, inbox: &mpsc::Receiver<Event>) {
    let _ = rustix::process::kill_process(pid, Signal::TERM);
    if inbox.recv_timeout(TERM_GRACE).is_err() {
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    let code = code.and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}

async fn read_pid(stdout: tokio::process::ChildStdout) -> anyhow::Result<u32> {
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).await.context("cannot read from the guard")?;
    ensure!(!line.is_empty(), "its guard has ended");
    line.trim_end().parse().with_context(|| format!("the guard told no pid but {line:?}"))
}

/// Kills a guard and what it guards: the guard leads a process group of its own.
fn kill_group(leader: Option<u32>) {
    let leader = leader.and_then(|id| Pid::from_raw(id.cast_signed()));
    if let Some(leader) = leader {
        // An error means that there is nobody left.
        let _ = rustix::process::kill_process_group(leader, Signal::KILL);
    }
}
