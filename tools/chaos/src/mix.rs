//! All of the gateway's faults at once, each on an equal part of its calls, from the first booking
//! to the last.

use crate::script::Rule;
use crate::system::System;
use serde::Serialize;
use serde_json::{Value, json};

/// One of the faults, and how many calls it met.
#[derive(Debug, Serialize)]
pub struct Mixed {
    pub fault: String,
    pub struck: u64,
}

/// Rules that are being played.
pub(crate) struct Mix(Vec<(String, u64)>);

/// What goes wrong. A declined refund waits for staff by right and is left out.
fn faults() -> Vec<Value> {
    vec![
        json!({"fault": "SLOW", "millis": [700, 2500]}),
        json!({"fault": "HANG", "millis": [4000, 6000]}),
        json!({"fault": "OVERLOAD"}),
        json!({"fault": "DOWN"}),
        json!({"fault": "FAIL"}),
        json!({"fault": "RESET"}),
        json!({"fault": "LOSE_ANSWER"}),
        json!({"fault": "LATE"}),
        json!({"fault": "TWICE"}),
        json!({"fault": "WRONG_AMOUNT"}),
        json!({"fault": "DECLINE", "operation": "APPROVE"}),
        json!({"fault": "DECLINE", "operation": "CAPTURE"}),
    ]
}

impl Mix {
    /// Lets faults strike this share of the gateway's calls in all.
    pub(crate) async fn start(system: &System, share: f64, seed: u64) -> anyhow::Result<Self> {
        let faults = faults();
        let each = share / faults.len() as f64;
        let mut playing = Vec::new();
        for (n, mut rule) in (0..).zip(faults) {
            let name = [&rule["fault"], &rule["operation"]].map(|part| part.as_str().unwrap_or(""));
            let name = name.join(" ").trim_end().to_lowercase();
            rule["for"] = json!({"share": each, "seed": seed * 100 + n});
            playing.push((name, Rule::of(rule).add(system).await?));
        }
        Ok(Self(playing))
    }

    /// Heals, and says how often each struck.
    pub(crate) async fn stop(self, system: &System) -> anyhow::Result<Vec<Mixed>> {
        let mut mixed = Vec::new();
        for (fault, id) in self.0 {
            mixed.push(Mixed { fault, struck: crate::script::remove(system, id).await? });
        }
        Ok(mixed)
    }
}
