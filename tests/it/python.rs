//! Python as other teams run it: in a virtual environment with all that the examples need, and with
//! what judges the Kubernetes documents.

use crate::repository::{made_once, read, root};
use std::path::PathBuf;
use std::process::Command;

const NEEDS: [&str; 4] =
    ["examples/policy-handler", "examples/webhooks", "deploy/kubernetes", "tests/openapi"];

/// Where the examples are.
pub(crate) fn examples() -> PathBuf {
    root().join("examples")
}

/// The interpreter, whose environment is made once per machine.
pub(crate) fn python() -> PathBuf {
    let needs = NEEDS.map(|folder| format!("{folder}/requirements.txt"));
    let wanted = needs.each_ref().map(|list| read(list)).concat();
    let folder = made_once("python", &wanted, |folder| {
        let mut make = Command::new("python3");
        make.args(["-m", "venv", "--clear"]).arg(folder);
        run(make);
        let mut install = Command::new(folder.join("bin/python"));
        install.args(["-m", "pip", "install", "--quiet"]);
        for list in &needs {
            install.arg("--requirement").arg(root().join(list));
        }
        run(install);
    });
    folder.join("bin/python")
}

fn run(mut command: Command) {
    let output = command.output().expect("python3 is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
