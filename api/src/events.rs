//! The feed over HTTP, for partners: in pages, waiting where there is nothing new yet, or as
//! server-sent events. A new team needs nothing else to follow all that happens.

use crate::App;
use crate::caller::Partner;
use crate::problem::Problem;
use crate::query::Query;
use crate::sse::{SentEvent, event, last_seen, more, streamed};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use domain::feed::Entry;
use domain::person::Person;
use events::cloud_event::CloudEvent;
use futures::stream::unfold;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;
use store::{Store, StoreError};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const LIMIT_DEFAULT: i64 = 100;
const LIMIT_MAX: i64 = 1_000;
const WAIT_SECS_MAX: u64 = 30;
/// What came without a word is found this late at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Events that are read at once for a stream.
const STREAM_BATCH: i64 = 100;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct EventsQuery {
    after: Option<i64>,
    limit: Option<i64>,
    /// Seconds to wait where there is nothing yet.
    wait: Option<u64>,
}

/// What came after the place asked for.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FeedPage)]
struct PageBody {
    items: Vec<ItemBody>,
    /// Where to go on: the `after` of the next call, also when there was nothing.
    next_after: i64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = FeedItem)]
struct ItemBody {
    position: i64,
    /// A CloudEvent; docs/EVENTS.md has its schema.
    #[schema(value_type = Object)]
    event: CloudEvent,
}

/// The feed: a page of it, or, with `Accept: text/event-stream`, as it goes on.
#[utoipa::path(
    get, path = "/events", operation_id = "readEvents",
    params(EventsQuery),
    responses((status = 200, content((PageBody = "application/json"), (SentEvent = "text/event-stream")))),
    security(("bearer" = ["partner"]))
)]
async fn read(
    State(app): State<App>,
    Partner(partner): Partner,
    headers: HeaderMap,
    Query(query): Query<EventsQuery>,
) -> Result<Response, Problem> {
    let after = last_seen(&headers)?.or(query.after).unwrap_or(0);
    if after < 0 {
        return Err(Problem::malformed("after: 0 or a position"));
    }
    if wants_stream(&headers) {
        return stream(&app, &partner, after);
    }
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::malformed(format!("limit: 1 to {LIMIT_MAX}")));
    }
    let wait = query.wait.unwrap_or(0);
    if wait > WAIT_SECS_MAX {
        return Err(Problem::malformed(format!("wait: 0 to {WAIT_SECS_MAX} seconds")));
    }
    let mut reader = Reader::new(&app, after);
    let mut found = reader.read(limit).await?;
    if found.is_empty() && wait > 0 {
        let _slot = app.watched.waiting.slot(Some(&partner.id))?;
        let deadline = Instant::now() + Duration::from_secs(wait);
        while found.is_empty() && timeout_at(deadline, reader.more()).await == Ok(true) {
            found = reader.read(limit).await?;
        }
    }
    let next_after = found.last().map_or(after, |entry| entry.position);
    let item = |entry: &Entry| ItemBody { position: entry.position, event: entry.into() };
    let body = PageBody { items: found.iter().map(item).collect(), next_after };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    accepted
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("text/event-stream"))
}

/// Server-sent events from after a place on. It ends when the process stops or the store fails; who
/// reads it was told with the first word when to come again, with the last id seen.
fn stream(app: &App, partner: &Person, after: i64) -> Result<Response, Problem> {
    let slot = app.watched.waiting.slot(Some(&partner.id))?;
    let begin = (Reader::new(app, after), VecDeque::new(), slot);
    let events = unfold(begin, |(mut reader, mut read, slot)| async move {
        while read.is_empty() {
            match reader.read(STREAM_BATCH).await {
                Ok(entries) => read.extend(entries),
                Err(error) => {
                    tracing::warn!(?error, "a stream of events ends");
                    return None;
                }
            }
            if read.is_empty() && !reader.more().await {
                return None;
            }
        }
        let entry: Entry = read.pop_front()?;
        reader.after = entry.position;
        Some((sent(&entry), (reader, read, slot)))
    });
    Ok(streamed(events))
}

fn sent(entry: &Entry) -> Event {
    let name = entry.event.kind.as_str();
    event(name, &CloudEvent::from(entry)).id(entry.position.to_string())
}

/// Reads the feed on from a place.
struct Reader {
    store: Store,
    fed: watch::Receiver<()>,
    stopping: watch::Receiver<bool>,
    after: i64,
}

impl Reader {
    fn new(app: &App, after: i64) -> Self {
        let (store, fed) = (app.store.clone(), app.store.changes().fed());
        Self { store, fed, stopping: app.stopping.clone(), after }
    }

    async fn read(&mut self, limit: i64) -> Result<Vec<Entry>, StoreError> {
        self.fed.mark_unchanged();
        self.store.feed(self.after, limit).await
    }

    async fn more(&mut self) -> bool {
        let fed = async {
            self.fed.changed().await.ok();
        };
        more(fed, LOOK_EVERY, &mut self.stopping).await
    }
}
