//! What needs people, and what they can do about it.

use crate::ids::ReservationId;
use crate::time::Time;
use crate::words::words;
use std::time::Duration;

words!(
    /// Why something needs people; the most urgent first.
    Worry {
        /// The gateway refused to return money.
        RefundBlocked = "REFUND_BLOCKED",
        /// No answer came as long as the key lived.
        CallLeftToStaff = "CALL_LEFT_TO_STAFF",
        /// The gateway's books say what ours do not.
        Contradiction = "CONTRADICTION",
        CallUnanswered = "CALL_UNANSWERED",
        UndoSlow = "UNDO_SLOW",
        TicketsOwed = "TICKETS_OWED",
        NotAttended = "NOT_ATTENDED",
    }
);

impl Worry {
    /// How long it may last before people are told (specification 1.3).
    pub const fn tolerated(self) -> Duration {
        match self {
            Self::RefundBlocked | Self::CallLeftToStaff | Self::Contradiction => Duration::ZERO,
            Self::CallUnanswered | Self::UndoSlow => Duration::from_secs(5 * 60),
            Self::TicketsOwed => Duration::from_secs(2 * 60),
            Self::NotAttended => Duration::from_secs(30),
        }
    }

    /// What to do, for people.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::RefundBlocked => {
                "ask the customer for another account: POST /admin/cancellations/{subject}/\
                 refund-account; or pay it outside and say so: …/outside-refund"
            }
            Self::CallLeftToStaff => {
                "look it up at the payment company, then say what became of it: \
                 POST /admin/gateway-calls/{subject}/settlement"
            }
            Self::Contradiction => {
                "compare with the payment company and put it right there; then close it: \
                 POST /admin/gateway-calls/{subject}/settlement"
            }
            Self::CallUnanswered => {
                "it is inquired again and again: see whether the payment company is up; \
                 an admin may settle it before its time"
            }
            Self::UndoSlow => "see what its progress waits for; nudge it when that is mended",
            Self::TicketsOwed => "see whether ticketing is up; its customer may enter by the code",
            Self::NotAttended => "see whether the pump runs and Temporal is up; then nudge it",
        }
    }
}

/// Something that needs people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concern {
    pub worry: Worry,
    pub since: Time,
    /// None: the gateway's books name nothing of ours.
    pub reservation_id: Option<ReservationId>,
    /// The id of the cancellation or reservation, or the key of the call.
    pub subject: String,
}
