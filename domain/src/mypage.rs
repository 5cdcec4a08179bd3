//! What a customer sees of one reservation on mypage.

use crate::ids::{PaymentAttemptId, ReservationId};
use crate::reservation::Reservation;
use crate::time::Time;
use crate::won::Won;
use crate::words::{PaymentStatus, ReservationStatus, SeatStatus, TicketStatus};
use serde::{Deserialize, Serialize};

/// The document: a copy of what of the reservation is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MyPage {
    pub reservation_id: ReservationId,
    pub code: String,
    pub payment_id: Option<PaymentAttemptId>,
    pub movie_title: String,
    pub theater_name: String,
    pub auditorium_name: String,
    pub starts_at: Time,
    pub party_size: u32,
    pub seat_numbers: Vec<String>,
    pub amount: Won,
    pub refunded: Won,
    pub status: ReservationStatus,
    pub payment_status: PaymentStatus,
    pub seat_status: SeatStatus,
    pub ticket_status: TicketStatus,
    pub deadline_at: Option<Time>,
    pub version: i64,
    pub updated_at: Time,
}

impl From<&Reservation> for MyPage {
    fn from(row: &Reservation) -> Self {
        Self {
            reservation_id: row.id.clone(),
            code: row.code.clone(),
            payment_id: row.attempt_id(),
            movie_title: row.showtime.movie_title.clone(),
            theater_name: row.showtime.theater_name.clone(),
            auditorium_name: row.showtime.auditorium_name.clone(),
            starts_at: row.showtime.starts_at,
            party_size: row.party.size(),
            seat_numbers: row.seat_numbers.clone(),
            amount: row.amount,
            refunded: row.refunded,
            status: row.status,
            payment_status: row.payment_status(),
            seat_status: row.seats,
            ticket_status: row.tickets,
            deadline_at: row.deadline_at,
            version: row.version,
            updated_at: row.updated_at,
        }
    }
}
