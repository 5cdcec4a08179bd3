//! The gateway's fault script, changed by one fault at a time.

use crate::guarded::lives;
use crate::system::{Part, System};
use anyhow::Context;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(250);

/// One member of the script and what it is set to, and back to.
pub(crate) struct Change {
    pub(crate) member: &'static str,
    pub(crate) strikes: Value,
    pub(crate) heals: Value,
}

impl Change {
    /// So many of the next calls.
    pub(crate) fn next(member: &'static str, count: u64) -> Self {
        Self { member, strikes: json!(count), heals: json!(0) }
    }

    /// Approvals take this long, in milliseconds.
    pub(crate) fn approvals(from: u64, to: u64) -> Self {
        Self { member: "approveMillis", strikes: json!([from, to]), heals: json!([400, 620]) }
    }

    /// Strikes for this long, then heals. Says how often it struck: at least, where the gateway
    /// was restarted meanwhile and has forgotten its script.
    pub(crate) async fn play(
        &self,
        system: &System,
        turn: &tokio::sync::Mutex<()>,
        lasting: Duration,
    ) -> anyhow::Result<u64> {
        let (gateway, before) = (system.pid(Part::Gateway), self.counted(system).await);
        self.set(system, turn, &self.strikes).await?;
        sleep(lasting).await;
        let left = self.set(system, turn, &self.heals).await?;
        let same = gateway.is_some_and(lives) && gateway == system.pid(Part::Gateway);
        let Some(count) = self.strikes.as_u64() else {
            return Ok(self.counted(system).await.saturating_sub(before));
        };
        Ok(if same { count.saturating_sub(left.as_u64().unwrap_or(count)) } else { 0 })
    }

    /// How many approvals the gateway has answered so far: each was slow while approvals were.
    async fn counted(&self, system: &System) -> u64 {
        let ledger = ledger(system).await.unwrap_or_default();
        let approvals = ledger.iter().filter(|item| item["operation"] == "APPROVE");
        approvals.count() as u64
    }

    /// Returns what was set before. Other faults may have the gateway down: asks for a while.
    async fn set(
        &self,
        system: &System,
        turn: &tokio::sync::Mutex<()>,
        value: &Value,
    ) -> anyhow::Result<Value> {
        let _turn = turn.lock().await;
        for _ in 1..TRIES {
            if let Ok(before) = self.try_set(system, value).await {
                return Ok(before);
            }
            sleep(PAUSE).await;
        }
        self.try_set(system, value).await
    }

    async fn try_set(&self, system: &System, value: &Value) -> anyhow::Result<Value> {
        let url = format!("{}/faults", system.gateway().context("the gateway is nowhere")?);
        let http = http()?;
        let mut script: Value = http.get(&url).send().await?.json().await?;
        let before = std::mem::replace(&mut script[self.member], value.clone());
        http.put(&url).json(&script).send().await?.error_for_status()?;
        Ok(before)
    }
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

fn http() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(3)).build()
}
