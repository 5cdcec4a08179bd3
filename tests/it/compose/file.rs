//! `docker-compose.yml` as `docker compose` reads it: with `.env` and merged parts.

use crate::repository::read;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct File {
    pub(super) services: BTreeMap<String, Service>,
    pub(super) volumes: BTreeSet<String>,
}

pub(super) struct Service {
    pub(super) image: String,
    entrypoint: Vec<String>,
    command: Vec<String>,
    pub(super) environment: BTreeMap<String, String>,
    /// Named volumes, and where they are in the container.
    pub(super) volumes: BTreeMap<String, String>,
    /// Files of the repository.
    pub(super) mounted: Vec<String>,
    /// Other services, and what is waited for.
    pub(super) depends_on: BTreeMap<String, String>,
    /// It does one thing and ends.
    pub(super) ends: bool,
    pub(super) has_check: bool,
    /// The image's own check, `marquee probe`.
    pub(super) has_probe: bool,
}

impl File {
    pub(super) fn read() -> Self {
        let text = filled_in(&read("docker-compose.yml"), &read(".env"));
        let file: Value = serde_saphyr::from_str(&text).expect("YAML");
        let services = file["services"].as_object().expect("services");
        let services = services.iter().map(|(name, it)| (name.clone(), Service::of(it)));
        let volumes = file["volumes"].as_object().expect("volumes").keys().cloned().collect();
        Self { services: services.collect(), volumes }
    }

    pub(super) fn service(&self, name: &str) -> &Service {
        self.services.get(name).unwrap_or_else(|| panic!("no service {name}"))
    }
}

impl Service {
    fn of(it: &Value) -> Self {
        let list = |name: &str| -> Vec<String> {
            let words = it[name].as_array().into_iter().flatten();
            words.map(|word| word.as_str().expect("a word").to_owned()).collect()
        };
        let environment = it["environment"].as_object().into_iter().flatten();
        let text = |value: &Value| value.as_str().expect("a text, in quotes").to_owned();
        let (mut volumes, mut mounted) = (BTreeMap::new(), Vec::new());
        for volume in list("volumes") {
            let mut parts = volume.split(':');
            let (source, target) =
                (parts.next().expect("a source"), parts.next().expect("a place"));
            match source.strip_prefix("./") {
                Some(file) => mounted.push(file.to_owned()),
                None => drop(volumes.insert(source.to_owned(), target.to_owned())),
            }
        }
        let depends_on = match &it["depends_on"] {
            Value::Array(names) => names.iter().map(|it| (text(it), String::new())).collect(),
            Value::Object(them) => {
                them.iter().map(|(name, it)| (name.clone(), text(&it["condition"]))).collect()
            }
            _ => BTreeMap::new(),
        };
        let image = text(&it["image"]);
        let restart = it["restart"].as_str().unwrap_or("no");
        let disabled = it["healthcheck"]["disable"] == true;
        Self {
            entrypoint: list("entrypoint"),
            command: list("command"),
            environment: environment.map(|(name, value)| (name.clone(), text(value))).collect(),
            volumes,
            mounted,
            depends_on,
            ends: restart == "no" || restart.starts_with("on-failure"),
            has_check: it["healthcheck"]["test"].is_array(),
            has_probe: image.starts_with("marquee:") && !disabled,
            image,
        }
    }

    /// What the binary is given.
    pub(super) fn words(&self) -> Vec<String> {
        let program = usize::from(!self.entrypoint.is_empty());
        self.entrypoint.iter().skip(program).chain(&self.command).cloned().collect()
    }
}

/// Puts in `${NAME}` from `.env`, and the default of `${NAME:-default}`.
fn filled_in(text: &str, env: &str) -> String {
    let known: BTreeMap<&str, &str> = env.lines().filter_map(|line| line.split_once('=')).collect();
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, from)) = rest.split_once("${") {
        let (name, after) = from.split_once('}').expect("a closed brace");
        let (name, default) = name.split_once(":-").unwrap_or((name, ""));
        filled.push_str(before);
        filled.push_str(known.get(name).copied().unwrap_or(default));
        rest = after;
    }
    filled + rest
}
