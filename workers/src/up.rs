//! `marquee up`: everything in one go, in one process but for Temporal and the gateway's stand-in.

use crate::children::{Child, Nursery};
use crate::company::{company, stand_in, stand_in_webhook_secret};
use crate::config::{self, FakeGateway, NoticeFlags, Profile, Temporal, TemporalSource, Up};
use crate::crew::{Crew, Hire, Link};
use crate::fleet::namespace_at;
use crate::ledger;
use crate::notice_company;
use crate::offer::keep_topped_up;
use crate::operations::{self, at_work};
use crate::pages::{KEY, make_key, sessions};
use crate::ports::Port;
use crate::serving::{listen, listen_for, serve};
use crate::stopping::{asked_to_stop, in_time};
use crate::temporal_server::{DevServer, Sources, find_or_build};
use ::workers::connection::Target;
use ::workers::temporal_options::Queue;
use activities::World;
use anyhow::{Context, bail};
use api::callbacks;
use api::faults::Faults;
use api::{App, TemporalLink, Watched};
use domain::reservation::Deadlines;
use events::notices::company::Company;
use futures::future::join_all;
use gateway::limiter::{Limiter, Limits};
use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use store::{Clock, Store};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) async fn up(options: Up) -> anyhow::Result<()> {
    let (data_dir, _lock) = locked(&options.data_dir)?;
    let session_key = session_key(&data_dir)?;
    let (trust, listening) = listen_for(&options.auth, Some(&session_key), options.listen).await?;
    let api_at = listening.at;
    let store = open_store(&options, &data_dir).await?;
    let top_up = keep_topped_up(store.clone(), options.catalogue).await?;

    let gateway = PaymentCompany::of(&options, &data_dir, api_at)?;

    let (quit, quitting) = watch::channel(false);
    let (connected, client) = watch::channel(None);
    let (up, temporal_up) = watch::channel(false);
    let (ticket_slots, tickets) = watch::channel(Queue::Ticket.slots());
    let ui = Arc::<OnceLock<String>>::default();
    let limiter = Limiter::new(Limits::from(&options.limits));
    let app = App {
        store: store.clone(),
        temporal: TemporalLink { client, up: temporal_up.clone(), ui: ui.clone() },
        trust,
        require_idempotency_key: options.require_idempotency_key,
        stopping: quitting.clone(),
        watched: Watched::default(),
        faults: faults(options.profile, ticket_slots),
        breaker: Some(limiter.state()),
        ledger: gateway.stand_in.as_ref().map(|it| ledger::of_journal(it.journal.clone())),
        company: gateway.company.clone(),
        reach: (&options.webhooks).into(),
    };
    let (begun, ready) = at_work(Queue::ALL.len(), quitting.clone());
    let sdk = operations::begin(&options.operations, &app.store, ready).await?;
    let serving = serve(listening, app, Some(sessions(&session_key)?), quitting.clone());

    let (quit_children, children_quitting) = watch::channel(false);
    let nursery = Nursery::new(data_dir, format!("http://{api_at}"), children_quitting)?;
    let mut children = Vec::new();
    let (gateway_at, world_gateway) = (gateway.at.clone(), gateway.company.gateway.clone());
    gateway.start(api_at, &nursery, &mut children).await?;
    let target = temporal_of(&options.temporal, api_at, &nursery, &ui, &mut children).await?;
    let notices = notices_of(&options.notices, api_at, &nursery, &mut children).await?;
    tell(&nursery, &gateway_at, &target)?;

    let mut crew = Crew::hire(Hire {
        queues: &Queue::ALL,
        target,
        world: World { store, gateway: world_gateway, limiter },
        grace: options.grace,
        link: Link { client: connected, up, begun },
        sdk,
        version: None,
        ticket_slots: Some(tickets),
        kafka: (&options.kafka).into(),
        notices: Some(notices),
        reach: (&options.webhooks).into(),
        quit: quitting,
    })?;
    let greeting = tokio::spawn(greet(temporal_up));
    let broke = crew.until_over().await;
    greeting.abort();
    top_up.abort();
    quit.send_replace(true);
    in_time(async {
        crew.ended().await;
        serving.await.ok();
    })
    .await;
    quit_children.send_replace(true);
    join_all(children).await;
    broke.map_or(Ok(()), Err)
}

fn faults(profile: Profile, ticket_slots: watch::Sender<usize>) -> Option<Arc<Faults>> {
    let ticket_slots = (ticket_slots, Queue::Ticket.slots());
    (profile == Profile::Test).then(|| Arc::new(Faults { ticket_slots }))
}

/// The stand-in alone; ends on Ctrl-C.
pub(crate) async fn fake_gateway(options: FakeGateway) -> anyhow::Result<()> {
    let [shortest, longest] = options.approve_millis[..] else { bail!("two times, please") };
    let faults = fake_gateway::faults::Faults {
        approve_millis: [shortest, longest],
        calls_max: options.calls_max,
        authorized_millis: options.authorized_millis,
        ..<_>::default()
    };
    let callbacks = options.callbacks.map(|root| fake_gateway::Callbacks {
        root,
        portone_secret: stand_in_webhook_secret().reveal().to_owned(),
    });
    let listener = listen(options.listen, "--listen").await?;
    println!("house gateway on http://{}", listener.local_addr()?);
    let options = fake_gateway::Options { listener, journal: options.journal, faults, callbacks };
    fake_gateway::serve(options, async {
        asked_to_stop().await.ok();
    })
    .await
}

/// The Temporal dev server alone; ends on Ctrl-C.
pub(crate) async fn temporal(options: Temporal) -> anyhow::Result<()> {
    let data_dir = data_dir(&options.data_dir)?;
    let (quit, quitting) = watch::channel(false);
    let nursery = Nursery::new(data_dir, String::new(), quitting)?;
    let (_, _, child) = dev_server(&options.source, options.port, &nursery).await?;
    asked_to_stop().await?;
    quit.send_replace(true);
    child.await.ok();
    Ok(())
}

fn data_dir(asked: &Path) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(asked.join("logs"))
        .and_then(|()| asked.canonicalize())
        .with_context(|| format!("--data-dir {}: cannot be made or written", asked.display()))
}

/// Two of us on one folder would be two writers of one file.
fn locked(asked: &Path) -> anyhow::Result<(PathBuf, File)> {
    let data_dir = data_dir(asked)?;
    let path = data_dir.join("up.lock");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok((data_dir, file)),
        Err(TryLockError::WouldBlock) => bail!(
            "another marquee uses {}; stop it, or give this one another --data-dir",
            data_dir.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

fn session_key(data_dir: &Path) -> anyhow::Result<PathBuf> {
    make_key(data_dir).with_context(|| format!("cannot write to {}", data_dir.display()))?;
    Ok(data_dir.join(KEY))
}

async fn open_store(options: &Up, data_dir: &Path) -> anyhow::Result<Store> {
    let url = options.database_url.clone().unwrap_or_else(|| config::database_in(data_dir));
    let deadlines = Deadlines::from(&options.deadlines);
    let store = Store::open(&url, Clock::System, deadlines).await;
    // The URL may hold a password: it is not repeated.
    store.context("cannot open the database (--database-url)")
}

/// The payment company's server: the one asked for, or the stand-in as a process of its own.
struct PaymentCompany {
    at: reqwest::Url,
    company: Arc<callbacks::Company>,
    /// None where the company is a real one.
    stand_in: Option<StandIn>,
}

struct StandIn {
    /// Where it is to listen.
    port: Port,
    /// Its books.
    journal: PathBuf,
}

impl PaymentCompany {
    fn of(options: &Up, data_dir: &Path, api_at: SocketAddr) -> anyhow::Result<Self> {
        if let Some(at) = options.gateway.url.clone() {
            let company = Arc::new(company(&options.gateway)?);
            return Ok(Self { at, company, stand_in: None });
        }
        let port = Port::free(next_port(api_at.port()))?;
        let at: reqwest::Url = format!("http://127.0.0.1:{}/", port.number).parse()?;
        let company = Arc::new(stand_in(options.gateway.kind, &at)?);
        let journal = data_dir.join(ledger::JOURNAL);
        Ok(Self { at, company, stand_in: Some(StandIn { port, journal }) })
    }

    async fn start(
        self,
        api_at: SocketAddr,
        nursery: &Nursery,
        children: &mut Vec<JoinHandle<()>>,
    ) -> anyhow::Result<()> {
        let Some(StandIn { port, journal }) = self.stand_in else { return Ok(()) };
        let command = vec![
            nursery.marquee.clone().into(),
            "fake-gateway".into(),
            "--listen".into(),
            format!("127.0.0.1:{}", port.number).into(),
            "--journal".into(),
            journal.into(),
            "--callbacks".into(),
            format!("http://{api_at}/gateway").into(),
        ];
        let log = nursery.data_dir.join("logs/gateway.log");
        let child = Child { name: "gateway", command, log, ports: vec![port] };
        children.push(nursery.keep(child).await?);
        Ok(())
    }
}

/// The Temporal server: the one asked for, or the dev server as a process of its own.
async fn temporal_of(
    source: &TemporalSource,
    api_at: SocketAddr,
    nursery: &Nursery,
    ui: &OnceLock<String>,
    children: &mut Vec<JoinHandle<()>>,
) -> anyhow::Result<Target> {
    let namespace = source.temporal_namespace.clone();
    if let Some(address) = &source.temporal_address {
        println!("Temporal   {address}, namespace {namespace} (TEMPORAL_ADDRESS)");
        return config::temporal(address, &namespace);
    }
    let from = next_port(next_port(api_at.port()));
    let (port, ui_at, child) = dev_server(source, from, nursery).await?;
    children.push(child);
    ui.get_or_init(|| namespace_at(&ui_at, &namespace));
    Target::plain(&format!("127.0.0.1:{port}"), &namespace)
}

async fn dev_server(
    source: &TemporalSource,
    from_port: u16,
    nursery: &Nursery,
) -> anyhow::Result<(u16, String, JoinHandle<()>)> {
    let in_data_dir = nursery.data_dir.join("tools");
    let mut say = |line: &str| println!("Temporal   {line}");
    let found = find_or_build(Sources {
        temporal_cli: source.temporal_cli.as_deref(),
        search_path: &source.search_path,
        cache: source.tools_dir.as_deref().unwrap_or(&in_data_dir),
        marquee: &nursery.marquee,
        say: &mut say,
    })
    .await?;
    let at = Port::free(from_port)?;
    let ui_at = Port::free(next_port(at.number))?;
    let (port, ui_port) = (at.number, ui_at.number);
    let db = nursery.data_dir.join("temporal.db");
    let server = DevServer { binary: &found.path, db: &db, port, ui_port };
    let log = nursery.data_dir.join("logs/temporal.log");
    let (command, ports) = (server.command(), vec![at, ui_at]);
    let kept = nursery.keep(Child { name: "temporal", command, log, ports }).await?;
    println!("Temporal   127.0.0.1:{port} ({})", found.origin);
    let ui = format!("http://127.0.0.1:{ui_port}");
    println!("Temporal UI {ui}");
    nursery.tell(|run| run.temporal_ui = Some(ui.clone()))?;
    Ok((port, ui, kept))
}

/// The company that sends notices: the one asked for, or the stand-in as a process of its own.
async fn notices_of(
    flags: &NoticeFlags,
    api_at: SocketAddr,
    nursery: &Nursery,
    children: &mut Vec<JoinHandle<()>>,
) -> anyhow::Result<Arc<dyn Company>> {
    if let Some(company) = notice_company::of(flags)? {
        return Ok(company);
    }
    let port = Port::free(api_at.port().saturating_add(4))?;
    let at: reqwest::Url = format!("http://127.0.0.1:{}/", port.number).parse()?;
    let company = notice_company::stand_in(flags, &at)?;
    let command = vec![
        nursery.marquee.clone().into(),
        "fake-notices".into(),
        "--listen".into(),
        format!("127.0.0.1:{}", port.number).into(),
    ];
    let log = nursery.data_dir.join("logs/notices.log");
    children.push(nursery.keep(Child { name: "notices", command, log, ports: vec![port] }).await?);
    println!("Messages   {at}");
    nursery.tell(|run| run.notices = Some(at.to_string()))?;
    Ok(company)
}

fn next_port(port: u16) -> u16 {
    port.saturating_add(1)
}

fn tell(nursery: &Nursery, gateway: &reqwest::Url, target: &Target) -> anyhow::Result<()> {
    println!("Gateway    {gateway}");
    nursery.tell(|run| {
        println!("My page    {}/mypage", run.api);
        run.gateway = gateway.to_string();
        run.temporal = target.address.clone();
    })
}

async fn greet(mut temporal_up: watch::Receiver<bool>) {
    if temporal_up.wait_for(|up| *up).await.is_ok() {
        println!("Ready. Ctrl-C stops everything; the next start goes on with the same data.");
    }
}
