//! Reservations: made in the full form or in the report's, listed, read.

use crate::App;
use crate::body::{ReportPart, ReservationBody};
use crate::caller::{Anyone, Caller};
use crate::etag;
use crate::idempotency::key_of;
use crate::json::Json;
use crate::outcome::{Decided, seen_reservation};
use crate::paging::Paging;
use crate::problem::Problem;
use crate::query::Query;
use crate::trace;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use domain::ids::{CustomerId, SeatId, ShowtimeId};
use domain::party::{Party, PartyError};
use domain::refusal::Refusal;
use domain::reservation::{Plan, PlanSeats};
use domain::words::{Audience, Grade, Language, Method, ReservationStatus};
use serde::Deserialize;
use std::time::Duration;
use store::Decision;
use store::catalogue::ListedShowtime;
use store::idempotency::RequestKey;
use store::reserve::{Contact, NewReservation, Offer};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/reservations", post(reserve).get(list))
        .route("/reservations/{id}", get(read))
}

/// The longest name and phone number, in characters.
const NAME_CHARS_MAX: usize = 100;
const PHONE_CHARS_MAX: usize = 20;
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
    customer_name: Option<String>,
    movie_name: Option<String>,
}

#[derive(Deserialize)]
struct AdmissionBody {
    r#type: Audience,
    count: u32,
}

#[derive(Deserialize)]
struct ContactBody {
    name: Option<String>,
    phone: Option<String>,
    language: Option<Language>,
}

#[derive(Deserialize)]
struct PlanBody {
    method: Method,
    seats: PlanSeatsBody,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum PlanSeatsBody {
    Word(String),
    Ids(Vec<SeatId>),
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
                let name = body.customer_name;
                let name = name.map(|name| short("/customerName", name, NAME_CHARS_MAX));
                let name = name.transpose()?.or(contact.name);
                Ok(Self::Report {
                    movie_name: short("/movieName", movie_name, NAME_CHARS_MAX)?,
                    contact: Contact { name, ..contact },
                })
            }
            (Some(showtime_id), None) => Ok(Self::Full {
                showtime_id: ShowtimeId::parse(showtime_id)
                    .map_err(|_| Problem::not_found("showtime"))?,
                grade: body.grade.ok_or_else(|| Problem::mistake("/grade", "is missing"))?,
                party: party(body.admissions)?,
                plan: body.plan.map(plan).transpose()?,
                contact,
            }),
        }
    }
}

fn party(admissions: Option<Vec<AdmissionBody>>) -> Result<Party, Problem> {
    let admissions = admissions.ok_or_else(|| Problem::mistake("/admissions", "is missing"))?;
    let counts = admissions.into_iter().map(|admission| (admission.r#type, admission.count));
    Party::parse(counts).map_err(|error| match error {
        PartyError::Empty => Problem::mistake("/admissions", "at least one person"),
        PartyError::TooLarge => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "party-size",
            format!("at most {} people", domain::party::PARTY_SIZE_LIMIT),
        ),
    })
}

fn plan(body: PlanBody) -> Result<Plan, Problem> {
    let seats = match body.seats {
        PlanSeatsBody::Word(word) if word == "best" => PlanSeats::Best,
        PlanSeatsBody::Word(_) => {
            return Err(Problem::mistake("/plan/seats", "\"best\" or a list of seat ids"));
        }
        PlanSeatsBody::Ids(ids) => PlanSeats::Ids(ids),
    };
    Ok(Plan { method: body.method, seats })
}

fn contact(body: ContactBody) -> Result<Contact, Problem> {
    let name = body.name.map(|name| short("/contact/name", name, NAME_CHARS_MAX)).transpose()?;
    let phone =
        body.phone.map(|phone| short("/contact/phone", phone, PHONE_CHARS_MAX)).transpose()?;
    let dialled = |phone: &String| phone.chars().all(|c| c.is_ascii_digit() || "+- ".contains(c));
    if phone.as_ref().is_some_and(|phone| !dialled(phone)) {
        return Err(Problem::mistake("/contact/phone", "digits, spaces, + and -"));
    }
    Ok(Contact { name, phone, language: body.language.unwrap_or_default() })
}

/// A text of people: not empty, not long, without control characters.
fn short(pointer: &str, text: String, chars_max: usize) -> Result<String, Problem> {
    let text = text.trim().to_owned();
    if text.is_empty() || text.chars().count() > chars_max || text.chars().any(char::is_control) {
        return Err(Problem::mistake(pointer, format!("1 to {chars_max} printable characters")));
    }
    Ok(text)
}

async fn reserve(
    State(app): State<App>,
    Caller(caller): Caller,
    headers: HeaderMap,
    Json { value, digest }: Json<ReserveBody>,
) -> Result<Response, Problem> {
    let key = key_of(&app, &headers, &caller, "POST /reservations", &digest)?;
    let wish = Wish::try_from(value)?;
    if wish.has_plan() && !app.company.tongue.charges_later() {
        let message = "this payment company charges nobody without a click: reserve without a plan";
        return Err(Problem::mistake("/plan", message));
    }
    match wish {
        Wish::Full { showtime_id, grade, party, plan, contact } => {
            let listed = app.store.showtime(&showtime_id).await?;
            let listed = listed.ok_or_else(|| Problem::not_found("showtime"))?;
            let offer = listed.offer;
            let trace_parent = trace::parent();
            let customer_id = caller;
            let new =
                NewReservation { customer_id, offer, grade, party, plan, contact, trace_parent };
            let decided = Decided::from(&app, app.store.reserve(&new, key.as_ref()).await?)?;
            decided.answer(&app, StatusCode::CREATED).await
        }
        Wish::Report { movie_name, contact } => {
            let customer_name = contact.name.clone().unwrap_or_default();
            let decided = reserve_next(&app, caller, &movie_name, contact, key.as_ref()).await?;
            let mut body = ReservationBody::of(&app.store, &decided.row).await?;
            body.report = Some(ReportPart {
                customer_name,
                movie_name,
                reservation_status: body.status.label(),
            });
            Ok(decided.answer_with(StatusCode::CREATED, body))
        }
    }
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

#[derive(Deserialize)]
struct ListQuery {
    status: Option<ReservationStatus>,
}

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
