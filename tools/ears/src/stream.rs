//! A reader of the stream.

use crate::{Ear, Place, client, since_1970};
use serde::Deserialize;
use std::sync::Arc;

const ENDS_WITH: &str = "\n\n";

#[derive(Deserialize)]
struct Streamed {
    subject: String,
    time: jiff::Timestamp,
    data: Place,
}

/// Follows `GET /events` as a stream.
pub async fn listen(api: &str) -> anyhow::Result<Arc<Ear>> {
    let request = client()?.get(format!("{api}/events"));
    let request = request.header("accept", "text/event-stream").header("x-role", "partner");
    let mut response = request.send().await?.error_for_status()?;
    let ear = Arc::new(Ear::default());
    let hearing = ear.clone();
    tokio::spawn(async move {
        let mut read = String::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            read.push_str(&String::from_utf8_lossy(&chunk));
            while let Some((frame, rest)) = read.split_once(ENDS_WITH) {
                let data = frame.lines().find_map(|line| line.strip_prefix("data: "));
                let event = data.and_then(|data| serde_json::from_str::<Streamed>(data).ok());
                if let Some(event) = event {
                    hearing.hear(&event.subject, event.data.seq, since_1970(event.time));
                }
                read = rest.to_owned();
            }
        }
    });
    Ok(ear)
}
