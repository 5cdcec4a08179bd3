//! A PostgreSQL of the run's own.

use crate::guarded::Launch;
use anyhow::{Context, bail, ensure};
use std::ffi::OsString;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

const READY_WITHIN: Duration = Duration::from_secs(60);
const DATABASE: &str = "marquee";

/// A cluster that is not running yet.
pub(crate) struct Cluster {
    programs: PathBuf,
    folder: TempDir,
    user: User,
    port: u16,
}

/// Who runs the server: PostgreSQL refuses root.
enum User {
    Myself,
    Other { uid: u32, gid: u32 },
}

impl Cluster {
    pub(crate) fn make(port: u16) -> anyhow::Result<Self> {
        let programs = find_programs().context("no PostgreSQL: install Debian's `postgresql`")?;
        let folder = TempDir::with_prefix("marquee-pg-")?;
        let user = User::of_server()?;
        if let User::Other { uid, gid } = user {
            chown(folder.path(), Some(uid), Some(gid))?;
        }
        let cluster = Self { programs, folder, user, port };
        let mut initdb = cluster.command("initdb");
        initdb.extend(
            ["--locale=C", "--encoding=UTF8", "--auth=trust", "-U", "postgres"].map(<_>::into),
        );
        initdb.extend(["-D".into(), cluster.data()]);
        succeed(&initdb, cluster.folder.path())?;
        Ok(cluster)
    }

    pub(crate) fn launch(&self, marquee: &Path, log: PathBuf) -> Launch {
        let mut command = self.command("postgres");
        command.extend(["-D".into(), self.data()]);
        command.extend(["-p", &self.port.to_string(), "-h", "127.0.0.1", "-k"].map(<_>::into));
        command.push(self.folder.path().into());
        command.extend(["-c", "max_connections=200"].map(<_>::into));
        Launch { marquee: marquee.to_owned(), command, log }
    }

    /// Waits for the server and makes the database in it.
    pub(crate) async fn make_database(&self) -> anyhow::Result<()> {
        let port = self.port.to_string();
        let mut create: Vec<OsString> = vec![self.programs.join("createdb").into()];
        create.extend(["-h", "127.0.0.1", "-p", &port, "-U", "postgres"].map(<_>::into));
        create.extend(["--template=template0", "--locale=C", "--encoding=UTF8"].map(<_>::into));
        create.push(DATABASE.into());
        let began = Instant::now();
        while let Err(error) = succeed(&create, self.folder.path()) {
            if began.elapsed() > READY_WITHIN {
                return Err(error);
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    pub(crate) fn url(port: u16) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/{DATABASE}")
    }

    fn data(&self) -> OsString {
        self.folder.path().join("data").into()
    }

    fn command(&self, program: &str) -> Vec<OsString> {
        let mut command: Vec<OsString> = Vec::new();
        if let User::Other { uid, gid } = self.user {
            command.extend(["setpriv".into(), format!("--reuid={uid}").into()]);
            command.extend([format!("--regid={gid}").into(), "--clear-groups".into()]);
        }
        command.push(self.programs.join(program).into());
        command
    }
}

impl User {
    fn of_server() -> anyhow::Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Myself);
        }
        for name in ["postgres", "nobody"] {
            if let (Some(uid), Some(gid)) = (id("-u", name), id("-g", name)) {
                return Ok(Self::Other { uid, gid });
            }
        }
        bail!("as root PostgreSQL needs a user `postgres` or `nobody`")
    }
}

fn id(what: &str, user: &str) -> Option<u32> {
    let output = Command::new("id").args([what, user]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// The folder of PostgreSQL's programs: Debian keeps one for each version.
fn find_programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    versions.sort();
    let usual = ["/usr/local/bin", "/usr/bin", "/opt/homebrew/bin"].map(PathBuf::from);
    versions.into_iter().rev().chain(usual).find(|folder| {
        ["initdb", "postgres", "createdb"].iter().all(|program| folder.join(program).is_file())
    })
}

fn succeed(command: &[OsString], folder: &Path) -> anyhow::Result<()> {
    let (program, arguments) = command.split_first().context("a program")?;
    let output = Command::new(program).args(arguments).current_dir(folder).output();
    let output = output.with_context(|| format!("cannot run {}", program.display()))?;
    let log = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {log}");
    Ok(())
}
