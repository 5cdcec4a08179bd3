//! Customers who book and wait for their tickets, and then book again, as in the report's siege.

use crate::http::Http;
use crate::rush::report_body;
use crate::statistics::arrivals;
use anyhow::Context;
use ears::now;
use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
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

/// A booking that has its ticket or has ended otherwise. Times are since 1970.
pub(crate) struct Ended {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) sent: Duration,
    /// How long the call took.
    pub(crate) answered: Duration,
    /// When the store recorded the status.
    pub(crate) at: Duration,
}

/// What became of customers who came at a pace.
pub(crate) struct Came {
    pub(crate) ended: Vec<Ended>,
    /// Calls with another answer than 201, or with none.
    pub(crate) not_accepted: usize,
}

/// A status in which a booking stays, and since when.
struct News {
    status: String,
    at: Duration,
}

/// Waiting customers, each with their bookings and whom to tell.
type Waiting = BTreeMap<String, HashMap<String, oneshot::Sender<News>>>;

pub(crate) struct Siege {
    http: Http,
    /// The call of the `n`th customer.
    call: Box<dyn Fn(usize) -> Bytes + Send + Sync>,
    waiting: Mutex<Waiting>,
    begun: AtomicUsize,
    finished: AtomicUsize,
}

impl Siege {
    /// By the report's call.
    pub(crate) fn new(api: &str) -> Arc<Self> {
        Self::with_calls(api, |_| report_body())
    }

    pub(crate) fn with_calls(
        api: &str,
        call: impl Fn(usize) -> Bytes + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            http: Http::new(api, CONNECTIONS),
            call: Box::new(call),
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

    /// Customers who come at random moments, so many per second, and wait for the end.
    pub(crate) async fn paced(
        self: &Arc<Self>,
        per_sec: f64,
        during: Duration,
        within: Duration,
    ) -> anyhow::Result<Came> {
        let began = Instant::now();
        let mut coming = JoinSet::new();
        let all = async {
            for arrival in arrivals(per_sec, during, 1) {
                tokio::time::sleep_until((began + arrival).into()).await;
                let siege = self.clone();
                let n = self.begun.fetch_add(1, Ordering::Relaxed);
                coming.spawn(async move { siege.follow(n, within).await });
            }
            coming.join_all().await
        };
        let all = tokio::select! {
            all = all => all,
            broke = self.keep_looking() => return Err(broke),
        };
        let mut came = Came { ended: Vec::new(), not_accepted: 0 };
        for one in all {
            match one? {
                Some(ended) => came.ended.push(ended),
                None => came.not_accepted += 1,
            }
        }
        Ok(came)
    }

    async fn book(&self, n: usize) -> anyhow::Result<Booked> {
        let ended = self.follow(n, TICKETED_WITHIN).await?.context("a booking is not accepted")?;
        anyhow::ensure!(ended.status == "TICKETED", "{} is {}", ended.id, ended.status);
        self.finished.fetch_add(1, Ordering::Relaxed);
        Ok(Booked { id: ended.id, sent: ended.sent, ticketed: ended.at })
    }

    /// Sends the call and waits for its end. None: it was not accepted.
    async fn follow(&self, n: usize, within: Duration) -> anyhow::Result<Option<Ended>> {
        let customer = format!("bench-{}", n / BOOKINGS_PER_CUSTOMER);
        let (sent, clock) = (now(), Instant::now());
        let request =
            self.http.request(Method::POST, "/reservations", &customer, (self.call)(n))?;
        let Ok(answer) = self.http.send(request).await else { return Ok(None) };
        let answered = clock.elapsed();
        let Ok(reservation) = answer.expect(StatusCode::CREATED) else { return Ok(None) };
        let id = reservation["id"].as_str().context("an id")?.to_owned();
        let (tell, told) = oneshot::channel();
        self.lock().entry(customer).or_default().insert(id.clone(), tell);
        let told = tokio::time::timeout(within, told).await;
        let News { status, at } = told.with_context(|| format!("{id} does not end"))??;
        Ok(Some(Ended { id, status, sent, answered, at }))
    }

    /// Tells customers how their bookings ended; ends only by an error.
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
            let status = entry["status"].as_str().context("a status")?.to_owned();
            if !["TICKETED", "CANCELLED", "EXPIRED"].contains(&status.as_str()) {
                continue;
            }
            if let Some(tell) = mine.remove(id) {
                let at: jiff::Timestamp = entry["updatedAt"].as_str().context("a time")?.parse()?;
                let at = Duration::from_millis(u64::try_from(at.as_millisecond())?);
                tell.send(News { status, at }).ok();
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
