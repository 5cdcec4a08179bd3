//! Reservations: made in the full form or in the report's, listed, read.

use crate::App;
use crate::body::{AdmissionBody, PlanSeatsBody, ReportPart, ReservationBody};
use crate::caller::{Anyone, Booker, Caller};
use crate::etag;
use crate::idempotency::{KeyHeader, key_of};
use crate::json::{Json, Text};
use crate::outcome::{Decided, seen_reservation};
use crate::paging::{Page, PageQuery, Paging};
use crate::problem::Problem;
use crate::query::Query;
use crate::trace;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::ids::{CustomerId, ShowtimeId};
use domain::party::Party;
use domain::refusal::Refusal;
use domain::reservation::{Plan, PlanSeats};
use domain::words::{Grade, Language, Method, ReservationStatus};
use serde::Deserialize;
use std::time::Duration;
use store::Decision;
use store::catalogue::ListedShowtime;
use store::idempotency::RequestKey;
use store::reserve::{Contact, NewReservation, Offer};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(reserve, list)).routes(routes!(read))
}

/// What people and movies are called.
type Name = Text<100>;
/// The report's form takes a showtime that starts at least this much later: time to pay for it,
/// after the present wait for the gateway.
const REPORT_LEAD: Duration = Duration::from_secs(2 * 60);
/// How many showtimes the report's form tries when others are faster.
const REPORT_TRIES_MAX: u32 = 10;

/// Either form; which one it is says `showtimeId` or `movieName`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReserveBody {
    showtime_id: Option<String>,
    grade: Option<Grade>,
    admissions: Option<Vec<AdmissionBody>>,
    contact: Option<ContactBody>,
    plan: Option<PlanBody>,
    customer_name: Option<Name>,
    movie_name: Option<Name>,
}

/// How [`ReserveBody`] is described.
#[derive(ToSchema)]
#[schema(as = ReserveRequest)]
#[serde(untagged)]
#[expect(dead_code, reason = "only described: it is read in one piece, to say where a mistake is")]
enum ReserveForms {
    Full(FullForm),
    Report(ReportForm),
}

#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only described")]
struct FullForm {
    showtime_id: ShowtimeId,
    grade: Grade,
    admissions: Vec<AdmissionBody>,
    contact: Option<ContactBody>,
    plan: Option<PlanBody>,
}

/// One adult, on the best place of the movie's next show that has room; paid by a plan.
#[derive(ToSchema)]
#[schema(as = ReserveReportRequest)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only described")]
struct ReportForm {
    customer_name: Option<Name>,
    movie_name: Name,
    contact: Option<ContactBody>,
    /// Read and ignored, as are the next three; they have to be what they are in the other form.
    reservation_status: Option<String>,
    grade: Option<Grade>,
    admissions: Option<Vec<AdmissionBody>>,
    plan: Option<PlanBody>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = Contact)]
struct ContactBody {
    name: Option<Name>,
    /// Digits, spaces, + and -.
    #[schema(value_type = Option<String>, pattern = "^[0-9+ -]{0,19}[0-9+-]$")]
    phone: Option<Text<20>>,
    language: Option<Language>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = PlanRequest)]
struct PlanBody {
    method: Method,
    seats: PlanSeatsBody,
}

/// A body that was understood.
enum Wish {
    Full {
        showtime_id: ShowtimeId,
        grade: Grade,
        party: Party,
        plan: Option<Plan>,
        contact: Contact,
    },
    Report {
        movie_name: String,
        contact: Contact,
    },
}

impl Wish {
    /// The report's form is carried through by a plan.
    fn has_plan(&self) -> bool {
        match self {
            Self::Full { plan, .. } => plan.is_some(),
            Self::Report { .. } => true,
        }
    }
}

impl TryFrom<ReserveBody> for Wish {
    type Error = Problem;

    fn try_from(body: ReserveBody) -> Result<Self, Problem> {
        let contact = body.contact.map(contact).transpose()?.unwrap_or_default();
        match (body.showtime_id, body.movie_name) {
            (Some(_), Some(_)) => {
                Err(Problem::mistake("/movieName", "give showtimeId or movieName, not both"))
            }
            (None, None) => Err(Problem::mistake("/showtimeId", "give showtimeId or movieName")),
            (None, Some(movie_name)) => {
                let name = body.customer_name.map(String::from).or(contact.name);
                Ok(Self::Report {
                    movie_name: movie_name.into(),
                    contact: Contact { name, ..contact },
                })
            }
            (Some(showtime_id), None) => Ok(Self::Full {
                showtime_id: ShowtimeId::parse(showtime_id)
                    .map_err(|_| Problem::not_found("showtime"))?,
                grade: body.grade.ok_or_else(|| Problem::mistake("/grade", "is missing"))?,
                party: party(body.admissions)?,
                plan: body.plan.map(plan),
                contact,
            }),
        }
    }
}

fn party(admissions: Option<Vec<AdmissionBody>>) -> Result<Party, Problem> {
    let admissions = admissions.ok_or_else(|| Problem::mistake("/admissions", "is missing"))?;
    let counts = admissions.into_iter().map(|admission| (admission.r#type, admission.count));
    Party::parse(counts).map_err(|error| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "party-size", error.to_string())
    })
}

fn plan(body: PlanBody) -> Plan {
    let seats = match body.seats {
        PlanSeatsBody::Best(_) => PlanSeats::Best,
        PlanSeatsBody::Ids(ids) => PlanSeats::Ids(ids),
    };
    Plan { method: body.method, seats }
}

fn contact(body: ContactBody) -> Result<Contact, Problem> {
    let phone = body.phone.map(String::from);
    let dialled = |phone: &String| phone.chars().all(|c| c.is_ascii_digit() || "+- ".contains(c));
    if phone.as_ref().is_some_and(|phone| !dialled(phone)) {
        return Err(Problem::mistake("/contact/phone", "digits, spaces, + and -"));
    }
    let name = body.name.map(String::from);
    Ok(Contact { name, phone, language: body.language.unwrap_or_default() })
}

/// Reserves, in the full form or in the report's.
///
/// 409 `sold-out`, `sales-closed`, `limit-exceeded`; 422 `age-restricted`, `party-size`,
/// `wrong-grade`. Whoever reserves as nobody gets a `guestToken`, which is good for this reservation
/// alone; a repeat with their key, which then has 32 characters at least, gets it again.
#[utoipa::path(
    post, path = "/reservations", operation_id = "reserve",
    params(KeyHeader),
    request_body = ReserveForms,
    responses((status = 201, body = ReservationBody)),
    security((), ("bearer" = ["customer"]))
)]
async fn reserve(
    State(app): State<App>,
    booker: Booker,
    headers: HeaderMap,
    Json { value, digest }: Json<ReserveBody>,
) -> Result<Response, Problem> {
    let Booker { id: caller, unlimited, guests } = booker;
    let key = key_of(&app, &headers, &caller, "POST /reservations", &digest)?;
    let wish = Wish::try_from(value)?;
    if wish.has_plan() && !app.company.tongue.charges_later() {
        let message = "this payment company charges nobody without a click: reserve without a plan";
        return Err(Problem::mistake("/plan", message));
    }
    let (decided, mut body) = match wish {
        Wish::Full { showtime_id, grade, party, plan, contact } => {
            let listed = app.store.showtime(&showtime_id).await?;
            let listed = listed.ok_or_else(|| Problem::not_found("showtime"))?;
            let offer = listed.offer;
            let trace_parent = trace::parent();
            let customer_id = caller;
            let new = NewReservation {
                customer_id,
                offer,
                grade,
                party,
                plan,
                contact,
                unlimited,
                trace_parent,
            };
            let decided = Decided::from(&app, app.store.reserve(&new, key.as_ref()).await?)?;
            let body = ReservationBody::of(&app.store, &decided.row).await?;
            (decided, body)
        }
        Wish::Report { movie_name, contact } => {
            let customer_name = contact.name.clone().unwrap_or_default();
            let decided = reserve_next(&app, caller, &movie_name, contact, key.as_ref()).await?;
            let mut body = ReservationBody::of(&app.store, &decided.row).await?;
            body.report = ReportPart {
                customer_name: Some(customer_name),
                movie_name: Some(movie_name),
                reservation_status: Some(body.status.label()),
            };
            (decided, body)
        }
    };
    let ends_at = decided.row.showtime.ends_at;
    body.guest_token = guests.and_then(|guests| guests.token(&decided.row.customer_id, ends_at));
    Ok(decided.answer_with(StatusCode::CREATED, body))
}

/// The report's form: one adult, the movie's next showtime with room, its cheapest grade with room,
/// carried through by a plan.
async fn reserve_next(
    app: &App,
    customer_id: CustomerId,
    movie_name: &str,
    contact: Contact,
    key: Option<&RequestKey>,
) -> Result<Decided, Problem> {
    let movies = app.store.movies(Some(movie_name), None, None, 1).await?;
    let movie = movies.into_iter().next().ok_or_else(|| Problem::not_found("movie"))?;
    let after = app.store.now().plus(REPORT_LEAD + app.store.wait_ahead().await?);
    let mut ended = app.store.refused_unless_replayed(key, Refusal::SoldOut).await?;
    if !matches!(ended, Decision::Refused(Refusal::SoldOut, _)) {
        return Decided::from(app, ended);
    }
    for _ in 0..REPORT_TRIES_MAX {
        let next = app.store.next_showtime_with_room(&movie.id, after).await?;
        let Some(ListedShowtime { offer, .. }) = next else { break };
        let Some(grade) = cheapest_with_room(&offer) else { break };
        let new = NewReservation {
            customer_id: customer_id.clone(),
            offer,
            grade,
            party: Party::one_adult(),
            plan: Some(Plan { method: Method::Card, seats: PlanSeats::Best }),
            contact: contact.clone(),
            // A plan pays for it.
            unlimited: true,
            trace_parent: trace::parent(),
        };
        ended = app.store.reserve(&new, key).await?;
        if !matches!(ended, Decision::Refused(Refusal::SoldOut | Refusal::SalesClosed, _)) {
            break;
        }
    }
    Decided::from(app, ended)
}

fn cheapest_with_room(offer: &Offer) -> Option<Grade> {
    let party = Party::one_adult();
    let prices = &offer.showtime.prices;
    let with_room = offer.pools.iter().filter(|pool| pool.open && pool.remaining() > 0);
    with_room
        .filter_map(|pool| party.price(prices, pool.grade).map(|price| (price, pool.grade)))
        .min()
        .map(|(_, grade)| grade)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    #[param(inline)]
    status: Option<ReservationStatus>,
}

/// The caller's reservations, newest first.
#[utoipa::path(
    get, path = "/reservations", operation_id = "listReservations",
    params(PageQuery, ListQuery),
    responses((status = 200, body = Page<ReservationBody>), (status = 304)),
    security(("bearer" = ["customer"]))
)]
async fn list(
    State(app): State<App>,
    Caller(caller): Caller,
    page: Paging,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let before = page.after()?;
    let found =
        app.store.reservations_of(&caller, query.status, before.as_ref(), page.fetch()).await?;
    let mut bodies = Vec::new();
    for row in &found {
        bodies.push((row.id.to_string(), ReservationBody::of(&app.store, row).await?));
    }
    Ok(page.answer(bodies, |(id, _)| id.clone(), |(_, body)| body))
}

/// One reservation as it is now; its ETag is its version.
#[utoipa::path(
    get, path = "/reservations/{id}", operation_id = "readReservation",
    responses((status = 200, body = ReservationBody), (status = 304)),
    security(("bearer" = ["customer"]))
)]
async fn read(
    State(app): State<App>,
    Anyone(person): Anyone,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let row = seen_reservation(&app, &person, id).await?;
    let body = ReservationBody::of(&app.store, &row).await?;
    Ok(etag::answer_as(&headers, &row.version.to_string(), &body))
}
