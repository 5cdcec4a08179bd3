//! `events/schemas/` is what others rely on: every event fits its schema, and no schema is changed
//! so that one of its readers breaks. `tests/schemas/<release>/` holds what each release promised.

use crate::repository::root;
use domain::feed::Entry;
use domain::words::EventType;
use events::cloud_event::{CloudEvent, type_of};
use jsonschema::{Retrieve, Uri, Validator};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Everything that an event and its schema disagree about.
pub(crate) fn misfits(entry: &Entry) -> Vec<String> {
    static BY_TYPE: LazyLock<BTreeMap<&str, Validator>> = LazyLock::new(|| {
        EventType::EVERY.iter().map(|kind| (kind.as_str(), validator(*kind))).collect()
    });
    let kind = entry.event.kind.as_str();
    let event = serde_json::to_value(CloudEvent::from(entry)).expect("it has a JSON form");
    let errors = BY_TYPE[kind].iter_errors(&event["data"]);
    errors.map(|error| format!("{kind}: {error} in {}", event["data"])).collect()
}

/// A type's schema is named after it.
fn file_of(kind: EventType) -> String {
    format!("{}.json", type_of(kind).trim_start_matches("marquee.reservation."))
}

fn folder() -> PathBuf {
    root().join("events/schemas")
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("a schema is JSON")
}

/// Schemas name each other by their file names.
struct Beside;

impl Retrieve for Beside {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn Error + Send + Sync>> {
        let (_, name) = uri.as_str().rsplit_once('/').ok_or("no file name")?;
        Ok(read(&folder().join(name)))
    }
}

fn validator(kind: EventType) -> Validator {
    let schema = read(&folder().join(file_of(kind)));
    let options = jsonschema::options().with_retriever(Beside).should_validate_formats(true);
    options.with_base_uri("schema://marquee/").build(&schema).expect("a schema")
}

#[test]
fn an_event_that_is_not_as_promised_is_noticed() {
    let fitting = json!({
        "eventType": "TicketReserved", "timestamp": "2026-11-26T07:00:00Z",
        "reservationId": "r-1", "seq": 7, "customerId": "c-1", "showtimeId": "s-1",
        "movieName": "사탄의인형3", "theaterName": "강남", "startsAt": "2026-11-26T10:00:00Z",
        "status": "TICKETED", "reservationStatus": "발권완료", "actor": "system",
        "ticketId": "t-1", "seatNumbers": ["A1"],
    });
    let schema = validator(EventType::TicketIssued);
    assert!(schema.is_valid(&fitting));
    let mut more = fitting.clone();
    more["somethingNew"] = json!(1);
    assert!(schema.is_valid(&more), "more members may come");
    for (member, value) in [
        ("eventType", json!("TicketIssued")),
        ("timestamp", json!("yesterday")),
        ("seq", json!("7")),
        ("seatNumbers", json!([])),
        ("ticketId", Value::Null),
    ] {
        let mut unfit = fitting.clone();
        unfit[member] = value;
        assert!(!schema.is_valid(&unfit), "{member}");
    }
    for member in ["ticketId", "seq", "movieName"] {
        let mut unfit = fitting.clone();
        unfit.as_object_mut().expect("an object").remove(member);
        assert!(!schema.is_valid(&unfit), "without {member}");
    }
}

#[test]
fn no_schema_breaks_those_who_rely_on_an_earlier_one() {
    let releases = root().join("tests/schemas");
    let mut compared = 0;
    for release in std::fs::read_dir(releases).expect("a folder") {
        for promised in std::fs::read_dir(release.expect("a release").path()).expect("a folder") {
            let promised = promised.expect("a file").path();
            let name = promised.file_name().expect("a name");
            let breaks = breaks(&read(&promised), &read(&folder().join(name)));
            assert_eq!(breaks, Vec::<String>::new(), "{}", promised.display());
            compared += 1;
        }
    }
    assert!(compared > EventType::EVERY.len(), "{compared}");
}

#[test]
fn a_change_that_breaks_readers_is_refused() {
    let old = read(&folder().join(file_of(EventType::TicketIssued)));
    type Change = fn(&mut Value);
    let changed = |change: Change| {
        let mut new = old.clone();
        change(&mut new);
        breaks(&old, &new)
    };
    let mut new = old.clone();
    new["properties"]["gate"] = json!({"type": "string"});
    new["required"].as_array_mut().expect("a list").push(json!("gate"));
    assert_eq!(breaks(&old, &new), Vec::<String>::new(), "more is no break");
    let planted: [(Change, &str); 5] = [
        (|new| new["required"] = json!(["eventType"]), "no longer promised: ticketId"),
        (
            |new| drop(new["properties"].as_object_mut().map(|all| all.remove("seatNumbers"))),
            "/properties/seatNumbers is gone",
        ),
        (
            |new| new["properties"]["ticketId"] = json!({"type": "integer"}),
            "/properties/ticketId/type is integer, and was string",
        ),
        (
            |new| new["properties"]["eventType"]["const"] = json!("TicketIssued"),
            "/properties/eventType/const is TicketIssued, and was TicketReserved",
        ),
        (|new| new["allOf"] = json!([]), "/allOf/0 is gone"),
    ];
    for (change, expected) in planted {
        let found = changed(change);
        assert!(found.iter().any(|found| found.contains(expected)), "{expected}: {found:?}");
    }
}

/// What a reader of the old schema could rely on and a reader of the new one cannot. Whoever writes
/// may promise more, and never less; texts for people may change.
fn breaks(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", old, new, &mut found);
    found
}

fn compare(at: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    match (old, new) {
        (_, Value::Null) => found.push(format!("{at} is gone")),
        (Value::Array(olds), Value::Array(news)) if at.ends_with("/required") => {
            for old in olds.iter().filter(|old| !news.contains(old)) {
                found.push(format!("no longer promised: {}", old.as_str().unwrap_or_default()));
            }
        }
        (Value::Array(olds), Value::Array(news)) => {
            for (place, old) in olds.iter().enumerate() {
                let new = news.get(place).unwrap_or(&Value::Null);
                compare(&format!("{at}/{place}"), old, new, found);
            }
        }
        (Value::Object(olds), Value::Object(news)) => {
            for (name, old) in olds.iter().filter(|(name, _)| !is_for_people(at, name)) {
                let new = news.get(name).unwrap_or(&Value::Null);
                compare(&format!("{at}/{name}"), old, new, found);
            }
        }
        (Value::String(was), Value::String(is)) if was != is => {
            found.push(format!("{at} is {is}, and was {was}"));
        }
        (was, is) if was != is => found.push(format!("{at} is {is}, and was {was}")),
        _ => {}
    }
}

fn is_for_people(at: &str, name: &str) -> bool {
    !at.ends_with("/properties") && ["title", "description"].contains(&name)
}
