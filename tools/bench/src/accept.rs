//! How many reservations per second are accepted over HTTP, each durable before it is answered.

use crate::config::{Accept, Form, Place};
use crate::http::Http;
use crate::load::{offer, with_status};
use crate::report::Table;
use crate::rush::{Show, report_body, reserve_body, shows};
use crate::statistics::arrivals;
use crate::system::System;
use hyper::{Method, StatusCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What may be promised at the highest rate.
const P99_MAX: Duration = Duration::from_millis(150);
/// After the last arrival all answers have to come within this time: no queue has built up.
const LEFT_OVER_MAX: Duration = Duration::from_secs(1);
const STEP: f64 = 1.25;
/// The first rate that fails and the last that holds are brought together by halving, so often.
const HALVINGS: u32 = 2;
/// Load is spread over so many showtimes of 400 places.
const SHOWTIMES: usize = 600;
const BETWEEN_STEPS: Duration = Duration::from_secs(2);

/// What one rate came to.
struct Step {
    offered: f64,
    sent: usize,
    accepted: usize,
    per_sec: f64,
    p50: Duration,
    p99: Duration,
    max: Duration,
    /// From the last arrival to the last answer.
    left_over: Duration,
}

impl Step {
    fn holds(&self) -> bool {
        self.accepted == self.sent && self.p99 <= P99_MAX && self.left_over <= LEFT_OVER_MAX
    }
}

struct Generator {
    http: Arc<Http>,
    shows: Vec<Show>,
    form: Form,
    during: Duration,
    sent: usize,
}

pub(crate) async fn run(place: &Place, accept: &Accept) -> anyhow::Result<Vec<Table>> {
    let system = match accept.without_temporal {
        true => System::start_without_temporal(place, "accept").await?,
        false => System::start(place, "accept").await?,
    };
    let http = Arc::new(Http::new(&system.api, accept.connections));
    let shows = shows(&http, SHOWTIMES).await?;
    let before: u64 = shows.iter().map(|show| show.remaining).sum();
    let during = Duration::from_secs(accept.secs);
    let mut generator = Generator { http, shows, form: accept.form, during, sent: 0 };
    let (mut steps, best) = climb(&mut generator, accept).await?;
    steps.push(generator.step(best / 3.0).await?);

    let form = if accept.form == Form::Full { "showtime and party" } else { "the report's call" };
    let mut table = Table::new(
        "Reservations accepted over HTTP",
        &["offered per s", "accepted per s", "p50 ms", "p99 ms", "max ms", "not accepted", "holds"],
    );
    table.setting("POST /reservations", form);
    table
        .setting("Temporal", if accept.without_temporal { "away" } else { "carries bookings out" });
    table.setting("connections", accept.connections);
    table.setting("seconds each", accept.secs);
    for step in &steps {
        let millis = |took: Duration| format!("{:.1}", took.as_secs_f64() * 1000.0);
        table.row([
            format!("{:.0}", step.offered),
            format!("{:.0}", step.per_sec),
            millis(step.p50),
            millis(step.p99),
            millis(step.max),
            (step.sent - step.accepted).to_string(),
            if step.holds() { "yes" } else { "no" }.to_owned(),
        ]);
    }
    let accepted: usize = steps.iter().map(|step| step.accepted).sum();
    let after: u64 =
        crate::rush::shows(&generator.http, SHOWTIMES).await?.iter().map(|s| s.remaining).sum();
    let third = steps.last().map(|step| step.p99).unwrap_or_default();
    table.note(format!(
        "Highest rate that holds (p99 at most {} ms, every request accepted, no queue left over): \
         **{best:.0} per s**; at a third of it p99 is **{:.1} ms**. Arrivals at random moments, each \
         latency from the moment when its request was due. Answered 201: {accepted}; places taken: {}.",
        P99_MAX.as_millis(),
        third.as_secs_f64() * 1000.0,
        before - after,
    ));
    anyhow::ensure!(
        before - after == accepted as u64 || accept.form == Form::Report,
        "answered 201: {accepted}, places taken: {}",
        before - after
    );
    Ok(vec![table])
}

/// Rates upwards until one fails, then between. The best one is zero where none holds.
async fn climb(generator: &mut Generator, accept: &Accept) -> anyhow::Result<(Vec<Step>, f64)> {
    let (mut holds, mut fails) = (0.0, f64::INFINITY);
    let (mut steps, mut rate, mut halvings) = (Vec::new(), accept.from, 0);
    while rate <= accept.to && halvings <= HALVINGS {
        let mut step = generator.step(rate).await?;
        if !step.holds() {
            // Once may be something else on the machine.
            steps.push(step);
            step = generator.step(rate).await?;
        }
        if step.holds() {
            holds = rate;
        } else {
            fails = rate;
        }
        steps.push(step);
        if fails.is_finite() {
            halvings += 1;
            rate = f64::midpoint(holds, fails);
        } else {
            rate *= STEP;
        }
    }
    Ok((steps, holds))
}

impl Generator {
    async fn step(&mut self, rate: f64) -> anyhow::Result<Step> {
        tokio::time::sleep(BETWEEN_STEPS).await;
        let arrivals = arrivals(rate, self.during, self.sent as u64);
        let last = arrivals.last().copied().unwrap_or_default();
        let (http, from) = (self.http.clone(), self.sent);
        let sent = arrivals.len();
        self.sent += sent;
        let (shows, form) = (&self.shows, self.form);
        let began = Instant::now();
        let answers = offer(&http, arrivals, |n| {
            let body = match form {
                Form::Full => reserve_body(&shows[(from + n) % shows.len()], 1),
                Form::Report => report_body(),
            };
            let customer = format!("bench-{}", from + n);
            http.request(Method::POST, "/reservations", &customer, body)
        });
        let answers = answers.await?;
        let took = began.elapsed();
        let accepted = with_status(&answers, StatusCode::CREATED.as_u16());
        let step = Step {
            offered: rate,
            sent,
            accepted: accepted.count(),
            per_sec: accepted.count() as f64 / took.as_secs_f64(),
            p50: accepted.percentile(50.0),
            p99: accepted.percentile(99.0),
            max: accepted.max(),
            left_over: took.saturating_sub(last),
        };
        eprintln!(
            "offered {rate:.0}/s: {:.0}/s accepted, p99 {} ms, {} of {sent}",
            step.per_sec,
            step.p99.as_millis(),
            step.accepted
        );
        Ok(step)
    }
}
