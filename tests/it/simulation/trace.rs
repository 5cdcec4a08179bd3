//! What happened in a world, line by line, without anything that differs from run to run: ids are
//! random, so places stand for them (`r1` the first reservation, `c1` the first cancellation).

use super::stage::{Point, Verdict};
use super::theater::BEGINNING;
use domain::reservation::Reservation;
use domain::time::Time;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(super) struct Trace {
    lines: Vec<String>,
    places: BTreeMap<String, String>,
    counts: BTreeMap<char, u32>,
}

impl Trace {
    /// The place of a reservation (`r…`) or cancellation (`c…`), by the order of first sight.
    pub(super) fn place(&mut self, id: &str) -> String {
        if let Some(place) = self.places.get(id) {
            return place.clone();
        }
        let kind = id.chars().next().expect("an id is not empty");
        let count = self.counts.entry(kind).or_insert(0);
        *count += 1;
        let place = format!("{kind}{count}");
        self.places.insert(id.to_owned(), place.clone());
        place
    }

    pub(super) fn steps(&mut self, now: Time, actor: &str, at: &Point, verdict: Verdict) {
        let at = match at {
            Point::Step(_, what) => (*what).to_owned(),
            Point::Request => "request".to_owned(),
            Point::Response => "response".to_owned(),
            Point::Send(asking, call) => format!("{asking:?} {}", call.operation),
            Point::Reply(asking, call) => format!("answer to {asking:?} {}", call.operation),
            Point::Wait { .. } => "waited".to_owned(),
        };
        let how = match verdict {
            Verdict::Go => String::new(),
            other => format!(" → {other:?}"),
        };
        self.says(now, format!("{actor}: {at}{how}"));
    }

    pub(super) fn says(&mut self, now: Time, what: String) {
        self.lines.push(format!("{} {what}", since_beginning(now)));
    }

    pub(super) fn changed(&mut self, before: Option<&Reservation>, after: &Reservation) {
        let place = self.place(after.id.as_str());
        let undo = after.open_cancellation.as_ref().map(|id| self.place(id.as_str()));
        let from = before.map_or("new".to_owned(), |row| row.status.to_string());
        let of = |at: Option<Time>| at.map_or("-".to_owned(), since_beginning);
        let attempt = after.attempt.map(|attempt| (attempt.n, attempt.status.as_str()));
        let open = after.open_call.as_ref().map(|call| call.operation.as_str());
        self.lines.push(format!(
            "    {place} {from} → {} v{} seq {} {attempt:?} open {open:?} undo {undo:?} seats {:?} \
             {} tickets {} capacity {} deadline {} attend {} reason {:?} {}",
            after.status,
            after.version,
            after.last_seq,
            after.seat_numbers,
            after.seats,
            after.tickets,
            after.capacity,
            of(after.deadline_at),
            of(after.attend_at),
            after.reason,
            after.customer_id,
        ));
    }

    pub(super) fn text(&self) -> String {
        self.lines.join("\n")
    }

    /// The lines that tell of one reservation, and of the whole world.
    pub(super) fn story(&self, id: &str) -> String {
        let Some(place) = self.places.get(id) else { return self.text() };
        let about = |line: &&String| {
            let own = line.split(|c: char| !c.is_alphanumeric()).any(|word| word == place);
            let world = line.contains("the process") || line.contains("Temporal");
            own || world || line.contains("machine")
        };
        self.lines.iter().filter(about).cloned().collect::<Vec<_>>().join("\n")
    }
}

fn since_beginning(at: Time) -> String {
    let millis = at.as_millis() - BEGINNING.as_millis();
    format!("{}.{:03}s", millis / 1_000, millis % 1_000)
}
