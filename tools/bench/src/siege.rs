//! Customers who book and wait for their tickets, and then book again, as in the report's siege.

use crate::http::Http;
use crate::rush::report_body;
use anyhow::{Context, bail};
use hyper::{Method, StatusCode};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Bookings of one customer stand on one page of mypage: few requests tell how all stand, and few
/// of those that they tell of have ended long ago.
const BOOKINGS_PER_CUSTOMER: usize = 20;
/// Rarely enough to cost next to nothing; when a booking was ticketed its document says by itself.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const TICKETED_WITHIN: Duration = Duration::from_secs(180);
const CONNECTIONS: usize = 32;

/// A booking that has its ticket. Times are since 1970.
#[derive(Clone, Debug)]
pub(crate) struct Booked {
    pub(crate) id: String,
    /// When the customer sent the call.
    pub(crate) sent: Duration,
    /// When the store recorded the ticket.
    pub(crate) ticketed: Duration,
}

/// Waiting customers, each with their bookings and whom to tell.
type Waiting = BTreeMap<String, HashMap<String, oneshot::Sender<Duration>>>;

pub(crate) struct Siege {
    http: Http,
    waiting: Mutex<Waiting>,
    begun: AtomicUsize,
    finished: AtomicUsize,
}

impl Siege {
    pub(crate) fn new(api: &str) -> Arc<Self> {
        Arc::new(Self {
            http: Http::new(api, CONNECTIONS),
            waiting: Mutex::default(),
            begun: AtomicUsize::new(0),
            finished: AtomicUsize::new(0),
        })
    }

    /// How many have been ticketed so far.
    pub(crate) fn finished(&self) -> usize {
        self.finished.load(Ordering::Relaxed)
    }

    /// Keeps so many under way until `count` more have been begun, and returns all when they have
    /// their tickets.
    pub(crate) async fn run(
        self: &Arc<Self>,
        count: usize,
        outstanding: usize,
    ) -> anyhow::Result<Vec<Booked>> {
        let until = self.begun.load(Ordering::Relaxed) + count;
        let lanes = (0..outstanding.min(count)).map(|_| {
            let siege = self.clone();
            async move {
                let mut booked = Vec::new();
                while let Some(n) = siege.next(until) {
                    booked.push(siege.book(n).await?);
                }
                anyhow::Ok(booked)
            }
        });
        let lanes = lanes.collect::<JoinSet<_>>();
        let lanes = tokio::select! {
            lanes = lanes.join_all() => lanes,
            broke = self.keep_looking() => return Err(broke),
        };
        Ok(lanes.into_iter().collect::<anyhow::Result<Vec<_>>>()?.concat())
    }

    fn next(&self, until: usize) -> Option<usize> {
        let more = |begun| (begun < until).then_some(begun + 1);
        self.begun.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()
    }

    async fn book(&self, n: usize) -> anyhow::Result<Booked> {
        let customer = format!("bench-{}", n / BOOKINGS_PER_CUSTOMER);
        let sent = now();
        let request = self.http.request(Method::POST, "/reservations", &customer, report_body())?;
        let reservation = self.http.send(request).await?.expect(StatusCode::CREATED)?;
        let id = reservation["id"].as_str().context("an id")?.to_owned();
        let (tell, ticketed) = oneshot::channel();
        self.lock().entry(customer).or_default().insert(id.clone(), tell);
        let ticketed = tokio::time::timeout(TICKETED_WITHIN, ticketed).await;
        let ticketed = ticketed.with_context(|| format!("{id} gets no ticket"))??;
        self.finished.fetch_add(1, Ordering::Relaxed);
        Ok(Booked { id, sent, ticketed })
    }

    /// Tells customers of their tickets; ends only by an error.
    async fn keep_looking(&self) -> anyhow::Error {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let customers: Vec<String> = self.lock().keys().cloned().collect();
            for customer in customers {
                if let Err(error) = self.look(&customer).await {
                    return error;
                }
            }
        }
    }

    async fn look(&self, customer: &str) -> anyhow::Result<()> {
        let page = self.http.get("/mypage?limit=100", customer).await?;
        let mut waiting = self.lock();
        let Some(mine) = waiting.get_mut(customer) else { return Ok(()) };
        for entry in page["items"].as_array().context("a list")? {
            let id = entry["reservationId"].as_str().context("an id")?;
            match entry["status"].as_str().context("a status")? {
                "TICKETED" => {}
                over @ ("CANCELLING" | "CANCELLED" | "EXPIRED") => bail!("{id} is {over}"),
                _ => continue,
            }
            if let Some(tell) = mine.remove(id) {
                let at: jiff::Timestamp = entry["updatedAt"].as_str().context("a time")?.parse()?;
                tell.send(Duration::from_millis(u64::try_from(at.as_millisecond())?)).ok();
            }
        }
        if mine.is_empty() {
            waiting.remove(customer);
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Since 1970.
pub(crate) fn now() -> Duration {
    let micros = jiff::Timestamp::now().as_microsecond();
    Duration::from_micros(u64::try_from(micros).expect("it is later than 1970"))
}
