//! The seat map of a showtime: the auditorium's seats, and who has them.

use crate::row::{word, word_or_null};
use crate::{Store, StoreError};
use domain::catalogue::Seat;
use domain::ids::{AuditoriumId, CustomerId, SeatId, ShowtimeId};
use domain::seats::{SeatState, SeatView};
use sqlx::any::AnyRow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A seat of a showtime, and who has it.
#[derive(Debug, Clone)]
pub struct MapSeat {
    pub seat: Arc<Seat>,
    pub state: SeatState,
    /// Who has it; nobody when it is free or blocked.
    pub customer_id: Option<CustomerId>,
}

/// The map as the seat rules read it.
pub fn views(map: &[MapSeat]) -> Vec<SeatView<'_>> {
    map.iter().map(|seat| SeatView { seat: &seat.seat, state: seat.state }).collect()
}

/// More than any chain has; then all are read anew.
const LAYOUTS_MAX: usize = 1_000;

type Layout = Arc<[Arc<Seat>]>;

/// The seats of each auditorium, which never change: read once and kept.
#[derive(Clone, Default)]
pub(crate) struct Layouts(Arc<Mutex<HashMap<AuditoriumId, Layout>>>);

impl Store {
    /// Every seat of a showtime with its state, by row and position.
    pub async fn seat_map(&self, showtime: &ShowtimeId) -> Result<Vec<MapSeat>, StoreError> {
        // A row at least, with the auditorium, also where nobody has a seat yet.
        let rows = sqlx::query(
            "select t.auditorium_id, a.seat_id, r.customer_id from showtime t \
             left join seat_assignment a on a.showtime_id = t.showtime_id and a.live = 1 \
             left join reservation r on r.reservation_id = a.reservation_id \
             where t.showtime_id = $1",
        )
        .bind(showtime.as_str())
        .fetch_all(self.readers())
        .await?;
        let Some(first) = rows.first() else { return Ok(Vec::new()) };
        let layout = self.layout(word(first, "auditorium_id")?).await?;
        let mut taken = taken(&rows)?;
        let seat = |seat: &Arc<Seat>| {
            let (state, customer_id) = match taken.remove(&seat.id) {
                None => (SeatState::Available, None),
                Some(None) => (SeatState::Blocked, None),
                Some(customer) => (SeatState::Taken, customer),
            };
            MapSeat { seat: seat.clone(), state, customer_id }
        };
        Ok(layout.iter().map(seat).collect())
    }

    async fn layout(&self, auditorium: AuditoriumId) -> Result<Layout, StoreError> {
        let kept = || self.layouts.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(layout) = kept().get(&auditorium) {
            return Ok(layout.clone());
        }
        let seats = self.seats(&auditorium).await?;
        let layout: Layout = seats.into_iter().map(Arc::new).collect();
        let mut kept = kept();
        if kept.len() >= LAYOUTS_MAX {
            kept.clear();
        }
        kept.insert(auditorium, layout.clone());
        Ok(layout)
    }
}

/// The seats that somebody has; the house has those without a customer.
fn taken(rows: &[AnyRow]) -> Result<HashMap<SeatId, Option<CustomerId>>, StoreError> {
    let mut taken = HashMap::new();
    for row in rows {
        if let Some(seat) = word_or_null(row, "seat_id")? {
            taken.insert(seat, word_or_null(row, "customer_id")?);
        }
    }
    Ok(taken)
}
