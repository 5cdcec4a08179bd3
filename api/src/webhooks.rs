//! Where partners want to be told: their endpoints, the secrets that sign, what became of each event,
//! and once more from a position on.

use crate::App;
use crate::body::At;
use crate::caller::Partner;
use crate::json::{Json, whole};
use crate::outcome::id;
use crate::paging::{Page, PageQuery, Paging};
use crate::problem::Problem;
use crate::query::Query;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::ids::EndpointId;
use domain::person::Person;
use domain::words::{DeliveryState, DisabledReason, EndpointState, EventType};
use events::cloud_event::{id_of, kind_of, type_of};
use events::webhooks::message::new_secret;
use serde::{Deserialize, Serialize};
use store::deliveries::Delivery;
use store::webhooks::{Endpoint, Kept, Wanted};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(read, change, remove))
        .routes(routes!(rotate))
        .routes(routes!(replay))
        .routes(routes!(deliveries))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EndpointRequest)]
struct WantedBody {
    /// `https`, a public host, no user, no password.
    #[schema(pattern = "^https://")]
    url: String,
    /// As events name them; none: all.
    #[serde(default)]
    event_types: Vec<String>,
    #[serde(default = "enabled")]
    state: EndpointState,
}

fn enabled() -> EndpointState {
    EndpointState::Enabled
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Endpoint)]
struct EndpointBody {
    id: EndpointId,
    url: String,
    event_types: Vec<String>,
    state: EndpointState,
    disabled_reason: Option<DisabledReason>,
    position: i64,
    failing_since: Option<At>,
    created_at: At,
    updated_at: At,
}

/// All of them: there are few.
#[derive(Serialize, ToSchema)]
#[schema(as = Endpoints)]
struct EndpointsBody {
    items: Vec<EndpointBody>,
}

/// The one answer that shows the secret.
#[derive(Serialize, ToSchema)]
#[schema(as = NewEndpoint)]
struct NewBody {
    #[serde(flatten)]
    endpoint: EndpointBody,
    secret: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NewSecret)]
struct SecretBody {
    secret: String,
    old_secret_until: At,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ReplayRequest)]
struct ReplayBody {
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 0)]
    after: i64,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct DeliveryQuery {
    #[param(inline)]
    state: Option<DeliveryState>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Delivery)]
struct DeliveryBody {
    position: i64,
    /// The `webhook-id` that it has.
    event_id: String,
    r#type: String,
    state: DeliveryState,
    tries: u32,
    next_try_at: Option<At>,
    answer: Option<u16>,
    reason: Option<String>,
    created_at: At,
    updated_at: At,
}

impl From<Endpoint> for EndpointBody {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            id: endpoint.id,
            url: endpoint.url,
            event_types: endpoint.event_types.into_iter().map(type_of).collect(),
            state: endpoint.state,
            disabled_reason: endpoint.disabled_reason,
            position: endpoint.position,
            failing_since: endpoint.failing_since.map(At),
            created_at: At(endpoint.created_at),
            updated_at: At(endpoint.updated_at),
        }
    }
}

impl From<Delivery> for DeliveryBody {
    fn from(delivery: Delivery) -> Self {
        Self {
            position: delivery.position,
            event_id: id_of(&delivery.reservation_id, delivery.seq),
            r#type: type_of(delivery.kind),
            state: delivery.state,
            tries: delivery.tries,
            next_try_at: delivery.attend_at.map(At),
            answer: delivery.answer,
            reason: delivery.reason,
            created_at: At(delivery.created_at),
            updated_at: At(delivery.updated_at),
        }
    }
}

/// The caller's endpoints.
#[utoipa::path(
    get, path = "/webhook-endpoints", operation_id = "listEndpoints",
    responses((status = 200, body = EndpointsBody)),
    security(("bearer" = ["partner"]))
)]
async fn list(State(app): State<App>, Partner(partner): Partner) -> Result<Response, Problem> {
    let found = app.store.endpoints(&partner.id).await?;
    let items = found.into_iter().map(EndpointBody::from).collect();
    Ok(axum::Json(EndpointsBody { items }).into_response())
}

/// One endpoint.
#[utoipa::path(
    get, path = "/webhook-endpoints/{id}", operation_id = "readEndpoint",
    responses((status = 200, body = EndpointBody)),
    security(("bearer" = ["partner"]))
)]
async fn read(
    State(app): State<App>,
    Partner(partner): Partner,
    Path(endpoint): Path<String>,
) -> Result<Response, Problem> {
    let found = own(&app, &partner, endpoint).await?;
    Ok(axum::Json(EndpointBody::from(found)).into_response())
}

/// A new endpoint, with the secret that signs what is sent there.
///
/// 409 `endpoint-exists`, `limit-exceeded`.
#[utoipa::path(
    post, path = "/webhook-endpoints", operation_id = "addEndpoint",
    request_body = WantedBody,
    responses((status = 201, body = NewBody)),
    security(("bearer" = ["partner"]))
)]
async fn add(
    State(app): State<App>,
    Partner(partner): Partner,
    Json { value, .. }: Json<WantedBody>,
) -> Result<Response, Problem> {
    let wanted = wanted(&app, value)?;
    let secret = new_secret();
    let added = kept(app.store.add_endpoint(&partner.id, &wanted, &secret).await?)?;
    let place = format!("/webhook-endpoints/{}", added.id);
    let body = NewBody { endpoint: added.into(), secret: secret.reveal().to_owned() };
    let headers = [(header::LOCATION, place), (header::CACHE_CONTROL, "no-store".to_owned())];
    Ok((StatusCode::CREATED, headers, axum::Json(body)).into_response())
}

/// Changes where, what or whether.
#[utoipa::path(
    put, path = "/webhook-endpoints/{id}", operation_id = "changeEndpoint",
    request_body = WantedBody,
    responses((status = 200, body = EndpointBody)),
    security(("bearer" = ["partner"]))
)]
async fn change(
    State(app): State<App>,
    Partner(partner): Partner,
    Path(endpoint): Path<String>,
    Json { value, .. }: Json<WantedBody>,
) -> Result<Response, Problem> {
    let wanted = wanted(&app, value)?;
    let endpoint = id(endpoint, "endpoint")?;
    let changed = kept(app.store.change_endpoint(&partner.id, &endpoint, &wanted).await?)?;
    Ok(axum::Json(EndpointBody::from(changed)).into_response())
}

/// Nothing more is sent there.
#[utoipa::path(
    delete, path = "/webhook-endpoints/{id}", operation_id = "removeEndpoint",
    responses((status = 204)),
    security(("bearer" = ["partner"]))
)]
async fn remove(
    State(app): State<App>,
    Partner(partner): Partner,
    Path(endpoint): Path<String>,
) -> Result<StatusCode, Problem> {
    let endpoint = id(endpoint, "endpoint")?;
    if app.store.remove_endpoint(&partner.id, &endpoint).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::not_found("endpoint"))
}

/// A new secret; the old one signs beside it for a while.
#[utoipa::path(
    post, path = "/webhook-endpoints/{id}/secret-rotations", operation_id = "rotateSecret",
    responses((status = 201, body = SecretBody)),
    security(("bearer" = ["partner"]))
)]
async fn rotate(
    State(app): State<App>,
    Partner(partner): Partner,
    Path(endpoint): Path<String>,
) -> Result<Response, Problem> {
    let endpoint = id(endpoint, "endpoint")?;
    let rotated = app.store.rotate_secret(&partner.id, &endpoint, &new_secret()).await?;
    let (secret, until) = rotated.ok_or_else(|| Problem::not_found("endpoint"))?;
    let body = SecretBody { secret: secret.reveal().to_owned(), old_secret_until: At(until) };
    let headers = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, headers, axum::Json(body)).into_response())
}

/// Sends everything after a position once more.
#[utoipa::path(
    post, path = "/webhook-endpoints/{id}/replays", operation_id = "replay",
    request_body = ReplayBody,
    responses((status = 202, body = EndpointBody)),
    security(("bearer" = ["partner"]))
)]
async fn replay(
    State(app): State<App>,
    Partner(partner): Partner,
    Path(endpoint): Path<String>,
    Json { value, .. }: Json<ReplayBody>,
) -> Result<Response, Problem> {
    let found = own(&app, &partner, endpoint).await?;
    if !app.store.send_again(&partner.id, &found.id, value.after).await? {
        let detail = format!("0 to {}: the endpoint has come so far", found.position);
        return Err(Problem::mistake("/after", detail));
    }
    let found = own(&app, &partner, found.id.into()).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(EndpointBody::from(found))).into_response())
}

/// What became of each event, newest first.
#[utoipa::path(
    get, path = "/webhook-endpoints/{id}/deliveries", operation_id = "listDeliveries",
    params(PageQuery, DeliveryQuery),
    responses((status = 200, body = Page<DeliveryBody>), (status = 304)),
    security(("bearer" = ["partner"]))
)]
async fn deliveries(
    State(app): State<App>,
    Partner(partner): Partner,
    Path(endpoint): Path<String>,
    Query(query): Query<DeliveryQuery>,
    page: Paging,
) -> Result<Response, Problem> {
    let endpoint = own(&app, &partner, endpoint).await?.id;
    let before = page
        .cursor()
        .map(|cursor| cursor.parse().map_err(|_| Problem::malformed("cursor: not one of ours")));
    let (store, before) = (&app.store, before.transpose()?);
    let found = store.deliveries(&partner.id, &endpoint, query.state, before, page.fetch()).await?;
    Ok(page.answer(found, |delivery| delivery.position.to_string(), DeliveryBody::from))
}

async fn own(app: &App, partner: &Person, endpoint: String) -> Result<Endpoint, Problem> {
    let endpoint = id(endpoint, "endpoint")?;
    let found = app.store.endpoint(&partner.id, &endpoint).await?;
    found.ok_or_else(|| Problem::not_found("endpoint"))
}

fn wanted(app: &App, body: WantedBody) -> Result<Wanted, Problem> {
    let url = app.reach.parse(&body.url);
    let url = url.ok_or_else(|| Problem::mistake("/url", app.reach.rule()))?.to_string();
    let mut event_types: Vec<EventType> = Vec::new();
    for (place, name) in body.event_types.iter().enumerate() {
        let unknown = || Problem::mistake(&format!("/eventTypes/{place}"), "no type of event");
        event_types.push(kind_of(name).ok_or_else(unknown)?);
    }
    event_types.sort_unstable();
    event_types.dedup();
    Ok(Wanted { url, event_types, state: body.state })
}

fn kept(kept: Kept) -> Result<Endpoint, Problem> {
    let conflict = |code, detail| Err(Problem::new(StatusCode::CONFLICT, code, detail));
    match kept {
        Kept::Done(endpoint) => Ok(endpoint),
        Kept::Taken => conflict("endpoint-exists", "you have an endpoint at this address"),
        Kept::TooMany => conflict("limit-exceeded", "you have as many endpoints as there may be"),
        Kept::NotFound => Err(Problem::not_found("endpoint")),
    }
}
