//! Mypage: how all my reservations stand, from one document each. Polling it costs a 304.

use crate::App;
use crate::body::{At, M};
use crate::caller::Caller;
use crate::etag;
use crate::outcome::id;
use crate::paging::{Page, PageQuery, Paging};
use crate::problem::Problem;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use domain::ids::{PaymentAttemptId, ReservationId};
use domain::mypage::MyPage;
use domain::words::{PaymentStatus, ReservationStatus, SeatStatus, TicketStatus};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(read))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MyPage)]
pub(crate) struct MyPageBody {
    reservation_id: ReservationId,
    code: String,
    customer_name: Option<String>,
    payment_id: Option<PaymentAttemptId>,
    movie_title: String,
    theater_name: String,
    auditorium_name: String,
    starts_at: At,
    seat_qty: u32,
    seat_numbers: Vec<String>,
    amount: M,
    refunded: M,
    status: ReservationStatus,
    status_label: &'static str,
    payment_status: PaymentStatus,
    seat_status: SeatStatus,
    ticket_status: TicketStatus,
    deadline_at: Option<At>,
    version: i64,
    updated_at: At,
}

impl MyPageBody {
    pub(crate) fn of((page, customer_name): (MyPage, Option<String>)) -> Self {
        Self {
            reservation_id: page.reservation_id,
            code: page.code,
            customer_name,
            payment_id: page.payment_id,
            movie_title: page.movie_title,
            theater_name: page.theater_name,
            auditorium_name: page.auditorium_name,
            starts_at: At(page.starts_at),
            seat_qty: page.party_size,
            seat_numbers: page.seat_numbers,
            amount: M(page.amount),
            refunded: M(page.refunded),
            status: page.status,
            status_label: page.status.label(),
            payment_status: page.payment_status,
            seat_status: page.seat_status,
            ticket_status: page.ticket_status,
            deadline_at: page.deadline_at.map(At),
            version: page.version,
            updated_at: At(page.updated_at),
        }
    }
}

/// How all of the caller's reservations stand, newest first.
#[utoipa::path(
    get, path = "/mypage", operation_id = "listMyPage",
    params(PageQuery),
    responses((status = 200, body = Page<MyPageBody>), (status = 304)),
    security(("bearer" = ["customer"]))
)]
async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    page: Paging,
) -> Result<Response, Problem> {
    let before = page.after()?;
    let found = app.store.mypage(&caller, before.as_ref(), page.fetch()).await?;
    Ok(page.answer(found, |(entry, _)| entry.reservation_id.to_string(), MyPageBody::of))
}

/// How one of them stands.
#[utoipa::path(
    get, path = "/mypage/{id}", operation_id = "readMyPage",
    responses((status = 200, body = MyPageBody), (status = 304)),
    security(("bearer" = ["customer"]))
)]
async fn read(
    State(app): State<App>,
    Caller(caller): Caller,
    headers: HeaderMap,
    Path(reservation): Path<String>,
) -> Result<Response, Problem> {
    let entry = app.store.mypage_entry(&caller, &id(reservation, "reservation")?).await?;
    let entry = entry.ok_or_else(|| Problem::not_found("reservation"))?;
    Ok(etag::answer(&headers, &MyPageBody::of(entry)))
}
