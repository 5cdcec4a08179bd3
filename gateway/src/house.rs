//! The house gateway's tongue: approve, capture, void, refund and inquire over HTTP with JSON.

use crate::client::{below, client, too_many};
use crate::{Asked, Gateway, Outcome, Unknown};
use domain::ids::CallKey;
use domain::payment::{Answer, GatewayCall};
use domain::time::Time;
use reqwest::{Client, Response, StatusCode, Url};
use serde::{Deserialize, Serialize};

/// A client of the house gateway.
#[derive(Clone, Debug)]
pub struct House {
    base: Url,
    client: Client,
}

#[derive(Serialize)]
struct Ask<'a> {
    amount: i64,
    method: &'a str,
}

/// Unknown fields are ignored; unknown outcomes make the answer unusable.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reply {
    key: String,
    outcome: String,
    #[serde(default)]
    amount: Option<i64>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    approval_ends_at: Option<jiff::Timestamp>,
}

impl House {
    /// `base` is the server's root, for example `http://127.0.0.1:8089/`.
    pub fn new(base: Url) -> reqwest::Result<Self> {
        Ok(Self { base, client: client()? })
    }

    async fn send(&self, call: &GatewayCall) -> Result<Outcome, Unknown> {
        let verb = call.operation.as_str().to_ascii_lowercase();
        let url = below(&self.base, &["v1", "payments", call.attempt_id.as_str(), &verb]);
        let ask = Ask { amount: call.body.amount.get(), method: call.body.method.as_str() };
        let key = call.key.as_str();
        let sent = self.client.post(url).header("Idempotency-Key", key).json(&ask).send().await?;
        if sent.status() == StatusCode::CONFLICT {
            return Ok(Outcome::InProgress);
        }
        understand(call, sent).await
    }

    async fn look_up(&self, call: &GatewayCall) -> Result<Outcome, Unknown> {
        let url = below(&self.base, &["v1", "operations", call.key.as_str()]);
        let answered = self.client.get(url).send().await?;
        if answered.status() == StatusCode::NOT_FOUND {
            return Ok(Outcome::NotFound);
        }
        understand(call, answered).await
    }
}

impl Gateway for House {
    fn deliver<'a>(&'a self, call: &'a GatewayCall) -> Asked<'a> {
        Box::pin(self.send(call))
    }

    fn inquire<'a>(&'a self, call: &'a GatewayCall) -> Asked<'a> {
        Box::pin(self.look_up(call))
    }
}

async fn understand(call: &GatewayCall, response: Response) -> Result<Outcome, Unknown> {
    let status = response.status();
    if let Some(too_many) = too_many(&response) {
        return Err(too_many);
    }
    if status != StatusCode::OK {
        return Err(Unknown::NotDefinitive { status: status.as_u16() });
    }
    let reply: Reply = response.json().await?;
    about(&call.key, &reply)?;
    match reply.outcome.as_str() {
        "IN_PROGRESS" => Ok(Outcome::InProgress),
        "REFUSED" => {
            let code = reply.code.unwrap_or_else(|| "UNSPECIFIED".to_owned());
            Ok(Outcome::Known(Answer::Refused { code }))
        }
        "DONE" if reply.amount == Some(call.body.amount.get()) => {
            let ends_at = reply.approval_ends_at.map(|at| Time::from_millis(at.as_millisecond()));
            Ok(Outcome::Known(Answer::Done { approval_ends_at: ends_at }))
        }
        "DONE" => Err(Unknown::Misfit(format!("done with the amount {:?}", reply.amount))),
        other => Err(Unknown::Misfit(format!("outcome {other}"))),
    }
}

fn about(key: &CallKey, reply: &Reply) -> Result<(), Unknown> {
    if reply.key == key.as_str() {
        return Ok(());
    }
    Err(Unknown::Misfit("another key".to_owned()))
}
