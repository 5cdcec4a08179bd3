//! What happened to a reservation, in order.

use crate::App;
use crate::body::At;
use crate::caller::Anyone;
use crate::outcome::seen_reservation;
use crate::paging::{Page, PageQuery, Paging};
use crate::problem::Problem;
use axum::extract::{Path, State};
use axum::response::Response;
use domain::timeline::{Detail, Recorded};
use domain::words::{Actor, EventType};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Serialize, ToSchema)]
#[schema(as = TimelineEvent)]
pub(crate) struct EventBody {
    seq: i64,
    r#type: EventType,
    at: At,
    actor: Actor,
    data: Detail,
}

impl From<Recorded> for EventBody {
    fn from(event: Recorded) -> Self {
        let Recorded { seq, kind, actor, detail, at, .. } = event;
        Self { seq, r#type: kind, at: At(at), actor, data: detail }
    }
}

/// What happened to a reservation, in order.
#[utoipa::path(
    get, path = "/reservations/{id}/timeline", operation_id = "readTimeline",
    params(PageQuery),
    responses((status = 200, body = Page<EventBody>), (status = 304)),
    security(("bearer" = ["customer"]))
)]
async fn list(
    State(app): State<App>,
    Anyone(person): Anyone,
    page: Paging,
    Path(reservation): Path<String>,
) -> Result<Response, Problem> {
    let row = seen_reservation(&app, &person, reservation).await?;
    let after = page.cursor().map(str::parse).transpose();
    let after = after.map_err(|_| Problem::malformed("cursor: not one of ours"))?;
    let found = app.store.timeline(&row.id, after.unwrap_or(0), page.fetch()).await?;
    Ok(page.answer(found, |event| event.seq.to_string(), EventBody::from))
}
