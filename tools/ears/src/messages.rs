//! What customers are told.

use crate::client;
use anyhow::Context;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The stand-in of a message company.
pub struct Messages {
    root: String,
    client: reqwest::Client,
}

impl Messages {
    pub fn new(root: String) -> anyhow::Result<Self> {
        Ok(Self { root, client: client()? })
    }

    pub async fn set_away(&self, away: bool) -> anyhow::Result<()> {
        let rules = if away { json!([{"fault": "DOWN"}]) } else { json!([]) };
        let script = self.client.put(format!("{}faults", self.root));
        script.json(&json!({ "rules": rules })).send().await?.error_for_status()?;
        Ok(())
    }

    /// Different numbers that a message went to.
    pub async fn count(&self) -> anyhow::Result<usize> {
        let outbox: Value =
            self.client.get(format!("{}outbox", self.root)).send().await?.json().await?;
        let items = outbox["items"].as_array().context("items")?;
        let numbers: BTreeSet<&str> = items.iter().filter_map(|item| item["to"].as_str()).collect();
        Ok(numbers.len())
    }
}
