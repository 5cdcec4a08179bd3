//! Others who hear of what happens: a consumer of the topic and an endpoint of webhooks. Whatever is
//! done to them, in the end each has heard everything, in order.

use crate::judge::Violation;
use ears::endpoint::Endpoint;
use ears::{Ear, kafka};
use serde_json::Value;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(crate) const WEBHOOKS_ANYWHERE: &str = "--webhooks-anywhere";
/// After all has healed.
const HEARD_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(250);

pub(crate) struct Listeners {
    pub(crate) endpoint: Endpoint,
    brokers: String,
    topic: Arc<Ear>,
}

impl Listeners {
    /// The broker may come later.
    pub(crate) async fn start(brokers: &str) -> anyhow::Result<Self> {
        let (endpoint, topic) = (Endpoint::start().await?, kafka::listen(brokers)?);
        Ok(Self { endpoint, brokers: brokers.to_owned(), topic })
    }

    /// For whoever has the sinks.
    pub(crate) fn flags(&self) -> [OsString; 3] {
        ["--kafka-brokers", &self.brokers, WEBHOOKS_ANYWHERE].map(OsString::from)
    }

    /// What they have not heard, or not in order.
    pub(crate) async fn unheard(&self, api: &str) -> anyhow::Result<Vec<Violation>> {
        let ears = [("the topic", &self.topic), ("the endpoint", &self.endpoint.ear)];
        let began = Instant::now();
        let all = loop {
            let all = events(api).await?;
            let heard = ears.iter().all(|(_, ear)| ear.count() == all);
            if heard || began.elapsed() > HEARD_WITHIN {
                break all;
            }
            sleep(LOOK_EVERY).await;
        };
        let mut wrong = Vec::new();
        for (name, ear) in ears {
            if ear.count() != all {
                wrong.push(format!("{name} has heard {} of {all} events", ear.count()));
            }
            wrong.extend(ear.out_of_order().into_iter().map(|it| format!("{name} heard {it}")));
        }
        Ok(wrong.into_iter().map(|detail| Violation { booking: None, detail }).collect())
    }
}

/// How many there are in the feed.
async fn events(api: &str) -> anyhow::Result<usize> {
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
    let (mut count, mut after) = (0, 0);
    loop {
        let page = http.get(format!("{api}/events?limit=1000&after={after}"));
        let page = page.header("x-role", "partner").send().await?.error_for_status()?;
        let page: Value = page.json().await?;
        let items = page["items"].as_array().map_or(0, Vec::len);
        if items == 0 {
            return Ok(count);
        }
        count += items;
        after = page["nextAfter"].as_i64().unwrap_or_default();
    }
}
