//! `chaos`: breaks a running Marquee and audits what became of each booking.

use chaos::config::Config;
use chaos::report::Report;
use chaos::seed::{Round, play};
use chaos::steady;
use clap::Parser;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Config::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all was well.
async fn run(config: Config) -> anyhow::Result<bool> {
    if let Some(times) = config.worker_kill {
        return steady::measure(&config, times).await;
    }
    let mut report = Report::new(config.on, config.bookings);
    for seed in config.seeds.first..=config.seeds.last {
        let outcome = play(&Round::of(&config, seed)?).await?;
        println!("{}", outcome.line());
        for story in &outcome.stories {
            println!("{story}");
        }
        report.outcomes.push(outcome);
    }
    println!("\n{}", report.table());
    if let Some(path) = &config.json {
        std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    if let Some(path) = &config.markdown {
        std::fs::write(path, report.markdown())?;
    }
    Ok(report.violations() == 0)
}
