//! A stream of server-sent events, read frame by frame.

use super::SOON;
use reqwest::{RequestBuilder, Response};
use serde_json::Value;
use tokio::time::timeout;

/// One event of a stream.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Frame {
    pub(crate) id: u64,
    pub(crate) event: String,
    pub(crate) data: Value,
}

pub(crate) struct Stream {
    response: Response,
    read: String,
}

impl Stream {
    pub(crate) async fn open(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream = Self { response, read: String::new() };
        // First it says when to come again, should it end.
        assert_eq!(stream.text().await.expect("it goes on"), "retry: 2000");
        stream
    }

    /// None: the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            let text = self.text().await?;
            // A comment only keeps the connection.
            if !text.starts_with(':') {
                return Some(parsed(&text));
            }
        }
    }

    async fn text(&mut self) -> Option<String> {
        loop {
            if let Some((frame, rest)) = self.read.split_once("\n\n") {
                let (frame, rest) = (frame.to_owned(), rest.to_owned());
                self.read = rest;
                return Some(frame);
            }
            let chunk = timeout(SOON, self.response.chunk()).await.expect("in time");
            self.read += std::str::from_utf8(&chunk.expect("it goes on")?).expect("whole letters");
        }
    }
}

fn parsed(text: &str) -> Frame {
    let mut frame = Frame::default();
    for line in text.lines() {
        match line.split_once(": ") {
            Some(("id", id)) => frame.id = id.parse().expect("a number"),
            Some(("event", event)) => frame.event = event.to_owned(),
            Some(("data", data)) => frame.data = serde_json::from_str(data).expect("JSON"),
            _ => {}
        }
    }
    frame
}
