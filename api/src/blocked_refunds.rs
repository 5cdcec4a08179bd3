//! Refunds that the gateway refused for good, and the two ways out that staff has.

use crate::App;
use crate::body::ReservationBody;
use crate::caller::Staff;
use crate::idempotency::{KeyHeader, key_of};
use crate::json::Json;
use crate::outcome::{Decided, id};
use crate::problem::Problem;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::person::Person;
use domain::refund_account::{NotAnAccount, Reference, RefundAccount};
use domain::reservation::Reservation;
use domain::words::ReservationStatus;
use serde::Deserialize;
use store::blocked_refunds::WayOut;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(refund_to)).routes(routes!(returned_outside))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RefundAccountRequest)]
struct AccountBody {
    #[schema(pattern = "^[0-9]{3}$")]
    bank_code: String,
    #[schema(pattern = "^[0-9]{6,20}$")]
    account_number: String,
    #[schema(max_length = 50, pattern = r"^[^\x00-\x20\x7f-\xa0]+$")]
    holder: String,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = OutsideRefundRequest)]
struct OutsideBody {
    /// Of the transfer, without personal data.
    #[schema(pattern = "^[A-Za-z0-9._/-]{1,64}$")]
    reference: String,
}

/// Pays a refund that the company refused to a bank account.
#[utoipa::path(
    post, path = "/admin/cancellations/{id}/refund-account", operation_id = "refundToAccount",
    params(KeyHeader),
    request_body = AccountBody,
    responses((status = 200, body = ReservationBody), (status = 202, body = ReservationBody)),
    security(("bearer" = ["staff"]))
)]
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

/// Says that a refused refund was paid outside of this system.
#[utoipa::path(
    post, path = "/admin/cancellations/{id}/outside-refund", operation_id = "recordOutsideRefund",
    params(KeyHeader),
    request_body = OutsideBody,
    responses((status = 200, body = ReservationBody), (status = 202, body = ReservationBody)),
    security(("bearer" = ["staff"]))
)]
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
    let decision = app.store.unblock_refund(staff, &cancellation, &way, key.as_ref()).await?;
    let decided = Decided::from(app, decision)?.settled(app, undone).await?;
    let done = undone(&decided.row);
    decided.answer(app, if done { StatusCode::OK } else { StatusCode::ACCEPTED }).await
}

fn undone(row: &Reservation) -> bool {
    row.status != ReservationStatus::Cancelling
}
