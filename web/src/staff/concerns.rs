//! What needs people, each with what they can do about it at once.

use super::{Asked, overview_with};
use crate::client::{Command, Site};
use crate::page;
use crate::session::Visitor;
use crate::times::moment;
use crate::words::worry;
use axum::Router;
use axum::extract::{Form, State};
use axum::http::Method;
use axum::response::Response;
use axum::routing::post;
use domain::attention::Worry;
use domain::ids::{CallKey, CancellationId};
use domain::words::Language;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

pub(super) fn routes() -> Router<Site> {
    Router::new()
        .route("/staff/refund-accounts", post(refund_to_account).get(back))
        .route("/staff/outside-refunds", post(record_outside_refund).get(back))
        .route("/staff/settlements", post(settle).get(back))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConcernJson {
    worry: Worry,
    since: Timestamp,
    reservation_id: Option<String>,
    subject: String,
}

pub(super) struct ConcernRow {
    pub(super) title: &'static str,
    pub(super) advice: &'static str,
    pub(super) since: String,
    pub(super) booking: Option<String>,
    pub(super) subject: String,
    /// Where the money has to go another way.
    pub(super) refund: bool,
    /// What became of a call has to be said.
    pub(super) settle: bool,
    /// It was put right, and has to be closed.
    pub(super) close: bool,
    pub(super) key: String,
}

pub(super) fn concern_row(it: ConcernJson, language: Language) -> ConcernRow {
    let (title, advice) = worry(it.worry, language);
    ConcernRow {
        title,
        advice,
        since: moment(it.since, language),
        booking: it.reservation_id,
        subject: it.subject,
        refund: it.worry == Worry::RefundBlocked,
        settle: it.worry == Worry::CallLeftToStaff,
        close: it.worry == Worry::Contradiction,
        key: Uuid::new_v4().simple().to_string(),
    }
}

#[derive(Deserialize)]
struct Account {
    cancellation: CancellationId,
    bank_code: String,
    account_number: String,
    holder: String,
    key: String,
}

async fn refund_to_account(
    State(site): State<Site>,
    visitor: Visitor,
    Form(form): Form<Account>,
) -> Response {
    // Typed as it is printed.
    let digits = |text: &str| text.replace([' ', '-'], "");
    let command = Command {
        method: Method::POST,
        path: format!("/admin/cancellations/{}/refund-account", form.cancellation),
        body: json!({
            "bankCode": digits(&form.bank_code), "accountNumber": digits(&form.account_number),
            "holder": form.holder.trim(),
        }),
        key: Some(form.key),
    };
    acted(&site, &visitor, command).await
}

#[derive(Deserialize)]
struct OutsideRefund {
    cancellation: CancellationId,
    reference: String,
    key: String,
}

async fn record_outside_refund(
    State(site): State<Site>,
    visitor: Visitor,
    Form(form): Form<OutsideRefund>,
) -> Response {
    let command = Command {
        method: Method::POST,
        path: format!("/admin/cancellations/{}/outside-refund", form.cancellation),
        body: json!({"reference": form.reference.trim()}),
        key: Some(form.key),
    };
    acted(&site, &visitor, command).await
}

#[derive(Deserialize)]
struct Settlement {
    call: CallKey,
    outcome: String,
    reference: String,
}

async fn settle(
    State(site): State<Site>,
    visitor: Visitor,
    Form(form): Form<Settlement>,
) -> Response {
    let command = Command {
        method: Method::POST,
        path: format!("/admin/gateway-calls/{}/settlement", form.call),
        body: json!({"outcome": form.outcome, "reference": form.reference.trim()}),
        key: None,
    };
    acted(&site, &visitor, command).await
}

/// Whoever asks for where a form was sent to.
async fn back() -> Response {
    page::see("/staff")
}

async fn acted(site: &Site, visitor: &Visitor, command: Command) -> Response {
    match site.done(visitor, command).await {
        Ok(()) => page::see("/staff"),
        Err(refused) => overview_with(site, visitor, Asked::default(), Some(refused)).await,
    }
}
