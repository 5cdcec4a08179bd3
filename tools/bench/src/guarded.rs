//! Programs that end with this one, also when it is killed: each runs under `marquee guard`.

use anyhow::Context;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

/// Ends when it is dropped.
pub(crate) struct Guarded {
    guard: Child,
    pub(crate) pid: u32,
}

impl Guarded {
    /// Starts a command line, program first; its output goes to the log.
    pub(crate) fn start(
        marquee: &Path,
        command: impl IntoIterator<Item = impl AsRef<OsStr>>,
        log: &Path,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let command: Vec<OsString> =
            command.into_iter().map(|word| word.as_ref().to_owned()).collect();
        let output = File::options().create(true).append(true).open(log);
        let output = output.with_context(|| format!("cannot write {}", log.display()))?;
        let mut guard = Command::new(marquee)
            .args(["guard", "--"])
            .args(&command)
            .envs(environment.iter().copied())
            // Ctrl-C ends this process, and its end the command, in that order.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot run {}", marquee.display()))?;
        let mut pid = String::new();
        BufReader::new(guard.stdout.take().context("stdout is piped")?).read_line(&mut pid)?;
        let pid = pid.trim().parse().with_context(|| {
            format!("{} did not start, see {}", command[0].display(), log.display())
        })?;
        Ok(Self { guard, pid })
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.guard.try_wait()?)
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        // `Child::wait` would close its stdin, and so end it.
        while self.guard.try_wait()?.is_none() {
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        Ok(self.guard.wait()?)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        self.guard.wait().ok();
    }
}

/// The first of sixteen ports that nobody uses now, below those of outgoing connections.
pub(crate) fn free_ports() -> anyhow::Result<u16> {
    const EACH: u16 = 16;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 700)?;
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    (0..700)
        .map(|_| 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 700 * EACH)
        .find(|first| (*first..first + EACH).all(is_free))
        .context("no sixteen free ports in a row")
}
