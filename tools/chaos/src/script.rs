//! The gateway's fault script, a rule at a time.

use crate::guarded::lives;
use crate::system::{Part, System};
use anyhow::Context;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(250);

/// A rule of the script, for a while.
pub(crate) struct Rule(Value);

impl Rule {
    /// As the gateway reads it.
    pub(crate) fn of(rule: Value) -> Self {
        Self(rule)
    }

    /// So many of the next calls.
    pub(crate) fn next(fault: &str, count: u64) -> Self {
        Self(json!({"fault": fault, "for": {"calls": count}}))
    }

    /// So many of the next calls for this.
    pub(crate) fn next_of(fault: &str, operation: &str, count: u64) -> Self {
        Self(json!({"fault": fault, "operation": operation, "for": {"calls": count}}))
    }

    /// Approvals take this long, in milliseconds.
    pub(crate) fn approvals(from: u64, to: u64) -> Self {
        Self(json!({"fault": "SLOW", "operation": "APPROVE", "millis": [from, to]}))
    }

    /// Strikes for this long, then heals. Says how often it struck: at least, where the gateway
    /// was restarted meanwhile and has forgotten its script.
    pub(crate) async fn play(&self, system: &System, lasting: Duration) -> anyhow::Result<u64> {
        let (gateway, id) = (system.pid(Part::Gateway), self.add(system).await?);
        sleep(lasting).await;
        let same = gateway.is_some_and(lives) && gateway == system.pid(Part::Gateway);
        if !same {
            return Ok(0);
        }
        remove(system, id).await
    }

    /// Other faults may have the gateway down: asks for a while.
    pub(crate) async fn add(&self, system: &System) -> anyhow::Result<u64> {
        for _ in 1..TRIES {
            if let Ok(id) = self.try_add(system).await {
                return Ok(id);
            }
            sleep(PAUSE).await;
        }
        self.try_add(system).await
    }

    async fn try_add(&self, system: &System) -> anyhow::Result<u64> {
        let url = format!("{}/faults/rules", system.gateway().context("the gateway is nowhere")?);
        let answer = http()?.post(url).json(&self.0).send().await?.error_for_status()?;
        let rule: Value = answer.json().await?;
        rule["id"].as_u64().context("a rule has an id")
    }
}

/// Takes a rule back and says how often it struck. A gateway that was restarted does not know it.
pub(crate) async fn remove(system: &System, id: u64) -> anyhow::Result<u64> {
    for _ in 1..TRIES {
        if let Ok(struck) = try_remove(system, id).await {
            return Ok(struck);
        }
        sleep(PAUSE).await;
    }
    try_remove(system, id).await
}

async fn try_remove(system: &System, id: u64) -> anyhow::Result<u64> {
    let gateway = system.gateway().context("the gateway is nowhere")?;
    let answer = http()?.delete(format!("{gateway}/faults/rules/{id}")).send().await?;
    if answer.status() == reqwest::StatusCode::NOT_FOUND {
        return Ok(0);
    }
    let rule: Value = answer.error_for_status()?.json().await?;
    Ok(rule["struck"].as_u64().unwrap_or_default())
}

/// All that the gateway has answered, in order. Asks for a while.
pub(crate) async fn ledger(system: &System) -> anyhow::Result<Vec<Value>> {
    for _ in 1..TRIES {
        if let Ok(items) = try_ledger(system).await {
            return Ok(items);
        }
        sleep(PAUSE).await;
    }
    try_ledger(system).await
}

async fn try_ledger(system: &System) -> anyhow::Result<Vec<Value>> {
    let gateway = system.gateway().context("the gateway is nowhere")?;
    let (http, mut items, mut after) = (http()?, Vec::new(), 0);
    loop {
        let url = format!("{gateway}/ledger?limit=1000&after={after}");
        let page: Value = http.get(url).send().await?.error_for_status()?.json().await?;
        items.extend(page["items"].as_array().cloned().unwrap_or_default());
        let Some(next) = page["nextCursor"].as_u64() else { return Ok(items) };
        after = next;
    }
}

pub(crate) fn http() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(3)).build()
}
