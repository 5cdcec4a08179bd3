//! Every setting, as a flag.

use crate::kind::{Kind, On};
use anyhow::{Context, ensure};
use clap::Parser;
use std::path::PathBuf;

/// How many faults a seed draws.
pub const FAULTS_PER_SEED: usize = 8;

/// Breaks a running Marquee while people book, heals it, and audits what became of each booking.
#[derive(Parser)]
#[command(name = "chaos", version)]
pub struct Config {
    /// The `marquee` to break. Without it: the one beside this program.
    #[arg(long)]
    pub marquee: Option<PathBuf>,
    /// What to break.
    #[arg(long, value_enum, default_value_t = On::Embedded)]
    pub on: On,
    /// One seed, or a range such as `1..=20`. A seed draws faults, their times and the load.
    #[arg(long, default_value = "1..=20", value_parser = seeds)]
    pub seeds: Seeds,
    /// Bookings per seed.
    #[arg(long, default_value_t = 200)]
    pub bookings: usize,
    /// The time over which customers come and faults strike, in seconds.
    #[arg(long, default_value_t = 40)]
    pub load_secs: u64,
    /// Only these kinds of faults, all of them in each seed.
    #[arg(long, value_delimiter = ',', value_parser = Kind::parse)]
    pub kinds: Vec<Kind>,
    /// Instead of kinds: all of the gateway's faults at once, on this share of its calls, from 0 to 1.
    #[arg(long, value_name = "SHARE", conflicts_with = "kinds")]
    pub mix: Option<f64>,
    /// Where a Temporal CLI that had to be built is kept. Without it: beside `marquee`.
    #[arg(long)]
    pub tools_dir: Option<PathBuf>,
    /// Keeps the data folders also of clean runs.
    #[arg(long)]
    pub keep: bool,
    /// Gets the outcome as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Gets the table as Markdown.
    #[arg(long)]
    pub markdown: Option<PathBuf>,
    /// Instead: kills a worker (embedded: `up`) under steady load, so many times, and measures how
    /// long the throughput is away.
    #[arg(long, value_name = "TIMES")]
    pub worker_kill: Option<u32>,
    /// Bookings per second of that steady load.
    #[arg(long, default_value_t = 15)]
    pub rate: u32,
}

/// From the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeds {
    pub first: u64,
    pub last: u64,
}

impl Config {
    /// The binary to break.
    pub fn marquee(&self) -> anyhow::Result<PathBuf> {
        let beside = || {
            let own = std::env::current_exe().context("where is this program?")?;
            Ok(own.with_file_name("marquee"))
        };
        let path = self.marquee.clone().map_or_else(beside, anyhow::Ok)?;
        ensure!(path.is_file(), "{}: no such program; build it first", path.display());
        Ok(path)
    }

    /// Where a Temporal CLI is kept.
    pub fn tools_dir(&self) -> anyhow::Result<PathBuf> {
        match &self.tools_dir {
            Some(folder) => Ok(folder.clone()),
            None => Ok(self.marquee()?.with_file_name("tools")),
        }
    }
}

fn seeds(text: &str) -> Result<Seeds, String> {
    let (first, last) = text.split_once("..=").unwrap_or((text, text));
    let number = |text: &str| text.parse().map_err(|_| format!("{text:?}: 7, or 1..=20"));
    let seeds = Seeds { first: number(first)?, last: number(last)? };
    if seeds.first > seeds.last {
        return Err(format!("{text}: the first seed is above the last"));
    }
    Ok(seeds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_or_a_range() {
        assert_eq!(seeds("7"), Ok(Seeds { first: 7, last: 7 }));
        assert_eq!(seeds("1..=20"), Ok(Seeds { first: 1, last: 20 }));
        assert!(seeds("3..=2").is_err());
        assert!(seeds("1..20").is_err());
    }
}
