//! Erasing a customer: staff carries out what the customer may ask for.

use crate::App;
use crate::caller::Staff;
use crate::outcome::id;
use crate::problem::Problem;
use axum::Json;
use axum::extract::{Path, State};
use domain::ids::CustomerId;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(erase))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Erased)]
struct ErasedBody {
    customer_id: CustomerId,
    contacts: u64,
    refund_accounts: u64,
    /// More than 0: a refund is under way; ask again when it has been paid.
    accounts_needed: i64,
}

/// Erases what identifies a customer.
///
/// Asked again it erases what has come since.
#[utoipa::path(
    post, path = "/admin/customers/{id}/erasure", operation_id = "eraseCustomer",
    responses((status = 200, body = ErasedBody)),
    security(("bearer" = ["staff"]))
)]
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
