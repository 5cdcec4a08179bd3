//! What is on: the films of a day, each with its shows.

use crate::client::{Refused, Site};
use crate::page::{self, Frame};
use crate::session::Visitor;
use crate::times;
use crate::words::{Words, with};
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use domain::words::{AgeRating, Audience, Grade, ShowtimeStatus};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Days to choose from, today among them.
const DAYS: i64 = 7;

pub(crate) fn routes() -> Router<Site> {
    Router::new().route("/", get(films))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Items<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MovieJson {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) original_title: String,
    pub(crate) runtime_minutes: u32,
    pub(crate) age_rating: String,
}

#[derive(Clone, Deserialize)]
pub(crate) struct Money {
    pub(crate) value: i64,
}

#[derive(Clone, Deserialize)]
pub(crate) struct GradeJson {
    pub(crate) grade: Grade,
    pub(crate) remaining: u32,
    pub(crate) prices: BTreeMap<Audience, Money>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShowJson {
    pub(crate) id: String,
    pub(crate) movie_id: String,
    pub(crate) movie_title: String,
    pub(crate) age_rating: AgeRating,
    pub(crate) theater_name: String,
    pub(crate) auditorium_name: String,
    pub(crate) starts_at: Timestamp,
    pub(crate) ends_at: Timestamp,
    pub(crate) status: ShowtimeStatus,
    pub(crate) max_party_size: u32,
    pub(crate) grades: Vec<GradeJson>,
}

#[derive(Deserialize)]
struct Asked {
    date: Option<Date>,
}

#[derive(Template)]
#[template(path = "films.html")]
struct FilmsPage {
    frame: Frame,
    days: Vec<Day>,
    films: Vec<Film>,
}

struct Day {
    date: String,
    weekday: String,
    number: i8,
    chosen: bool,
}

struct Film {
    title: String,
    original_title: Option<String>,
    minutes: u32,
    rating: String,
    houses: Vec<House>,
}

struct House {
    name: String,
    shows: Vec<Show>,
}

struct Show {
    id: String,
    starts: String,
    ends: String,
    auditorium: String,
    left: u32,
    left_text: String,
}

async fn films(State(site): State<Site>, visitor: Visitor, Query(asked): Query<Asked>) -> Response {
    let today = times::today();
    let date = asked.date.unwrap_or(today);
    let found = async {
        let movies = site.all(&visitor, "/movies?limit=100&status=SHOWING").await?;
        let shows = site.all(&visitor, &format!("/showtimes?limit=100&date={date}")).await?;
        Ok::<_, Refused>((movies, shows))
    };
    let (movies, shows): (Vec<MovieJson>, Vec<ShowJson>) = match found.await {
        Ok(found) => found,
        Err(refused) => return page::refused(&visitor, refused),
    };
    let words = Words::of(visitor.language);
    let now = Timestamp::now();
    let mut films = Vec::new();
    for movie in movies {
        let mut houses: BTreeMap<&str, Vec<Show>> = BTreeMap::new();
        let to_come =
            |show: &&ShowJson| show.status != ShowtimeStatus::Cancelled && show.starts_at > now;
        for show in shows.iter().filter(|show| show.movie_id == movie.id).filter(to_come) {
            let left = show.grades.iter().map(|grade| grade.remaining).sum();
            let left_text = match left {
                0 => words.sold_out.to_owned(),
                left => with(words.seats_left, left),
            };
            houses.entry(&show.theater_name).or_default().push(Show {
                id: show.id.clone(),
                starts: times::clock(show.starts_at),
                ends: times::clock(show.ends_at),
                auditorium: show.auditorium_name.clone(),
                left,
                left_text,
            });
        }
        let houses = houses.into_iter();
        let houses: Vec<House> =
            houses.map(|(name, shows)| House { name: name.to_owned(), shows }).collect();
        if houses.is_empty() {
            continue;
        }
        films.push(Film {
            original_title: (movie.original_title != movie.title).then_some(movie.original_title),
            title: movie.title,
            minutes: movie.runtime_minutes,
            rating: movie.age_rating,
            houses,
        });
    }
    let days = (0..DAYS).map(|n| today.saturating_add(n.days()));
    let days = days.map(|day| Day {
        date: day.to_string(),
        weekday: times::weekday(day, visitor.language),
        number: day.day(),
        chosen: day == date,
    });
    let page =
        FilmsPage { frame: Frame::new(&visitor, words.showing), days: days.collect(), films };
    page::shown(&page, StatusCode::OK)
}
