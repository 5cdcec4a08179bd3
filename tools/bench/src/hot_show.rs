//! Many more buyers than places: exactly as many win as there are places, and the others hear it
//! fast.

use crate::config::{HotShow, Place};
use crate::http::Http;
use crate::load::{offer, with_status};
use crate::report::Table;
use crate::rush::{places, reserve_body, shows};
use crate::statistics::arrivals;
use crate::system::System;
use anyhow::Context;
use hyper::{Method, StatusCode};
use std::sync::Arc;
use std::time::Duration;

/// The largest party of the rush.
const PARTY_MAX: usize = 8;

pub(crate) async fn run(place: &Place, hot: &HotShow) -> anyhow::Result<Vec<Table>> {
    let system = System::start(place, "hot-show").await?;
    let http = Arc::new(Http::new(&system.api, hot.connections));
    let show = shows(&http, 1).await?.swap_remove(0);
    let all = usize::try_from(show.remaining)?;
    let mut taken = all.checked_sub(hot.places).context("--places: the show is smaller")?;
    while taken > 0 {
        let party = taken.min(PARTY_MAX);
        let early =
            http.request(Method::POST, "/reservations", "early", reserve_body(&show, party))?;
        http.send(early).await?.expect(StatusCode::CREATED)?;
        taken -= party;
    }

    let within = Duration::from_millis(hot.within_millis);
    let mut arrivals = match within.is_zero() {
        true => Vec::new(),
        false => arrivals(hot.buyers as f64 / within.as_secs_f64(), within, 1),
    };
    // As many as asked for, whatever chance gave.
    arrivals.resize(hot.buyers, within);
    let answers = offer(&http, arrivals, |n| {
        let buyer = format!("buyer-{n}");
        http.request(Method::POST, "/reservations", &buyer, reserve_body(&show, 1))
    });
    let answers = answers.await?;
    let won = with_status(&answers, StatusCode::CREATED.as_u16());
    let lost = with_status(&answers, StatusCode::CONFLICT.as_u16());
    let left = places(&http.get(&format!("/showtimes/{}", show.id), "bench").await?)?;

    let columns = ["buyers", "count", "p50 ms", "p95 ms", "p99 ms", "max ms"];
    let mut table = Table::new(format!("{} buyers, {} places", hot.buyers, hot.places), &columns);
    table.setting("all come within ms", hot.within_millis);
    table.setting("connections", hot.connections);
    for (name, took) in [("won (201)", &won), ("lost (409)", &lost)] {
        let millis = |took: Duration| format!("{:.1}", took.as_secs_f64() * 1000.0);
        let [p50, p95, p99] = [50.0, 95.0, 99.0].map(|percent| millis(took.percentile(percent)));
        table.row([name.to_owned(), took.count().to_string(), p50, p95, p99, millis(took.max())]);
    }
    table.note(format!("Places left afterwards: {left}."));
    anyhow::ensure!(won.count() == hot.places, "{} won {} places", won.count(), hot.places);
    anyhow::ensure!(won.count() + lost.count() == hot.buyers, "some got no answer or another one");
    anyhow::ensure!(left == 0, "{left} places are left");
    Ok(vec![table])
}
