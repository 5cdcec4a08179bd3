//! What was taken, the oldest first, and what became of it.

use crate::faults::Channel;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::VecDeque;

/// The oldest make room.
const ENTRIES_MAX: usize = 10_000;

/// A message that was taken.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    /// From 1 on; what it is found by.
    pub(crate) number: u64,
    pub(crate) at: Timestamp,
    pub(crate) company: &'static str,
    pub(crate) channel: Channel,
    pub(crate) to: String,
    pub(crate) from: String,
    pub(crate) text: String,
    /// What the client calls it.
    pub(crate) key: Option<String>,
    /// Whether it has arrived on the phone.
    pub(crate) arrived: bool,
}

#[derive(Default)]
pub(crate) struct Outbox {
    entries: VecDeque<Entry>,
    taken: u64,
}

/// A message that is handed over.
pub(crate) struct New {
    pub(crate) company: &'static str,
    pub(crate) channel: Channel,
    pub(crate) to: String,
    pub(crate) from: String,
    pub(crate) text: String,
    pub(crate) key: Option<String>,
    pub(crate) arrives: bool,
}

impl Outbox {
    pub(crate) fn take(&mut self, new: New) -> u64 {
        let New { company, channel, to, from, text, key, arrives: arrived } = new;
        self.taken += 1;
        let (number, at) = (self.taken, Timestamp::now());
        self.entries.push_back(Entry {
            number,
            at,
            company,
            channel,
            to,
            from,
            text,
            key,
            arrived,
        });
        if self.entries.len() > ENTRIES_MAX {
            self.entries.pop_front();
        }
        number
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    pub(crate) fn find(&self, number: u64) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.number == number)
    }

    pub(crate) fn find_key(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key.as_deref() == Some(key))
    }
}
