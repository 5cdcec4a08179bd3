//! The repository's own files, and what a machine needs to be tested on.

use crate::app::{MARQUEE, tools_dir};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// The text of a file, by its path from the root.
pub(crate) fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).expect("a file")
}

/// Whether a call of ours succeeded, and all that it said.
pub(crate) fn marquee(arguments: &[&str], variables: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new(MARQUEE);
    let output = command.args(arguments).envs(variables.iter().copied()).output();
    let output = output.expect("marquee runs");
    let both = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(both).expect("a text"))
}

/// All that a command of ours says about its settings.
pub(crate) fn help(command: &str) -> String {
    let (known, help) = marquee(&[command, "--help"], &[]);
    assert!(known, "no command {command}");
    help
}

/// A folder of the tools that is made once per machine, and again when something else is wanted in it.
pub(crate) fn made_once(name: &str, wanted: &str, make: impl FnOnce(&Path)) -> PathBuf {
    static MAKING: Mutex<()> = Mutex::new(());
    let _one = MAKING.lock().expect("nobody failed");
    let folder = tools_dir().join(name);
    let complete = folder.join("complete");
    if std::fs::read_to_string(&complete).ok().as_deref() != Some(wanted) {
        std::fs::create_dir_all(&folder).expect("it is writable");
        make(&folder);
        std::fs::write(complete, wanted).expect("it is writable");
    }
    folder
}

/// Some tests do not run because this is not installed. On CI that is a failure: there no test must
/// pass by not running.
pub(crate) fn skipped_without(what: &str) {
    assert!(std::env::var_os("CI").is_none(), "CI needs {what}");
    eprintln!("Some tests are skipped: install {what}.");
}
