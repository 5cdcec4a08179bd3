//! Erasing a customer: staff carries out what the customer may ask for.

use crate::App;
use crate::caller::Staff;
use crate::outcome::id;
use crate::problem::Problem;
use axum::extract::{Path, State};
use axum::routing::post;
use axum::{Json, Router};
use domain::ids::CustomerId;
use serde::Serialize;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/admin/customers/{id}/erasure", post(erase))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErasedBody {
    customer_id: CustomerId,
    contacts: u64,
    refund_accounts: u64,
    /// More than 0: a refund is under way; ask again when it has been paid.
    accounts_needed: i64,
}

/// Asked again it erases what has come since.
async fn erase(
    State(app): State<App>,
    Staff(staff): Staff,
    Path(customer): Path<String>,
) -> Result<Json<ErasedBody>, Problem> {
    let customer_id: CustomerId = id(customer, "customer")?;
    let erased = app.store.erase_customer(&staff, &customer_id).await?;
    Ok(Json(ErasedBody {
        customer_id,
        contacts: erased.contacts,
        refund_accounts: erased.refund_accounts,
        accounts_needed: erased.accounts_needed,
    }))
}
