//! Starts that cannot be: the exit code says so, standard error says which flag and what to do.

use super::{SOON, running_in};
use crate::app::{MARQUEE, free_ports, shared, tools_dir};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

/// A start that is expected to end by itself.
struct Start {
    data_dir: TempDir,
    command: Command,
}

impl Start {
    fn new() -> Self {
        let data_dir = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new(MARQUEE);
        command.arg("up").env("MARQUEE_DATA_DIR", data_dir.path());
        command.env("MARQUEE_LISTEN", format!("127.0.0.1:{}", free_ports()));
        command.env("MARQUEE_TOOLS_DIR", tools_dir());
        Self { data_dir, command }
    }

    fn with(flags: &[&str]) -> Self {
        let mut start = Self::new();
        start.command.args(flags);
        start
    }

    /// No Temporal and nothing to make one with but what the folder holds.
    fn with_programs_of(programs: &Path) -> Self {
        let mut start = Self::new();
        let nothing_kept = start.data_dir.path().join("no-tools");
        start.command.env("PATH", programs).env("MARQUEE_TOOLS_DIR", nothing_kept);
        start.command.env_remove("TEMPORAL_CLI").env_remove("TEMPORAL_ADDRESS");
        start
    }

    /// Fails unless it ends with an error that says all of these; returns everything it printed.
    #[track_caller]
    fn refused(mut self, says: &[&str]) -> String {
        let log = |name: &str| self.data_dir.path().with_extension(name);
        let (out, err) = (log("out"), log("err"));
        let file = |path: &Path| std::fs::File::create(path).expect("a log");
        self.command.stdin(Stdio::null()).stdout(file(&out)).stderr(file(&err));
        let mut process = self.command.spawn().expect("marquee starts");
        let began = Instant::now();
        let status = loop {
            if let Some(status) = process.try_wait().expect("its state") {
                break Some(status);
            }
            if began.elapsed() > SOON {
                process.kill().expect("it runs");
                process.wait().expect("its end");
                break None;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        };
        let read = |path: &Path| std::fs::read_to_string(path).expect("a log");
        let (said, errors) = (read(&out), read(&err));
        std::fs::remove_file(&out).ok();
        std::fs::remove_file(&err).ok();
        let status = status.expect("it ends by itself");
        assert!(!status.success(), "it started: {errors}");
        for word in says {
            assert!(errors.contains(word), "{word:?} is not in: {errors}");
        }
        assert!(!errors.contains("panicked"), "{errors}");
        let began = Instant::now();
        while !running_in(self.data_dir.path()).is_empty() {
            assert!(began.elapsed() < SOON, "left: {:?}", running_in(self.data_dir.path()));
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        said + &errors
    }
}

#[test]
fn a_data_dir_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    let below = file.join("below");
    for path in [&file, &below] {
        let path = path.display().to_string();
        Start::with(&["--data-dir", &path]).refused(&["--data-dir", &path]);
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
}

#[tokio::test]
async fn a_second_start_on_the_same_data_is_refused() {
    let app = shared().await;
    let before = app.run_file();
    let folder = app.data_dir.path().display().to_string();
    Start::with(&["--data-dir", &folder]).refused(&["--data-dir", "another marquee"]);
    assert_eq!(app.run_file(), before, "the first one's run.json");
    app.customer("somebody").get("/readyz").await.expect(200);
}

#[test]
fn a_place_to_listen_that_cannot_be_is_refused() {
    Start::with(&["--listen", "0.0.0.0:0"]).refused(&["--listen", "loopback"]);
    Start::with(&["--listen", "[::]:0"]).refused(&["--listen", "loopback"]);
    Start::with(&["--listen", "somewhere"]).refused(&["--listen"]);
    Start::with(&["--listen", "127.0.0.1:99999"]).refused(&["--listen"]);
}

#[test]
fn a_port_in_use_is_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    Start::with(&["--listen", &at]).refused(&["--listen", &at]);
}

#[test]
fn without_temporal_it_says_what_to_install() {
    let programs = tempfile::tempdir().unwrap();
    let what_to_do = ["Go 1.", "https://docs.temporal.io/cli", "TEMPORAL_ADDRESS"];
    Start::with_programs_of(programs.path()).refused(&what_to_do);
    // A download that does not come.
    for name in ["curl", "tar"] {
        program(programs.path(), name, "exit 22");
    }
    Start::with_programs_of(programs.path()).refused(&what_to_do);
    // A build that fails.
    program(programs.path(), "go", "echo 'module lookup disabled' >&2; exit 1");
    let mut what_went_wrong = vec!["module lookup disabled"];
    what_went_wrong.extend(what_to_do);
    Start::with_programs_of(programs.path()).refused(&what_went_wrong);
}

#[test]
fn a_temporal_cli_that_is_none_is_refused() {
    let programs = tempfile::tempdir().unwrap();
    let other = program(programs.path(), "temporal", "echo 'I measure temperatures'");
    let failing = program(programs.path(), "failing", "echo 'wrong machine' >&2; exit 1");
    let nothing = programs.path().join("nothing").display().to_string();
    for (path, why) in [(other, "temperatures"), (failing, "wrong machine"), (nothing, "nothing")] {
        Start::with(&["--temporal-cli", &path]).refused(&["TEMPORAL_CLI", &path, why]);
    }
}

#[test]
fn a_database_that_cannot_be_opened_is_refused() {
    for url in [
        "postgres://127.0.0.1:1/none",
        "mysql://127.0.0.1:1/none",
        "marquee.db",
        "",
        "sqlite:///nowhere/at/all/marquee.db",
        // SQLite takes no name for a database in memory, another one for each connection.
        "sqlite://",
    ] {
        Start::with(&["--database-url", url]).refused(&["--database-url"]);
    }
}

#[test]
fn a_password_in_a_database_url_is_not_shown() {
    for place in ["127.0.0.1:1", "host.invalid", "127.0.0.1:port"] {
        let url = format!("postgres://marquee:s3cretWord@{place}/none");
        let mut by_environment = Start::new();
        by_environment.command.env("MARQUEE_DATABASE_URL", &url);
        for start in [Start::with(&["--database-url", &url]), by_environment] {
            let said = start.refused(&["database"]);
            assert!(!said.contains("s3cretWord"), "{said}");
        }
    }
    for url in ["mysql://marquee:s3cretWord@127.0.0.1/none", "s3cretWord"] {
        let said = Start::with(&["--database-url", url]).refused(&["database"]);
        assert!(!said.contains("s3cretWord"), "{said}");
    }
}

#[test]
fn a_flag_that_is_none_is_refused() {
    for (flag, value) in [
        ("--pay-within", "soon"),
        ("--pay-within", "-5m"),
        ("--grace", ""),
        ("--catalogue", "opera"),
        ("--profile", "production"),
        ("--gateway-url", "not a url"),
    ] {
        Start::with(&[&format!("{flag}={value}")]).refused(&[flag]);
    }
}

/// A program that does this.
fn program(folder: &Path, name: &str, script: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a script");
    let runs = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&path, runs).expect("permissions");
    path.display().to_string()
}
