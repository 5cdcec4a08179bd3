//! A PostgreSQL of the tests' own: one cluster for the test process, one database for each test.
//! A test that stops the server has a cluster of its own.

use crate::repository::skipped_without;
use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

/// A cold machine has been seen to need three seconds.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// What the server says, in the C locale, once it takes connections.
const READY: &str = "database system is ready to accept connections";

/// Ends PostgreSQL at once when the guard sends SIGTERM, and clears up after it. SIGTERM itself
/// would have it wait for its clients. Nobody reads these files again, so SIGQUIT, which leaves
/// them as a crash would, is good enough.
const SERVE: &str = r#"
    folder=$1; shift
    trap 'kill -QUIT $server; ended=yes' TERM
    "$@" &
    server=$!
    wait $server
    wait $server
    [ -z "$ended" ] || rm -rf -- "$folder"
"#;

/// A running cluster. It ends with this value, and with the test process however that ends.
pub(crate) struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    databases: AtomicU32,
    /// None while it is stopped.
    server: Option<Server>,
}

struct Server {
    /// Open for as long as the server is to live.
    lifeline: ChildStdin,
    /// Ends when the server has.
    reader: JoinHandle<()>,
}

/// The cluster of this test process, or none where PostgreSQL is not installed.
///
/// On CI a missing PostgreSQL is a failure: there half the tests must not pass by not running.
pub(crate) fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    CLUSTER.get_or_init(own_cluster).as_ref()
}

/// A cluster for one test alone, which may stop it; or none as with [`cluster`].
pub(crate) fn own_cluster() -> Option<Cluster> {
    let Some(programs) = find_programs() else {
        skipped_without("Debian's package `postgresql`");
        return None;
    };
    Some(Cluster::start(programs))
}

impl Cluster {
    /// Makes an empty database and returns its URL.
    pub(crate) fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let port = self.port.to_string();
        let mut create = Command::new(self.programs.join("createdb"));
        create.args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres"]);
        create.args(["--template=template0", "--locale=C", "--encoding=UTF8", &name]);
        succeed(create);
        format!("postgres://postgres@127.0.0.1:{port}/{name}")
    }

    /// What psql says to these statements, on this database.
    pub(crate) fn psql(&self, url: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["--no-psqlrc", "--tuples-only", "--no-align", "-v", "ON_ERROR_STOP=1"]);
        let output = psql.args(["-c", sql, url]).output().expect("psql");
        let [out, err] = [output.stdout, output.stderr]
            .map(|text| String::from_utf8_lossy(&text).trim().to_owned());
        if output.status.success() { Ok(out) } else { Err(err) }
    }

    /// How psql and its like find it, for a script of shell.
    pub(crate) fn variables(&self) -> [(&'static str, String); 4] {
        let path = std::env::var("PATH").expect("a path");
        [
            ("PATH", format!("{}:{path}", self.programs.display())),
            ("PGHOST", "127.0.0.1".to_owned()),
            ("PGPORT", self.port.to_string()),
            ("POSTGRES_USER", "postgres".to_owned()),
        ]
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A copy of a database, as operators make it.
    pub(crate) fn dump(&self, url: &str) -> PathBuf {
        let name = url.rsplit('/').next().expect("the name of a database");
        let file = self.folder.join(format!("{name}.dump"));
        let mut dump = Command::new(self.programs.join("pg_dump"));
        dump.args(["--format=custom", "--file"]).arg(&file).arg(url);
        succeed(dump);
        file
    }

    /// Puts such a copy into an empty database.
    pub(crate) fn restore(&self, dump: &Path, url: &str) {
        let mut restore = Command::new(self.programs.join("pg_restore"));
        restore.args(["--exit-on-error", "--dbname", url]).arg(dump);
        succeed(restore);
    }

    fn start(programs: PathBuf) -> Self {
        let folder = TempDir::with_prefix("marquee-pg-").expect("the temp folder is writable");
        let user = User::of_server();
        user.own(folder.path());
        let data = folder.path().join("data");
        let mut initdb = user.command(&programs.join("initdb"));
        initdb.args(["--locale=C", "--encoding=UTF8", "--auth=trust", "-U", "postgres"]);
        // The server itself does sync. Only an empty new cluster may be lost to a power cut.
        initdb.arg("--no-sync").arg("-D").arg(&data).current_dir(folder.path());
        succeed(initdb);

        // From here on the script clears the folder: statics are never dropped.
        let folder = folder.keep();
        let databases = AtomicU32::new(0);
        let mut cluster = Self { programs, folder, port: free_port(), databases, server: None };
        cluster.start_again();
        cluster
    }

    /// With the files and the port that it had before; it recovers from whatever became of it.
    pub(crate) fn start_again(&mut self) {
        let user = User::of_server();
        let mut postgres = user.command(&self.programs.join("postgres"));
        postgres.arg("-D").arg(self.folder.join("data"));
        postgres.args(["-p", &self.port.to_string(), "-h", "127.0.0.1"]);
        postgres.arg("-k").arg(&self.folder).args(["-c", "max_connections=300"]);
        self.server = Some(serve(&self.folder, &postgres));
    }

    /// From now on, over TCP, with TLS alone, and with who has a certificate of this authority.
    pub(crate) fn demand_certificates(&self, certificate: &Path, key: &Path, authority: &Path) {
        let data = self.folder.join("data");
        let files = [(certificate, "server.crt"), (key, "server.key"), (authority, "root.crt")];
        for (from, name) in files {
            let to = data.join(name);
            std::fs::copy(from, &to).expect("it is writable");
            std::fs::set_permissions(&to, Permissions::from_mode(0o600)).expect("it is ours");
            User::of_server().own(&to);
        }
        let hba = "hostssl all all 127.0.0.1/32 trust clientcert=verify-ca\n";
        std::fs::write(data.join("pg_hba.conf"), hba).expect("it is writable");
        let ssl = "ssl = on\nssl_ca_file = 'root.crt'\n";
        std::fs::write(data.join("postgresql.auto.conf"), ssl).expect("it is writable");
        rustix::process::kill_process(self.pid(), Signal::HUP).expect("it runs");
        let plain = || {
            let mut ask = Command::new(self.programs.join("psql"));
            ask.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres"]);
            ask.args(["-c", "select 1", "dbname=postgres sslmode=disable"]).output()
        };
        while plain().expect("psql runs").status.success() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn pid(&self) -> Pid {
        let file = self.folder.join("data/postmaster.pid");
        let text = std::fs::read_to_string(file).expect("it runs");
        let pid = text.lines().next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
        pid.expect("a pid")
    }

    /// What `pg_ctl stop -m immediate` does: no process says goodbye, nothing is written.
    pub(crate) fn stop_at_once(&mut self) {
        rustix::process::kill_process(self.pid(), Signal::QUIT).expect("it runs");
        let server = self.server.take().expect("it runs");
        server.reader.join().expect("it only reads");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        match self.server.take() {
            Some(server) => {
                drop(server.lifeline);
                server.reader.join().ok();
            }
            None => {
                std::fs::remove_dir_all(&self.folder).ok();
            }
        }
    }
}

/// Starts the server under `marquee guard` and waits until it takes connections.
fn serve(folder: &Path, postgres: &Command) -> Server {
    let mut guard = Command::new(env!("CARGO_BIN_EXE_marquee"))
        .args(["guard", "--", "sh", "-c", SERVE, "postgres"])
        .arg(folder)
        .arg(postgres.get_program())
        .args(postgres.get_args())
        .current_dir(folder)
        // Ctrl-C ends the tests, and their end the server, in that order.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("marquee was built for this test");
    let lifeline = guard.stdin.take().expect("stdin is piped");
    let mut log = BufReader::new(guard.stderr.take().expect("stderr is piped")).lines();

    let (lines, inbox) = mpsc::channel();
    // Reads on for as long as the server lives: a full pipe would stop it.
    let reader = std::thread::spawn(move || {
        while let Some(Ok(line)) = log.next() {
            let _ = lines.send(line);
        }
        let _ = guard.wait();
    });
    let began = Instant::now();
    let mut said = Vec::new();
    while let Ok(line) = inbox.recv_timeout(READY_WITHIN.saturating_sub(began.elapsed())) {
        if line.contains(READY) {
            return Server { lifeline, reader };
        }
        said.push(line);
    }
    panic!("PostgreSQL did not start:\n{}", said.join("\n"));
}

/// Who runs the server: PostgreSQL refuses root.
enum User {
    Myself,
    Other { uid: u32, gid: u32 },
}

impl User {
    fn of_server() -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self::Myself;
        }
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| Some(Self::Other { uid: id("-u", name)?, gid: id("-g", name)? }))
            .expect("as root PostgreSQL needs a user `postgres` or `nobody`")
    }

    fn own(&self, folder: &Path) {
        if let Self::Other { uid, gid } = *self {
            std::os::unix::fs::chown(folder, Some(uid), Some(gid)).expect("root may give away");
        }
    }

    fn command(&self, program: &Path) -> Command {
        let Self::Other { uid, gid } = *self else { return Command::new(program) };
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".into()]);
        command.arg(program);
        command
    }
}

fn id(what: &str, user: &str) -> Option<u32> {
    let output = Command::new("id").args([what, user]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// The folder of PostgreSQL's programs. Debian keeps it off PATH, one for each version.
fn find_programs() -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&on_path)
        // A link leads to the folder where the other programs are too.
        .filter_map(|folder| folder.join("initdb").canonicalize().ok())
        .filter_map(|initdb| initdb.parent().map(Path::to_owned));
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    versions.sort();
    on_path.chain(versions.into_iter().rev()).find(|folder| {
        ["initdb", "postgres", "createdb"].iter().all(|program| folder.join(program).is_file())
    })
}

/// A port below those of outgoing connections. Test processes begin at different places, so that
/// two of them do not choose one port.
fn free_port() -> u16 {
    let from = 20_000 + u16::try_from(std::process::id() % 10_000).expect("it is below 10,000");
    (from..32_767)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("some port is free")
}

fn succeed(mut command: Command) {
    let output = command.stdin(Stdio::null()).output().expect("the program was found");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {log}");
}
