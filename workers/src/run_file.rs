//! `run.json` in the data folder: where everything of a running `up` is.

use anyhow::Context;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunFile {
    pub(crate) api: String,
    pub(crate) temporal: String,
    /// None where the server is somebody else's.
    pub(crate) temporal_ui: Option<String>,
    pub(crate) gateway: String,
    /// Where the stand-in for message companies shows what customers were told.
    pub(crate) notices: Option<String>,
    pub(crate) pids: BTreeMap<&'static str, u32>,
}

impl RunFile {
    /// Of a process that has just begun.
    pub(crate) fn new(api: String) -> Self {
        Self {
            api,
            temporal: String::new(),
            temporal_ui: None,
            gateway: String::new(),
            notices: None,
            pids: BTreeMap::from([("marquee", std::process::id())]),
        }
    }

    /// Readers see the old file or the new one, never a part.
    pub(crate) fn write(&self, data_dir: &Path) -> anyhow::Result<()> {
        let (part, whole) = (data_dir.join("run.json.part"), data_dir.join("run.json"));
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(&part, text)
            .and_then(|()| std::fs::rename(&part, &whole))
            .with_context(|| format!("cannot write {}", whole.display()))
    }
}
