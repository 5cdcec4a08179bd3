//! The topic: the feed's events as records, keyed by reservation, so that all of one reservation
//! stand in one partition and in order.

use crate::cloud_event::CloudEvent;
use crate::sink::{SendError, Sink};
use domain::feed::Entry;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord};
use std::time::Duration;

/// A topic that does not exist is made with so many partitions.
const PARTITIONS: i32 = 6;
/// The broker's own default.
const REPLICATION: i32 = -1;
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The brokers and the topic, and librdkafka's own settings beside ours.
#[derive(Clone, Debug)]
pub struct Kafka {
    pub brokers: String,
    pub topic: String,
    pub settings: Vec<(String, String)>,
}

/// Sends to the topic. The connection is made when there is something to send, and anew after each
/// failure: what a producer still held then is dropped with it.
pub struct KafkaSink {
    topic: String,
    config: ClientConfig,
    producer: Option<FutureProducer>,
}

impl KafkaSink {
    /// Fails on settings that librdkafka does not take.
    pub fn new(kafka: Kafka) -> Result<Self, KafkaError> {
        let Kafka { brokers, topic, settings } = kafka;
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("client.id", "marquee");
        for (name, value) in settings {
            config.set(name, value);
        }
        // Last: without them order or events could be lost.
        config.set("enable.idempotence", "true");
        // Kept, and tried again in order, for as long as it takes.
        config.set("message.timeout.ms", "0");
        let _: FutureProducer = config.create()?;
        Ok(Self { topic, config, producer: None })
    }

    async fn make_topic(&self) -> Result<(), KafkaError> {
        let admin: AdminClient<DefaultClientContext> = self.config.create()?;
        let topic = NewTopic::new(&self.topic, PARTITIONS, TopicReplication::Fixed(REPLICATION));
        let options = AdminOptions::new().request_timeout(Some(ANSWER_WITHIN));
        for made in admin.create_topics([&topic], &options).await? {
            match made {
                // Whoever may not make topics relies on one that others made.
                Ok(_)
                | Err((
                    _,
                    RDKafkaErrorCode::TopicAlreadyExists
                    | RDKafkaErrorCode::TopicAuthorizationFailed
                    | RDKafkaErrorCode::ClusterAuthorizationFailed,
                )) => {}
                Err((_, code)) => return Err(KafkaError::AdminOp(code)),
            }
        }
        Ok(())
    }

    async fn deliver(&mut self, entries: &[Entry]) -> Result<(), KafkaError> {
        // Taken out, and put back when all has arrived: a producer is not used after a failure.
        let producer = match self.producer.take() {
            Some(producer) => producer,
            None => {
                self.make_topic().await?;
                self.config.create()?
            }
        };
        let mut under_way = Vec::with_capacity(entries.len());
        for entry in entries {
            under_way.push(self.enqueue(&producer, entry)?);
        }
        for delivery in under_way {
            delivery.await.map_err(|_| KafkaError::Canceled)?.map_err(|(error, _)| error)?;
        }
        self.producer = Some(producer);
        Ok(())
    }

    fn enqueue(
        &self,
        producer: &FutureProducer,
        entry: &Entry,
    ) -> Result<DeliveryFuture, KafkaError> {
        let event = CloudEvent::from(entry);
        let value = event.data_json();
        let mut headers = OwnedHeaders::new();
        for (key, value) in event.headers() {
            headers = headers.insert(Header { key, value: Some(&value) });
        }
        let record = FutureRecord::to(&self.topic)
            .key(entry.reservation_id.as_str())
            .payload(&value)
            .headers(headers)
            .timestamp(entry.event.at.as_millis());
        producer.send_result(record).map_err(|(error, _)| error)
    }
}

impl Sink for KafkaSink {
    const NAME: &'static str = "kafka";

    async fn send(&mut self, entries: &[Entry]) -> Result<(), SendError> {
        self.deliver(entries).await.map_err(|error| SendError(error.to_string()))
    }
}
