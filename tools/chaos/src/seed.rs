//! One seed: a fresh system, customers, faults, healing, rest, audit.

use crate::booking::{Booking, Load, Wish};
use crate::config::{Config, FAULTS_PER_SEED};
use crate::customer::{Crowd, Customer};
use crate::judge::{Ledger, Violation, judge, sold};
use crate::kind::{Kind, On, dealt};
use crate::mix::Mix;
use crate::report::{Ends, Fault, Outcome};
use crate::script::ledger;
use crate::strike::Scene;
use crate::system::{Shape, System};
use anyhow::Context;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::process::Command;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

/// All bookings have ended this long after the last fault healed.
pub const QUIET_WITHIN: Duration = Duration::from_secs(60);
/// Few, so that customers meet.
const SHOWTIMES: usize = 3;
/// Customers come first, faults after them.
const CALM_SECS: f64 = 2.0;
/// A message that was refused is tried again within this time.
const TOLD_WITHIN: Duration = Duration::from_secs(60);
/// What is asked after all has healed is answered at once.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// What is played.
pub struct Round {
    on: On,
    marquee: PathBuf,
    tools_dir: PathBuf,
    seed: u64,
    bookings: usize,
    load: Duration,
    kinds: Vec<Kind>,
    mix: Option<f64>,
    keep: bool,
}

impl Round {
    /// The round of this seed.
    pub fn of(config: &Config, seed: u64) -> anyhow::Result<Self> {
        let kinds = match config.mix {
            Some(_) => Vec::new(),
            None if config.kinds.is_empty() => dealt(&Kind::of(config.on), seed, FAULTS_PER_SEED),
            None => config.kinds.clone(),
        };
        Ok(Self {
            on: config.on,
            marquee: config.marquee()?,
            tools_dir: config.tools_dir()?,
            seed,
            bookings: config.bookings,
            load: Duration::from_secs(config.load_secs),
            kinds,
            mix: config.mix,
            keep: config.keep,
        })
    }
}

/// A fault that was done.
struct Done {
    kind: Kind,
    at: Instant,
    healed_at: Instant,
    struck: anyhow::Result<u64>,
}

/// Plays one round to its end. Fails only where it could not be played.
pub async fn play(round: &Round) -> anyhow::Result<Outcome> {
    let Round { on, marquee, tools_dir, .. } = round;
    let system = System::start(&Shape { on: *on, marquee, tools_dir }).await?;
    let crowd = Arc::new(Crowd::default());
    let scene = Arc::new(Scene::new(system, crowd.clone()));
    let mut rng = fastrand::Rng::with_seed(round.seed);
    let mut showtimes = some_showtimes(&scene.system.api).await?;
    rng.shuffle(&mut showtimes);
    showtimes.truncate(SHOWTIMES);
    let showtimes = Arc::new(showtimes);
    let load = Load {
        api: scene.system.api.clone(),
        name: format!("seed-{}", round.seed),
        crowd: crowd.clone(),
        began: Instant::now(),
        showtimes: showtimes.clone(),
    };
    let mix = match round.mix {
        Some(share) => Some(Mix::start(&scene.system, share, round.seed).await?),
        None => None,
    };
    let faults = strike_all(&scene, round, load.began, &mut rng);
    let customers = send_all(&load, round, &mut rng);

    let faults: Vec<Done> = faults.join_all().await;
    let mut mixed = Vec::new();
    if let Some(mix) = mix {
        sleep_until(load.began + round.load).await;
        mixed = mix.stop(&scene.system).await?;
    }
    let healed = faults.iter().map(|fault| fault.healed_at).max().unwrap_or(load.began);
    let rest_from = healed.max(load.began + round.load);
    let bookings = rest(customers, &crowd, rest_from).await?;
    let quiet = bookings.iter().filter_map(|b| b.ended_at).max().unwrap_or(rest_from);

    crowd.over.store(false, Ordering::Relaxed);
    let audit = Audit { scene: &scene, load: &load, showtimes: &showtimes };
    let (violations, stories) = audit.of(&bookings).await?;
    let fault = |done: &Done| told(done, &bookings, &violations, load.began);
    let mut outcome = Outcome {
        seed: round.seed,
        faults: faults.iter().map(fault).collect(),
        mixed,
        ends: Ends::of(bookings.iter()),
        quiet_secs: quiet.saturating_duration_since(rest_from).as_secs_f64(),
        violations: violations.len(),
        stories,
        falls: scene.system.falls().iter().map(|(part, n)| format!("{part:?} {n}")).collect(),
        folder: None,
    };
    let scene = Arc::into_inner(scene).context("all faults have healed")?;
    outcome.folder = scene.system.stop(round.keep || !violations.is_empty()).await;
    Ok(outcome)
}

/// The showtimes of the next days, in order.
pub(crate) async fn some_showtimes(api: &str) -> anyhow::Result<Vec<String>> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{api}/showtimes?limit=100");
    let page: Value = http.get(url).send().await?.json().await?;
    let shows = page["items"].as_array().context("showtimes")?.iter();
    Ok(shows.filter_map(|show| show["id"].as_str()).map(<_>::into).collect())
}

fn strike_all(
    scene: &Arc<Scene>,
    round: &Round,
    began: Instant,
    rng: &mut fastrand::Rng,
) -> JoinSet<Done> {
    let mut faults = JoinSet::new();
    for &kind in &round.kinds {
        let span = round.load.as_secs_f64() - 2.0 * CALM_SECS;
        let at = began + Duration::from_secs_f64(CALM_SECS + rng.f64() * span);
        let scene = scene.clone();
        faults.spawn(async move {
            sleep_until(at).await;
            let at = Instant::now();
            let struck = scene.strike(kind).await;
            Done { kind, at, healed_at: Instant::now(), struck }
        });
    }
    faults
}

fn send_all(load: &Load, round: &Round, rng: &mut fastrand::Rng) -> Vec<JoinHandle<Booking>> {
    let mut customers = Vec::new();
    for n in 0..round.bookings {
        let at = load.began + round.load.mul_f64(rng.f64());
        let booking = Booking::new(Wish::draw(rng), load.customer(n, rng.u64(..)));
        let showtimes = load.showtimes.clone();
        customers.push(tokio::spawn(async move {
            sleep_until(at).await;
            booking.carry_out(showtimes).await
        }));
    }
    customers
}

/// Waits until all bookings have ended, or until they had to.
async fn rest(
    customers: Vec<JoinHandle<Booking>>,
    crowd: &Arc<Crowd>,
    from: Instant,
) -> anyhow::Result<Vec<Booking>> {
    let over = crowd.clone();
    let bell = tokio::spawn(async move {
        sleep_until(from + QUIET_WITHIN).await;
        over.over.store(true, Ordering::Relaxed);
    });
    let mut bookings = Vec::new();
    for customer in customers {
        bookings.push(customer.await?);
    }
    bell.abort();
    Ok(bookings)
}

/// What became of those whom a fault met.
fn told(done: &Done, bookings: &[Booking], violations: &[Violation], began: Instant) -> Fault {
    let met = |booking: &&Booking| booking.was_under_way(done.at);
    let wrong: BTreeSet<usize> = violations.iter().filter_map(|v| v.booking).collect();
    let late = |booking: &Booking| {
        let ended = booking.ended_at.filter(|_| booking.wish.is_carried());
        Some(ended?.saturating_duration_since(done.healed_at).as_secs_f64())
    };
    let under_way = bookings.iter().filter(|booking| booking.was_under_way(done.healed_at));
    Fault {
        kind: done.kind,
        at_secs: (done.at - began).as_secs_f64(),
        healed_secs: (done.healed_at - began).as_secs_f64(),
        struck: *done.struck.as_ref().unwrap_or(&0),
        failed: done.struck.as_ref().err().map(|error| format!("{error:#}")),
        under_way: bookings.iter().filter(met).count(),
        ends: Ends::of(bookings.iter().filter(met)),
        violations: wrong.iter().filter(|n| bookings[**n].was_under_way(done.at)).count(),
        recovery_secs: under_way.filter_map(late).fold(0.0, f64::max),
    }
}

struct Audit<'a> {
    scene: &'a Scene,
    load: &'a Load,
    showtimes: &'a [String],
}

impl Audit<'_> {
    /// What is wrong, and the story of each.
    async fn of(&self, bookings: &[Booking]) -> anyhow::Result<(Vec<Violation>, Vec<String>)> {
        let ledger = Ledger::of(&ledger(&self.scene.system).await?);
        let mut violations = judge(bookings, &ledger);
        for (n, booking) in bookings.iter().enumerate() {
            violations.extend(self.doubled(n, booking).await?);
        }
        violations.extend(self.miscounted(bookings).await?);
        violations.extend(self.checked(bookings).await?);
        violations.extend(self.untold(bookings).await?);
        violations.extend(self.scene.system.listeners().unheard(&self.load.api).await?);
        let mut stories = Vec::new();
        for Violation { booking, detail } in &violations {
            let told = match booking {
                Some(n) => self.story(*n, &bookings[*n], &ledger).await,
                None => String::new(),
            };
            stories.push(format!("VIOLATION {}: {detail}\n{told}", self.load.name));
        }
        Ok((violations, stories))
    }

    /// Each customer asked for one reservation, under one key.
    async fn doubled(&self, n: usize, booking: &Booking) -> anyhow::Result<Option<Violation>> {
        let page = self.read(&booking.customer.id, "/reservations?limit=100").await?;
        let found = page["items"].as_array().map_or(0, Vec::len);
        let expected = usize::from(booking.id.is_some());
        let detail = format!("the customer has {found} reservations, not {expected}");
        Ok((found != expected).then_some(Violation { booking: Some(n), detail }))
    }

    /// At rest a showtime has as many places left as were not sold.
    async fn miscounted(&self, bookings: &[Booking]) -> anyhow::Result<Vec<Violation>> {
        let sold = sold(bookings);
        let mut shows: BTreeSet<&str> = sold.keys().copied().collect();
        shows.extend(self.showtimes.iter().map(String::as_str));
        let mut wrong = Vec::new();
        for show in shows {
            let body = self.read("auditor", &format!("/showtimes/{show}")).await?;
            let pool = &body["grades"][0];
            let [remaining, sellable] = ["remaining", "sellable"].map(|name| pool[name].as_u64());
            let gone = sellable.zip(remaining).map(|(sellable, left)| sellable.abs_diff(left));
            let expected = sold.get(show).copied().unwrap_or_default();
            if gone != Some(expected) {
                let detail = format!("{show}: {expected} places are sold, {pool}");
                wrong.push(Violation { booking: None, detail });
            }
        }
        Ok(wrong)
    }

    /// The product's own auditor.
    async fn checked(&self, bookings: &[Booking]) -> anyhow::Result<Option<Violation>> {
        let system = &self.scene.system;
        let acknowledged = system.data_dir().join("acknowledged");
        let ids: Vec<&str> = bookings.iter().filter_map(|b| b.id.as_deref()).collect();
        std::fs::write(&acknowledged, ids.join("\n"))?;
        let mut check = Command::new(&system.marquee);
        check.arg("check").arg("--data-dir").arg(system.data_dir());
        check.arg("--ledger").arg(system.journal()).arg("--acknowledged").arg(&acknowledged);
        if let Some(url) = &system.database_url {
            check.args(["--database-url", url]);
        }
        let output = timeout(ANSWER_WITHIN, check.output()).await.context("marquee check")??;
        let said = [output.stdout, output.stderr].concat();
        let detail = format!("marquee check:\n{}", String::from_utf8_lossy(&said));
        Ok((!output.status.success()).then_some(Violation { booking: None, detail }))
    }

    /// Where there is a message company, each customer has been told how it ended, or it is known that
    /// nobody can say. A fleet of chaos has none.
    async fn untold(&self, bookings: &[Booking]) -> anyhow::Result<Vec<Violation>> {
        let began = Instant::now();
        let mut waiting: BTreeSet<usize> = match self.scene.system.messages() {
            Some(_) => (0..bookings.len()).filter(|n| bookings[*n].id.is_some()).collect(),
            None => BTreeSet::new(),
        };
        while !waiting.is_empty() && began.elapsed() < TOLD_WITHIN {
            let mut told = Vec::new();
            for &n in &waiting {
                let page = self.read(&bookings[n].customer.id, "/notifications?limit=1").await?;
                let newest = &page["items"][0];
                let state = newest["state"].as_str().unwrap_or_default();
                // The report's call gives no phone.
                let was_told = ["SENT", "DELIVERED", "UNKNOWN"].contains(&state);
                if was_told || newest["reason"] == "NO_PHONE" {
                    told.push(n);
                }
            }
            waiting.retain(|n| !told.contains(n));
        }
        let untold = |n| Violation { booking: Some(n), detail: "nobody was told".to_owned() };
        Ok(waiting.into_iter().map(untold).collect())
    }

    async fn story(&self, n: usize, booking: &Booking, ledger: &Ledger) -> String {
        let Wish { form, turn, party } = booking.wish;
        let id = booking.id.as_deref().unwrap_or("no reservation");
        let mut story = vec![format!("  booking {n}, {id}: {form:?}, {turn:?}, {party} adults")];
        story.extend(booking.customer.story.iter().map(|line| format!("    {line}")));
        if booking.id.is_some() {
            let path = format!("/reservations/{id}/timeline?limit=100");
            let page = self.read(&booking.customer.id, &path).await.unwrap_or_default();
            let items = page["items"].as_array().into_iter().flatten();
            story.push("  timeline".to_owned());
            story.extend(items.map(|item| {
                let [seq, kind, at] = ["seq", "type", "at"].map(|name| &item[name]);
                format!("    {seq} {kind} {at} {}", item["data"])
            }));
            story.push("  gateway".to_owned());
            story.extend(ledger.story(id).into_iter().map(|line| format!("    {line}")));
            story.push(format!("  now {}", booking.last));
        }
        story.join("\n")
    }

    async fn read(&self, customer: &str, path: &str) -> anyhow::Result<Value> {
        let Load { api, crowd, began, .. } = self.load;
        let mut reader = Customer::new(customer.to_owned(), api, crowd.clone(), *began, 0);
        let answer = timeout(ANSWER_WITHIN, reader.read(path)).await;
        let answer = answer.with_context(|| format!("{path} was not answered"))?;
        Ok(answer.context("the run is over")?.body)
    }
}
