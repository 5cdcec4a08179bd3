//! An event as others see it: CloudEvents 1.0 around the report's flat camelCase JSON. Kafka carries
//! the attributes as headers (binary mode), `GET /events` as members (JSON format).

use domain::feed::Entry;
use domain::ids::ReservationId;
use domain::time::Time;
use domain::timeline::Detail;
use domain::words::{Actor, EventType, ReservationStatus};
use jiff::Timestamp;
use serde::Serialize;

/// <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md>
#[derive(Debug, Clone, Serialize)]
pub struct CloudEvent {
    specversion: &'static str,
    /// The reservation and the event's place in its timeline: the same whenever it is sent.
    id: String,
    source: &'static str,
    r#type: String,
    /// The reservation.
    subject: String,
    time: Timestamp,
    datacontenttype: &'static str,
    /// Likewise; consumers of one partition see it in order.
    partitionkey: String,
    data: Data,
}

/// The report's own form. Never personal data.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    /// The report's word where it has one.
    event_type: &'static str,
    timestamp: Timestamp,
    reservation_id: String,
    /// Place in the reservation's timeline, without gaps: what is not above the last one seen was
    /// seen before.
    seq: i64,
    customer_id: String,
    showtime_id: String,
    movie_name: String,
    theater_name: String,
    starts_at: Timestamp,
    /// After the event.
    status: ReservationStatus,
    /// As customers read it.
    reservation_status: &'static str,
    actor: Actor,
    #[serde(flatten)]
    detail: Detail,
}

impl From<&Entry> for CloudEvent {
    fn from(entry: &Entry) -> Self {
        let event = &entry.event;
        let reservation = entry.reservation_id.to_string();
        let data = Data {
            event_type: event.kind.report_name(),
            timestamp: timestamp(event.at),
            reservation_id: reservation.clone(),
            seq: event.seq,
            customer_id: entry.customer_id.to_string(),
            showtime_id: entry.showtime_id.to_string(),
            movie_name: entry.movie_title.clone(),
            theater_name: entry.theater_name.clone(),
            starts_at: timestamp(entry.starts_at),
            status: event.status,
            reservation_status: event.status.label(),
            actor: event.actor,
            detail: event.detail.clone(),
        };
        Self {
            specversion: "1.0",
            id: id_of(&entry.reservation_id, event.seq),
            source: "/reservations",
            r#type: type_of(event.kind),
            subject: reservation.clone(),
            time: timestamp(event.at),
            datacontenttype: "application/json",
            partitionkey: reservation,
            data,
        }
    }
}

impl CloudEvent {
    pub fn data_json(&self) -> String {
        serde_json::to_string(&self.data).expect("plain data has a JSON form")
    }

    /// The attributes in the Kafka binding's binary mode.
    pub fn headers(&self) -> [(&'static str, String); 8] {
        [
            ("ce_specversion", self.specversion.to_owned()),
            ("ce_id", self.id.clone()),
            ("ce_source", self.source.to_owned()),
            ("ce_type", self.r#type.clone()),
            ("ce_subject", self.subject.clone()),
            ("ce_time", self.time.to_string()),
            ("ce_partitionkey", self.partitionkey.clone()),
            ("content-type", self.datacontenttype.to_owned()),
        ]
    }
}

/// The id of an event: its reservation, and its place in that one's timeline.
pub fn id_of(reservation: &ReservationId, seq: i64) -> String {
    format!("{reservation}-{seq}")
}

/// `marquee.reservation.ticket-issued.v1`. A change that breaks consumers gets a new version.
pub fn type_of(kind: EventType) -> String {
    let mut name = String::from("marquee.reservation.");
    for (at, letter) in kind.as_str().char_indices() {
        if letter.is_ascii_uppercase() && at > 0 {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name + ".v1"
}

/// The event that a type names.
pub fn kind_of(name: &str) -> Option<EventType> {
    EventType::EVERY.iter().copied().find(|kind| type_of(*kind) == name)
}

pub(crate) fn timestamp(at: Time) -> Timestamp {
    Timestamp::from_millisecond(at.as_millis()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_names_event_and_version() {
        assert_eq!(type_of(EventType::Reserved), "marquee.reservation.reserved.v1");
        assert_eq!(type_of(EventType::TicketIssued), "marquee.reservation.ticket-issued.v1");
    }
}
