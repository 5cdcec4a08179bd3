//! Every setting, as a flag with an environment twin. The environment is read here and nowhere
//! else.

mod auth;
mod restored;
mod secrets;
mod settings;
mod traces;

use ::workers::connection::Target;
use ::workers::temporal_options::Queue;
use anyhow::anyhow;
use clap::{Args, Parser, Subcommand, ValueEnum};
use domain::reservation::Deadlines;
use events::kafka::Kafka;
use events::webhooks::reach::Reach;
use gateway::limiter::Limits;
use reqwest::Url;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use temporalio_client::ClientOptions;
use temporalio_common::worker::WorkerDeploymentVersion;

pub(crate) use auth::{AuthFlags, Keys, Token};
pub(crate) use restored::{AnyDatabase, Backup, Restored, database_in};
pub(crate) use secrets::{gateway_secret, notices_account, notices_sms_account, webhook_secret};
pub(crate) use settings::{in_force, refuse_unknown_variables, table};
pub(crate) use traces::{service_is_named, traces_wanted};

/// Kafka's client says the same many times a second while a broker is away; we say that events wait.
const LOG: &str = "marquee=info,api=info,rdkafka=off,librdkafka=off,warn";

/// Movie-ticket booking that never loses a booking.
#[derive(Parser)]
#[command(name = "marquee", version)]
pub(crate) struct Config {
    /// What is logged to standard error, for example `info` or `marquee=debug,warn`.
    #[arg(long, env = "MARQUEE_LOG", default_value = LOG, global = true)]
    pub(crate) log: String,
    /// How: `text` for people, `json` for machines.
    #[arg(long, env = "MARQUEE_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text, global = true)]
    pub(crate) log_format: LogFormat,
    /// Print what holds, with where it comes from and secrets masked, and end.
    #[arg(long, global = true)]
    pub(crate) print_config: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start everything: store, Temporal, a stand-in for the payment company, workers and API.
    Up(Box<Up>),
    /// Run the API alone, for a fleet on PostgreSQL.
    Api(Box<Api>),
    /// Run workers alone, for a fleet on PostgreSQL.
    Worker(Box<Worker>),
    /// Bring the schema of a fleet's database up to date, and end.
    Migrate(Migrate),
    /// Look for broken promises in all that is stored; also beside a running system.
    Check(Check),
    /// Write a copy of a SQLite database, also beside a running system.
    Backup(Backup),
    /// After an older copy of the database was restored: find money in the gateway's books that it
    /// knows nothing of, and give it back.
    Restored(Box<Restored>),
    /// Run the Temporal dev server alone: found, or built with Go.
    Temporal(Temporal),
    /// Run the stand-in for the payment company alone.
    FakeGateway(FakeGateway),
    /// Run the stand-in for the companies that send messages alone.
    FakeNotices(FakeNotices),
    /// Make keys to sign tokens with, where nobody else issues them.
    Keys(Keys),
    /// Print a token for somebody, signed with such a key.
    Token(Token),
    /// Ask a process on this machine whether it is ready; the exit code says it.
    Probe(Probe),
    /// Print all settings, as docs/CONFIGURATION.md has them.
    #[command(hide = true)]
    Settings,
    /// Print the description of the API, as docs/openapi.json has it.
    #[command(hide = true)]
    Openapi,
    /// Run a command that ends when standard input does.
    #[command(hide = true)]
    Guard {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<OsString>,
    },
}

#[derive(Args)]
pub(crate) struct Up {
    /// Where everything is kept: database, Temporal's file, the gateway's journal, logs.
    #[arg(long, env = "MARQUEE_DATA_DIR", default_value = "data")]
    pub(crate) data_dir: PathBuf,
    /// Where the API listens; without --auth-keys a loopback address. The other ports are the next
    /// free ones after it.
    #[arg(long, env = "MARQUEE_LISTEN", default_value = "127.0.0.1:8088")]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) auth: AuthFlags,
    /// What is on offer: a cinema of today, a million places for load, or none beside your own.
    #[arg(long, env = "MARQUEE_CATALOGUE", value_enum, default_value_t = CatalogueKind::Demo)]
    pub(crate) catalogue: CatalogueKind,
    /// `sqlite://FILE` or `postgres://…`. Without it: SQLite in the data folder.
    #[arg(long, env = "MARQUEE_DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,
    #[command(flatten)]
    pub(crate) gateway: GatewayFlags,
    #[command(flatten)]
    pub(crate) limits: LimitFlags,
    #[command(flatten)]
    pub(crate) kafka: KafkaFlags,
    #[command(flatten)]
    pub(crate) notices: NoticeFlags,
    #[command(flatten)]
    pub(crate) webhooks: WebhookFlags,
    #[command(flatten)]
    pub(crate) deadlines: DeadlineFlags,
    /// Nothing expires for this long after a start or a reconnection to Temporal.
    #[arg(long, env = "MARQUEE_GRACE", default_value = "2m", value_parser = duration)]
    pub(crate) grace: Duration,
    /// Answer 400 to commands without an Idempotency-Key.
    #[arg(long, env = "MARQUEE_REQUIRE_IDEMPOTENCY_KEY")]
    pub(crate) require_idempotency_key: bool,
    /// `test` opens the fault console.
    #[arg(long, env = "MARQUEE_PROFILE", value_enum, default_value_t = Profile::Demo)]
    pub(crate) profile: Profile,
    #[command(flatten)]
    pub(crate) temporal: TemporalSource,
    #[command(flatten)]
    pub(crate) operations: OperationsFlags,
}

#[derive(Args)]
pub(crate) struct Api {
    /// Where the API listens; without --auth-keys a loopback address.
    #[arg(long, env = "MARQUEE_LISTEN", default_value = "127.0.0.1:8088")]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) auth: AuthFlags,
    /// What the sessions of the pages are signed with, the same file for all processes, as `marquee
    /// keys` makes one. Without it there are no pages and no guests.
    #[arg(long, value_name = "FILE", env = "MARQUEE_SESSION_KEY")]
    pub(crate) session_key: Option<PathBuf>,
    /// What is on offer: a cinema of today, a million places for load, or none beside your own.
    #[arg(long, env = "MARQUEE_CATALOGUE", value_enum, default_value_t = CatalogueKind::Demo)]
    pub(crate) catalogue: CatalogueKind,
    /// Answer 400 to commands without an Idempotency-Key.
    #[arg(long, env = "MARQUEE_REQUIRE_IDEMPOTENCY_KEY")]
    pub(crate) require_idempotency_key: bool,
    #[command(flatten)]
    pub(crate) gateway: GatewayFlags,
    #[command(flatten)]
    pub(crate) webhooks: WebhookFlags,
    #[command(flatten)]
    pub(crate) database: Database,
    #[command(flatten)]
    pub(crate) temporal: TemporalServer,
    /// Temporal's web interface, where it links staff to: `http://host:port`.
    #[arg(long, env = "MARQUEE_TEMPORAL_UI")]
    pub(crate) temporal_ui: Option<reqwest::Url>,
    #[command(flatten)]
    pub(crate) deadlines: DeadlineFlags,
    #[command(flatten)]
    pub(crate) operations: OperationsFlags,
    /// After SIGTERM it is not ready for this long, and answers all the same; as long as it takes
    /// the balancer before it to see that.
    #[arg(long, env = "MARQUEE_DRAIN", default_value = "0s", value_parser = duration)]
    pub(crate) drain: Duration,
}

#[derive(Args)]
pub(crate) struct Worker {
    /// The task queues to work on; `booking` brings the pump along.
    #[arg(
        long,
        env = "MARQUEE_QUEUES",
        value_enum,
        value_delimiter = ',',
        default_value = "booking,payment,ticket"
    )]
    pub(crate) queues: Vec<Queue>,
    #[command(flatten)]
    pub(crate) gateway: GatewayFlags,
    #[command(flatten)]
    pub(crate) limits: LimitFlags,
    #[command(flatten)]
    pub(crate) kafka: KafkaFlags,
    #[command(flatten)]
    pub(crate) notices: NoticeFlags,
    #[command(flatten)]
    pub(crate) webhooks: WebhookFlags,
    #[command(flatten)]
    pub(crate) database: Database,
    #[command(flatten)]
    pub(crate) temporal: TemporalServer,
    #[command(flatten)]
    pub(crate) deadlines: DeadlineFlags,
    /// Nothing expires for this long after a start or a reconnection to Temporal.
    #[arg(long, env = "MARQUEE_GRACE", default_value = "2m", value_parser = duration)]
    pub(crate) grace: Duration,
    #[command(flatten)]
    pub(crate) version: VersionFlags,
    #[command(flatten)]
    pub(crate) operations: OperationsFlags,
}

/// Worker versioning: what a release begins, it finishes, beside the next one. Both or none.
#[derive(Args)]
pub(crate) struct VersionFlags {
    /// The worker deployment that this is a release of; only with --temporal-worker-build-id.
    #[arg(long, env = "TEMPORAL_DEPLOYMENT_NAME", requires = "temporal_worker_build_id")]
    temporal_deployment_name: Option<String>,
    /// The release. Bookings begin with the deployment's current version, which operators set
    /// (`temporal worker deployment set-current-version`).
    #[arg(long, env = "TEMPORAL_WORKER_BUILD_ID", requires = "temporal_deployment_name")]
    temporal_worker_build_id: Option<String>,
}

impl From<&VersionFlags> for Option<WorkerDeploymentVersion> {
    fn from(flags: &VersionFlags) -> Self {
        let VersionFlags { temporal_deployment_name, temporal_worker_build_id } = flags;
        let both = temporal_deployment_name.clone().zip(temporal_worker_build_id.clone());
        both.map(|(name, build)| {
            WorkerDeploymentVersion::builder().deployment_name(name).build_id(build).build()
        })
    }
}

#[derive(Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) database: AnyDatabase,
    /// The journal of the stand-in for the payment company. Without it: the one in the data
    /// folder, where there is one.
    #[arg(long)]
    pub(crate) ledger: Option<PathBuf>,
    /// A file of reservation ids, one per line, that were acknowledged to customers.
    #[arg(long)]
    pub(crate) acknowledged: Option<PathBuf>,
    /// Also ask Temporal about the runs of all that is under way.
    #[arg(long, requires = "temporal_address")]
    pub(crate) histories: bool,
    /// The Temporal server, `host:port`, for `--histories`.
    #[arg(long, env = "TEMPORAL_ADDRESS")]
    pub(crate) temporal_address: Option<String>,
    /// The namespace on that server.
    #[arg(long, env = "TEMPORAL_NAMESPACE", default_value = "default")]
    pub(crate) temporal_namespace: String,
}

#[derive(Args)]
pub(crate) struct Migrate {
    /// The owner's.
    #[command(flatten)]
    pub(crate) database: Database,
    /// The role of all other processes, which reads and writes rows and changes no schema.
    #[arg(long, value_name = "ROLE", env = "MARQUEE_GRANT_TO")]
    pub(crate) grant_to: Option<String>,
}

#[derive(Args)]
pub(crate) struct Probe {
    /// Where that process shows `/readyz`.
    #[arg(long, env = "MARQUEE_OPERATIONS_LISTEN")]
    pub(crate) operations_listen: SocketAddr,
}

/// The database that the processes of a fleet share.
#[derive(Args)]
pub(crate) struct Database {
    /// `postgres://…`, the same for the whole fleet.
    #[arg(long, env = "MARQUEE_DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: String,
}

/// The Temporal server that the processes of a fleet share. Temporal's own variables say how to speak
/// to it: TEMPORAL_API_KEY, TEMPORAL_TLS, TEMPORAL_TLS_SERVER_CA_CERT_PATH, TEMPORAL_TLS_SERVER_NAME,
/// TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH.
#[derive(Args)]
pub(crate) struct TemporalServer {
    /// A running server, `host:port`.
    #[arg(long, env = "TEMPORAL_ADDRESS")]
    pub(crate) temporal_address: String,
    /// The namespace on that server.
    #[arg(long, env = "TEMPORAL_NAMESPACE", default_value = "default")]
    pub(crate) temporal_namespace: String,
}

impl TemporalServer {
    pub(crate) fn target(&self) -> anyhow::Result<Target> {
        temporal(&self.temporal_address, &self.temporal_namespace)
    }
}

/// A server with what Temporal's own settings say about it: TLS (`TEMPORAL_TLS…`), `TEMPORAL_API_KEY`,
/// profiles of `temporal.toml`.
pub(crate) fn temporal(address: &str, namespace: &str) -> anyhow::Result<Target> {
    let (options, _) = ClientOptions::load_from_config(<_>::default())
        .map_err(|error| anyhow!("Temporal's settings (TEMPORAL_…, temporal.toml): {error}"))?;
    Target::as_configured(options, address, namespace)
}

/// The payment company, the same for the whole fleet. Its secrets come by the environment alone, so
/// that no list of processes shows them: MARQUEE_GATEWAY_SECRET, the API's secret key, and
/// MARQUEE_WEBHOOK_SECRET (`whsec_…`), which PortOne signs its messages with.
#[derive(Args)]
pub(crate) struct GatewayFlags {
    /// Whose tongue is spoken. Plans need `house`: the others charge nobody without a click. They
    /// want MARQUEE_GATEWAY_SECRET, and `portone` MARQUEE_WEBHOOK_SECRET, in the environment.
    #[arg(id = "gateway", value_name = "COMPANY", long = "gateway", env = "MARQUEE_GATEWAY", value_enum, default_value_t = GatewayKind::House)]
    pub(crate) kind: GatewayKind,
    /// Root of the payment company's server. Without it, `up` starts the stand-in, and a worker
    /// cannot take the queue `payment`.
    #[arg(
        id = "gateway_url",
        value_name = "URL",
        long = "gateway-url",
        env = "MARQUEE_GATEWAY_URL"
    )]
    pub(crate) url: Option<Url>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GatewayKind {
    House,
    Toss,
    #[value(name = "portone")]
    PortOne,
}

/// The same for the whole fleet: whoever makes a customer wait sets the deadline.
#[derive(Args)]
pub(crate) struct DeadlineFlags {
    /// A customer pays within this time.
    #[arg(long, env = "MARQUEE_PAY_WITHIN", default_value = "10m", value_parser = duration)]
    pay_within: Duration,
    /// A customer chooses seats within this time.
    #[arg(long, env = "MARQUEE_SEAT_WITHIN", default_value = "10m", value_parser = duration)]
    seat_within: Duration,
    /// An accepted payment waits for the gateway at most this much longer.
    #[arg(long, env = "MARQUEE_DEFER_WITHIN", default_value = "30m", value_parser = duration)]
    defer_within: Duration,
}

impl From<&DeadlineFlags> for Deadlines {
    fn from(flags: &DeadlineFlags) -> Self {
        let DeadlineFlags { pay_within, seat_within, defer_within } = *flags;
        Self { pay_within, seat_within, defer_within }
    }
}

/// What the payment company can bear, from this process.
#[derive(Args)]
pub(crate) struct LimitFlags {
    /// Calls to the payment company at the same time, at most.
    #[arg(long, env = "MARQUEE_GATEWAY_CALLS", default_value_t = 64, value_parser = calls)]
    gateway_calls: usize,
    /// An answer that takes longer is a sign of overload; when nearly all do, it is left alone for
    /// a while.
    #[arg(long, env = "MARQUEE_GATEWAY_SLOW", default_value = "610ms", value_parser = duration)]
    gateway_slow: Duration,
}

impl From<&LimitFlags> for Limits {
    fn from(flags: &LimitFlags) -> Self {
        Self { calls: flags.gateway_calls, slow: flags.gateway_slow }
    }
}

/// The topic that gets all events, beside `GET /events`.
#[derive(Args)]
pub(crate) struct KafkaFlags {
    /// Kafka's brokers, `host:port,…`. Without them no topic is written.
    #[arg(long, env = "MARQUEE_KAFKA_BROKERS")]
    kafka_brokers: Option<String>,
    /// The topic.
    #[arg(long, env = "MARQUEE_KAFKA_TOPIC", default_value = "reservation")]
    kafka_topic: String,
    /// librdkafka's own settings, `name=value,…`; those with a password by the environment, so that
    /// no list of processes shows it.
    #[arg(
        long,
        env = "MARQUEE_KAFKA_SETTINGS",
        hide_env_values = true,
        value_delimiter = ',',
        value_parser = setting
    )]
    kafka_settings: Vec<(String, String)>,
}

impl From<&KafkaFlags> for Option<Kafka> {
    fn from(flags: &KafkaFlags) -> Self {
        let KafkaFlags { kafka_brokers, kafka_topic, kafka_settings } = flags;
        let (topic, settings) = (kafka_topic.clone(), kafka_settings.clone());
        kafka_brokers.clone().map(|brokers| Kafka { brokers, topic, settings })
    }
}

/// For those who operate it.
#[derive(Args)]
pub(crate) struct OperationsFlags {
    /// Where `/metrics`, `/livez` and `/readyz` of this process are. Without it: nowhere, and
    /// nothing is counted.
    #[arg(long, env = "MARQUEE_OPERATIONS_LISTEN")]
    pub(crate) operations_listen: Option<SocketAddr>,
}

/// Where partners may have webhooks sent.
#[derive(Args)]
pub(crate) struct WebhookFlags {
    /// Webhooks may go into the house and without TLS: for testers.
    #[arg(long, env = "MARQUEE_WEBHOOKS_ANYWHERE")]
    webhooks_anywhere: bool,
}

impl From<&WebhookFlags> for Reach {
    fn from(flags: &WebhookFlags) -> Self {
        if flags.webhooks_anywhere { Self::Anywhere } else { Self::Public }
    }
}

/// The company that sends notices to customers. Its secrets come by the environment alone:
/// MARQUEE_NOTICES_KEY and MARQUEE_NOTICES_SECRET, at NHN Cloud those of KakaoTalk Bizmessage, with
/// MARQUEE_NOTICES_SMS_KEY and MARQUEE_NOTICES_SMS_SECRET for texts.
#[derive(Args)]
pub(crate) struct NoticeFlags {
    /// Whose tongue is spoken.
    #[arg(
        id = "notices",
        value_name = "COMPANY",
        long = "notices",
        env = "MARQUEE_NOTICES",
        value_enum,
        default_value_t = NoticeCompany::Solapi
    )]
    pub(crate) kind: NoticeCompany,
    /// Root of its server, which knows us by MARQUEE_NOTICES_KEY and MARQUEE_NOTICES_SECRET in the
    /// environment. Without it, `up` starts a stand-in, and a worker sends no notices.
    #[arg(
        id = "notices_url",
        value_name = "URL",
        long = "notices-url",
        env = "MARQUEE_NOTICES_URL"
    )]
    pub(crate) url: Option<Url>,
    /// Root of NHN Cloud's server for texts, with MARQUEE_NOTICES_SMS_KEY and
    /// MARQUEE_NOTICES_SMS_SECRET.
    #[arg(long, value_name = "URL", env = "MARQUEE_NOTICES_SMS_URL")]
    pub(crate) notices_sms_url: Option<Url>,
    /// The KakaoTalk channel that speaks: Solapi's pfId, NHN Cloud's senderKey.
    #[arg(long, value_name = "ID", env = "MARQUEE_NOTICES_SENDER", default_value = "marquee")]
    pub(crate) notices_sender: String,
    /// The registered number that texts come from.
    #[arg(long, value_name = "NUMBER", env = "MARQUEE_NOTICES_FROM", default_value = "0212345678")]
    pub(crate) notices_from: String,
    /// A JSON object: the company's ids of our templates by their names, such as `ticketed-ko`. Those
    /// that are missing go by their names.
    #[arg(long, value_name = "FILE", env = "MARQUEE_NOTICES_TEMPLATES")]
    pub(crate) notices_templates: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NoticeCompany {
    Solapi,
    Nhn,
}

/// Where Temporal comes from.
#[derive(Args, Clone)]
pub(crate) struct TemporalSource {
    /// A running server, `host:port`; then none is started.
    #[arg(long, env = "TEMPORAL_ADDRESS")]
    pub(crate) temporal_address: Option<String>,
    /// The namespace on that server.
    #[arg(long, env = "TEMPORAL_NAMESPACE", default_value = "default")]
    pub(crate) temporal_namespace: String,
    /// The Temporal CLI to run the dev server with.
    #[arg(long, env = "TEMPORAL_CLI")]
    pub(crate) temporal_cli: Option<PathBuf>,
    /// Where a CLI that had to be downloaded or built is kept. Without it: in the data folder.
    #[arg(long, env = "MARQUEE_TOOLS_DIR")]
    pub(crate) tools_dir: Option<PathBuf>,
    /// Where programs are looked for.
    #[arg(long, env = "PATH", hide = true, default_value = "")]
    pub(crate) search_path: OsString,
}

#[derive(Args)]
pub(crate) struct Temporal {
    #[arg(long, env = "MARQUEE_DATA_DIR", default_value = "data")]
    pub(crate) data_dir: PathBuf,
    /// Port of the server; its UI gets the next free one.
    #[arg(long, default_value_t = 7233)]
    pub(crate) port: u16,
    #[command(flatten)]
    pub(crate) source: TemporalSource,
}

#[derive(Args)]
pub(crate) struct FakeGateway {
    #[arg(long, default_value = "127.0.0.1:8089")]
    pub(crate) listen: SocketAddr,
    /// The file that every answer is written to before it is given.
    #[arg(long, default_value = "data/gateway.jsonl")]
    pub(crate) journal: PathBuf,
    /// Shortest and longest time of an approval, in milliseconds.
    #[arg(long, num_args = 2, default_values_t = [400, 620])]
    pub(crate) approve_millis: Vec<u64>,
    /// How many calls are worked on at a time; 10 is the report's payment system.
    #[arg(long)]
    pub(crate) calls_max: Option<u64>,
    /// How long what a customer authorised can be confirmed, in milliseconds.
    #[arg(long, default_value_t = 600_000)]
    pub(crate) authorized_millis: u64,
    /// The client's root for webhooks, for example `http://127.0.0.1:8088/gateway`; none are sent
    /// without it. Signed with MARQUEE_WEBHOOK_SECRET, or a secret that everybody knows.
    #[arg(long)]
    pub(crate) callbacks: Option<String>,
}

#[derive(Args)]
pub(crate) struct FakeNotices {
    #[arg(long, default_value = "127.0.0.1:8090")]
    pub(crate) listen: SocketAddr,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum CatalogueKind {
    Demo,
    Rush,
    /// What the database has.
    None,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    Demo,
    Test,
}

/// At least one, and not more than a worker can keep an eye on.
fn calls(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(calls) if (1..=1_000).contains(&calls) => Ok(calls),
        _ => Err("1 to 1000".to_owned()),
    }
}

/// `name=value`
fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err("name=value".to_owned()),
    }
}

/// `10m`, `90s`, `1h30m`, `500ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let unfit = |error: jiff::Error| error.to_string();
    let span: jiff::SignedDuration = text.parse().map_err(unfit)?;
    Duration::try_from(span).map_err(unfit)
}
