//! Refunds that the gateway refused for good, and the two ways out that staff has.

use crate::App;
use crate::caller::Staff;
use crate::idempotency::key_of;
use crate::json::Json;
use crate::outcome::{Decided, id};
use crate::problem::Problem;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::post;
use domain::person::Person;
use domain::refund_account::{NotAnAccount, Reference, RefundAccount};
use domain::reservation::Reservation;
use domain::words::ReservationStatus;
use serde::Deserialize;
use store::blocked_refunds::WayOut;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/admin/cancellations/{id}/refund-account", post(refund_to))
        .route("/admin/cancellations/{id}/outside-refund", post(returned_outside))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccountBody {
    bank_code: String,
    account_number: String,
    holder: String,
}

#[derive(Deserialize)]
struct OutsideBody {
    /// Of the transfer, without personal data.
    reference: String,
}

async fn refund_to(
    State(app): State<App>,
    Staff(staff): Staff,
    headers: HeaderMap,
    Path(cancellation): Path<String>,
    Json { value, digest }: Json<AccountBody>,
) -> Result<Response, Problem> {
    let AccountBody { bank_code, account_number, holder } = value;
    let account = RefundAccount::parse(&bank_code, &account_number, &holder).map_err(|why| {
        let pointer = match why {
            NotAnAccount::BankCode => "/bankCode",
            NotAnAccount::Number => "/accountNumber",
            NotAnAccount::Holder => "/holder",
        };
        Problem::mistake(pointer, why.to_string())
    })?;
    let request =
        Request { headers, digest, route: "POST /admin/cancellations/{id}/refund-account" };
    unblock(&app, &staff, cancellation, WayOut::Account(account), &request).await
}

async fn returned_outside(
    State(app): State<App>,
    Staff(staff): Staff,
    headers: HeaderMap,
    Path(cancellation): Path<String>,
    Json { value, digest }: Json<OutsideBody>,
) -> Result<Response, Problem> {
    let reference = Reference::parse(value.reference)
        .map_err(|why| Problem::mistake("/reference", why.to_string()))?;
    let request =
        Request { headers, digest, route: "POST /admin/cancellations/{id}/outside-refund" };
    unblock(&app, &staff, cancellation, WayOut::Outside(reference), &request).await
}

/// What an Idempotency-Key is judged by.
struct Request {
    headers: HeaderMap,
    digest: String,
    route: &'static str,
}

async fn unblock(
    app: &App,
    staff: &Person,
    cancellation: String,
    way: WayOut,
    request: &Request,
) -> Result<Response, Problem> {
    let key = key_of(app, &request.headers, &staff.id, request.route, &request.digest)?;
    let cancellation = id(cancellation, "cancellation")?;
    let changes = app.store.changes().watch();
    let decision = app.store.unblock_refund(staff, &cancellation, &way, key.as_ref()).await?;
    let decided = Decided::from(app, decision)?.settled(app, changes, undone).await?;
    let done = undone(&decided.row);
    decided.answer(app, if done { StatusCode::OK } else { StatusCode::ACCEPTED }).await
}

fn undone(row: &Reservation) -> bool {
    row.status != ReservationStatus::Cancelling
}
