//! Alerts fire when they should, speak of numbers that there are, and tell people what to do.

use crate::repository::{read, root, skipped_without};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;

fn rules() -> Vec<Value> {
    let alerts: Value =
        serde_saphyr::from_str(&read("deploy/monitoring/alerts.yml")).expect("YAML");
    let groups = alerts["groups"].as_array().expect("groups").iter();
    groups.flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect()
}

fn name(rule: &Value) -> &str {
    rule["alert"].as_str().expect("a name")
}

/// Prometheus' own tool plays each alert, on CI always.
#[test]
fn each_alert_fires_when_it_should() {
    if Command::new("promtool").arg("--version").output().is_err() {
        return skipped_without("Debian's package `prometheus`");
    }
    let folder = root().join("deploy/monitoring");
    for arguments in [["check", "config", "prometheus.yml"], ["test", "rules", "alerts.test.yml"]] {
        let promtool = Command::new("promtool").args(arguments).current_dir(&folder).output();
        let promtool = promtool.expect("it runs");
        let said =
            String::from_utf8_lossy(&promtool.stdout) + String::from_utf8_lossy(&promtool.stderr);
        assert!(promtool.status.success(), "{said}");
    }
    let tests = read("deploy/monitoring/alerts.test.yml");
    for rule in rules() {
        for outcome in ["fires", "silent"] {
            let case = format!("name: {}, {outcome}", name(&rule));
            assert!(tests.contains(&case), "no test {case}");
        }
    }
}

#[test]
fn the_runbook_has_an_entry_for_each_alert() {
    let alerts: BTreeSet<String> = rules().iter().map(|rule| name(rule).to_owned()).collect();
    let runbook = read("docs/RUNBOOK.md");
    let entries = runbook.lines().filter_map(|line| line.strip_prefix("## ")).map(str::to_owned);
    assert_eq!(entries.collect::<BTreeSet<_>>(), alerts);
}

/// All queries of alerts and dashboard.
pub(crate) fn queries() -> Vec<String> {
    let dashboard = read("deploy/monitoring/grafana/dashboards/marquee.json");
    let dashboard: Value = serde_json::from_str(&dashboard).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    let text = |value: &Value| value.as_str().expect("a query").to_owned();
    let mut all: Vec<String> = targets.map(|target| text(&target["expr"])).collect();
    assert!(all.len() > 10);
    all.extend(rules().iter().map(|rule| text(&rule["expr"])));
    all
}

/// The names of ours and of the SDK's numbers in a query.
pub(crate) fn names_in(query: &str) -> Vec<String> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("marquee_") || word.starts_with("temporal_"))
        .map(str::to_owned)
        .collect()
}
