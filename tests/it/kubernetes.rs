//! The overlays of `deploy/kubernetes`, rendered by kustomize and judged by the API's own schemas.

use crate::app::{MARQUEE, tools_dir};
use crate::python::python;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const OVERLAYS: [&str; 2] = ["dev", "prod"];
const MINORS: [&str; 2] = ["1.34", "1.35"];
const KUSTOMIZE: &str = "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1";
/// Kinds of others, whose schemas the validator has not.
const OTHERS: [&str; 2] = ["ScaledObject", "PodMonitor"];

/// Built once per machine; none where Go is not there, which on CI it is.
fn kustomize() -> Option<PathBuf> {
    if Command::new("go").arg("version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "CI needs Go");
        eprintln!("Nothing is rendered: install Go.");
        return None;
    }
    let folder = tools_dir().join("kustomize-v5.7.1");
    let program = folder.join("kustomize");
    if !program.exists() {
        let mut install = Command::new("go");
        install.args(["install", KUSTOMIZE]).env("GOBIN", &folder).env("GOWORK", "off");
        succeeded(install.current_dir(std::env::temp_dir()).output().expect("go runs"));
    }
    Some(program)
}

fn succeeded(output: Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn rendered(kustomize: &Path, overlay: &str) -> String {
    let overlays = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kubernetes/overlays");
    let build = Command::new(kustomize).arg("build").arg(overlays.join(overlay)).output();
    succeeded(build.expect("kustomize runs"))
}

struct Judge(TempDir);

impl Judge {
    /// What is wrong with these documents for one minor version; nothing when all is well.
    fn wrong(&self, documents: &str, minor: &str) -> Option<String> {
        let file = self.0.path().join("documents.yaml");
        std::fs::write(&file, documents).expect("it is writable");
        let validate = python().with_file_name("kubernetes-validate");
        let judged = Command::new(validate).args(["--strict", "-k", minor]).arg(&file).output();
        let judged = judged.expect("the validator runs");
        let said =
            String::from_utf8_lossy(&judged.stdout) + String::from_utf8_lossy(&judged.stderr);
        let unknown = |line: &str| {
            line.contains("WARN")
                && !OTHERS.iter().any(|kind| line.contains(&format!("kind {kind} ")))
        };
        (!judged.status.success() || said.lines().any(unknown)).then(|| said.into_owned())
    }
}

#[test]
fn overlays_are_what_kubernetes_takes() {
    let Some(kustomize) = kustomize() else { return };
    let judge = Judge(tempfile::tempdir().expect("a temporary folder"));
    for overlay in OVERLAYS {
        let documents = rendered(&kustomize, overlay);
        for minor in MINORS {
            assert_eq!(judge.wrong(&documents, minor), None, "{overlay} on {minor}");
        }
        settings_are_known(&documents, overlay);
        // Whoever judges nothing finds nothing.
        for (right, wrong) in [
            ("terminationGracePeriodSeconds: 20", "terminationGracePeriodSecond: 20"),
            ("failureThreshold: 60", "failureThreshold: some"),
            ("kind: PodDisruptionBudget", "kind: PodDisruptionBudgets"),
        ] {
            let planted = documents.replacen(right, wrong, 1);
            assert_ne!(planted, documents, "{right}");
            assert!(judge.wrong(&planted, MINORS[0]).is_some(), "{overlay}: {wrong}");
        }
    }
}

/// Each setting of a container is one that its command reads.
fn settings_are_known(documents: &str, overlay: &str) {
    let documents: Vec<Value> = documents
        .split("\n---\n")
        .map(|text| serde_saphyr::from_str(text).expect("YAML"))
        .collect();
    let help = |command: &str| {
        let help = Command::new(MARQUEE).args([command, "--help"]).output();
        succeeded(help.expect("marquee runs"))
    };
    let mut containers = 0;
    for document in &documents {
        let containers_of = &document["spec"]["template"]["spec"]["containers"];
        for container in containers_of.as_array().into_iter().flatten() {
            containers += 1;
            let command = container["args"][0].as_str().expect("a command");
            let known = help(command);
            for setting in container["env"].as_array().into_iter().flatten() {
                let name = setting["name"].as_str().expect("a name");
                assert!(known.contains(name), "{overlay}: {command} knows no {name}");
            }
        }
    }
    assert!(containers >= 5, "{containers} containers");
    let shared = documents.iter().find(|document| document["kind"] == "ConfigMap");
    let shared = shared.expect("a ConfigMap")["data"].as_object().expect("settings");
    let known = help("api") + &help("worker");
    for name in shared.keys() {
        assert!(known.contains(name.as_str()), "{overlay}: nobody knows {name}");
    }
}
