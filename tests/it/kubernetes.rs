//! The overlays of `deploy/kubernetes`, rendered by kustomize and judged by the API's own schemas.

mod crds;

use crate::app::{shared, tools_dir};
use crate::python::python;
use crate::repository::{help, root, skipped_without};
use crds::Crds;
use serde_json::Value;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const OVERLAYS: [&str; 3] = ["dev", "prod", "versions"];
const MINORS: [&str; 2] = ["1.34", "1.35"];
const KUSTOMIZE: &str = "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1";

/// Built once per machine; none where Go is not there, which on CI it is.
fn kustomize() -> Option<PathBuf> {
    if Command::new("go").arg("version").output().is_err() {
        skipped_without("Go");
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
    let overlay = root().join("deploy/kubernetes/overlays").join(overlay);
    let build = Command::new(kustomize).arg("build").arg(overlay).output();
    succeeded(build.expect("kustomize runs"))
}

struct Judge {
    folder: TempDir,
    crds: Crds,
}

impl Judge {
    /// What is wrong with these documents for one minor version; nothing when all is well.
    fn wrong(&self, documents: &str, minor: &str) -> Option<String> {
        let of_others = parsed(documents).into_iter().find_map(|it| self.crds.wrong(&it));
        if of_others.is_some() {
            return of_others;
        }
        let file = self.folder.path().join("documents.yaml");
        std::fs::write(&file, documents).expect("it is writable");
        let validate = python().with_file_name("kubernetes-validate");
        let judged = Command::new(validate).args(["--strict", "-k", minor]).arg(&file).output();
        let judged = judged.expect("the validator runs");
        let said =
            String::from_utf8_lossy(&judged.stdout) + String::from_utf8_lossy(&judged.stderr);
        let unknown = |line: &str| {
            line.contains("WARN")
                && !crds::kinds().any(|kind| line.contains(&format!("kind {kind} ")))
        };
        (!judged.status.success() || said.lines().any(unknown)).then(|| said.into_owned())
    }
}

#[test]
fn overlays_are_what_kubernetes_takes() {
    let Some(kustomize) = kustomize() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let judge = Judge { folder, crds: Crds::fetch() };
    for overlay in OVERLAYS {
        let documents = rendered(&kustomize, overlay);
        for minor in MINORS {
            assert_eq!(judge.wrong(&documents, minor), None, "{overlay} on {minor}");
        }
        settings_are_known(&documents, overlay);
        // Whoever judges nothing finds nothing.
        for (right, wrong) in [
            ("terminationGracePeriodSeconds: 20", "terminationGracePeriodSecond: 20"),
            ("failureThreshold: 150", "failureThreshold: some"),
            ("kind: PodDisruptionBudget", "kind: PodDisruptionBudgets"),
        ] {
            let planted = documents.replacen(right, wrong, 1);
            assert_ne!(planted, documents, "{right}");
            assert!(judge.wrong(&planted, MINORS[0]).is_some(), "{overlay}: {wrong}");
        }
    }
    let documents = rendered(&kustomize, "versions");
    for (right, wrong) in [
        ("scaledownDelay: 10m", "scaleDownDelay: 10m"),
        ("strategy: Progressive", "strategy: Slowly"),
        ("rampPercentage: 5", "rampPercentage: five"),
        ("maxReplicaCount: 10", "maxReplicas: 10"),
        ("podMetricsEndpoints:", "podEndpoints:"),
        ("hostPort: ", "address: "),
    ] {
        let planted = documents.replacen(right, wrong, 1);
        assert_ne!(planted, documents, "{right}");
        assert!(judge.wrong(&planted, MINORS[0]).is_some(), "{wrong}");
    }
    let of_workers = parsed(&documents).into_iter().filter(|it| it["kind"] == "WorkerDeployment");
    assert_eq!(of_workers.count(), 1);
    assert!(!documents.contains(
        "kind: Deployment\nmetadata:\n  labels:\n    app.kubernetes.io/component: worker-booking"
    ));
}

fn parsed(documents: &str) -> Vec<Value> {
    let documents = documents.split("\n---\n");
    documents.map(|text| serde_saphyr::from_str(text).expect("YAML")).collect()
}

/// Each setting of a container is one that its command reads.
fn settings_are_known(documents: &str, overlay: &str) {
    let documents = parsed(documents);
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
    let shared = documents.iter().filter(|document| document["kind"] == "ConfigMap");
    let names = shared.flat_map(|shared| shared["data"].as_object().expect("settings").keys());
    let known = help("api") + &help("worker");
    for name in names {
        assert!(known.contains(name.as_str()), "{overlay}: nobody knows {name}");
    }
}

/// Stands for kubectl: renders as it would, and otherwise says what it was asked and fails when told to.
const KUBECTL: &str = r#"#!/bin/sh
echo "$*" >>"$LOG"
case "$*" in
kustomize*) exec "$KUSTOMIZE" build "$2" ;;
*"$FAILS"*) exit 1 ;;
# Applying makes a new revision of each but one.
*"get deployment/worker-ticket"*) echo 3 ;;
*"get deployment"*) grep -q "^apply" "$LOG" && echo 4 || echo 3 ;;
esac
"#;

/// What a release asked of kubectl, and whether it went well.
struct Release {
    went_well: bool,
    asked: Vec<String>,
}

impl Release {
    fn of(kustomize: &Path, image: &str, url: &str, fails: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [kubectl, log] = ["kubectl", "log"].map(|name| folder.path().join(name));
        std::fs::write(&kubectl, KUBECTL).expect("it is writable");
        std::fs::set_permissions(&kubectl, Permissions::from_mode(0o755)).expect("it is ours");
        let path = std::env::var("PATH").expect("a path");
        let ended = Command::new(root().join("deploy/kubernetes/release"))
            .args(["prod", image, url])
            .env("PATH", format!("{}:{path}", folder.path().display()))
            .env("KUSTOMIZE", kustomize)
            .env("LOG", &log)
            .env("FAILS", fails)
            .output()
            .expect("bash");
        let asked = std::fs::read_to_string(&log).expect("it was asked");
        Self {
            went_well: ended.status.success(),
            asked: asked.lines().map(str::to_owned).collect(),
        }
    }

    fn went_back(&self) -> bool {
        let undone = |line: &String| line.ends_with("rollout undo deployment/api --to-revision 3");
        self.asked.iter().any(undone)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_fails_goes_back() {
    let Some(kustomize) = kustomize() else { return };
    let (here, nowhere) = (&shared().await.api, "http://127.0.0.1:1");
    let never = "no such call";
    let good = Release::of(&kustomize, "registry.test/marquee:7", here, never);
    assert!(good.went_well && !good.went_back(), "{:?}", good.asked);
    let order = ["kustomize", "delete job migrate", "apply", "wait", "rollout status"];
    let places = order.map(|word| good.asked.iter().position(|line| line.contains(word)));
    assert!(places.is_sorted() && places[0].is_some(), "{:?}", good.asked);
    for (url, fails) in [
        (here.as_str(), "condition=complete job/migrate"),
        (here.as_str(), "rollout status deployment/worker-payment"),
        (nowhere, never),
    ] {
        let failed = Release::of(&kustomize, "registry.test/marquee@sha256:abc", url, fails);
        assert!(!failed.went_well && failed.went_back(), "{fails}: {:?}", failed.asked);
        let too_far =
            failed.asked.iter().any(|line| line.contains("undo deployment/worker-ticket"));
        assert!(!too_far, "it had not changed");
    }
}
