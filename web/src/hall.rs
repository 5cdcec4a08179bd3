//! The seats of a show, as the map that people choose from.

use crate::client::{Refused, Site};
use crate::session::Visitor;
use crate::words::{StaffWords, Words, grade, with};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use domain::words::{Grade, Language, SeatKind};
use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) fn routes() -> Router<Site> {
    Router::new()
        .route("/shows/{id}/events", get(events))
        .route("/shows/{id}/best-seats", get(best_seats))
}

#[derive(Deserialize)]
struct MapJson {
    blocks: Vec<BlockJson>,
}

#[derive(Deserialize)]
struct BlockJson {
    rows: Vec<RowJson>,
}

#[derive(Deserialize)]
struct RowJson {
    row: String,
    seats: Vec<MapSeatJson>,
}

#[derive(Clone, Deserialize)]
struct MapSeatJson {
    id: String,
    number: String,
    grade: Grade,
    kind: SeatKind,
    state: String,
    x: u32,
}

/// The map for those who choose so many seats of a grade.
pub(crate) struct Hall {
    pub(crate) show: String,
    pub(crate) grade: Grade,
    pub(crate) text: String,
    pub(crate) size: u32,
    pub(crate) rows: Vec<MapRow>,
}

pub(crate) struct MapRow {
    pub(crate) name: String,
    /// Nothing where there is no seat.
    pub(crate) seats: Vec<Option<MapSeat>>,
}

pub(crate) struct MapSeat {
    pub(crate) id: String,
    pub(crate) number: String,
    pub(crate) class: &'static str,
    /// Number and grade.
    pub(crate) name: String,
    pub(crate) state: &'static str,
    pub(crate) grade: Grade,
    pub(crate) free: bool,
}

/// The hall of a show, for so many people on seats of this grade.
pub(crate) async fn of(
    site: &Site,
    visitor: &Visitor,
    show: &str,
    of_grade: Grade,
    size: u32,
) -> Result<Hall, Refused> {
    let map: MapJson = site.get(visitor, &format!("/showtimes/{show}/seatmap")).await?;
    let words = Words::of(visitor.language);
    Ok(Hall {
        show: show.to_owned(),
        grade: of_grade,
        text: with(words.choose_text, size),
        size,
        rows: rows_of(map, visitor.language, |seat| to_choose(seat, of_grade, words)),
    })
}

/// The whole hall, as staff sees it: what can be kept back, and what is.
pub(crate) async fn all_of(
    site: &Site,
    visitor: &Visitor,
    show: &str,
) -> Result<Vec<MapRow>, Refused> {
    let map: MapJson = site.get(visitor, &format!("/showtimes/{show}/seatmap")).await?;
    let (words, staff) = (Words::of(visitor.language), StaffWords::of(visitor.language));
    Ok(rows_of(map, visitor.language, |seat| match seat.state.as_str() {
        "AVAILABLE" if seat.kind != SeatKind::Normal => ("free special", words.free),
        "AVAILABLE" => ("free", words.free),
        "BLOCKED" => ("free blocked", staff.blocked),
        _ => ("taken", staff.sold),
    }))
}

/// What a seat is to those who choose of this grade.
fn to_choose(seat: &MapSeatJson, of_grade: Grade, words: &Words) -> (&'static str, &'static str) {
    match (seat.state.as_str(), seat.grade == of_grade) {
        ("MINE", _) => ("mine", words.yours),
        ("AVAILABLE", true) if seat.kind != SeatKind::Normal => ("free special", words.wheelchair),
        ("AVAILABLE", true) => ("free", words.free),
        ("AVAILABLE", false) => ("other", words.taken),
        _ => ("taken", words.taken),
    }
}

/// Rows of all blocks side by side, with room where there is no seat.
fn rows_of(
    map: MapJson,
    language: Language,
    look: impl Fn(&MapSeatJson) -> (&'static str, &'static str),
) -> Vec<MapRow> {
    let mut rows: Vec<(String, Vec<MapSeatJson>)> = Vec::new();
    for row in map.blocks.into_iter().flat_map(|block| block.rows) {
        match rows.iter_mut().find(|(name, _)| *name == row.row) {
            Some((_, seats)) => seats.extend(row.seats),
            None => rows.push((row.row, row.seats)),
        }
    }
    rows.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    let all = || rows.iter().flat_map(|(_, seats)| seats.iter().map(|seat| seat.x));
    let (first, last) = (all().min().unwrap_or(0), all().max().unwrap_or(0));
    let columns = (last - first + 1) as usize;
    let row = |(name, seats): (String, Vec<MapSeatJson>)| {
        let mut places: Vec<Option<MapSeat>> =
            std::iter::repeat_with(|| None).take(columns).collect();
        for seat in seats {
            let (class, state) = look(&seat);
            let place = &mut places[(seat.x - first) as usize];
            *place = Some(MapSeat {
                name: format!("{} {}", seat.number, grade(seat.grade, language)),
                state,
                grade: seat.grade,
                free: class.starts_with("free"),
                id: seat.id,
                number: seat.number,
                class,
            });
        }
        MapRow { name, seats: places }
    };
    rows.into_iter().map(row).collect()
}

/// Who takes which seat meanwhile, for a map that is open.
async fn events(State(site): State<Site>, visitor: Visitor, Path(show): Path<String>) -> Response {
    site.stream(&visitor, &format!("/showtimes/{show}/seatmap/events")).await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BestQuery {
    party_size: u32,
    grade: Grade,
}

async fn best_seats(
    State(site): State<Site>,
    visitor: Visitor,
    Path(show): Path<String>,
    Query(BestQuery { party_size, grade }): Query<BestQuery>,
) -> Response {
    let path = format!("/showtimes/{show}/best-seats?partySize={party_size}&grade={grade}");
    match site.get::<Value>(&visitor, &path).await {
        Ok(found) => Json(json!({"seatIds": found["items"][0]["seatIds"]})).into_response(),
        Err(refused) => refused.status().into_response(),
    }
}
