//! What was sent to me, by which channel, and whether it has arrived; and once more, please.

use crate::App;
use crate::body::At;
use crate::caller::Caller;
use crate::paging::{Page, PageQuery, Paging};
use crate::problem::Problem;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::ids::{NoticeId, ReservationId};
use domain::words::{Channel, NoticeKind, NoticeState};
use serde::Serialize;
use store::notices::{Copied, Notice};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(copy))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Notification)]
struct NoticeBody {
    id: NoticeId,
    reservation_id: ReservationId,
    /// The place of its event in the reservation's timeline.
    seq: i64,
    kind: NoticeKind,
    channel: Channel,
    /// 0; more when it was asked for again.
    copy: i64,
    state: NoticeState,
    reason: Option<String>,
    created_at: At,
    updated_at: At,
}

impl From<Notice> for NoticeBody {
    fn from(notice: Notice) -> Self {
        Self {
            id: notice.id,
            reservation_id: notice.reservation_id,
            seq: notice.seq,
            kind: notice.kind,
            channel: notice.channel,
            copy: notice.copy,
            state: notice.state,
            reason: notice.reason,
            created_at: At(notice.created_at),
            updated_at: At(notice.updated_at),
        }
    }
}

/// What was sent to the caller.
#[utoipa::path(
    get, path = "/notifications", operation_id = "listNotifications",
    params(PageQuery),
    responses((status = 200, body = Page<NoticeBody>), (status = 304)),
    security(("bearer" = ["customer"]))
)]
async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    page: Paging,
) -> Result<Response, Problem> {
    let before = page.after()?;
    let found = app.store.notices(&caller, before.as_ref(), page.fetch()).await?;
    Ok(page.answer(found, |notice| notice.id.to_string(), NoticeBody::from))
}

/// Sends it once more; 409 `limit-exceeded`.
#[utoipa::path(
    post, path = "/notifications/{id}/copies", operation_id = "sendAgain",
    responses((status = 202, body = NoticeBody)),
    security(("bearer" = ["customer"]))
)]
async fn copy(
    State(app): State<App>,
    Caller(caller): Caller,
    Path(notice): Path<String>,
) -> Result<Response, Problem> {
    let none = || Problem::not_found("notification");
    let id = NoticeId::parse(notice).map_err(|_| none())?;
    match app.store.copy_notice(&caller, &id).await? {
        Copied::Done(notice) => {
            Ok((StatusCode::ACCEPTED, Json(NoticeBody::from(notice))).into_response())
        }
        Copied::Refused(refusal) => Err(Problem::refused(refusal, None, app.store.now())),
        Copied::NotFound => Err(none()),
    }
}
