//! Finding reservations of people who stand in front of staff: by the code that they read out, or by
//! their name. A name is personal data, so that it comes in a body and is in no address.

use crate::App;
use crate::body::ReservationBody;
use crate::caller::Staff;
use crate::json::{Json, Text};
use crate::problem::Problem;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// More of one name are told apart by their codes.
const FOUND_MAX: i64 = 50;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(look_up))
}

#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "a code, or a name")]
#[schema(as = LookupRequest)]
enum LookupBody {
    /// As it is read out; small letters will do.
    Code { code: Text<16> },
    /// As it was given, whole.
    Name { name: Text<100> },
}

#[derive(Serialize, ToSchema)]
#[schema(as = Found)]
struct FoundBody {
    items: Vec<ReservationBody>,
}

/// Finds reservations by their code or by a customer's name, newest first; at most fifty.
#[utoipa::path(
    post, path = "/admin/lookups", operation_id = "lookUp",
    request_body = LookupBody,
    responses((status = 200, body = FoundBody)),
    security(("bearer" = ["staff"]))
)]
async fn look_up(
    State(app): State<App>,
    Staff(_): Staff,
    Json { value, .. }: Json<LookupBody>,
) -> Result<axum::Json<FoundBody>, Problem> {
    let found = match value {
        LookupBody::Code { code } => {
            let code = String::from(code).to_ascii_uppercase();
            app.store.reservation_by_code(&code).await?.into_iter().collect()
        }
        LookupBody::Name { name } => {
            app.store.reservations_by_name(&String::from(name), FOUND_MAX).await?
        }
    };
    let mut items = Vec::new();
    for row in &found {
        items.push(ReservationBody::of(&app.store, row).await?);
    }
    Ok(axum::Json(FoundBody { items }))
}
