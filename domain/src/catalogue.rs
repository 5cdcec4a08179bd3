//! What is on offer: movies, theaters, auditoriums with their seats, showtimes with their prices.

use crate::ids::{AuditoriumId, MovieId, SeatId, ShowtimeId, TheaterId};
use crate::time::Time;
use crate::won::Won;
use crate::words::{
    AgeRating, Audience, AuditoriumKind, CancelPolicy, Grade, MovieStatus, SeatKind, ShowtimeStatus,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movie {
    pub id: MovieId,
    pub title: String,
    pub original_title: String,
    pub runtime_minutes: u32,
    pub age_rating: AgeRating,
    pub status: MovieStatus,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theater {
    pub id: TheaterId,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auditorium {
    pub id: AuditoriumId,
    pub theater_id: TheaterId,
    pub name: String,
    pub kind: AuditoriumKind,
    pub layout_version: u32,
    /// Every physical seat; immutable within one layout version.
    pub seats: Vec<Seat>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    pub id: SeatId,
    /// `A`, `B`, … from the screen backwards.
    pub row: String,
    /// The label people read, row and position: `A12`.
    pub number: String,
    pub grade: Grade,
    pub kind: SeatKind,
    /// A physical run of seats between aisles; the gap rule judges within one row of one block.
    pub block: String,
    /// Position on the plan, in seat widths from the left wall, aisles counted. Within one row of
    /// one block neighbours differ by exactly 1.
    pub x: u32,
    /// Position on the plan, in rows from the screen.
    pub y: u32,
}

/// Prices per grade and audience type.
pub type Prices = BTreeMap<Grade, BTreeMap<Audience, Won>>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Showtime {
    pub id: ShowtimeId,
    pub movie_id: MovieId,
    pub auditorium_id: AuditoriumId,
    pub starts_at: Time,
    pub ends_at: Time,
    pub sales_open_at: Time,
    pub sales_close_at: Time,
    pub status: ShowtimeStatus,
    pub cancel_policy: CancelPolicy,
    pub max_party_size: u32,
    pub prices: Prices,
}

impl Showtime {
    pub fn on_sale(&self, now: Time) -> bool {
        self.status == ShowtimeStatus::OnSale
            && self.sales_open_at <= now
            && now < self.sales_close_at
    }
}

/// What is left of one grade of one showtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    pub grade: Grade,
    pub open: bool,
    pub sellable: u32,
    pub held: u32,
    pub sold: u32,
}

impl Pool {
    pub fn remaining(&self) -> u32 {
        self.sellable.saturating_sub(self.held + self.sold)
    }
}
