//! An endpoint of webhooks.

use crate::{Ear, Place, client, since_1970};
use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;

/// Longer than anybody waits for an answer.
const HANGS_FOR: Duration = Duration::from_secs(20);

/// What it does with what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Takes,
    /// 503.
    Refuses,
    /// It takes it, and does not say so in time.
    Hangs,
}

#[derive(Deserialize)]
struct Sent {
    timestamp: jiff::Timestamp,
    data: Place,
}

/// It has an address from its start on, and is told events when somebody names it.
pub struct Endpoint {
    pub ear: Arc<Ear>,
    url: String,
    mood: watch::Sender<Mood>,
}

impl Endpoint {
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let ear = Arc::new(Ear::default());
        let (mood, moods) = watch::channel(Mood::Takes);
        let hearing = ear.clone();
        let take = async move |body: Bytes| {
            let mood = *moods.borrow();
            if mood == Mood::Refuses {
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            let Ok(sent) = serde_json::from_slice::<Sent>(&body) else {
                return StatusCode::BAD_REQUEST;
            };
            hearing.hear(&sent.data.reservation_id, sent.data.seq, since_1970(sent.timestamp));
            if mood == Mood::Hangs {
                sleep(HANGS_FOR).await;
            }
            StatusCode::NO_CONTENT
        };
        let app = Router::new().route("/", post(take));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { ear, url, mood })
    }

    /// Has it named as an endpoint.
    pub async fn named_at(&self, api: &str) -> anyhow::Result<()> {
        let added = client()?.post(format!("{api}/webhook-endpoints")).header("x-role", "partner");
        added.json(&json!({ "url": self.url })).send().await?.error_for_status()?;
        Ok(())
    }

    pub fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }
}
