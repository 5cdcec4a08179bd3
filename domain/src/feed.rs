//! The feed: the events of all reservations in one order, with positions that the relay gives after
//! their commit. Everything that leaves follows it: Kafka, webhooks, notices, `GET /events`.

use crate::ids::{CustomerId, ReservationId, ShowtimeId};
use crate::time::Time;
use crate::timeline::Recorded;

/// One event at its place in the feed, with what of its reservation never changes.
#[derive(Debug, Clone)]
pub struct Entry {
    /// From 1 on, without gaps.
    pub position: i64,
    pub reservation_id: ReservationId,
    pub customer_id: CustomerId,
    pub showtime_id: ShowtimeId,
    pub movie_title: String,
    pub theater_name: String,
    pub starts_at: Time,
    pub event: Recorded,
}
