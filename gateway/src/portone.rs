//! PortOne's V2 API with manual approval: else it takes the money by itself. The customer authorises
//! in the browser; capturing is confirming, voiding is letting it lapse, refunding is cancelling.

use crate::client::{AUTHORIZED_FOR, below, client, too_many};
use crate::{Asked, Gateway, Outcome, Unknown};
use domain::payment::{Answer, GatewayCall, PaymentAttempt};
use domain::secret::Secret;
use domain::time::Time;
use domain::words::Operation;
use reqwest::{Client, RequestBuilder, Response, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A client of PortOne.
#[derive(Clone, Debug)]
pub struct PortOne {
    base: Url,
    secret: Secret,
    client: Client,
}

/// What we read of a payment; unknown fields are left alone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payment {
    id: String,
    status: String,
    amount: Amount,
    #[serde(default)]
    requested_at: Option<jiff::Timestamp>,
    #[serde(default)]
    cancellations: Vec<Cancellation>,
    #[serde(default)]
    failure: Option<Failure>,
}

#[derive(Deserialize)]
struct Amount {
    total: i64,
    #[serde(default)]
    cancelled: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cancellation {
    status: String,
    total_amount: i64,
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Failure {
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Problem {
    r#type: String,
}

/// A definite answer of the company.
enum Reply<T> {
    Found(T),
    NotFound,
    InProgress,
    Refused(String),
}

/// Types that say nothing about the payment: what is left has changed meanwhile, or the company does
/// not know us.
const TEMPORARY: [&str; 4] =
    ["CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN", "UNAUTHORIZED", "FORBIDDEN", "INTERNAL"];

impl PortOne {
    /// `base` is the root of the API, for example `https://api.portone.io/`.
    pub fn new(base: Url, secret: Secret) -> reqwest::Result<Self> {
        Ok(Self { base, secret, client: client()? })
    }

    async fn send(&self, call: &GatewayCall) -> Result<Outcome, Unknown> {
        match call.operation {
            Operation::Approve => Err(Unknown::Misfit("approved by the customer".to_owned())),
            Operation::Capture => self.confirm(call).await,
            Operation::Void => self.void(call).await,
            Operation::Refund => self.cancel(call).await,
        }
    }

    async fn confirm(&self, call: &GatewayCall) -> Result<Outcome, Unknown> {
        let Some(token) = &call.body.authorization else {
            return refused("NO_AUTHORIZATION".to_owned());
        };
        let url = below(&self.base, &["payments", call.attempt_id.as_str(), "confirm"]);
        let body = json!({
            "paymentToken": token.0, "currency": "KRW", "totalAmount": call.body.amount.get(),
        });
        match self.ask::<Value>(keyed(self.client.post(url).json(&body), call)).await? {
            // What was taken is read, not believed.
            Reply::Found(_) => self.look_up(call).await,
            Reply::Refused(code) if code == "ALREADY_PAID" => self.look_up(call).await,
            // The card's company said something: whether that was no, the payment shows.
            Reply::Refused(code) if code == "PG_PROVIDER" => match self.read_payment(call).await? {
                Reply::Found(payment) if payment.status == "FAILED" => refused(code),
                _ => Err(Unknown::Temporary { code }),
            },
            reply => unusual(reply),
        }
    }

    /// Lets the authorisation lapse. What was confirmed after all is given back whole.
    async fn void(&self, call: &GatewayCall) -> Result<Outcome, Unknown> {
        match self.look_up(call).await? {
            Outcome::NotFound => self.cancel(call).await,
            settled => Ok(settled),
        }
    }

    async fn cancel(&self, call: &GatewayCall) -> Result<Outcome, Unknown> {
        let payment = match self.read_payment(call).await? {
            Reply::Found(payment) => payment,
            reply => return unusual(reply),
        };
        if let Some(outcome) = cancelled(call, &payment) {
            return outcome;
        }
        let url = below(&self.base, &["payments", call.attempt_id.as_str(), "cancel"]);
        let body = json!({
            "reason": reason(call), "amount": call.body.amount.get(),
            "currentCancellableAmount": payment.amount.total - payment.amount.cancelled,
        });
        match self.ask::<Value>(keyed(self.client.post(url).json(&body), call)).await? {
            Reply::Found(_) => self.look_up(call).await,
            Reply::Refused(code) => match self.look_up(call).await? {
                Outcome::Known(answer) => Ok(Outcome::Known(answer)),
                Outcome::InProgress | Outcome::NotFound => refused(code),
            },
            reply => unusual(reply),
        }
    }

    async fn look_up(&self, call: &GatewayCall) -> Result<Outcome, Unknown> {
        match self.read_payment(call).await? {
            Reply::Found(payment) => found(call, &payment),
            // Nothing that could be undone.
            Reply::NotFound if call.operation == Operation::Void => done(None),
            Reply::NotFound => Ok(Outcome::NotFound),
            Reply::InProgress => Ok(Outcome::InProgress),
            Reply::Refused(code) => Err(Unknown::Temporary { code }),
        }
    }

    async fn read(&self, attempt: &PaymentAttempt) -> Result<Outcome, Unknown> {
        if attempt.authorization.is_none() {
            return refused("NO_AUTHORIZATION".to_owned());
        }
        match self.payment(attempt.id.as_str()).await? {
            Reply::Found(payment) => authorized(attempt, &payment),
            // A token without a payment is somebody else's.
            Reply::NotFound => refused("PAYMENT_NOT_FOUND".to_owned()),
            Reply::InProgress => Ok(Outcome::InProgress),
            Reply::Refused(code) => Err(Unknown::Temporary { code }),
        }
    }

    async fn read_payment(&self, call: &GatewayCall) -> Result<Reply<Payment>, Unknown> {
        self.payment(call.attempt_id.as_str()).await
    }

    async fn payment(&self, id: &str) -> Result<Reply<Payment>, Unknown> {
        self.ask(self.client.get(below(&self.base, &["payments", id]))).await
    }

    async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<Reply<T>, Unknown> {
        let secret = format!("PortOne {}", self.secret.reveal());
        understand(request.header("Authorization", secret).send().await?).await
    }
}

impl Gateway for PortOne {
    fn deliver<'a>(&'a self, call: &'a GatewayCall) -> Asked<'a> {
        Box::pin(self.send(call))
    }

    fn inquire<'a>(&'a self, call: &'a GatewayCall) -> Asked<'a> {
        Box::pin(self.look_up(call))
    }

    fn charges_later(&self) -> bool {
        false
    }

    fn read_authorization<'a>(&'a self, attempt: &'a PaymentAttempt) -> Asked<'a> {
        Box::pin(self.read(attempt))
    }
}

/// The key stands in quotes, as structured headers have it.
fn keyed(request: RequestBuilder, call: &GatewayCall) -> RequestBuilder {
    request.header("Idempotency-Key", format!("\"{}\"", call.key))
}

/// By the type of an error, where it has one.
async fn understand<T: DeserializeOwned>(response: Response) -> Result<Reply<T>, Unknown> {
    if let Some(too_many) = too_many(&response) {
        return Err(too_many);
    }
    let status = response.status();
    if status.is_success() {
        return Ok(Reply::Found(response.json().await?));
    }
    let not_definitive = Unknown::NotDefinitive { status: status.as_u16() };
    let Ok(Problem { r#type: code }) = response.json().await else { return Err(not_definitive) };
    match code.as_str() {
        "PAYMENT_NOT_FOUND" => Ok(Reply::NotFound),
        "IDEMPOTENCY_OUTSTANDING_REQUEST" => Ok(Reply::InProgress),
        // Comes with 502, and is the card company's own answer.
        "PG_PROVIDER" => Ok(Reply::Refused(code)),
        temporary if TEMPORARY.contains(&temporary) => Err(Unknown::Temporary { code }),
        _ if status.is_server_error() => Err(not_definitive),
        _ => Ok(Reply::Refused(code)),
    }
}

/// What a payment that is read says about a call.
fn found(call: &GatewayCall, payment: &Payment) -> Result<Outcome, Unknown> {
    if payment.id != call.attempt_id.as_str() {
        return Err(Unknown::Misfit("another payment".to_owned()));
    }
    match (call.operation, payment.status.as_str()) {
        (Operation::Capture, "PAID" | "PARTIAL_CANCELLED" | "CANCELLED") => {
            if payment.amount.total == call.body.amount.get() {
                return done(None);
            }
            Err(Unknown::Misfit(format!("paid with the amount {}", payment.amount.total)))
        }
        // Whether it can still be confirmed is told when it is delivered again.
        (Operation::Capture, "READY" | "PENDING" | "PAY_PENDING" | "FAILED") => {
            Ok(Outcome::NotFound)
        }
        (Operation::Void, "FAILED" | "CANCELLED") => done(None),
        (Operation::Void, "READY" | "PENDING" | "PAY_PENDING") => Ok(Outcome::InProgress),
        (Operation::Void, "PAID") => Ok(Outcome::NotFound),
        (Operation::Refund, "PAID" | "PARTIAL_CANCELLED" | "CANCELLED") => {
            cancelled(call, payment).unwrap_or(Ok(Outcome::NotFound))
        }
        (_, other) => Err(Unknown::Misfit(format!("status {other}"))),
    }
}

/// The cancellation that this call made, by the key in its reason.
fn cancelled(call: &GatewayCall, payment: &Payment) -> Option<Result<Outcome, Unknown>> {
    let ours = reason(call);
    let mut cancellations = payment.cancellations.iter();
    let made = cancellations.find(|made| made.reason.as_ref() == Some(&ours))?;
    match made.status.as_str() {
        "SUCCEEDED" if made.total_amount == call.body.amount.get() => Some(done(None)),
        "SUCCEEDED" => {
            Some(Err(Unknown::Misfit(format!("cancelled with the amount {}", made.total_amount))))
        }
        "REQUESTED" => Some(Ok(Outcome::InProgress)),
        "FAILED" => None,
        other => Some(Err(Unknown::Misfit(format!("cancellation {other}")))),
    }
}

/// Names the call, so that it is found again when its answer is lost.
fn reason(call: &GatewayCall) -> String {
    format!("예매 취소 {}", call.key)
}

/// What a payment that the customer authorised says about our attempt.
fn authorized(attempt: &PaymentAttempt, payment: &Payment) -> Result<Outcome, Unknown> {
    if payment.id != attempt.id.as_str() {
        return refused("FOREIGN_AUTHORIZATION".to_owned());
    }
    if payment.amount.total != attempt.amount.get() {
        return refused("AMOUNT_MISMATCH".to_owned());
    }
    match payment.status.as_str() {
        "READY" => Ok(Outcome::InProgress),
        // Confirmed before: the capture will find that.
        "PENDING" | "PAY_PENDING" | "PAID" => {
            let asked = payment.requested_at.map(|at| Time::from_millis(at.as_millisecond()));
            done(asked.map(|at| at.plus(AUTHORIZED_FOR)))
        }
        "FAILED" => {
            let reason = payment.failure.as_ref().and_then(|failure| failure.reason.as_deref());
            let answer = match reason {
                Some("EXPIRED") => Answer::Lapsed,
                reason => Answer::Refused { code: reason.unwrap_or("FAILED").to_owned() },
            };
            Ok(Outcome::Known(answer))
        }
        "CANCELLED" | "PARTIAL_CANCELLED" => refused(payment.status.clone()),
        other => Err(Unknown::Misfit(format!("status {other}"))),
    }
}

fn done(approval_ends_at: Option<Time>) -> Result<Outcome, Unknown> {
    Ok(Outcome::Known(Answer::Done { approval_ends_at }))
}

fn refused(code: String) -> Result<Outcome, Unknown> {
    Ok(Outcome::Known(Answer::Refused { code }))
}

/// An answer without what was asked for.
fn unusual<T>(reply: Reply<T>) -> Result<Outcome, Unknown> {
    match reply {
        Reply::Found(_) => Err(Unknown::Misfit("found where nothing was".to_owned())),
        Reply::NotFound => refused("PAYMENT_NOT_FOUND".to_owned()),
        Reply::InProgress => Ok(Outcome::InProgress),
        Reply::Refused(code) => refused(code),
    }
}
