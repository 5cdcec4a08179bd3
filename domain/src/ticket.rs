//! Tickets, and who of a party has which.

use crate::check_in::CheckIn;
use crate::ids::{AssignmentId, CancellationId, ReservationId, TicketId};
use crate::time::Time;
use crate::won::Won;
use crate::words::{Audience, SeatKind, TicketStatus};

/// One seat's right of entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    pub id: TicketId,
    pub reservation_id: ReservationId,
    pub assignment_id: AssignmentId,
    pub seat_number: String,
    /// What the gate reads; cannot be guessed.
    pub code: String,
    /// For whom it was bought, and for how much.
    pub audience: Audience,
    pub price: Won,
    pub status: TicketStatus,
    pub issued_at: Time,
    pub revoked_at: Option<Time>,
    /// Kept also when the showtime is cancelled afterwards.
    pub check_in: Option<CheckIn>,
    /// The undo in whose set it is or was. A ticket that was given for another seat has none.
    pub cancellation_id: Option<CancellationId>,
}

impl Ticket {
    /// It lets somebody in, or did, or is still to be revoked.
    pub fn is_live(&self) -> bool {
        match self.status {
            TicketStatus::Issued | TicketStatus::Used | TicketStatus::CancelRequested => true,
            TicketStatus::None | TicketStatus::Cancelled | TicketStatus::NoShow => false,
        }
    }

    /// It was given for another seat.
    pub fn was_exchanged(&self) -> bool {
        self.status == TicketStatus::Cancelled && self.cancellation_id.is_none()
    }
}

/// Who sits where: each seat in turn goes to the first of those left whom its kind fits.
///
/// There are as many people as seats, and the seat rules have matched their kinds.
pub fn deal(mut people: Vec<Audience>, seats: impl IntoIterator<Item = SeatKind>) -> Vec<Audience> {
    let mut dealt = Vec::new();
    for kind in seats {
        let fits = people.iter().position(|audience| sits_on(*audience, kind));
        if people.is_empty() {
            break;
        }
        dealt.push(people.remove(fits.unwrap_or(0)));
    }
    dealt
}

fn sits_on(audience: Audience, kind: SeatKind) -> bool {
    match kind {
        SeatKind::Wheelchair => audience == Audience::Wheelchair,
        SeatKind::Companion => audience == Audience::Companion,
        SeatKind::Normal => !matches!(audience, Audience::Wheelchair | Audience::Companion),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Audience::{Adult, Companion, Teen, Wheelchair};

    #[test]
    fn each_sits_where_they_fit() {
        let check = |people: &[Audience], seats: &[SeatKind], dealt: &[Audience]| {
            assert_eq!(deal(people.to_vec(), seats.iter().copied()), dealt);
        };
        let normal = [SeatKind::Normal; 3];
        check(&[Adult, Adult, Teen], &normal, &[Adult, Adult, Teen]);
        check(
            &[Wheelchair, Wheelchair, Companion],
            &[SeatKind::Companion, SeatKind::Wheelchair, SeatKind::Wheelchair],
            &[Companion, Wheelchair, Wheelchair],
        );
        check(&[], &[], &[]);
    }
}
