//! Kinds of others, judged by the schemas that their authors ship.

use super::succeeded;
use jsonschema::Validator;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A kind, the Go module that ships its schema, and where.
const KINDS: [(&str, &str, &str); 4] = [
    (
        "ScaledObject",
        "github.com/kedacore/keda/v2@v2.20.2",
        "config/crd/bases/keda.sh_scaledobjects.yaml",
    ),
    (
        "PodMonitor",
        "github.com/prometheus-operator/prometheus-operator@v0.92.1",
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
    ),
    (
        "WorkerDeployment",
        "github.com/temporalio/temporal-worker-controller@v1.8.1",
        "helm/temporal-worker-controller-crds/templates/temporal.io_workerdeployments.yaml",
    ),
    (
        "Connection",
        "github.com/temporalio/temporal-worker-controller@v1.8.1",
        "helm/temporal-worker-controller-crds/templates/temporal.io_connections.yaml",
    ),
];

pub(super) fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(kind, ..)| *kind)
}

/// The schemas of all of them, by kind and version.
pub(super) struct Crds(BTreeMap<(String, String), Validator>);

impl Crds {
    /// Fetched once per machine, as Go fetches modules.
    pub(super) fn fetch() -> Self {
        let mut schemas = BTreeMap::new();
        for (kind, module, file) in KINDS {
            let text = std::fs::read_to_string(fetched(module).join(file)).expect("a schema");
            let definition: Value = serde_saphyr::from_str(&text).expect("YAML");
            let group = definition["spec"]["group"].as_str().expect("a group");
            for version in definition["spec"]["versions"].as_array().expect("versions") {
                let name = version["name"].as_str().expect("a name");
                let mut schema = version["schema"]["openAPIV3Schema"].clone();
                close(&mut schema);
                let validator = jsonschema::validator_for(&schema).expect("a schema");
                schemas.insert((format!("{group}/{name}"), kind.to_owned()), validator);
            }
        }
        Self(schemas)
    }

    /// What is wrong with this document; nothing also where its kind is one of Kubernetes itself.
    pub(super) fn wrong(&self, document: &Value) -> Option<String> {
        let text = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
        let (version, kind) = (text("apiVersion"), text("kind"));
        if !kinds().any(|known| known == kind) {
            return None;
        }
        let Some(schema) = self.0.get(&(version.clone(), kind.clone())) else {
            return Some(format!("nobody knows {kind} in {version}"));
        };
        let wrong: Vec<String> = schema.iter_errors(document).map(|it| it.to_string()).collect();
        (!wrong.is_empty()).then(|| format!("{kind}: {}", wrong.join("; ")))
    }
}

fn fetched(module: &str) -> PathBuf {
    let mut fetch = Command::new("go");
    fetch
        .args(["mod", "download", "-json", module])
        .env("GOWORK", "off")
        .env("GOFLAGS", "-mod=mod");
    let said = succeeded(fetch.current_dir(std::env::temp_dir()).output().expect("go runs"));
    let said: Value = serde_json::from_str(&said).expect("JSON");
    Path::new(said["Dir"].as_str().expect("a folder")).to_owned()
}

/// A member that the schema does not name is a mistake, as kubectl takes it.
fn close(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    let open = object.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true));
    if object.contains_key("properties") && !object.contains_key("additionalProperties") && !open {
        object.insert("additionalProperties".to_owned(), json!(false));
    }
    let is_root =
        object.contains_key("properties") && object["properties"].get("apiVersion").is_some();
    for (name, part) in object.iter_mut() {
        match name.as_str() {
            "properties" => {
                part.as_object_mut().into_iter().flat_map(Map::values_mut).for_each(close)
            }
            "items" | "additionalProperties" => close(part),
            _ => {}
        }
    }
    // Its form is Kubernetes' own.
    if is_root
        && let Some(metadata) = object.get_mut("properties").and_then(|it| it.get_mut("metadata"))
    {
        *metadata = json!({"type": "object"});
    }
}
