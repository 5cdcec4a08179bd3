//! A PostgreSQL cluster of our own, with the settings that PostgreSQL comes with.

use crate::guarded::{Guarded, free_ports};
use crate::processes::Process;
use anyhow::{Context, bail, ensure};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const READY_WITHIN: Duration = Duration::from_secs(60);
/// Debian keeps PostgreSQL's programs off PATH, a folder for each version.
const DEBIANS: &str = "/usr/lib/postgresql";

/// Ends when it is dropped.
pub(crate) struct Cluster {
    programs: PathBuf,
    pub(crate) port: u16,
    pub(crate) process: Process,
    _server: Guarded,
}

impl Cluster {
    /// A new one in `data_dir/postgresql`.
    pub(crate) async fn start(marquee: &Path, data_dir: &Path) -> anyhow::Result<Self> {
        let programs = programs()?;
        let folder = data_dir.join("postgresql");
        std::fs::create_dir(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let prefix = as_server_user(&folder)?;
        let data = folder.join("data");
        let command = |program: &str, arguments: &[&str]| {
            let mut words = prefix.clone();
            words.push(programs.join(program).into());
            words.extend(arguments.iter().map(OsString::from));
            words.extend(["-D".into(), data.clone().into()]);
            words
        };
        let initdb = ["--locale=C", "--encoding=UTF8", "--auth=trust", "-U", "postgres"];
        succeed(&command("initdb", &initdb))?;
        let port = free_ports()?;
        let socket = folder.display().to_string();
        let number = port.to_string();
        let flags = ["-h", "127.0.0.1", "-p", &number, "-k", &socket, "-c", "max_connections=300"];
        let log = data_dir.join("postgresql.log");
        let server = Guarded::start(marquee, command("postgres", &flags), &log, &[])?;
        let process =
            Process { name: "postgresql".to_owned(), pid: server.pid, with_children: true };
        let cluster = Self { programs, port, process, _server: server };
        cluster.until_ready(&log).await?;
        Ok(cluster)
    }

    /// An empty database, sorting text by its bytes as Marquee needs it.
    pub(crate) fn create(&self, database: &str) -> anyhow::Result<()> {
        let mut command = self.client("createdb");
        command
            .extend(["--template=template0", "--locale=C", "--encoding=UTF8"].map(OsString::from));
        command.push(database.into());
        succeed(&command)
    }

    async fn until_ready(&self, log: &Path) -> anyhow::Result<()> {
        let began = Instant::now();
        while succeed(&self.client("pg_isready")).is_err() {
            ensure!(began.elapsed() < READY_WITHIN, "no PostgreSQL, see {}", log.display());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    fn client(&self, program: &str) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec![self.programs.join(program).into()];
        words.extend(["-h", "127.0.0.1", "-U", "postgres", "-p"].map(OsString::from));
        words.push(self.port.to_string().into());
        words
    }
}

/// How a program is run as a user whom PostgreSQL serves, and gives that user the folder:
/// PostgreSQL refuses root.
fn as_server_user(folder: &Path) -> anyhow::Result<Vec<OsString>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(Vec::new());
    }
    let (uid, gid) = (id("-u")?, id("-g")?);
    std::os::unix::fs::chown(folder, Some(uid), Some(gid))?;
    let identity =
        [format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned()];
    Ok(std::iter::once("setpriv".into()).chain(identity.map(OsString::from)).collect())
}

fn id(what: &str) -> anyhow::Result<u32> {
    let output = Command::new("id").args([what, "postgres"]).output()?;
    let text = String::from_utf8(output.stdout)?;
    text.trim().parse().context("as root, PostgreSQL needs a user `postgres`")
}

fn programs() -> anyhow::Result<PathBuf> {
    let versions = std::fs::read_dir(DEBIANS).into_iter().flatten().flatten();
    let newest = versions.map(|entry| entry.path().join("bin")).max();
    if let Some(folder) = newest.filter(|folder| folder.join("initdb").is_file()) {
        return Ok(folder);
    }
    // `pg_config` is on PATH wherever PostgreSQL was installed in another way.
    let output = Command::new("pg_config").arg("--bindir").output();
    let output = output.context("no PostgreSQL here: install Debian's package `postgresql`")?;
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

/// Runs a short command line to its end.
pub(crate) fn succeed(command: &[OsString]) -> anyhow::Result<()> {
    let (program, arguments) = command.split_first().context("a program")?;
    let output = Command::new(program).args(arguments).output();
    let output = output.with_context(|| format!("cannot run {}", program.display()))?;
    if !output.status.success() {
        bail!("{} failed: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
