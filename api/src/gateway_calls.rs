//! Calls to the gateway whose answer never came: staff finds out, and says what became of them.

use crate::App;
use crate::body::ReservationBody;
use crate::caller::Staff;
use crate::json::Json;
use crate::outcome::{Decided, id};
use crate::problem::Problem;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::ids::CallKey;
use domain::payment::{Answer, SETTLED_BY_STAFF};
use domain::refund_account::Reference;
use domain::words::{CallState, Role};
use serde::Deserialize;
use store::settling::Settlement;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(settle))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = SettlementRequest)]
struct SettlementBody {
    outcome: OutcomeBody,
    /// Where it can be looked up, without personal data.
    #[schema(pattern = "^[A-Za-z0-9._/-]{1,64}$")]
    reference: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = SettlementOutcome)]
enum OutcomeBody {
    Done,
    Refused,
}

/// Says what became of a call that was never answered.
///
/// 204: it belongs to no reservation of ours.
#[utoipa::path(
    post, path = "/admin/gateway-calls/{key}/settlement", operation_id = "settleGatewayCall",
    request_body = SettlementBody,
    responses((status = 200, body = ReservationBody), (status = 204)),
    security(("bearer" = ["staff"]))
)]
async fn settle(
    State(app): State<App>,
    Staff(staff): Staff,
    Path(key): Path<String>,
    Json { value, .. }: Json<SettlementBody>,
) -> Result<Response, Problem> {
    let key: CallKey = id(key, "call")?;
    let reference = Reference::parse(value.reference)
        .map_err(|why| Problem::mistake("/reference", why.to_string()))?;
    let answer = match value.outcome {
        OutcomeBody::Done => Answer::Done { approval_ends_at: None },
        OutcomeBody::Refused => Answer::Refused { code: SETTLED_BY_STAFF.to_owned() },
    };
    let settlement = Settlement { answer, reference };
    let Some(call) = app.store.gateway_call(&key).await? else {
        let closed = app.store.settle_stranger(&staff, &key, &settlement).await?;
        return match closed {
            true => Ok(StatusCode::NO_CONTENT.into_response()),
            false => Err(Problem::not_found("call")),
        };
    };
    // Its own answer may still come; who decides otherwise answers for it.
    let young = call.state == CallState::Sent && !call.outlived_its_key(app.store.now());
    if young && !staff.role.may_act_as(Role::Admin) {
        let detail = "the gateway may still answer: only an admin settles it before its time";
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail));
    }
    let decision = app.store.settle_call(&staff, &key, &settlement).await?;
    Decided::from(&app, decision)?.answer(&app, StatusCode::OK).await
}
