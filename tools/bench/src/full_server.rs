//! Temporal's server on PostgreSQL, as in production, built from the module that
//! `tools/temporal-server` pins. Marquee has a database on the same cluster.

use crate::guarded::{Guarded, free_ports};
use crate::namespace;
use crate::postgres::{Cluster, succeed};
use crate::processes::Process;
use anyhow::{Context, ensure};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

const GO_MOD: &str = include_str!("../../temporal-server/go.mod");
const GO_SUM: &str = include_str!("../../temporal-server/go.sum");

const MODULE: &str = "go.temporal.io/server";
const SERVER: &str = "temporal-server";
const SCHEMA_TOOL: &str = "temporal-sql-tool";

/// Ends when it is dropped, the server before its database.
pub(crate) struct FullServer {
    /// `host:port` of Temporal.
    pub(crate) address: String,
    /// Of Marquee.
    pub(crate) database_url: String,
    pub(crate) processes: Vec<Process>,
    _server: Guarded,
    _cluster: Cluster,
}

impl FullServer {
    /// Builds it where that has not been done yet, which takes some minutes.
    pub(crate) async fn start(
        marquee: &Path,
        tools_dir: &Path,
        data_dir: &Path,
    ) -> anyhow::Result<Self> {
        let tools = build(marquee, tools_dir)?;
        let cluster = Cluster::start(marquee, data_dir).await?;
        cluster.create("marquee")?;
        for store in ["temporal", "visibility"] {
            let database = database(store);
            cluster.create(&database)?;
            let schema = format!("postgresql/v12/{store}");
            for task in [&["setup-schema", "-v", "0.0"], &["update-schema", "-s", schema.as_str()]]
            {
                let mut command: Vec<OsString> = vec![tools.join(SCHEMA_TOOL).into()];
                let port = cluster.port.to_string();
                let target = ["--plugin", "postgres12", "--ep", "127.0.0.1", "-u", "postgres"];
                let flags = target.into_iter().chain(["-p", &port, "--db", &database]);
                command.extend(flags.chain(task.iter().copied()).map(OsString::from));
                succeed(&command).with_context(|| format!("schema of {database}"))?;
            }
        }
        let port = free_ports()?;
        let file = data_dir.join("temporal-server.yaml");
        std::fs::write(&file, configuration(port, cluster.port))?;
        let mut command: Vec<OsString> = vec![tools.join(SERVER).into()];
        command.extend(["--config-file".into(), file.into()]);
        command.extend(["--allow-no-auth", "start"].map(OsString::from));
        let log = data_dir.join("temporal-server.log");
        let server = Guarded::start(marquee, command, &log, &[])?;
        let address = format!("127.0.0.1:{port}");
        let seen = || format!("see {}", log.display());
        namespace::make(&address, "default").await.with_context(seen)?;
        Ok(Self {
            address,
            database_url: format!("postgres://postgres@127.0.0.1:{}/marquee", cluster.port),
            processes: vec![Process::alone("temporal", server.pid), cluster.process.clone()],
            _server: server,
            _cluster: cluster,
        })
    }
}

fn database(store: &str) -> String {
    format!("temporal_{store}")
}

/// The folder with both programs of the pinned version.
fn build(marquee: &Path, tools_dir: &Path) -> anyhow::Result<PathBuf> {
    let folder = tools_dir.join(format!("temporal-server-{}", version()));
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let folder = folder.canonicalize()?;
    let packages = [(SERVER, "cmd/server"), (SCHEMA_TOOL, "cmd/tools/sql")];
    if packages.iter().all(|(program, _)| folder.join(program).is_file()) {
        return Ok(folder);
    }
    eprintln!("Building the Temporal server {} with Go, once …", version());
    std::fs::write(folder.join("go.mod"), GO_MOD)?;
    std::fs::write(folder.join("go.sum"), GO_SUM)?;
    let log = folder.join("build.log");
    for (program, package) in packages {
        let part = format!("{program}.part");
        let mut command: Vec<OsString> = vec!["go".into(), "-C".into(), folder.clone().into()];
        command.extend(["build", "-o", &part].map(OsString::from));
        command.push(format!("{MODULE}/{package}").into());
        let built = Guarded::start(marquee, command, &log, &[("GOWORK", "off")])?.wait()?;
        ensure!(built.success(), "Go could not build it, see {}", log.display());
        // Complete or not there at all.
        std::fs::rename(folder.join(&part), folder.join(program))?;
    }
    Ok(folder)
}

fn version() -> &'static str {
    GO_MOD
        .lines()
        .find_map(|line| line.trim().strip_prefix(MODULE)?.strip_prefix(' '))
        .and_then(|version| version.split_whitespace().next())
        .expect("go.mod is compiled in, and a test reads the version from it")
}

/// As the module's own `config/development-postgres12.yaml`, on our ports: `port` is the
/// frontend's, the next ones those of the other services.
fn configuration(port: u16, postgres: u16) -> String {
    let store = |name: &str, connections: u32| {
        format!(
            "    {name}:\n      sql:\n        pluginName: postgres12\n        databaseName: {}\n        \
             connectAddr: 127.0.0.1:{postgres}\n        connectProtocol: tcp\n        user: postgres\n        \
             maxConns: {connections}\n        maxIdleConns: {connections}\n        maxConnLifetime: 1h\n",
            database(name)
        )
    };
    let services = ["frontend", "history", "matching", "worker"];
    let services = services.iter().zip(0u16..).map(|(service, n)| {
        let (grpc, membership) = (port + 2 * n, port + 2 * n + 1);
        format!(
            "  {service}:\n    rpc:\n      grpcPort: {grpc}\n      membershipPort: {membership}\n      \
             bindOnIP: 127.0.0.1\n"
        )
    });
    let services: String = services.collect();
    format!(
        "log:\n  stdout: true\n  level: warn\n\
         persistence:\n  defaultStore: temporal\n  visibilityStore: visibility\n  numHistoryShards: 4\n  \
         datastores:\n{}{}\
         global:\n  membership:\n    maxJoinDuration: 30s\n    broadcastAddress: 127.0.0.1\n\
         services:\n{services}\
         clusterMetadata:\n  enableGlobalNamespace: false\n  failoverVersionIncrement: 10\n  \
         masterClusterName: active\n  currentClusterName: active\n  clusterInformation:\n    active:\n      \
         enabled: true\n      initialFailoverVersion: 1\n      rpcName: frontend\n      \
         rpcAddress: 127.0.0.1:{port}\n\
         dcRedirectionPolicy:\n  policy: noop\n",
        store("temporal", 20),
        store("visibility", 10),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pinned_version_is_the_one_that_is_named() {
        assert_eq!(version(), "v1.32.0");
    }

    #[test]
    fn every_service_has_ports_of_its_own() {
        let text = configuration(30_000, 5432);
        for port in 30_000..30_008 {
            assert_eq!(text.matches(&format!("ort: {port}\n")).count(), 1, "{port} in\n{text}");
        }
    }
}
