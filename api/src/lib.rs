//! The HTTP API: one file per resource, each with its routes beside its handlers. Every answer
//! comes from the store; only `progress` asks a workflow, and falls back to the store, and `history`
//! is Temporal's own.

pub mod address;
pub mod attention;
pub mod audit_entries;
pub mod blocked_refunds;
pub mod blocked_seats;
pub mod callbacks;
pub mod caller;
pub mod cancellations;
pub mod check_ins;
pub mod erasures;
pub mod events;
pub mod faults;
pub mod gateway_calls;
pub mod guests;
pub mod health;
pub mod history;
pub mod invariants;
pub mod lookups;
pub mod movies;
pub mod mypage;
pub mod mypage_events;
pub mod new_showtimes;
pub mod notifications;
pub mod payments;
pub mod progress;
pub mod rate;
pub mod reservation_events;
pub mod reservations;
pub mod seat_map_events;
pub mod seats;
pub mod showtime_cancellations;
pub mod showtimes;
pub mod theaters;
pub mod tickets;
pub mod timeline;
pub mod tokens;
pub mod trace;
pub mod webhooks;

mod body;
mod bytes;
mod etag;
mod idempotency;
mod json;
mod openapi;
mod outcome;
mod paging;
mod problem;
mod query;
mod request;
mod sse;
mod titles;

use ::events::webhooks::reach::Reach;
use axum::Router;
use axum::middleware;
use gateway::breaker::State;
use std::sync::{Arc, OnceLock};
use store::Store;
use store::audit::Ledger;
use temporalio_client::Client;
use tokio::sync::watch;
use utoipa_axum::router::OpenApiRouter;

/// What the handlers work with.
#[derive(Clone)]
pub struct App {
    pub store: Store,
    pub temporal: TemporalLink,
    pub trust: caller::Trust,
    /// Answer 400 to commands without an Idempotency-Key.
    pub require_idempotency_key: bool,
    /// Whether the payment company is called, where this process calls it.
    pub breaker: Option<watch::Receiver<State>>,
    /// Becomes true when the process is about to stop: it is not ready any more, and whoever waits
    /// is told to come back.
    pub stopping: watch::Receiver<bool>,
    pub watched: Watched,
    /// Only in the test profile.
    pub faults: Option<Arc<faults::Faults>>,
    /// The gateway's ledger for the auditor, where it can be read.
    pub ledger: Option<Ledger>,
    pub company: Arc<callbacks::Company>,
    /// Which addresses partners may have called.
    pub reach: Reach,
}

/// Those who wait for events, and the seat maps that some of them watch.
#[derive(Clone, Default)]
pub struct Watched {
    waiting: sse::Waiting,
    maps: seat_map_events::OpenMaps,
}

/// The connection to Temporal, made and watched in the background. Bookings are taken without it.
#[derive(Clone)]
pub struct TemporalLink {
    /// None until it has been reached once.
    pub client: watch::Receiver<Option<Client>>,
    pub up: watch::Receiver<bool>,
    /// Where people look at runs: the address of the namespace in its web interface, once known.
    pub ui: Arc<OnceLock<String>>,
}

/// All routes, and their description.
pub fn router(app: App) -> Router {
    let trust = app.trust.clone();
    let (routes, document) = openapi::described(routes());
    routes
        .merge(openapi::pages(document))
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(middleware::from_fn_with_state(trust.clone(), rate::tell))
        .layer(middleware::from_fn_with_state(trust, caller::loopback_names_only))
        .layer(middleware::from_fn(bytes::whole_body))
        .layer(middleware::from_fn(problem::render))
        .with_state(app)
}

/// The description of this API (OpenAPI 3.1), as the repository keeps it.
pub fn description() -> String {
    let (_, document) = openapi::described(routes());
    document.to_pretty_json().expect("plain data has a JSON form")
}

fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(movies::routes())
        .merge(theaters::routes())
        .merge(showtimes::routes())
        .merge(new_showtimes::routes())
        .merge(showtime_cancellations::routes())
        .merge(seats::routes())
        .merge(reservations::routes())
        .merge(payments::routes())
        .merge(callbacks::routes())
        .merge(cancellations::routes())
        .merge(tickets::routes())
        .merge(check_ins::routes())
        .merge(timeline::routes())
        .merge(reservation_events::routes())
        .merge(seat_map_events::routes())
        .merge(mypage_events::routes())
        .merge(progress::routes())
        .merge(history::routes())
        .merge(mypage::routes())
        .merge(notifications::routes())
        .merge(events::routes())
        .merge(webhooks::routes())
        .merge(attention::routes())
        .merge(lookups::routes())
        .merge(audit_entries::routes())
        .merge(blocked_refunds::routes())
        .merge(blocked_seats::routes())
        .merge(gateway_calls::routes())
        .merge(erasures::routes())
        .merge(health::routes())
        .merge(faults::routes())
        .merge(invariants::routes())
}
