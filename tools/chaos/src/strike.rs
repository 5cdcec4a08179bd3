//! How each kind of fault is done, and undone.

use crate::customer::Crowd;
use crate::guarded::{kill, lives, pause, quit, resume, terminate};
use crate::kind::Kind;
use crate::runs::{Deed, interfere};
use crate::script::{Rule, http};
use crate::system::{Part, System};
use anyhow::{Context, ensure};
use ears::endpoint::Mood;
use rustix::process::Pid;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

const DOWN_FOR: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// What was ended runs again within this time, also on a busy machine.
const RUNS_WITHIN: Duration = Duration::from_secs(60);
const RUNS_HIT_MAX: i32 = 10;

/// Where faults strike.
pub(crate) struct Scene {
    pub(crate) system: System,
    pub(crate) crowd: Arc<Crowd>,
    /// While one process is down on purpose, nobody else ends any, nor touches its files.
    ending: Mutex<()>,
}

impl Scene {
    pub(crate) fn new(system: System, crowd: Arc<Crowd>) -> Self {
        Self { system, crowd, ending: Mutex::new(()) }
    }

    /// Carries one fault out, heals it, and says how often it struck.
    pub(crate) async fn strike(&self, kind: Kind) -> anyhow::Result<u64> {
        let secs = Duration::from_secs;
        match kind {
            Kind::UpKilled => self.end(Part::Up, kill).await,
            Kind::UpRestarted => self.end(Part::Up, terminate).await,
            Kind::UpPaused => self.hold(Part::Up, secs(15)).await,
            Kind::ApiKilled => self.end(Part::Api, kill).await,
            Kind::WorkerKilled => self.end(Part::Worker, kill).await,
            Kind::WorkerRestarted => self.end(Part::OtherWorker, terminate).await,
            Kind::WorkerPaused => self.hold(Part::Worker, secs(15)).await,
            Kind::PostgresStopped => self.end(Part::Postgres, quit).await,
            Kind::ConnectionsCut => self.cut_connections().await,
            Kind::CommitsCut => self.cut_commits().await,
            Kind::TemporalKilled => self.end(Part::Temporal, kill).await,
            Kind::TemporalDown => self.keep_down(Part::Temporal).await,
            Kind::TemporalPaused => self.hold(Part::Temporal, secs(5)).await,
            Kind::TemporalSetBack => self.set_temporal_back().await,
            Kind::TemporalForgot => self.make_temporal_forget().await,
            Kind::RunsTerminated => self.interfere(Deed::Terminate).await,
            Kind::RunsDeleted => self.interfere(Deed::Delete).await,
            Kind::RunsCancelled => self.interfere(Deed::Cancel).await,
            Kind::WakeStorm => self.interfere(Deed::Wake).await,
            Kind::GatewayKilled => self.end(Part::Gateway, kill).await,
            Kind::GatewayDown => self.keep_down(Part::Gateway).await,
            Kind::GatewayPaused => self.hold(Part::Gateway, secs(5)).await,
            Kind::GatewaySlow => self.play(Rule::approvals(2_000, 4_000), 8).await,
            Kind::AnswersLate => self.play(Rule::approvals(5_000, 9_000), 5).await,
            Kind::AnswersLost => self.play(Rule::next("LOSE_ANSWER", 15), 8).await,
            Kind::RequestsDropped => self.play(Rule::next("RESET", 15), 8).await,
            Kind::GatewayUnavailable => self.play(Rule::next("DOWN", 15), 8).await,
            Kind::PaymentsDeclined => self.play(Rule::next_of("DECLINE", "APPROVE", 10), 8).await,
            Kind::CapturesRefused => self.play(Rule::next_of("DECLINE", "CAPTURE", 4), 8).await,
            Kind::RefundsRefused => self.play(Rule::next_of("DECLINE", "REFUND", 3), 10).await,
            Kind::TicketsDown => self.stop_tickets().await,
            Kind::BrokerKilled => self.end(Part::Broker, kill).await,
            Kind::BrokerDown => self.keep_down(Part::Broker).await,
            Kind::BrokerPaused => self.hold(Part::Broker, secs(8)).await,
            Kind::EndpointRefuses => Ok(self.spoil_endpoint(Mood::Refuses).await),
            Kind::EndpointHangs => Ok(self.spoil_endpoint(Mood::Hangs).await),
            Kind::MessagesDown => self.spoil_messages("DOWN").await,
            Kind::MessagesUnanswered => self.spoil_messages("LOSE_ANSWER").await,
            Kind::CommandsTripled => {
                let Crowd { triples, tripled, .. } = &*self.crowd;
                Ok(for_a_while(triples, tripled).await)
            }
            Kind::CustomersGone => {
                let Crowd { leaves, left, .. } = &*self.crowd;
                Ok(for_a_while(leaves, left).await)
            }
        }
    }

    /// Ends a process, which is started again, and waits for that.
    async fn end(&self, part: Part, how: fn(Pid) -> bool) -> anyhow::Result<u64> {
        let _alone = self.ending.lock().await;
        let pid = self.running(part).await?;
        ensure!(how(pid), "{part:?} was gone already");
        self.another(part, pid).await?;
        Ok(1)
    }

    /// Ends each process that comes up for this part, for a while.
    async fn keep_down(&self, part: Part) -> anyhow::Result<u64> {
        let _alone = self.ending.lock().await;
        let (began, mut kills) = (Instant::now(), 0);
        while began.elapsed() < DOWN_FOR {
            kills += self.system.pid(part).map_or(0, |pid| u64::from(kill(pid)));
            sleep(LOOK_EVERY).await;
        }
        self.running(part).await?;
        Ok(kills)
    }

    async fn hold(&self, part: Part, lasting: Duration) -> anyhow::Result<u64> {
        let pid = self.running(part).await?;
        ensure!(pause(pid), "{part:?} was gone already");
        sleep(lasting).await;
        resume(pid);
        Ok(1)
    }

    async fn running(&self, part: Part) -> anyhow::Result<Pid> {
        let began = Instant::now();
        loop {
            if let Some(pid) = self.system.pid(part) {
                return Ok(pid);
            }
            ensure!(began.elapsed() < RUNS_WITHIN, "{part:?} does not run");
            sleep(LOOK_EVERY).await;
        }
    }

    async fn another(&self, part: Part, before: Pid) -> anyhow::Result<()> {
        let began = Instant::now();
        while self.system.pid(part).is_none_or(|pid| pid == before) {
            ensure!(began.elapsed() < RUNS_WITHIN, "{part:?} was not started again");
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    async fn interfere(&self, deed: Deed) -> anyhow::Result<u64> {
        interfere(&self.system, deed, RUNS_HIT_MAX).await
    }

    async fn play(&self, rule: Rule, secs: u64) -> anyhow::Result<u64> {
        rule.play(&self.system, Duration::from_secs(secs)).await
    }

    /// Temporal wakes up with what it knew eight seconds ago.
    async fn set_temporal_back(&self) -> anyhow::Result<u64> {
        let aside = self.system.data_dir().join("earlier");
        {
            let _alone = self.ending.lock().await;
            let pid = self.running(Part::Temporal).await?;
            ensure!(pause(pid), "Temporal was gone already");
            let copied = std::fs::create_dir_all(&aside)
                .map_err(Into::into)
                .and_then(|()| copy_each(&temporal_files(self.system.data_dir()), &aside));
            resume(pid);
            copied?;
        }
        sleep(Duration::from_secs(8)).await;
        self.with_temporal_dead(|files, data_dir| {
            forget_each(files)?;
            copy_each(&temporal_files(&aside), data_dir)
        })
        .await
    }

    async fn make_temporal_forget(&self) -> anyhow::Result<u64> {
        self.with_temporal_dead(|files, _| forget_each(files)).await
    }

    /// Kills Temporal and does this before it is started again, a second later.
    async fn with_temporal_dead(
        &self,
        act: impl FnOnce(&[PathBuf], &Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<u64> {
        let _alone = self.ending.lock().await;
        let pid = self.running(Part::Temporal).await?;
        ensure!(kill(pid), "Temporal was gone already");
        while lives(pid) {
            sleep(Duration::from_millis(5)).await;
        }
        let data_dir = self.system.data_dir();
        act(&temporal_files(data_dir), data_dir)?;
        let in_time = self.system.pid(Part::Temporal).is_none();
        ensure!(in_time, "Temporal was back before its files were changed");
        self.another(Part::Temporal, pid).await?;
        Ok(1)
    }

    async fn stop_tickets(&self) -> anyhow::Result<u64> {
        self.tickets_down(true).await?;
        sleep(Duration::from_secs(8)).await;
        self.tickets_down(false).await?;
        Ok(1)
    }

    async fn tickets_down(&self, down: bool) -> anyhow::Result<()> {
        let url = || Some(format!("{}/admin/faults/ticket", self.system.api));
        put(url, &json!({"down": down})).await
    }

    async fn spoil_endpoint(&self, mood: Mood) -> u64 {
        self.system.listeners().endpoint.set(mood);
        sleep(Duration::from_secs(8)).await;
        self.system.listeners().endpoint.set(Mood::Takes);
        1
    }

    async fn spoil_messages(&self, fault: &str) -> anyhow::Result<u64> {
        let url = || Some(format!("{}faults", self.system.messages()?));
        put(url, &json!({"rules": [{"fault": fault}]})).await?;
        sleep(Duration::from_secs(8)).await;
        put(url, &json!({"rules": []})).await?;
        Ok(1)
    }

    async fn cut_connections(&self) -> anyhow::Result<u64> {
        let wire = self.system.wire().context("a fleet has a wire")?;
        let mut cut = 0;
        for _ in 0..8 {
            cut += wire.cut();
            sleep(Duration::from_millis(700)).await;
        }
        Ok(cut)
    }

    async fn cut_commits(&self) -> anyhow::Result<u64> {
        let wire = self.system.wire().context("a fleet has a wire")?;
        let before = wire.commits_cut();
        for _ in 0..8 {
            wire.cut_commits(3);
            sleep(Duration::from_millis(700)).await;
        }
        wire.cut_commits(0);
        Ok(wire.commits_cut() - before)
    }
}

/// Asks until it is done: whoever is asked may be down for another fault.
async fn put(url: impl Fn() -> Option<String>, body: &Value) -> anyhow::Result<()> {
    let http = http()?;
    let began = Instant::now();
    loop {
        if let Some(url) = url() {
            let asked = http.put(url).json(body).send().await;
            if asked.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
        }
        ensure!(began.elapsed() < RUNS_WITHIN, "the faults are not taken: {body}");
        sleep(LOOK_EVERY * 4).await;
    }
}

async fn for_a_while(order: &AtomicBool, count: &AtomicU64) -> u64 {
    let before = count.load(Ordering::Relaxed);
    order.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(8)).await;
    order.store(false, Ordering::Relaxed);
    count.load(Ordering::Relaxed) - before
}

/// SQLite's file and its log, which belong together.
fn temporal_files(folder: &Path) -> [PathBuf; 3] {
    ["temporal.db", "temporal.db-wal", "temporal.db-shm"].map(|name| folder.join(name))
}

/// The shared memory is not copied: it is made anew from the log.
fn copy_each(files: &[PathBuf; 3], to: &Path) -> anyhow::Result<()> {
    for file in files[..2].iter().filter(|file| file.is_file()) {
        let name = file.file_name().context("a name")?;
        std::fs::copy(file, to.join(name)).with_context(|| format!("{}", file.display()))?;
    }
    Ok(())
}

fn forget_each(files: &[PathBuf]) -> anyhow::Result<()> {
    for file in files.iter().filter(|file| file.exists()) {
        std::fs::remove_file(file).with_context(|| format!("{}", file.display()))?;
    }
    Ok(())
}
