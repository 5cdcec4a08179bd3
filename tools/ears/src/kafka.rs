//! A consumer of the topic.

use crate::Ear;
use rdkafka::Message;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{Consumer, StreamConsumer};
use serde_json::Value;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

const TOPIC: &str = "reservation";
/// How soon it is seen that nobody wants to hear any more.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Reads the topic from its start, for as long as somebody has the ear.
pub fn listen(brokers: &str) -> anyhow::Result<Arc<Ear>> {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "bench")
        .set("auto.offset.reset", "earliest")
        .set("allow.auto.create.topics", "false")
        .set("topic.metadata.refresh.interval.ms", "1000")
        .create()?;
    consumer.subscribe(&[TOPIC])?;
    // Closing waits for a broker that may never come back; it ends with the process.
    let consumer = ManuallyDrop::new(consumer);
    let ear = Arc::new(Ear::default());
    let heard_by = Arc::downgrade(&ear);
    tokio::spawn(async move {
        while let Some(hearing) = heard_by.upgrade() {
            // While the broker is away there are errors; it is asked on.
            let Ok(Ok(message)) = timeout(LOOK_EVERY, consumer.recv()).await else { continue };
            let record: Option<Value> =
                message.payload().and_then(|payload| serde_json::from_slice(payload).ok());
            let Some(record) = record else { continue };
            let millis = message.timestamp().to_millis().unwrap_or_default();
            let at = Duration::from_millis(u64::try_from(millis).unwrap_or_default());
            if let (Some(id), Some(seq)) =
                (record["reservationId"].as_str(), record["seq"].as_i64())
            {
                hearing.hear(id, seq, at);
            }
        }
    });
    Ok(ear)
}
