//! Webhooks: the feed's events at partners' endpoints, as Standard Webhooks
//! (<https://www.standardwebhooks.com>). Each endpoint follows the feed at its own pace; one that is
//! slow or dead costs the others nothing.

pub mod message;
pub mod reach;

use crate::retry_after::retry_after;
use domain::ids::{EndpointId, ReservationId};
use domain::time::Time;
use domain::webhook::ANSWER_WITHIN;
use futures::stream::{self, StreamExt};
use message::Message;
use reach::Reach;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use std::collections::BTreeMap;
use std::time::Duration;
use store::Store;
use store::deliveries::{Arrival, Turn};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Endpoints that fell due without a word are found this late at most.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Endpoints that are sent to at the same time.
const ENDPOINTS_AT_ONCE: usize = 32;
/// Requests to one endpoint at the same time.
const AT_ONCE: usize = 8;
/// In a turn nothing more is sent after this; with the last answer it stays below `TURN_WITHIN`.
const TURN_FOR: Duration = Duration::from_secs(5);
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// The log is cleared this often.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// Sends the feed to the endpoints.
pub struct Sender {
    store: Store,
    client: Client,
    reach: Reach,
}

impl Sender {
    pub fn new(store: Store, reach: Reach) -> reqwest::Result<Self> {
        let client = Client::builder()
            .timeout(ANSWER_WITHIN)
            .connect_timeout(CONNECT_WITHIN)
            // Whoever answers elsewhere, or asks a proxy, is not whom the partner named.
            .redirect(Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(AT_ONCE)
            .dns_resolver(reach)
            .user_agent(concat!("Marquee/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { store, client, reach })
    }

    /// Sends until it is told to quit. Any number may run.
    pub async fn run(self, mut quit: watch::Receiver<bool>) {
        let mut fed = self.store.changes().fed();
        let mut turns: JoinSet<()> = JoinSet::new();
        let mut forget_at = Instant::now();
        loop {
            fed.mark_unchanged();
            self.start_turns(&mut turns, &quit).await;
            if Instant::now() >= forget_at {
                forget_at = Instant::now() + FORGET_EVERY;
                turns.spawn(forget(self.store.clone()));
            }
            tokio::select! {
                _ = fed.changed() => {}
                _ = turns.join_next(), if !turns.is_empty() => {}
                () = sleep(LOOK_EVERY) => {}
                _ = quit.changed() => break,
            }
        }
        // What is under way ends; the rest is found by whoever comes next.
        while turns.join_next().await.is_some() {}
    }

    async fn start_turns(&self, turns: &mut JoinSet<()>, quit: &watch::Receiver<bool>) {
        let free = ENDPOINTS_AT_ONCE.saturating_sub(turns.len());
        let limit = i64::try_from(free).unwrap_or(i64::MAX);
        match self.store.take_turns(limit).await {
            Ok(taken) => {
                for turn in taken {
                    let (store, reach) = (self.store.clone(), self.reach);
                    let (client, quit) = (self.client.clone(), quit.clone());
                    turns.spawn(async move {
                        let arrivals = send(&client, reach, &turn, store.now(), &quit).await;
                        if let Err(error) = store.end_turn(&turn, &arrivals).await {
                            // They are sent again.
                            tracing::warn!(?error, endpoint.id = %turn.endpoint_id, "a turn is lost");
                        }
                    });
                }
            }
            Err(error) => tracing::warn!(?error, "webhooks wait"),
        }
    }
}

/// Clears the log of what is old.
async fn forget(store: Store) {
    loop {
        match store.forget_deliveries().await {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(?error, "old deliveries are kept");
                return;
            }
        }
    }
}

/// The events of different reservations go at the same time, those of one after another.
async fn send(
    client: &Client,
    reach: Reach,
    turn: &Turn,
    now: Time,
    quit: &watch::Receiver<bool>,
) -> Vec<Arrival> {
    let until = Instant::now() + TURN_FOR;
    let mut of_each: BTreeMap<&ReservationId, Vec<usize>> = BTreeMap::new();
    for (place, sent) in turn.events.iter().enumerate() {
        of_each.entry(&sent.entry.reservation_id).or_default().push(place);
    }
    let sending = of_each.into_values().map(async |places| {
        let mut arrivals = Vec::new();
        let mut goes_on = true;
        for place in places {
            let sent = &turn.events[place];
            let in_time = Instant::now() < until && !*quit.borrow();
            let arrival = if goes_on && !sent.behind && in_time {
                deliver(client, reach, turn, &Message::of(&sent.entry), now).await
            } else {
                Arrival::Waits
            };
            goes_on = matches!(arrival, Arrival::Arrived { .. });
            arrivals.push((place, arrival));
        }
        arrivals
    });
    let sending = stream::iter(sending).buffer_unordered(AT_ONCE);
    let arrivals: Vec<Vec<(usize, Arrival)>> = sending.collect().await;
    let mut arrivals: Vec<_> = arrivals.into_iter().flatten().collect();
    arrivals.sort_by_key(|(place, _)| *place);
    arrivals.into_iter().map(|(_, arrival)| arrival).collect()
}

async fn deliver(
    client: &Client,
    reach: Reach,
    turn: &Turn,
    message: &Message,
    now: Time,
) -> Arrival {
    let Some(url) = reach.parse(&turn.url) else { return failed(None, "NOT_ALLOWED") };
    let mut request = client.post(url).header(CONTENT_TYPE, "application/json");
    for (name, value) in message.signed(&turn.secrets, now) {
        request = request.header(name, value);
    }
    match request.body(message.body.clone()).send().await {
        Ok(response) => answered(turn.endpoint_id.clone(), &response),
        Err(error) if error.is_timeout() => failed(None, "NO_ANSWER"),
        Err(error) if error.is_connect() => failed(None, "UNREACHABLE"),
        Err(_) => failed(None, "BROKEN_OFF"),
    }
}

fn answered(endpoint: EndpointId, response: &Response) -> Arrival {
    let status = response.status();
    if status.is_success() {
        return Arrival::Arrived { answer: status.as_u16() };
    }
    if status == StatusCode::GONE {
        tracing::info!(endpoint.id = %endpoint, "an endpoint is gone");
        return Arrival::Gone;
    }
    let pause = retry_after(response);
    Arrival::Failed { answer: Some(status.as_u16()), why: "REFUSED", pause }
}

fn failed(answer: Option<u16>, why: &'static str) -> Arrival {
    Arrival::Failed { answer, why, pause: None }
}
