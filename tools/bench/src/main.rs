//! `bench`: what Marquee does in a second, beside what its parts could do. docs/PERFORMANCE.md says
//! how it is meant.

mod accept;
mod book;
mod config;
mod deploys;
mod fleet;
mod full_server;
mod guarded;
mod hot_show;
mod http;
mod leave;
mod limits;
mod load;
mod look;
mod machine;
mod namespace;
mod null;
mod postgres;
mod processes;
mod report;
mod report_siege;
mod rush;
mod scale;
mod siege;
mod siege_program;
mod statistics;
mod system;

use anyhow::Context;
use clap::Parser;
use config::{Command, Config, Place};
use machine::Machine;
use report::{Report, Table};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let config = Config::parse();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("warn,rdkafka=off,librdkafka=off"))
        .with_writer(std::io::stderr)
        .init();
    match run(&config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: &Config) -> anyhow::Result<()> {
    let place = &config.place;
    let context = || format!("cannot make {}", place.data_dir.display());
    std::fs::create_dir_all(&place.data_dir).with_context(context)?;
    let mut report = Report { machine: Machine::look(&place.data_dir)?, tables: Vec::new() };
    let all;
    let commands = match &config.command {
        Command::All => {
            all = everything();
            &all[..]
        }
        one => std::slice::from_ref(one),
    };
    for command in commands {
        let mut tables = measure(place, command).await?;
        for table in &mut tables {
            table.setting("server", command.server(place).name());
            println!("{}", table.markdown());
        }
        report.tables.extend(tables);
        // After each, so that a later failure loses nothing.
        write(config, &report)?;
    }
    println!("{}", report.machine);
    Ok(())
}

/// Each measurement with its usual settings.
fn everything() -> Vec<Command> {
    let lines: [&[&str]; 6] = [
        &["limits"],
        &["accept"],
        &["accept", "--without-temporal"],
        &["book"],
        &["hot-show"],
        &["book", "--memory", "20000"],
    ];
    let command = |line: &&[&str]| Config::parse_from([&["bench"][..], line].concat()).command;
    lines.iter().map(command).collect()
}

async fn measure(place: &Place, command: &Command) -> anyhow::Result<Vec<Table>> {
    match command {
        Command::Limits(limits) => limits::run(place, limits).await,
        Command::Accept(accept) => accept::run(place, accept).await,
        Command::Book(book) => book::run(place, book).await,
        Command::HotShow(hot) => hot_show::run(place, hot).await,
        Command::Look(asked) => look::run(place, asked).await,
        Command::Leave(asked) => leave::run(place, asked).await,
        Command::ReportSiege(asked) => report_siege::run(place, asked).await,
        Command::Deploys(asked) => deploys::run(place, asked).await,
        Command::Scale(asked) => scale::run(place, asked).await,
        Command::All => unreachable!("it is the list of the others"),
    }
}

fn write(config: &Config, report: &Report) -> anyhow::Result<()> {
    if let Some(path) = &config.markdown {
        let context = || format!("cannot write {}", path.display());
        std::fs::write(path, report.markdown()).with_context(context)?;
    }
    if let Some(path) = &config.json {
        let context = || format!("cannot write {}", path.display());
        std::fs::write(path, serde_json::to_string_pretty(report)?).with_context(context)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_can_be_measured_with_its_usual_settings() {
        assert!(everything().iter().all(|command| !matches!(command, Command::All)));
    }
}
