//! Temporal's dev server: where its binary comes from, and how it is started.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::guard::{Guarded, Launch};

/// The module that pins the Temporal CLI, in the binary so that an installed one needs no checkout.
const GO_MOD: &str = include_str!("../../tools/temporal/go.mod");
const GO_SUM: &str = include_str!("../../tools/temporal/go.sum");

const DOWNLOAD_CONNECT_SECS_MAX: &str = "3";
const DOWNLOAD_SECS_MAX: &str = "300";

/// A download slower than this for 10 s is given up: building takes four minutes.
const DOWNLOAD_BYTES_PER_SEC_MIN: &str = "200000";

/// The first start of a new binary may be checked by the operating system for some seconds.
const VERSION_WITHIN: Duration = Duration::from_secs(20);

/// How often a long build says that it goes on.
const SAY_EVERY: Duration = Duration::from_secs(15);

const LOCK_EVERY: Duration = Duration::from_millis(500);

/// How much of a failed build's log the error shows.
const LOG_LINES_MAX: usize = 8;

/// Where to look for the Temporal CLI, and who hears of it.
pub(crate) struct Sources<'a> {
    /// `TEMPORAL_CLI`: the binary that was asked for, if any.
    pub(crate) temporal_cli: Option<&'a Path>,
    /// `PATH`, for `temporal`, `curl`, `tar` and `go`.
    pub(crate) search_path: &'a OsStr,
    /// Keeps what was downloaded or built.
    pub(crate) cache: &'a Path,
    /// The `marquee` binary, which guards the build.
    pub(crate) marquee: &'a Path,
    /// Told what is going on, a line at a time, while it takes longer than a moment.
    pub(crate) say: &'a mut (dyn FnMut(&str) + Send),
}

/// A Temporal CLI that runs on this machine.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    TemporalCli,
    SearchPath,
    Cache,
    Download,
    Build,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TemporalCli => "named by TEMPORAL_CLI",
            Self::SearchPath => "found on PATH",
            Self::Cache => "kept from an earlier start",
            Self::Download => "downloaded from temporal.download",
            Self::Build => "built with Go",
        })
    }
}

/// Finds the Temporal CLI or makes one, and says how when that takes long.
///
/// Whatever is found was run once, so a binary for another machine is not taken.
pub(crate) async fn find_or_build(sources: Sources<'_>) -> anyhow::Result<Found> {
    let Sources { temporal_cli, search_path, cache, marquee, say } = sources;
    if let Some(path) = temporal_cli {
        runs(path).await.context("TEMPORAL_CLI names no usable Temporal CLI")?;
        return Ok(Found { path: path.to_owned(), origin: Origin::TemporalCli });
    }
    if let Some(path) = find_program("temporal", search_path)
        && runs(&path).await.is_ok()
    {
        return Ok(Found { path, origin: Origin::SearchPath });
    }
    // The version is in the name: a newer `marquee` does not run the binary of an older one.
    let path = cache.join(format!("temporal-{}", cli_version()));
    if runs(&path).await.is_ok() {
        return Ok(Found { path, origin: Origin::Cache });
    }

    std::fs::create_dir_all(cache).with_context(|| format!("cannot create {}", cache.display()))?;
    let _lock = lock(cache, say).await?;
    if runs(&path).await.is_ok() {
        return Ok(Found { path, origin: Origin::Cache });
    }
    remove_leftovers(cache)?;
    let workshop = cache.join(format!("{WORKSHOP_PREFIX}{}", std::process::id()));
    std::fs::create_dir(&workshop)
        .with_context(|| format!("cannot create {}", workshop.display()))?;
    let origin = make(&workshop, search_path, marquee, say).await?;
    // Complete or not there at all: nobody ever finds half a binary under the name they look for.
    std::fs::rename(workshop.join("temporal"), &path)
        .with_context(|| format!("cannot keep {}", path.display()))?;
    remove_leftovers(cache)?;
    Ok(Found { path, origin })
}

/// How the dev server is to be started.
pub(crate) struct DevServer<'a> {
    pub(crate) binary: &'a Path,
    /// Keeps workflows across restarts.
    pub(crate) db: &'a Path,
    pub(crate) port: u16,
    pub(crate) ui_port: u16,
}

impl DevServer<'_> {
    /// The command line, program first.
    pub(crate) fn command(&self) -> Vec<OsString> {
        let ports = [self.port, self.ui_port].map(|port| OsString::from(port.to_string()));
        let [port, ui_port] = ports;
        let mut command = vec![self.binary.into(), "server".into(), "start-dev".into()];
        command.extend(["--ip".into(), "127.0.0.1".into()]);
        command.extend(["--port".into(), port, "--ui-port".into(), ui_port]);
        command.extend(["--db-filename".into(), self.db.into()]);
        for (flag, value) in [
            // As fast as memory, and a killed server loses nothing. A power cut may lose its last
            // moments, which the pump repairs from the store.
            ("--sqlite-pragma", "journal_mode=wal"),
            ("--sqlite-pragma", "synchronous=normal"),
            // Without it the server ignores priorities, and captures wait behind approvals.
            ("--dynamic-config-value", "matching.useNewMatcher=true"),
            ("--log-level", "error"),
        ] {
            command.extend([flag.into(), value.into()]);
        }
        command
    }
}

const WORKSHOP_PREFIX: &str = "making-";

/// Leaves a Temporal CLI that runs at `temporal` in the workshop.
async fn make(
    workshop: &Path,
    search_path: &OsStr,
    marquee: &Path,
    say: &mut (dyn FnMut(&str) + Send),
) -> anyhow::Result<Origin> {
    let version = cli_version();
    say(&format!("No Temporal CLI here. Downloading {version} from temporal.download …"));
    // Many networks reach package registries only: no reason to trouble anybody with the details.
    if download(workshop, search_path).await.is_ok() {
        return Ok(Origin::Download);
    }
    let Some(go) = find_program("go", search_path) else {
        bail!("no Temporal CLI, no download and no Go to build it with: {}", what_to_install());
    };
    say(&format!("No download. Building {version} with Go, once: about 4 minutes on two cores …"));
    build(workshop, &go, marquee, say).await?;
    Ok(Origin::Build)
}

async fn download(workshop: &Path, search_path: &OsStr) -> anyhow::Result<()> {
    let curl = find_program("curl", search_path).context("no curl")?;
    let tar = find_program("tar", search_path).context("no tar")?;
    let platform = match std::env::consts::OS {
        "macos" => "darwin",
        os => os,
    };
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        arch => bail!("no Temporal CLI is published for {arch}"),
    };
    let version = cli_version();
    let url =
        format!("https://temporal.download/cli/archive/{version}?platform={platform}&arch={arch}");
    let archive = workshop.join("temporal.tar.gz");
    let mut fetch = Command::new(curl);
    fetch.args(["-fsSL", "--connect-timeout", DOWNLOAD_CONNECT_SECS_MAX]);
    fetch.args(["--max-time", DOWNLOAD_SECS_MAX, "--speed-time", "10"]);
    fetch.args(["--speed-limit", DOWNLOAD_BYTES_PER_SEC_MIN, "-o"]).arg(&archive).arg(url);
    succeed(fetch).await?;
    let mut unpack = Command::new(tar);
    unpack.arg("-xzf").arg(&archive).arg("-C").arg(workshop).arg("temporal");
    succeed(unpack).await?;
    runs(&workshop.join("temporal")).await
}

/// Builds under a guard, so that no compiler goes on alone after `marquee` was killed.
async fn build(
    workshop: &Path,
    go: &Path,
    marquee: &Path,
    say: &mut (dyn FnMut(&str) + Send),
) -> anyhow::Result<()> {
    for (name, text) in [("go.mod", GO_MOD), ("go.sum", GO_SUM)] {
        let path = workshop.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let log = workshop.join("build.log");
    let mut command: Vec<OsString> = vec![go.into(), "-C".into(), workshop.into()];
    command.extend(["build", "-o", "temporal"].map(OsString::from));
    command.push("github.com/temporalio/cli/cmd/temporal".into());
    let mut building = Guarded::spawn(Launch {
        marquee,
        name: "go build",
        command: &command,
        log: &log,
        // A go.work in a folder above would make this build another module's. A killed Go leaves
        // what it keeps beside its output, hundreds of megabytes: here that is cleared some day.
        envs: &[("GOWORK", "off"), ("GOTMPDIR", ".")],
    })
    .await?;

    let began = Instant::now();
    let status = loop {
        match timeout(SAY_EVERY, building.wait()).await {
            Ok(status) => break status?,
            Err(_) => say(&format!("Building the Temporal CLI: {} s", began.elapsed().as_secs())),
        }
    };
    if !status.success() {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        bail!("Go could not build the Temporal CLI: {}\n{}", what_to_install(), last_lines(&log));
    }
    runs(&workshop.join("temporal")).await
}

/// Lets one process at a time make the binary. The lock ends with its holder, however it ends.
async fn lock(cache: &Path, say: &mut (dyn FnMut(&str) + Send)) -> anyhow::Result<File> {
    let path = cache.join("lock");
    let context = || format!("cannot lock {}", path.display());
    let file = File::options().create(true).append(true).open(&path).with_context(context)?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error).with_context(context),
        }
        if !told {
            say("Another marquee is fetching the Temporal CLI. Waiting for it …");
            told = true;
        }
        // Not the blocking call: it could not be given up, and would hold up the end of `up`.
        sleep(LOCK_EVERY).await;
    }
}

/// Clears the workshops of those who were killed. Only the holder of the lock may.
fn remove_leftovers(cache: &Path) -> anyhow::Result<()> {
    let context = || format!("cannot clear {}", cache.display());
    for entry in std::fs::read_dir(cache).with_context(context)? {
        let entry = entry.with_context(context)?;
        if entry.file_name().as_encoded_bytes().starts_with(WORKSHOP_PREFIX.as_bytes()) {
            std::fs::remove_dir_all(entry.path()).with_context(context)?;
        }
    }
    Ok(())
}

fn find_program(name: &str, search_path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(search_path).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Says whether this is a Temporal CLI for this machine. Other programs are called `temporal` too.
async fn runs(binary: &Path) -> anyhow::Result<()> {
    let mut ask = Command::new(binary);
    ask.arg("--version");
    let answer = timeout(VERSION_WITHIN, succeed(ask)).await;
    let answer = answer.with_context(|| format!("{} does not answer", binary.display()))??;
    ensure!(
        answer.starts_with("temporal version"),
        "{} is no Temporal CLI: {answer:?}",
        binary.display()
    );
    Ok(())
}

/// Runs a short command to its end and returns what it printed.
async fn succeed(mut command: Command) -> anyhow::Result<String> {
    let name = command.as_std().get_program().display().to_string();
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.with_context(|| format!("cannot run {name}"))?;
    ensure!(
        output.status.success(),
        "{name} failed: {}",
        last_lines(&String::from_utf8_lossy(&output.stderr))
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_MAX)..].join("\n")
}

fn what_to_install() -> String {
    format!(
        "install Go {} or newer, or the Temporal CLI from https://docs.temporal.io/cli, \
         or set TEMPORAL_ADDRESS to a running server",
        pinned("go ")
    )
}

/// The pinned version of the CLI, such as `v1.5.1`.
fn cli_version() -> &'static str {
    pinned("github.com/temporalio/cli ")
}

fn pinned(what: &str) -> &'static str {
    GO_MOD
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(what))
        .and_then(|version| version.split_whitespace().next())
        .expect("go.mod is compiled in, and a test reads both versions from it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_go_mod() {
        assert!(cli_version().starts_with("v1."), "{}", cli_version());
        assert!(pinned("go ").starts_with("1."), "{}", pinned("go "));
    }

    #[test]
    fn the_end_of_a_log_is_shown() {
        let log: String = (0..20).map(|line| format!("{line}\n")).collect();
        assert_eq!(last_lines(&log), "12\n13\n14\n15\n16\n17\n18\n19");
        assert_eq!(last_lines("one"), "one");
    }
}
