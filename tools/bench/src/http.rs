//! A thin HTTP client for load: a few connections that stay open, one request at a time on each.

use anyhow::Context;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::sync::{Mutex, PoisonError};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Requests beyond its connections wait for their turn, in the order in which they came.
pub(crate) struct Http {
    /// `host:port`.
    address: String,
    places: Semaphore,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body, if the answer has this status.
    pub(crate) fn expect(&self, status: StatusCode) -> anyhow::Result<Value> {
        let text = || String::from_utf8_lossy(&self.body);
        anyhow::ensure!(self.status == status, "answered {}: {}", self.status, text());
        serde_json::from_slice(&self.body).with_context(|| format!("no JSON: {}", text()))
    }
}

impl Http {
    /// Connects when something is sent. The root is `http://host:port`, with or without a slash.
    pub(crate) fn new(root: &str, connections: usize) -> Self {
        let address = root.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { address, places: Semaphore::new(connections), idle: Mutex::default() }
    }

    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        customer: &str,
        body: Bytes,
    ) -> anyhow::Result<Request<Full<Bytes>>> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.address)
            .header("content-type", "application/json")
            .header("x-customer-id", customer);
        Ok(request.body(Full::new(body))?)
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> anyhow::Result<Answer> {
        let _place = self.places.acquire().await?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let kept = match idle {
            // The server may have closed it since the last answer.
            Some(mut connection) => connection.ready().await.is_ok().then_some(connection),
            None => None,
        };
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        connection.ready().await?;
        let (head, body) = connection.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(Answer { status: head.status, body })
    }

    pub(crate) async fn get(&self, path: &str, customer: &str) -> anyhow::Result<Value> {
        let request = self.request(Method::GET, path, customer, Bytes::new())?;
        let answer = self.send(request).await.with_context(|| format!("GET {path}"))?;
        answer.expect(StatusCode::OK).with_context(|| format!("GET {path}"))
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(&self.address)
            .await
            .with_context(|| format!("cannot connect to {}", self.address))?;
        stream.set_nodelay(true)?;
        let (connection, driver) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(driver);
        Ok(connection)
    }
}
