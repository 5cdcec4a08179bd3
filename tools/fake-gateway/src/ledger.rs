//! The ledger read from the journal's file, by whoever wants to compare books; also while a gateway
//! appends to it.

use crate::answer::Outcome;
use crate::books::Entry;
use crate::delivery::Operation;
use std::fs::File;
use std::io::{BufRead, BufReader, Error, ErrorKind};
use std::path::Path;

/// One definitive answer, as it stands in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The place in the journal, from 1.
    pub seq: u64,
    pub key: String,
    pub order_id: String,
    /// AUTHORIZE (by the customer), APPROVE, CAPTURE, VOID or REFUND.
    pub operation: &'static str,
    pub amount_won: i64,
    /// False: refused.
    pub done: bool,
    /// Milliseconds since 1970 UTC.
    pub at_millis: i64,
}

/// Shows every item in order. A torn last line is not an answer yet; a file that is not there has
/// none.
///
/// Fails when the file cannot be read, when a whole line is no entry, or as `each` does.
pub fn read(
    journal: &Path,
    mut each: impl FnMut(Item) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let file = match File::open(journal) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        reader.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            break;
        }
        let entry: Entry = serde_json::from_slice(&line).map_err(|error| {
            Error::new(ErrorKind::InvalidData, format!("line {number}: {error}"))
        })?;
        each(Item::from(entry))?;
    }
    Ok(())
}

impl From<Entry> for Item {
    fn from(Entry { seq, answer }: Entry) -> Self {
        let operation = match answer.operation {
            Operation::Authorize => "AUTHORIZE",
            Operation::Approve => "APPROVE",
            Operation::Capture => "CAPTURE",
            Operation::Void => "VOID",
            Operation::Refund => "REFUND",
        };
        Self {
            seq,
            key: answer.key.to_string(),
            order_id: answer.order_id.as_str().to_owned(),
            operation,
            amount_won: answer.amount.get(),
            done: answer.outcome == Outcome::Done,
            at_millis: answer.at.as_millis(),
        }
    }
}
