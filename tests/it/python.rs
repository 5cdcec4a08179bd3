//! Python as other teams run it: in a virtual environment with all that the examples need, and with
//! what judges the Kubernetes documents.

use crate::app::tools_dir;
use crate::repository::{read, root};
use std::path::PathBuf;
use std::process::Command;

const NEEDS: [&str; 3] = ["examples/policy-handler", "examples/webhooks", "deploy/kubernetes"];

/// Where the examples are.
pub(crate) fn examples() -> PathBuf {
    root().join("examples")
}

/// The interpreter, whose environment is made once per machine.
pub(crate) fn python() -> PathBuf {
    static MAKING: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = MAKING.lock().expect("nobody failed");
    let folder = tools_dir().join("python");
    let (python, complete) = (folder.join("bin/python"), folder.join("complete"));
    let needs = NEEDS.map(|folder| format!("{folder}/requirements.txt"));
    let wanted = needs.each_ref().map(|list| read(list));
    let wanted = wanted.concat();
    if std::fs::read_to_string(&complete).ok().as_ref() != Some(&wanted) {
        let mut make = Command::new("python3");
        make.args(["-m", "venv", "--clear"]).arg(&folder);
        run(make);
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "--quiet"]);
        for list in &needs {
            install.arg("--requirement").arg(root().join(list));
        }
        run(install);
        std::fs::write(complete, wanted).expect("it is writable");
    }
    python
}

fn run(mut command: Command) {
    let output = command.output().expect("python3 is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
