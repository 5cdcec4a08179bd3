//! The house gateway's tongue: approve, capture, void, refund and inquire over HTTP with JSON.

use crate::client::{below, client, too_many};
use crate::{Asked, Books, Gateway, Outcome, Page, Unknown};
use domain::audit::LedgerEntry;
use domain::ids::{CallKey, PaymentAttemptId};
use domain::payment::{Answer, GatewayCall};
use domain::time::Time;
use domain::won::Won;
use domain::words::Operation;
use reqwest::{Client, Response, StatusCode, Url};
use serde::{Deserialize, Serialize};

/// Entries on one page of the books.
const LEDGER_PAGE: u32 = 500;
/// What customers do themselves, in the browser: nobody called for it.
const AUTHORIZE: &str = "AUTHORIZE";

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
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<AskAccount<'a>>,
}

/// Where a refund goes that cannot go back the way it came.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AskAccount<'a> {
    bank_code: &'a str,
    number: &'a str,
    holder: &'a str,
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

#[derive(Deserialize)]
struct LedgerReply {
    items: Vec<LedgerItem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LedgerItem {
    seq: u64,
    key: String,
    order_id: String,
    operation: String,
    amount: i64,
    outcome: String,
    at: jiff::Timestamp,
}

impl LedgerItem {
    fn read(self) -> Result<LedgerEntry, Unknown> {
        let misfit = |why: &dyn std::fmt::Display| {
            Unknown::Misfit(format!("entry {} of the ledger: {why}", self.seq))
        };
        Ok(LedgerEntry {
            seq: self.seq,
            key: CallKey::parse(self.key).map_err(|why| misfit(&why))?,
            attempt_id: PaymentAttemptId::parse(self.order_id).map_err(|why| misfit(&why))?,
            operation: Operation::parse(&self.operation).map_err(|why| misfit(&why))?,
            amount: Won::parse(self.amount).map_err(|why| misfit(&why))?,
            done: self.outcome == "DONE",
            at: Time::from_millis(self.at.as_millisecond()),
        })
    }
}

impl House {
    /// `base` is the server's root, for example `http://127.0.0.1:8089/`.
    pub fn new(base: Url) -> reqwest::Result<Self> {
        Ok(Self { base, client: client()? })
    }

    async fn send(&self, call: &GatewayCall) -> Result<Outcome, Unknown> {
        let verb = call.operation.as_str().to_ascii_lowercase();
        let url = below(&self.base, &["v1", "payments", call.attempt_id.as_str(), &verb]);
        let account = call.body.account.as_ref().map(|account| AskAccount {
            bank_code: account.bank_code(),
            number: account.number(),
            holder: account.holder(),
        });
        let (amount, method) = (call.body.amount.get(), call.body.method.as_str());
        let ask = Ask { amount, method, account };
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

    async fn books(&self, after: u64) -> Result<Books, Unknown> {
        let mut url = below(&self.base, &["ledger"]);
        url.query_pairs_mut()
            .append_pair("after", &after.to_string())
            .append_pair("limit", &LEDGER_PAGE.to_string());
        let answered = self.client.get(url).send().await?;
        let status = answered.status();
        if status != StatusCode::OK {
            return Err(Unknown::NotDefinitive { status: status.as_u16() });
        }
        let LedgerReply { items } = answered.json().await?;
        let end = items.last().map(|item| item.seq);
        let ours = items.into_iter().filter(|item| item.operation != AUTHORIZE);
        Ok(Books { entries: ours.map(LedgerItem::read).collect::<Result<_, _>>()?, end })
    }
}

impl Gateway for House {
    fn deliver<'a>(&'a self, call: &'a GatewayCall) -> Asked<'a> {
        Box::pin(self.send(call))
    }

    fn inquire<'a>(&'a self, call: &'a GatewayCall) -> Asked<'a> {
        Box::pin(self.look_up(call))
    }

    fn ledger(&self, after: u64) -> Option<Page<'_>> {
        Some(Box::pin(self.books(after)))
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
