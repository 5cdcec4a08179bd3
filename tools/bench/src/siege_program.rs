//! The program `siege` itself, called as in the report (Debian's package `siege`).

use anyhow::{Context, ensure};
use serde::Deserialize;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// As in the report: so many users, each sending the next call as soon as the last is answered.
const USERS: usize = 100;

/// What siege prints at its end, as far as it is shown here.
#[derive(Deserialize)]
pub(crate) struct Besieged {
    #[serde(rename = "successful_transactions")]
    pub(crate) successful: u64,
    #[serde(rename = "failed_transactions")]
    pub(crate) failed: u64,
    /// Percent.
    pub(crate) availability: f64,
    #[serde(rename = "response_time")]
    pub(crate) mean_secs: f64,
    #[serde(rename = "longest_transaction")]
    pub(crate) longest_secs: f64,
    #[serde(rename = "transaction_rate")]
    pub(crate) per_sec: f64,
}

/// Lets 100 users send the report's call for so long. Its settings are written into `folder`.
pub(crate) async fn besiege(api: &str, secs: u64, folder: &Path) -> anyhow::Result<Besieged> {
    let settings = folder.join("siege.conf");
    std::fs::write(&settings, "verbose = false\nlogging = false\njson_output = true\n")?;
    let call =
        format!("{api}/reservations POST {}", String::from_utf8_lossy(&crate::rush::report_body()));
    let siege = tokio::process::Command::new("siege")
        .arg("-R")
        .arg(&settings)
        .args([&format!("-c{USERS}"), &format!("-t{secs}S"), "--content-type", "application/json"])
        .arg(call)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let within = Duration::from_secs(secs + 60);
    let ended = tokio::time::timeout(within, siege).await.context("siege does not end")?;
    let output = ended.context("cannot run siege (Debian: apt install siege)")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "siege failed: {}", String::from_utf8_lossy(&output.stderr));
    let summary =
        printed.rfind('{').map(|at| &printed[at..]).context("siege printed no summary")?;
    serde_json::from_str(summary).with_context(|| format!("not siege's summary: {summary}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_understood() {
        let summary = "{\t\"transactions\":\t\t0,\n\t\"availability\":\t 69.46,\n\
            \t\"response_time\":\t6.53,\n\t\"transaction_rate\":\t14.70,\n\
            \t\"successful_transactions\":\t880,\n\t\"failed_transactions\":\t387,\n\
            \t\"longest_transaction\":\t18.50\n}";
        let besieged: Besieged = serde_json::from_str(summary).expect("a summary");
        assert_eq!((besieged.successful, besieged.failed), (880, 387));
        assert_eq!(besieged.longest_secs, 18.5);
    }
}
