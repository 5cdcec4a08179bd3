//! The key that the pages' sessions are signed with.

use crate::issuer::write_new;
use anyhow::{Context, ensure};
use std::path::Path;
use uuid::Uuid;
use web::Sessions;

/// Its name beside other keys, and in a data folder.
pub(crate) const KEY: &str = "session.key";

const BYTES_MIN: usize = 32;

/// With the key that all processes of a fleet are given.
pub(crate) fn sessions(path: &Path) -> anyhow::Result<Sessions> {
    key_in(path).map(|key| Sessions::new(&key))
}

/// The key in a file.
pub(crate) fn key_in(path: &Path) -> anyhow::Result<Vec<u8>> {
    let named = || format!("the key of the pages' sessions, {}", path.display());
    let key = std::fs::read(path).with_context(named)?;
    ensure!(key.len() >= BYTES_MIN, "{}: less than {BYTES_MIN} bytes", named());
    Ok(key)
}

/// A new key in this folder; one that is there stays.
pub(crate) fn make_key(folder: &Path) -> std::io::Result<()> {
    let key = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    write_new(&folder.join(KEY), &key)
}
