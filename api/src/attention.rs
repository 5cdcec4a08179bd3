//! What needs people, with what they can do about it; and a reservation that staff wants attended
//! at once.

use crate::App;
use crate::body::{At, ReservationBody};
use crate::caller::Staff;
use crate::outcome::{Decided, id};
use crate::paging::{Page, PageQuery, Paging};
use crate::problem::Problem;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::attention::{Concern, Worry};
use domain::ids::ReservationId;
use domain::time::Time;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(nudge))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Concern)]
struct ConcernBody {
    worry: Worry,
    since: At,
    reservation_id: Option<ReservationId>,
    subject: String,
    advice: &'static str,
}

impl From<Concern> for ConcernBody {
    fn from(concern: Concern) -> Self {
        let Concern { worry, since, reservation_id, subject } = concern;
        Self { worry, since: At(since), reservation_id, subject, advice: worry.advice() }
    }
}

/// What needs people, with what they can do about it.
///
/// The most urgent kind first, within it the oldest.
#[utoipa::path(
    get, path = "/admin/attention", operation_id = "listConcerns",
    params(PageQuery),
    responses((status = 200, body = Page<ConcernBody>), (status = 304)),
    security(("bearer" = ["staff"]))
)]
async fn list(State(app): State<App>, Staff(_): Staff, page: Paging) -> Result<Response, Problem> {
    let mut place = page.cursor().map(place).transpose()?;
    let first = place.as_ref().map_or(0, |(kind, _)| *kind);
    let mut found = Vec::new();
    for worry in Worry::EVERY.iter().skip(first) {
        let missing = page.fetch() - i64::try_from(found.len()).expect("a page is short");
        if missing <= 0 {
            break;
        }
        let after = place.take().map(|(_, after)| after);
        found.extend(app.store.concerns(*worry, after.as_ref(), missing).await?);
    }
    Ok(page.answer(found, cursor, ConcernBody::from))
}

/// Kind, since when, and subject.
fn cursor(concern: &Concern) -> String {
    let kind = Worry::EVERY.iter().position(|worry| *worry == concern.worry).unwrap_or(0);
    format!("{kind}.{}.{}", concern.since.as_millis(), concern.subject)
}

fn place(cursor: &str) -> Result<(usize, (Time, String)), Problem> {
    let parts: Vec<&str> = cursor.splitn(3, '.').collect();
    let parsed = match parts[..] {
        [kind, since, subject] => {
            kind.parse().ok().zip(since.parse().ok()).map(|(kind, since): (usize, i64)| {
                (kind, (Time::from_millis(since), subject.to_owned()))
            })
        }
        _ => None,
    };
    parsed.ok_or_else(|| Problem::malformed("cursor: not one of ours"))
}

/// Has a reservation attended to at once.
#[utoipa::path(
    post, path = "/admin/reservations/{id}/nudge", operation_id = "nudge",
    responses((status = 200, body = ReservationBody)),
    security(("bearer" = ["staff"]))
)]
async fn nudge(
    State(app): State<App>,
    Staff(person): Staff,
    Path(reservation): Path<String>,
) -> Result<Response, Problem> {
    let reservation: ReservationId = id(reservation, "reservation")?;
    let row = app.store.nudge(&person, &reservation).await?;
    let row = row.ok_or_else(|| Problem::not_found("reservation"))?;
    Decided { row, replayed: false }.answer(&app, StatusCode::OK).await
}
