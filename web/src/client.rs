//! The API, asked within this process on behalf of a visitor.

use crate::films::Items;
use crate::session::{Sessions, Visitor, Who};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::request::Builder;
use axum::http::{Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use tower::ServiceExt;

/// More than a chain of four houses shows on a day.
const PAGES_MAX: usize = 10;

/// What the pages work with.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) api: Router,
    pub(crate) sessions: Arc<Sessions>,
}

/// What the API refused, as it puts it in the visitor's language.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) title: String,
    pub(crate) detail: String,
    /// Seats that could be taken instead.
    pub(crate) alternatives: Vec<Vec<String>>,
}

impl Refused {
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// A command, with the key that makes a second click the same one.
pub(crate) struct Command {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Value,
    pub(crate) key: Option<String>,
}

impl Site {
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        visitor: &Visitor,
        path: &str,
    ) -> Result<T, Refused> {
        self.ask(visitor, Request::get(path), Body::empty()).await
    }

    /// All items of a list, page by page.
    pub(crate) async fn all<T: DeserializeOwned>(
        &self,
        visitor: &Visitor,
        path: &str,
    ) -> Result<Vec<T>, Refused> {
        let mut all = Vec::new();
        let mut next = path.to_owned();
        for _ in 0..PAGES_MAX {
            let found: Items<T> = self.get(visitor, &next).await?;
            all.extend(found.items);
            let Some(cursor) = found.next_cursor else { break };
            next = format!("{path}&cursor={cursor}");
        }
        Ok(all)
    }

    /// A command whose answer says nothing more.
    pub(crate) async fn done(&self, visitor: &Visitor, command: Command) -> Result<(), Refused> {
        let response = self.send(visitor, command.request(), command.body()).await?;
        refused_of(response).await.map(|_| ())
    }

    pub(crate) async fn command<T: DeserializeOwned>(
        &self,
        visitor: &Visitor,
        command: Command,
    ) -> Result<T, Refused> {
        self.ask(visitor, command.request(), command.body()).await
    }

    /// What is drawn as SVG.
    pub(crate) async fn drawing(&self, visitor: &Visitor, path: &str) -> Result<String, Refused> {
        let request = Request::get(path).header(header::ACCEPT, "image/svg+xml");
        let drawn = refused_of(self.send(visitor, request, Body::empty()).await?).await?;
        String::from_utf8(drawn.to_vec()).map_err(|error| broken(&error))
    }

    /// What the API streams, as it comes.
    pub(crate) async fn stream(&self, visitor: &Visitor, path: &str) -> Response {
        // Whoever has a page open has been here before.
        if visitor.is_new {
            return StatusCode::FORBIDDEN.into_response();
        }
        match self.send(visitor, Request::get(path), Body::empty()).await {
            Ok(response) => response,
            Err(refused) => refused.status().into_response(),
        }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        visitor: &Visitor,
        request: Builder,
        body: Body,
    ) -> Result<T, Refused> {
        let response = self.send(visitor, request, body).await?;
        let body = refused_of(response).await?;
        serde_json::from_slice(&body).map_err(|error| broken(&error))
    }

    async fn send(
        &self,
        visitor: &Visitor,
        request: Builder,
        body: Body,
    ) -> Result<Response, Refused> {
        let request = match &visitor.host {
            Some(host) => request.header(header::HOST, host),
            None => request,
        };
        let request = match &visitor.address {
            Some(address) => request.extension(*address),
            None => request,
        };
        let request = match &visitor.who {
            Who::Customer(person) => request.extension(person.clone()),
            Who::Staff(token) => {
                // Where there are tokens, nobody reads these.
                let request = request.header("x-customer-id", "staff").header("x-role", "staff");
                match token {
                    Some(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
                    None => request,
                }
            }
        };
        let request = request
            .header(header::ACCEPT_LANGUAGE, visitor.language.as_str())
            .body(body)
            .map_err(|error| broken(&error))?;
        let Ok(response) = self.api.clone().oneshot(request).await;
        Ok(response)
    }
}

impl Command {
    fn request(&self) -> Builder {
        let request = Request::builder()
            .method(self.method.clone())
            .uri(self.path.as_str())
            .header(header::CONTENT_TYPE, "application/json");
        match &self.key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        }
    }

    fn body(&self) -> Body {
        Body::from(self.body.to_string())
    }
}

/// The body of what was done, or the refusal.
async fn refused_of(response: Response) -> Result<Bytes, Refused> {
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|error| broken(&error))?.to_bytes();
    if status.is_client_error() || status.is_server_error() {
        return Err(serde_json::from_slice(&body).map_err(|error| broken(&error))?);
    }
    Ok(body)
}

fn broken(error: &dyn std::error::Error) -> Refused {
    tracing::error!(error = %error, "the API's answer was not understood");
    Refused { status: 500, code: "internal".to_owned(), ..Refused::default() }
}
