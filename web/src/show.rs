//! One show: who comes, on which seats, for how much.

use crate::client::{Command, Refused, Site};
use crate::films::{GradeJson, Money, ShowJson};
use crate::page::{self, Frame};
use crate::session::Visitor;
use crate::times::moment;
use crate::words::{audience, grade, with};
use askama::Template;
use axum::Router;
use axum::extract::{Form, Path, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::get;
use domain::party::UNPAID_MAX;
use domain::won::written;
use domain::words::{AgeRating, Audience, Grade, Language};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

pub(crate) fn routes() -> Router<Site> {
    Router::new().route("/shows/{id}", get(show).post(reserve))
}

#[derive(Template)]
#[template(path = "show.html")]
struct ShowPage {
    frame: Frame,
    title: String,
    theater: String,
    auditorium: String,
    starts: String,
    party_rule: String,
    unpaid_rule: String,
    adults_only: bool,
    max: u32,
    grades: Vec<GradeChoice>,
    /// Makes a second click the same one.
    key: String,
    name: String,
    phone: String,
}

struct GradeChoice {
    word: &'static str,
    name: &'static str,
    left: u32,
    left_text: String,
    chosen: bool,
    people: Vec<Person>,
}

struct Person {
    word: &'static str,
    name: &'static str,
    price: i64,
    price_text: String,
    count: u32,
}

/// What the form says, name by name.
type Given = BTreeMap<String, String>;

async fn show(State(site): State<Site>, visitor: Visitor, Path(id): Path<String>) -> Response {
    shown(&site, &visitor, &id, &Given::new(), None).await
}

async fn shown(
    site: &Site,
    visitor: &Visitor,
    id: &str,
    form: &Given,
    refused: Option<Refused>,
) -> Response {
    let mut show: ShowJson = match site.get(visitor, &format!("/showtimes/{id}")).await {
        Ok(show) => show,
        Err(refused) => return page::refused(visitor, refused),
    };
    let language = visitor.language;
    let mut frame = Frame::new(visitor, show.movie_title.clone());
    let status = refused.as_ref().map_or(StatusCode::OK, Refused::status);
    frame.refused = refused;
    let words = frame.words;
    // Most people come for these.
    show.grades.sort_by_key(|it| (it.grade == Grade::Accessible, it.grade != Grade::Standard));
    let first = show.grades.iter().find(|it| it.remaining > 0).map(|it| it.grade);
    let chosen = form.get("grade").and_then(|word| Grade::parse(word).ok()).or(first);
    let grades = show.grades.iter().map(|it| GradeChoice {
        word: it.grade.as_str(),
        name: grade(it.grade, language),
        left: it.remaining,
        left_text: match it.remaining {
            0 => words.sold_out.to_owned(),
            left => with(words.seats_left, left),
        },
        chosen: chosen == Some(it.grade),
        people: people(it, show.age_rating, form, language),
    });
    let page = ShowPage {
        theater: show.theater_name,
        auditorium: show.auditorium_name,
        starts: moment(show.starts_at, language),
        party_rule: with(words.party_rule, show.max_party_size),
        unpaid_rule: with(words.unpaid_rule, UNPAID_MAX),
        adults_only: show.age_rating == AgeRating::Nineteen,
        max: show.max_party_size,
        grades: grades.collect(),
        key: Uuid::new_v4().simple().to_string(),
        name: form.get("name").cloned().unwrap_or_default(),
        phone: form.get("phone").cloned().unwrap_or_default(),
        title: show.movie_title,
        frame,
    };
    page::shown(&page, status)
}

fn people(it: &GradeJson, rating: AgeRating, form: &Given, language: Language) -> Vec<Person> {
    let person = |(who, price): (&Audience, &Money)| Person {
        word: who.as_str(),
        name: audience(*who, language),
        price: price.value,
        price_text: written(price.value, language),
        count: form.get(&field(it.grade, *who)).and_then(|n| n.parse().ok()).unwrap_or(0),
    };
    it.prices.iter().filter(|(who, _)| rating.admits(**who)).map(person).collect()
}

fn field(grade: Grade, audience: Audience) -> String {
    format!("{grade}-{audience}")
}

#[derive(Deserialize)]
struct Made {
    id: String,
}

async fn reserve(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<String>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Response {
    let form: Given = pairs.into_iter().collect();
    let grade = form.get("grade").cloned().unwrap_or_default();
    let admissions: Vec<Value> = form
        .iter()
        .filter_map(|(name, count)| {
            let audience = name.strip_prefix(&format!("{grade}-"))?;
            let count: u32 = count.parse().ok().filter(|count| *count > 0)?;
            Some(json!({"type": audience, "count": count}))
        })
        .collect();
    let given = |name: &str| form.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let body = json!({
        "showtimeId": id, "grade": grade, "admissions": admissions,
        "contact": {"name": given("name"), "phone": given("phone"), "language": visitor.language},
    });
    let command = Command {
        method: Method::POST,
        path: "/reservations".to_owned(),
        body,
        key: form.get("key").cloned(),
    };
    match site.command::<Made>(&visitor, command).await {
        Ok(made) => page::see(&format!("/bookings/{}", made.id)),
        Err(refused) => shown(&site, &visitor, &id, &form, Some(refused)).await,
    }
}
