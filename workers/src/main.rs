//! `marquee`: movie-ticket booking that never loses a booking.

pub mod catalogue;

mod check;
mod children;
mod company;
mod config;
mod crew;
mod fleet;
mod guard;
mod histories;
mod issuer;
mod ledger;
mod metrics;
mod notice_company;
mod offer;
mod operations;
mod pages;
mod ports;
mod pump;
mod reconciliation;
mod restored;
mod run_file;
mod serving;
mod stopping;
mod temporal_server;
mod traces;
mod up;
mod workers;

use clap::{CommandFactory, FromArgMatches};
use config::{Command, Config, LogFormat};
use std::io::IsTerminal;
use std::process::{ExitCode, Termination};
use traces::Traces;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let mut command = Config::command();
    let matches = command.get_matches_mut();
    let config = match Config::from_arg_matches(&matches) {
        Ok(config) => config,
        Err(error) => error.format(&mut command).exit(),
    };
    if let Err(error) = config::refuse_unknown_variables(&command) {
        eprintln!("marquee: {error:#}");
        return ExitCode::FAILURE;
    }
    if config.print_config {
        print!("{}", config::in_force(&command, &matches));
        return ExitCode::SUCCESS;
    }
    // Nobody has chosen before: this is the first thing that is done.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let level = EnvFilter::try_new(&config.log).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(level).with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().flatten_event(true).with_span_list(false).init(),
    }
    let ended = Traces::begin().and_then(|_traces| run(config.command));
    ended.unwrap_or_else(|error| {
        eprintln!("marquee: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Guard { command } => guard::run(command),
        Command::FakeGateway(options) => on_runtime(up::fake_gateway(options)),
        Command::FakeNotices(options) => on_runtime(notice_company::fake_notices(options)),
        Command::Check(options) => on_runtime(check::check(options)),
        Command::Backup(options) => on_runtime(restored::backup(options)),
        Command::Restored(options) => on_runtime(restored::restored(*options)),
        Command::Temporal(options) => on_runtime(up::temporal(options)),
        Command::Up(options) => on_runtime(up::up(*options)),
        Command::Api(options) => on_runtime(fleet::api(*options)),
        Command::Worker(options) => on_runtime(fleet::worker(*options)),
        Command::Migrate(options) => on_runtime(fleet::migrate(options)),
        Command::Keys(options) => issuer::keys(&options).map(|()| ExitCode::SUCCESS),
        Command::Token(options) => issuer::token(&options).map(|()| ExitCode::SUCCESS),
        Command::Settings => {
            print!("{}", config::table(&Config::command()));
            Ok(ExitCode::SUCCESS)
        }
        Command::Openapi => {
            println!("{}", api::description());
            Ok(ExitCode::SUCCESS)
        }
        Command::Probe(options) => on_runtime(operations::probe(options)),
    }
}

fn on_runtime<E: Termination>(
    run: impl Future<Output = anyhow::Result<E>>,
) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run).map(Termination::report)
}
