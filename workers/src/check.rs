//! `marquee check`: the auditor at the command line. It reads only, so it may run beside `up`.

use crate::config::{Check, temporal};
use crate::{histories, ledger};
use anyhow::{Context, bail};
use domain::audit::Violation;
use domain::ids::ReservationId;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use store::Store;
use store::audit::Report;

/// Events that are shown of a reservation.
const EVENTS_MAX: i64 = 200;

/// Fails with exit code 1 when something is broken.
pub(crate) async fn check(options: Check) -> anyhow::Result<ExitCode> {
    let url = options.database.url();
    // The URL may hold a password: it is not repeated.
    let store = Store::open_to_read(&url).await.context("cannot open the database")?;
    let journal = journal(&options)?;
    match &journal {
        Some(journal) => println!("Ledger     {}", journal.display()),
        None => println!("Ledger     none: the money is judged by the store alone"),
    }
    let ledger = journal.map(ledger::of_journal);
    let mut report = store.audit(ledger.as_ref()).await?;
    if let Some(file) = &options.acknowledged {
        let acknowledged = acknowledged(file)?;
        report.extend(store.lost(&acknowledged).await?);
        println!("Acknowledged {} reservations", acknowledged.len());
    }
    if let (true, Some(address)) = (options.histories, options.temporal_address) {
        let target = temporal(&address, &options.temporal_namespace)?;
        report.extend(histories::unfit_runs(&store, &target).await?);
    }
    tell(&store, &report).await?;
    Ok(if report.is_silent() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn journal(options: &Check) -> anyhow::Result<Option<PathBuf>> {
    let Some(asked) = &options.ledger else {
        return Ok(
            Some(options.database.data_dir.join(ledger::JOURNAL)).filter(|path| path.exists())
        );
    };
    if !asked.exists() {
        bail!("--ledger {}: no such file", asked.display());
    }
    Ok(Some(asked.clone()))
}

fn acknowledged(file: &Path) -> anyhow::Result<Vec<ReservationId>> {
    let named = || format!("--acknowledged {}", file.display());
    let text = std::fs::read_to_string(file).with_context(named)?;
    let ids = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(ReservationId::parse);
    ids.collect::<Result<_, _>>().with_context(named)
}

/// Each offending reservation with its timeline, then the count.
async fn tell(store: &Store, report: &Report) -> anyhow::Result<()> {
    let mut by_reservation = BTreeMap::<Option<&ReservationId>, Vec<&Violation>>::new();
    for violation in &report.violations {
        by_reservation.entry(violation.reservation_id.as_ref()).or_default().push(violation);
    }
    for (id, violations) in by_reservation {
        for Violation { invariant, detail, .. } in violations {
            match id {
                Some(id) => println!("{invariant:<4} {id} {detail}"),
                None => println!("{invariant:<4} {detail}"),
            }
        }
        let Some(id) = id else { continue };
        match store.timeline(id, 0, EVENTS_MAX).await {
            Ok(events) => {
                for event in events {
                    let (kind, status) = (event.kind, event.status);
                    println!("     {:>3} {kind:<28} {status:<16} {}", event.seq, at(event.at));
                }
            }
            Err(error) => println!("     its timeline cannot be read: {error}"),
        }
    }
    if report.untold > 0 {
        println!("… and {} more", report.untold);
    }
    println!(
        "{} reservations judged, {} violations",
        report.checked,
        report.violations.len() as u64 + report.untold
    );
    Ok(())
}

fn at(time: domain::time::Time) -> String {
    match jiff::Timestamp::from_millisecond(time.as_millis()) {
        Ok(at) => format!("{at:.3}"),
        Err(_) => format!("{} ms", time.as_millis()),
    }
}
