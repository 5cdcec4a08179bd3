//! What staff did: an entry for each action, written in the transaction that took effect.

use crate::ids::{AuditEntryId, CustomerId};
use crate::time::Time;
use crate::words::{Role, StaffAction};
use std::collections::BTreeMap;

/// A few words about the target, by name. Never personal data.
pub type Facts = BTreeMap<String, String>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    pub id: AuditEntryId,
    pub at: Time,
    pub actor: CustomerId,
    pub role: Role,
    pub action: StaffAction,
    /// The path of the resource.
    pub target: String,
    pub before: Facts,
    pub after: Facts,
}

/// `facts([("status", "TICKETED")])`.
pub fn facts<'a>(words: impl IntoIterator<Item = (&'a str, &'a str)>) -> Facts {
    words.into_iter().map(|(name, word)| (name.to_owned(), word.to_owned())).collect()
}
