//! The repository's own files, and what a machine needs to be tested on.

use crate::app::MARQUEE;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// The text of a file, by its path from the root.
pub(crate) fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).expect("a file")
}

/// All that a command of ours says about its settings.
pub(crate) fn help(command: &str) -> String {
    let help = Command::new(MARQUEE).args([command, "--help"]).output().expect("marquee runs");
    assert!(help.status.success(), "no command {command}");
    String::from_utf8(help.stdout).expect("a text")
}

/// Some tests do not run because this is not installed. On CI that is a failure: there no test must
/// pass by not running.
pub(crate) fn skipped_without(what: &str) {
    assert!(std::env::var_os("CI").is_none(), "CI needs {what}");
    eprintln!("Some tests are skipped: install {what}.");
}
