//! The key that the pages' sessions are signed with.

use crate::config::session_key;
use anyhow::{Context, bail};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use uuid::Uuid;
use web::Sessions;

/// The key that all processes of a fleet are given; without one there are no pages.
pub(crate) fn sessions() -> anyhow::Result<Option<Sessions>> {
    session_key().map(|key| with_key(key.reveal().as_bytes())).transpose()
}

/// The same, or a key of this data folder's own, made the first time.
pub(crate) fn sessions_in(data_dir: &Path) -> anyhow::Result<Sessions> {
    if let Some(sessions) = sessions()? {
        return Ok(sessions);
    }
    let path = data_dir.join("session.key");
    let named = || format!("cannot make {}", path.display());
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
        Ok(mut file) => {
            let key = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
            file.write_all(key.as_bytes()).with_context(named)?;
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).with_context(named),
    }
    with_key(&std::fs::read(&path).with_context(named)?)
}

fn with_key(key: &[u8]) -> anyhow::Result<Sessions> {
    match Sessions::new(key) {
        Some(sessions) => Ok(sessions),
        None => {
            bail!("the key of the pages' sessions (MARQUEE_SESSION_KEY) has less than 32 bytes")
        }
    }
}
