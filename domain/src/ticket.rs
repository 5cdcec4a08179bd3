//! Tickets.

use crate::check_in::CheckIn;
use crate::ids::{AssignmentId, ReservationId, TicketId};
use crate::time::Time;
use crate::words::TicketStatus;

/// One seat's right of entry.
#[derive(Debug, Clone)]
pub struct Ticket {
    pub id: TicketId,
    pub reservation_id: ReservationId,
    pub assignment_id: AssignmentId,
    pub seat_number: String,
    /// What the gate reads; cannot be guessed.
    pub code: String,
    pub status: TicketStatus,
    pub issued_at: Time,
    pub revoked_at: Option<Time>,
    /// Kept also when the showtime is cancelled afterwards.
    pub check_in: Option<CheckIn>,
}
