//! `marquee api`, `marquee worker` and `marquee migrate`: the parts of `up` as processes of their
//! own, any number of each, on one PostgreSQL and one Temporal.

use crate::company::company;
use crate::config::{Api, Database, Migrate, Worker};
use crate::crew::{Crew, Hire, Link};
use crate::notice_company;
use crate::offer::keep_topped_up;
use crate::operations::{self, at_work};
use crate::pages::sessions;
use crate::serving::{listen_for, serve};
use crate::stopping::{asked_to_stop, drained, in_time};
use ::workers::connection::watch_over;
use ::workers::temporal_options::Queue;
use activities::World;
use anyhow::{Context, bail};
use api::{App, TemporalLink, Watched};
use domain::reservation::Deadlines;
use gateway::limiter::{Limiter, Limits};
use std::sync::{Arc, OnceLock};
use store::{Clock, Store};
use tokio::sync::watch;

/// The API alone; it takes bookings also before Temporal or a worker is there.
pub(crate) async fn api(options: Api) -> anyhow::Result<()> {
    let (trust, listening) =
        listen_for(&options.auth, options.session_key.as_deref(), options.listen).await?;
    let store = open(&options.database, Deadlines::from(&options.deadlines)).await?;
    let top_up = keep_topped_up(store.clone(), options.catalogue).await?;

    let (stopping, about_to_stop) = watch::channel(false);
    let (quit, quitting) = watch::channel(false);
    let stays = about_to_stop.clone();
    operations::begin(&options.operations, &store, Arc::new(move || !*stays.borrow())).await?;
    let (connected, client) = watch::channel(None);
    let (up, temporal_up) = watch::channel(false);
    let app = App {
        store,
        temporal: TemporalLink { client, up: temporal_up, ui: ui_of(&options) },
        trust,
        require_idempotency_key: options.require_idempotency_key,
        stopping: about_to_stop,
        watched: Watched::default(),
        faults: None,
        breaker: None,
        ledger: None,
        company: Arc::new(company(&options.gateway)?),
        reach: (&options.webhooks).into(),
    };
    let pages = options.session_key.as_deref().map(sessions).transpose()?;
    let serving = serve(listening, app, pages, quitting);
    let watching = tokio::spawn(watch_over(options.temporal.target()?, connected, up));

    asked_to_stop().await?;
    println!("Stopping …");
    stopping.send_replace(true);
    drained(options.drain).await;
    top_up.abort();
    watching.abort();
    quit.send_replace(true);
    in_time(async {
        serving.await.ok();
    })
    .await;
    Ok(())
}

fn ui_of(options: &Api) -> Arc<OnceLock<String>> {
    let namespace = &options.temporal.temporal_namespace;
    let at = options.temporal_ui.as_ref().map(|at| namespace_at(at.as_str(), namespace));
    Arc::new(at.map_or_else(OnceLock::new, OnceLock::from))
}

/// Where Temporal's web interface shows a namespace.
pub(crate) fn namespace_at(ui: &str, namespace: &str) -> String {
    format!("{}/namespaces/{namespace}", ui.trim_end_matches('/'))
}

/// Workers for some task queues, and the pump where `booking` is one of them.
pub(crate) async fn worker(options: Worker) -> anyhow::Result<()> {
    let pays = options.queues.contains(&Queue::Payment);
    let gateway = company(&options.gateway)?.gateway;
    if pays && gateway.is_none() {
        bail!("--gateway-url: the queue `payment` needs a payment company");
    }
    let store = open(&options.database, Deadlines::from(&options.deadlines)).await?;
    let (quit, quitting) = watch::channel(false);
    let (begun, ready) = at_work(options.queues.len(), quitting.clone());
    let sdk = operations::begin(&options.operations, &store, ready).await?;
    let (up, _) = watch::channel(false);
    let mut crew = Crew::hire(Hire {
        queues: &options.queues,
        target: options.temporal.target()?,
        world: World { store, gateway, limiter: Limiter::new(Limits::from(&options.limits)) },
        grace: options.grace,
        link: Link { client: watch::channel(None).0, up, begun },
        sdk,
        version: (&options.version).into(),
        ticket_slots: None,
        kafka: (&options.kafka).into(),
        notices: notice_company::of(&options.notices)?,
        reach: (&options.webhooks).into(),
        quit: quitting,
    })?;
    println!("Workers    {:?}", options.queues);
    let broke = crew.until_over().await;
    quit.send_replace(true);
    in_time(crew.ended()).await;
    broke.map_or(Ok(()), Err)
}

/// Brings the schema up to date and ends. The others do the same when they start, one at a time
/// under a lock, unless their role may not.
pub(crate) async fn migrate(options: Migrate) -> anyhow::Result<()> {
    let store = open(&options.database, Deadlines::default()).await?;
    println!("Database   its schema is up to date");
    if let Some(role) = &options.grant_to {
        store.grant_to(role).await.with_context(|| format!("--grant-to {role}"))?;
        println!("Database   {role} may read and write rows");
    }
    Ok(())
}

async fn open(database: &Database, deadlines: Deadlines) -> anyhow::Result<Store> {
    let url = &database.database_url;
    if url.starts_with("sqlite:") {
        bail!("--database-url: SQLite means one process: use `marquee up`");
    }
    // The URL may hold a password: it is not repeated.
    Store::open(url, Clock::System, deadlines)
        .await
        .context("cannot open the database (--database-url)")
}
