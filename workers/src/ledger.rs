//! The gateway's ledger as the auditor reads it: from the journal of the stand-in.

use domain::audit::LedgerEntry;
use domain::ids::{CallKey, PaymentAttemptId};
use domain::time::Time;
use domain::won::Won;
use domain::words::Operation;
use fake_gateway::ledger::{Item, read};
use std::io::{Error, ErrorKind};
use std::path::PathBuf;
use store::audit::Ledger;

/// The journal that the stand-in keeps in a data folder.
pub(crate) const JOURNAL: &str = "gateway.jsonl";

/// The ledger in this journal, read anew each time. Memory holds one window of it.
pub(crate) fn of_journal(journal: PathBuf) -> Ledger {
    Ledger::new(move |window| {
        let mut entries = Vec::new();
        read(&journal, |item| {
            // By the customer, in the browser: nobody of us asked for it, and no money moved.
            if item.operation == "AUTHORIZE" {
                return Ok(());
            }
            let entry = entry(&item).map_err(|why| {
                Error::new(ErrorKind::InvalidData, format!("entry {}: {why}", item.seq))
            })?;
            if window.contains(entry.attempt_id.reservation().as_ref()) {
                entries.push(entry);
            }
            Ok(())
        })?;
        Ok(entries)
    })
}

fn entry(item: &Item) -> Result<LedgerEntry, String> {
    Ok(LedgerEntry {
        seq: item.seq,
        key: CallKey::parse(item.key.as_str()).map_err(|why| format!("key: {why}"))?,
        attempt_id: PaymentAttemptId::parse(item.order_id.as_str())
            .map_err(|why| format!("order: {why}"))?,
        operation: Operation::parse(item.operation).map_err(|why| why.to_string())?,
        amount: Won::parse(item.amount_won).map_err(|why| why.to_string())?,
        done: item.done,
        at: Time::from_millis(item.at_millis),
    })
}
