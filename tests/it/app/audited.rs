//! Every test that drives bookings ends with the auditor: `marquee check` on the system's data when
//! an [`super::App`] ends, and when the last customer of the shared one leaves.

use super::MARQUEE;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Fails the test when the auditor finds anything.
pub(super) fn audit(data_dir: &Path, database_url: Option<&str>) {
    if database_url.is_none() && !data_dir.join("marquee.db").exists() {
        return; // its data were handed over, or it never got that far
    }
    let mut check = Command::new(MARQUEE);
    check.arg("check").arg("--data-dir").arg(data_dir);
    if let Some(url) = database_url {
        check.arg("--database-url").arg(url);
    }
    let checked = check.output().expect("marquee starts");
    let (said, complained) =
        (String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
    assert!(checked.status.success(), "the auditor is not silent:\n{said}{complained}");
}

/// One more user of a system that many tests share.
pub(super) struct InUse {
    users: Arc<AtomicUsize>,
    data_dir: Arc<Path>,
}

impl InUse {
    /// The system's own; it does not count.
    pub(super) fn of(data_dir: &Path) -> Self {
        Self { users: Arc::default(), data_dir: data_dir.into() }
    }
}

impl Clone for InUse {
    fn clone(&self) -> Self {
        self.users.fetch_add(1, Ordering::SeqCst);
        Self { users: self.users.clone(), data_dir: self.data_dir.clone() }
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let last = self.users.fetch_sub(1, Ordering::SeqCst) == 1;
        if last && !std::thread::panicking() {
            audit(&self.data_dir, None);
        }
    }
}
