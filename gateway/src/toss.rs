//! TossPayments' core API. The customer authorises in the browser; capturing is confirming, voiding
//! is letting it lapse, refunding is cancelling.

use crate::client::{AUTHORIZED_FOR, below, client, too_many};
use crate::{Asked, Gateway, Outcome, Unknown};
use domain::payment::{Answer, GatewayCall, PaymentAttempt};
use domain::secret::Secret;
use domain::time::Time;
use domain::words::Operation;
use reqwest::{Client, RequestBuilder, Response, Url};
use serde::Deserialize;
use serde_json::json;

/// A client of TossPayments.
#[derive(Clone, Debug)]
pub struct Toss {
    base: Url,
    secret: Secret,
    client: Client,
}

/// What we read of a payment; unknown fields are left alone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payment {
    payment_key: String,
    order_id: String,
    status: String,
    total_amount: i64,
    #[serde(default)]
    requested_at: Option<jiff::Timestamp>,
    #[serde(default)]
    cancels: Option<Vec<Cancel>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cancel {
    cancel_amount: i64,
    #[serde(default)]
    cancel_reason: Option<String>,
}

#[derive(Deserialize)]
struct Problem {
    code: String,
}

/// A definite answer of the company.
enum Reply {
    Payment(Payment),
    NotFound,
    InProgress,
    Refused(String),
}

/// Codes that say nothing about the payment: the company's own trouble, or ours with its keys. Their
/// status may blame the request.
const TEMPORARY: [&str; 8] = [
    "PROVIDER_ERROR",
    "CARD_PROCESSING_ERROR",
    "FAILED_INTERNAL_SYSTEM_PROCESSING",
    "FAILED_PAYMENT_INTERNAL_SYSTEM_PROCESSING",
    "UNKNOWN_PAYMENT_ERROR",
    "UNAUTHORIZED_KEY",
    "INVALID_API_KEY",
    "INCORRECT_BASIC_AUTH_FORMAT",
];

impl Toss {
    /// `base` is the root of the API, for example `https://api.tosspayments.com/`.
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
        let Some(payment_key) = &call.body.authorization else {
            return refused("NO_AUTHORIZATION".to_owned());
        };
        let url = below(&self.base, &["v1", "payments", "confirm"]);
        let body = json!({
            "paymentKey": payment_key.0, "orderId": call.attempt_id.as_str(),
            "amount": call.body.amount.get(),
        });
        let asked = self.client.post(url).header("Idempotency-Key", call.key.as_str()).json(&body);
        match self.ask(asked).await? {
            Reply::Payment(payment) => found(call, &payment),
            Reply::Refused(code) if code == "ALREADY_PROCESSED_PAYMENT" => self.look_up(call).await,
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
        let payment_key = match self.by_order(call.attempt_id.as_str()).await? {
            Reply::Payment(payment) => payment.payment_key,
            reply => return unusual(reply),
        };
        let url = below(&self.base, &["v1", "payments", &payment_key, "cancel"]);
        let body = json!({
            "cancelReason": reason(call), "cancelAmount": call.body.amount.get(),
        });
        let asked = self.client.post(url).header("Idempotency-Key", call.key.as_str()).json(&body);
        match self.ask(asked).await? {
            Reply::Payment(payment) => match cancelled(call, &payment) {
                Some(outcome) => outcome,
                None => Err(Unknown::Misfit("a cancel that is not ours".to_owned())),
            },
            Reply::Refused(code) => match self.look_up(call).await? {
                Outcome::Known(answer) => Ok(Outcome::Known(answer)),
                Outcome::InProgress | Outcome::NotFound => refused(code),
            },
            reply => unusual(reply),
        }
    }

    async fn look_up(&self, call: &GatewayCall) -> Result<Outcome, Unknown> {
        match self.by_order(call.attempt_id.as_str()).await? {
            Reply::Payment(payment) => found(call, &payment),
            // Nothing that could be undone.
            Reply::NotFound if call.operation == Operation::Void => done(None),
            Reply::NotFound => Ok(Outcome::NotFound),
            Reply::InProgress => Ok(Outcome::InProgress),
            Reply::Refused(code) => Err(Unknown::Temporary { code }),
        }
    }

    async fn read(&self, attempt: &PaymentAttempt) -> Result<Outcome, Unknown> {
        let Some(payment_key) = &attempt.authorization else {
            return refused("NO_AUTHORIZATION".to_owned());
        };
        let url = below(&self.base, &["v1", "payments", &payment_key.0]);
        match self.ask(self.client.get(url)).await? {
            Reply::Payment(payment) => authorized(attempt, &payment),
            Reply::NotFound => refused("NOT_FOUND_PAYMENT".to_owned()),
            Reply::InProgress => Ok(Outcome::InProgress),
            Reply::Refused(code) => Err(Unknown::Temporary { code }),
        }
    }

    async fn by_order(&self, order: &str) -> Result<Reply, Unknown> {
        let url = below(&self.base, &["v1", "payments", "orders", order]);
        self.ask(self.client.get(url)).await
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Reply, Unknown> {
        let no_password: Option<&str> = None;
        understand(request.basic_auth(self.secret.reveal(), no_password).send().await?).await
    }
}

impl Gateway for Toss {
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

/// By the code, where there is one: the status of a temporary error may be 400.
async fn understand(response: Response) -> Result<Reply, Unknown> {
    if let Some(too_many) = too_many(&response) {
        return Err(too_many);
    }
    let status = response.status();
    if status.is_success() {
        return Ok(Reply::Payment(response.json().await?));
    }
    let not_definitive = Unknown::NotDefinitive { status: status.as_u16() };
    let Ok(Problem { code }) = response.json().await else { return Err(not_definitive) };
    match code.as_str() {
        "NOT_FOUND_PAYMENT" => Ok(Reply::NotFound),
        "IDEMPOTENT_REQUEST_PROCESSING" => Ok(Reply::InProgress),
        temporary if TEMPORARY.contains(&temporary) => Err(Unknown::Temporary { code }),
        _ if status.is_server_error() => Err(not_definitive),
        _ => Ok(Reply::Refused(code)),
    }
}

/// What a payment that is read says about a call.
fn found(call: &GatewayCall, payment: &Payment) -> Result<Outcome, Unknown> {
    if payment.order_id != call.attempt_id.as_str() {
        return Err(Unknown::Misfit("another order".to_owned()));
    }
    let amount = call.body.amount.get();
    let strange = || Err(Unknown::Misfit(format!("status {}", payment.status)));
    match (call.operation, payment.status.as_str()) {
        (Operation::Capture, "DONE" | "PARTIAL_CANCELED" | "CANCELED") => {
            if payment.total_amount == amount {
                return done(None);
            }
            Err(Unknown::Misfit(format!("done with the amount {}", payment.total_amount)))
        }
        // Whether it can still be confirmed is told when it is delivered again.
        (Operation::Capture, "READY" | "IN_PROGRESS" | "EXPIRED" | "ABORTED") => {
            Ok(Outcome::NotFound)
        }
        (Operation::Void, "EXPIRED" | "ABORTED" | "CANCELED") => done(None),
        (Operation::Void, "READY" | "IN_PROGRESS") => Ok(Outcome::InProgress),
        (Operation::Void, "DONE") => Ok(Outcome::NotFound),
        (Operation::Refund, "DONE" | "PARTIAL_CANCELED" | "CANCELED") => {
            cancelled(call, payment).unwrap_or(Ok(Outcome::NotFound))
        }
        _ => strange(),
    }
}

/// The cancel that this call made, by the key in its reason.
fn cancelled(call: &GatewayCall, payment: &Payment) -> Option<Result<Outcome, Unknown>> {
    let ours = reason(call);
    let mut cancels = payment.cancels.iter().flatten();
    let cancel = cancels.find(|cancel| cancel.cancel_reason.as_ref() == Some(&ours))?;
    if cancel.cancel_amount == call.body.amount.get() {
        return Some(done(None));
    }
    Some(Err(Unknown::Misfit(format!("cancelled with the amount {}", cancel.cancel_amount))))
}

/// Names the call, so that it is found again when its answer is lost.
fn reason(call: &GatewayCall) -> String {
    format!("예매 취소 {}", call.key)
}

/// What a payment that the customer authorised says about our attempt.
fn authorized(attempt: &PaymentAttempt, payment: &Payment) -> Result<Outcome, Unknown> {
    if payment.order_id != attempt.id.as_str() {
        return refused("FOREIGN_AUTHORIZATION".to_owned());
    }
    if payment.total_amount != attempt.amount.get() {
        return refused("AMOUNT_MISMATCH".to_owned());
    }
    match payment.status.as_str() {
        "READY" => Ok(Outcome::InProgress),
        // Confirmed before: the capture will find that.
        "IN_PROGRESS" | "DONE" => {
            let asked = payment.requested_at.map(|at| Time::from_millis(at.as_millisecond()));
            done(asked.map(|at| at.plus(AUTHORIZED_FOR)))
        }
        "EXPIRED" => Ok(Outcome::Known(Answer::Lapsed)),
        "ABORTED" | "CANCELED" | "PARTIAL_CANCELED" => refused(payment.status.clone()),
        other => Err(Unknown::Misfit(format!("status {other}"))),
    }
}

fn done(approval_ends_at: Option<Time>) -> Result<Outcome, Unknown> {
    Ok(Outcome::Known(Answer::Done { approval_ends_at }))
}

fn refused(code: String) -> Result<Outcome, Unknown> {
    Ok(Outcome::Known(Answer::Refused { code }))
}

/// An answer that no payment came with.
fn unusual(reply: Reply) -> Result<Outcome, Unknown> {
    match reply {
        Reply::Payment(payment) => Err(Unknown::Misfit(format!("status {}", payment.status))),
        Reply::NotFound => refused("NOT_FOUND_PAYMENT".to_owned()),
        Reply::InProgress => Ok(Outcome::InProgress),
        Reply::Refused(code) => refused(code),
    }
}
