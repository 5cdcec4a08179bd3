//! The rush catalogue as customers see it: showtimes and their free places.

use crate::http::Http;
use anyhow::Context;
use hyper::body::Bytes;
use serde_json::{Value, json};

/// A showtime with free places.
#[derive(Clone, Debug)]
pub(crate) struct Show {
    pub(crate) id: String,
    pub(crate) remaining: u64,
}

/// The first showtimes of those on offer, at least so many.
pub(crate) async fn shows(http: &Http, at_least: usize) -> anyhow::Result<Vec<Show>> {
    let mut found = Vec::new();
    let mut path = "/showtimes?limit=100".to_owned();
    while found.len() < at_least {
        let page = http.get(&path, "bench").await?;
        for show in page["items"].as_array().context("a list")? {
            let id = show["id"].as_str().context("an id")?.to_owned();
            found.push(Show { id, remaining: places(show)? });
        }
        let cursor = page["nextCursor"].as_str().context("too few showtimes")?;
        path = format!("/showtimes?limit=100&cursor={cursor}");
    }
    Ok(found)
}

/// The free places of a showtime, which has one grade.
pub(crate) fn places(show: &Value) -> anyhow::Result<u64> {
    show["grades"][0]["remaining"].as_u64().context("a showtime has places")
}

/// A reservation for so many adults, which the customer carries on.
pub(crate) fn reserve_body(show: &Show, adults: usize) -> Bytes {
    let body = json!({
        "showtimeId": show.id, "grade": "STANDARD",
        "admissions": [{"type": "ADULT", "count": adults}],
        "contact": {"name": "홍길동", "phone": "010-1234-5678"},
    });
    Bytes::from(body.to_string())
}

/// The same for one adult of the number `n`, with a phone, and carried through by a plan.
pub(crate) fn plan_body(show: &Show, n: usize) -> Bytes {
    let body = json!({
        "showtimeId": show.id, "grade": "STANDARD",
        "admissions": [{"type": "ADULT", "count": 1}],
        "contact": {"name": "홍길동", "phone": format!("010{n:08}")},
        "plan": {"method": "CARD", "seats": "best"},
    });
    Bytes::from(body.to_string())
}

/// The report's call: a movie by its name, carried through by a plan.
pub(crate) fn report_body() -> Bytes {
    let body = json!({
        "customerName": "홍길동", "movieName": "사탄의인형3", "reservationStatus": "예매완료",
    });
    Bytes::from(body.to_string())
}
