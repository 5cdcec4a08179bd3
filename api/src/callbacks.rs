//! What the payment company tells us by itself. It only says where to look: the payment is read
//! again, and what is found takes the path of an inquiry, once.

use crate::App;
use crate::problem::Problem;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use domain::cancellation::late::LateApproval;
use domain::ids::PaymentAttemptId;
use domain::payment::Answer;
use domain::secret::Secret;
use domain::words::Operation;
use gateway::callback::{Signed, portone_order, toss_order, verify};
use gateway::{Gateway, Outcome, Unknown};
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The payment company that this system works with.
pub struct Company {
    pub tongue: Tongue,
    /// None in a process that was not told where the company is.
    pub gateway: Option<Arc<dyn Gateway>>,
    /// What its messages are signed with.
    pub webhook_secret: Option<Secret>,
}

/// How a payment company speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tongue {
    House,
    Toss,
    PortOne,
}

impl Tongue {
    /// Its place in paths.
    pub fn path(self) -> &'static str {
        match self {
            Self::House => "house",
            Self::Toss => "toss",
            Self::PortOne => "portone",
        }
    }

    /// Whether it charges later, without the customer: a plan needs that.
    pub fn charges_later(self) -> bool {
        self == Self::House
    }
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(hear))
}

/// What the payment company tells: its payment is read again.
///
/// 401 `bad-signature` where the company signs.
#[utoipa::path(
    post, path = "/gateway/{company}/callbacks", operation_id = "hearPaymentCompany",
    responses((status = 204))
)]
async fn hear(
    State(app): State<App>,
    Path(company): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let Company { tongue, gateway, .. } = &*app.company;
    let known = gateway.as_ref().filter(|_| company == tongue.path());
    let gateway = known.ok_or_else(|| Problem::not_found("resource"))?;
    let order = match tongue {
        Tongue::House => return Err(Problem::not_found("resource")),
        Tongue::Toss => toss_order(&body),
        Tongue::PortOne => {
            check_signature(&app, &headers, &body)?;
            portone_order(&body)
        }
    };
    // What is about nothing of ours has been heard, too: it need not be sent again.
    let Some(order) = order else { return Ok(StatusCode::NO_CONTENT) };
    read_again(&app, gateway, &order).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn check_signature(app: &App, headers: &HeaderMap, body: &[u8]) -> Result<(), Problem> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let message = Signed {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signatures: header("webhook-signature"),
        body,
    };
    let secret = app.company.webhook_secret.as_ref();
    let verified = secret.is_some_and(|secret| verify(&message, secret, app.store.now()).is_ok());
    if verified {
        return Ok(());
    }
    let detail = "the message is not signed with our secret, or not recently";
    Err(Problem::new(StatusCode::UNAUTHORIZED, "bad-signature", detail))
}

async fn read_again(
    app: &App,
    gateway: &Arc<dyn Gateway>,
    order: &PaymentAttemptId,
) -> Result<(), Problem> {
    if let Some(call) = app.store.sent_call(order).await? {
        if let Some(answer) = known(order, gateway.inquire(&call).await) {
            app.store.record_answer(&call.key, &answer).await?;
        }
        return Ok(());
    }
    if gateway.charges_later() {
        return Ok(());
    }
    let Some(reservation) = order.reservation() else { return Ok(()) };
    let owed = app.store.owed_approval(&reservation).await?;
    let Some(attempt) = owed.filter(|attempt| attempt.id == *order) else {
        return find_late(app, gateway, order).await;
    };
    if let Some(answer) = known(order, gateway.read_authorization(&attempt).await) {
        app.store.record_authorization(order, &answer).await?;
    }
    Ok(())
}

/// What nobody waits for any more and was authorised after all is given back (T26).
async fn find_late(
    app: &App,
    gateway: &Arc<dyn Gateway>,
    order: &PaymentAttemptId,
) -> Result<(), Problem> {
    let Some(attempt) = app.store.unawaited_attempt(order).await? else { return Ok(()) };
    let Some(Answer::Done { .. }) = known(order, gateway.read_authorization(&attempt).await) else {
        return Ok(());
    };
    let (attempt_id, amount) = (attempt.id, attempt.amount);
    let late = LateApproval { attempt_id, amount, back: Operation::Void };
    app.store.approval_found(&late).await?;
    Ok(())
}

/// Where nothing is known, our own inquiry comes back to it.
fn known(order: &PaymentAttemptId, found: Result<Outcome, Unknown>) -> Option<Answer> {
    match found {
        Ok(Outcome::Known(answer)) => Some(answer),
        Ok(Outcome::InProgress | Outcome::NotFound) => None,
        Err(error) => {
            tracing::warn!(order = %order, %error, "a payment cannot be read again");
            None
        }
    }
}
