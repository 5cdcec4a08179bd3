//! What leaves: how late others hear of an event, how fast a backlog is sent, and what bookings notice
//! when nobody takes anything.

use crate::config::{Leave, Place};
use crate::guarded::free_ports;
use crate::http::Http;
use crate::report::Table;
use crate::rush::{plan_body, report_body, shows};
use crate::siege::{Came, Siege};
use crate::statistics::Latencies;
use crate::system::System;
use anyhow::{Context, ensure};
use ears::endpoint::{Endpoint, Mood};
use ears::messages::Messages;
use ears::{Ear, kafka, stream};
use hyper::{Method, StatusCode};
use kafka_broker::Broker;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const BOOKED_WITHIN: Duration = Duration::from_secs(120);
/// All has to have been heard so long after the last one came back.
const DRAINED_WITHIN: Duration = Duration::from_secs(15 * 60);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A record as long as one of ours.
const RECORD_BYTES: usize = 420;
const CONNECTIONS: usize = 64;
/// Load is spread over so many showtimes of 400 places.
const SHOWTIMES: usize = 100;

pub(crate) async fn run(place: &Place, leave: &Leave) -> anyhow::Result<Vec<Table>> {
    let mut tables = listeners(place, leave).await?;
    if leave.backlog > 0 {
        tables.push(backlog(place, leave.backlog).await?);
    }
    Ok(tables)
}

/// Everybody who listens, and what they listen to.
struct Listeners {
    broker: Broker,
    kafka: Arc<Ear>,
    stream: Arc<Ear>,
    endpoint: Endpoint,
    messages: Messages,
    siege: Arc<Siege>,
    booked: usize,
}

impl Listeners {
    fn ears(&self) -> [(&'static str, &Ear); 3] {
        [
            ("topic, Kafka 4.1.0", &*self.kafka),
            ("GET /events as a stream", &*self.stream),
            ("webhooks", &*self.endpoint.ear),
        ]
    }

    async fn book(&mut self, rate: f64, secs: u64) -> anyhow::Result<Came> {
        let came = self.siege.paced(rate, Duration::from_secs(secs), BOOKED_WITHIN).await?;
        ensure!(came.not_accepted == 0, "{} were not accepted", came.not_accepted);
        self.booked += came.ended.len();
        Ok(came)
    }

    async fn set_away(&mut self, away: bool) -> anyhow::Result<()> {
        match away {
            true => self.broker.kill()?,
            false => self.broker.start().await?,
        }
        self.endpoint.set(if away { Mood::Refuses } else { Mood::Takes });
        self.messages.set_away(away).await
    }

    /// Waits until each has heard everything, and says how long each took.
    async fn drained(&self) -> anyhow::Result<Vec<(&'static str, Duration)>> {
        let began = Instant::now();
        let mut took = Vec::new();
        while took.len() < 3 {
            ensure!(began.elapsed() < DRAINED_WITHIN, "only {took:?} have heard everything");
            tokio::time::sleep(LOOK_EVERY).await;
            // The stream is never away.
            let all = self.stream.count();
            for (name, count) in [
                ("topic, Kafka 4.1.0", self.kafka.count()),
                ("webhooks", self.endpoint.ear.count()),
            ] {
                if count == all && took.iter().all(|(known, _)| *known != name) {
                    took.push((name, began.elapsed()));
                }
            }
            let told = took.iter().any(|(known, _)| *known == "AlimTalk");
            if !told && self.messages.count().await? == self.booked {
                took.push(("AlimTalk", began.elapsed()));
            }
        }
        Ok(took)
    }
}

async fn listeners(place: &Place, leave: &Leave) -> anyhow::Result<Vec<Table>> {
    let mut system = System::prepare(place, "leave").await?;
    let files = system.data_dir.join("kafka");
    let mut broker = Broker::prepare(&system.marquee, &place.tools_dir, &files, free_ports()?)?;
    broker.start().await?;
    let brokers = broker.address();
    system.launch(&["--kafka-brokers", &brokers, "--webhooks-anywhere"]).await?;
    system.until_ready().await?;
    let http = Http::new(&system.api, 1);
    let shows = shows(&http, SHOWTIMES).await?;
    let siege = Siege::with_calls(&system.api, move |n| plan_body(&shows[n % shows.len()], n));
    let messages = Messages::new(system.notices()?)?;
    let mut all = Listeners {
        kafka: kafka::listen(&brokers)?,
        stream: stream::listen(&system.api).await?,
        endpoint: Endpoint::start().await?,
        broker,
        messages,
        siege,
        booked: 0,
    };
    all.endpoint.named_at(&system.api).await?;
    // Caches are warm, the topic is made and the consumer's group has met.
    all.book(leave.rate, 10).await?;
    all.drained().await?;

    let skip = all.stream.count();
    all.book(leave.rate, leave.secs).await?;
    all.drained().await?;
    let mut tables = vec![delays(&all, leave, skip)];
    if leave.outage_secs > 0 {
        tables.push(outage(&mut all, leave).await?);
    }
    for (name, ear) in all.ears() {
        in_order(ear).context(name)?;
    }
    Ok(tables)
}

fn delays(all: &Listeners, leave: &Leave, skip: usize) -> Table {
    let columns = ["heard by", "events", "p50 ms", "p95 ms", "p99 ms", "max ms"];
    let mut table = Table::new("From an event until others hear of it", &columns);
    table.setting("bookings per second", leave.rate);
    table.setting("seconds", leave.secs);
    for (name, ear) in all.ears() {
        let late = Latencies::new(ear.late(skip));
        table.row([vec![name.to_owned(), late.count().to_string()], millis(&late)].concat());
    }
    table.note("Counted from the time that the event bears, which is set before its commit.");
    table
}

/// Half of the time before, all of it down, half of it after: what is slower in between is not the
/// machine's doing.
async fn outage(all: &mut Listeners, leave: &Leave) -> anyhow::Result<Table> {
    let half = leave.outage_secs / 2;
    let mut up = all.book(leave.rate, half).await?;
    all.set_away(true).await?;
    let down = all.book(leave.rate, leave.outage_secs).await?;
    all.set_away(false).await?;
    let drained = all.drained().await?;
    let after = all.book(leave.rate, half).await?;
    all.drained().await?;
    up.ended.extend(after.ended);

    let columns =
        ["Kafka, AlimTalk and webhooks", "bookings", "p50 ms", "p95 ms", "p99 ms", "max ms"];
    let mut table = Table::new("Bookings while nobody takes what leaves", &columns);
    table.setting("bookings per second", leave.rate);
    table.setting("seconds away", leave.outage_secs);
    let took = |came: &Came| {
        Latencies::new(came.ended.iter().map(|it| it.at.saturating_sub(it.sent)).collect())
    };
    let mut medians = Vec::new();
    for (name, came) in [("work", &up), ("are away", &down)] {
        let took = took(came);
        medians.push(took.percentile(50.0).as_secs_f64());
        table.row([vec![name.to_owned(), took.count().to_string()], millis(&took)].concat());
    }
    let all_ended = up.ended.iter().chain(&down.ended);
    let others = all_ended.filter(|it| it.status != "TICKETED").count();
    table.note(format!(
        "From the call until the ticket. The median while they are away is {:+.1} % of the other. \
         Ended otherwise than with tickets: {others}.",
        (medians[1] / medians[0] - 1.0) * 100.0
    ));
    let drained: Vec<_> =
        drained.iter().map(|(name, took)| format!("{name} {:.1} s", took.as_secs_f64())).collect();
    let again: Vec<_> =
        all.ears().iter().map(|(name, ear)| format!("{name} {}", ear.again())).collect();
    table.note(format!(
        "Everything had been heard after their return: {}. Each reservation in order; nothing was \
         lost. Came more than once: {}.",
        drained.join(", "),
        again.join(", ")
    ));
    Ok(table)
}

/// Events that wait when the broker comes, beside what a bare producer does.
async fn backlog(place: &Place, count: usize) -> anyhow::Result<Table> {
    let mut system = System::start_without_temporal(place, "backlog").await?;
    reserve(&system, count).await?;
    system.stop_marquee();
    let files = system.data_dir.join("kafka");
    let mut broker = Broker::prepare(&system.marquee, &place.tools_dir, &files, free_ports()?)?;
    broker.start().await?;
    let brokers = broker.address();
    let bare = produce(&brokers, count).await?;
    let topic = kafka::listen(&brokers)?;
    system.launch(&["--kafka-brokers", &brokers]).await?;
    let began = Instant::now();
    while topic.count() < count {
        ensure!(began.elapsed() < DRAINED_WITHIN, "{} of {count} came", topic.count());
        tokio::time::sleep(LOOK_EVERY).await;
    }
    in_order(&topic)?;
    let mut table = Table::new("A backlog is sent to Kafka", &["what", "events", "s", "per s"]);
    for (name, took) in [("a bare producer", bare), ("the sink", topic.took())] {
        let secs = took.as_secs_f64();
        let rate = format!("{:.0}", count as f64 / secs);
        table.row([name.to_owned(), count.to_string(), format!("{secs:.1}"), rate]);
    }
    table.note(
        "The sink's: from the first record that a consumer got to the last. It reads and marks 1,000 \
         events at a time; meanwhile the relay and the other sinks work through the same events.",
    );
    Ok(table)
}

async fn reserve(system: &System, count: usize) -> anyhow::Result<()> {
    let http = Arc::new(Http::new(&system.api, CONNECTIONS));
    let next = Arc::new(AtomicUsize::new(0));
    let mut lanes = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (http, next) = (http.clone(), next.clone());
        lanes.spawn(async move {
            while next.fetch_add(1, Ordering::Relaxed) < count {
                let body = report_body();
                let call = http.request(Method::POST, "/reservations", "backlog", body)?;
                http.send(call).await?.expect(StatusCode::CREATED)?;
            }
            anyhow::Ok(())
        });
    }
    lanes.join_all().await.into_iter().collect()
}

async fn produce(brokers: &str, count: usize) -> anyhow::Result<Duration> {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("enable.idempotence", "true")
        .create()?;
    make_topic(brokers, "bare").await?;
    let payload = "x".repeat(RECORD_BYTES);
    let began = Instant::now();
    for first in (0..count).step_by(1_000) {
        let mut under_way = Vec::new();
        for n in first..(first + 1_000).min(count) {
            let key = n.to_string();
            let record = FutureRecord::to("bare").key(&key).payload(&payload);
            under_way.push(producer.send_result(record).map_err(|(error, _)| error)?);
        }
        for delivery in under_way {
            delivery.await?.map_err(|(error, _)| error)?;
        }
    }
    Ok(began.elapsed())
}

async fn make_topic(brokers: &str, name: &str) -> anyhow::Result<()> {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    let topic = NewTopic::new(name, 6, TopicReplication::Fixed(1));
    for made in admin.create_topics([&topic], &AdminOptions::new()).await? {
        made.map_err(|(name, code)| anyhow::anyhow!("{name}: {code}"))?;
    }
    Ok(())
}

fn in_order(ear: &Ear) -> anyhow::Result<()> {
    let wrong = ear.out_of_order();
    ensure!(wrong.is_empty(), "out of order: {wrong:?}");
    Ok(())
}

fn millis(took: &Latencies) -> Vec<String> {
    let millis = |took: Duration| format!("{:.1}", took.as_secs_f64() * 1000.0);
    let mut cells: Vec<_> = [50.0, 95.0, 99.0].map(|of| millis(took.percentile(of))).into();
    cells.push(millis(took.max()));
    cells
}
