//! How the rules say no: expected, final, with a stable code (specification 2.3). Not failures.

use crate::catalogue::UnfitShowtime;
use crate::ids::{SeatId, ShowtimeId, TicketId};
use crate::seats::SeatRefusal;
use crate::time::Time;
use crate::won::Won;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    SoldOut,
    SalesClosed,
    AgeRestricted,
    PartySize {
        max: u32,
    },
    /// No price for this audience in this grade.
    NotOffered,
    /// The admissions do not belong to the grade asked for.
    AccessibleSeatOnly {
        seats: Vec<SeatId>,
    },
    AmountMismatch {
        expected: Won,
    },
    PaymentInProgress,
    WrongState,
    DeadlinePassed,
    UnknownSeats {
        seats: Vec<SeatId>,
    },
    SeatCount {
        wanted: u32,
        given: u32,
    },
    WrongGrade {
        seats: Vec<SeatId>,
    },
    SeatsUnavailable {
        seats: Vec<SeatId>,
    },
    SingleSeatGap {
        stranded: Vec<SeatId>,
        alternatives: Vec<Vec<SeatId>>,
    },
    CancelWindowClosed {
        closed_at: Time,
    },
    /// Something else is being cancelled.
    CancellationInProgress,
    /// Somebody has come in: nothing is given back on a wish (T19).
    TicketUsed,
    /// Somebody has come in with it before; nothing known of them where the time is missing.
    AlreadyUsed {
        at: Option<Time>,
    },
    TicketCancelled,
    TooEarly {
        opens_at: Time,
    },
    /// They are none of this reservation's.
    UnknownTickets {
        tickets: Vec<TicketId>,
    },
    /// They were cancelled before, or given for other seats.
    TicketsCancelled {
        tickets: Vec<TicketId>,
    },
    IdempotencyKeyReused,
    /// It was asked for as often as it may be.
    LimitExceeded,
    /// As many as one may have for a showtime without having paid.
    TooManyUnpaid {
        max: u32,
    },
    NoSuchMovie,
    NoSuchAuditorium,
    /// It cannot be put on like this.
    Unfit(UnfitShowtime),
    /// Another film has this title.
    TitleTaken,
    /// Its run has ended.
    MovieEnded,
    /// Its run cannot end before its last show.
    ShowsToCome,
    /// The auditorium shows something else at that time.
    AuditoriumTaken {
        by: ShowtimeId,
    },
}

impl Refusal {
    /// The problem code; never changes once published.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::SoldOut => "sold-out",
            Self::SalesClosed => "sales-closed",
            Self::AgeRestricted => "age-restricted",
            Self::PartySize { .. } => "party-size",
            Self::NotOffered | Self::WrongGrade { .. } => "wrong-grade",
            Self::AccessibleSeatOnly { .. } => "accessible-seat-only",
            Self::AmountMismatch { .. } => "amount-mismatch",
            Self::PaymentInProgress => "payment-in-progress",
            Self::WrongState => "wrong-state",
            Self::DeadlinePassed => "deadline-passed",
            Self::UnknownSeats { .. }
            | Self::UnknownTickets { .. }
            | Self::NoSuchMovie
            | Self::NoSuchAuditorium => "not-found",
            Self::SeatCount { .. } => "seat-count",
            Self::SeatsUnavailable { .. } => "seats-unavailable",
            Self::SingleSeatGap { .. } => "single-seat-gap",
            Self::CancelWindowClosed { .. } => "cancel-window-closed",
            Self::CancellationInProgress => "cancellation-in-progress",
            Self::TicketUsed => "ticket-used",
            Self::AlreadyUsed { .. } => "already-used",
            Self::TicketCancelled | Self::TicketsCancelled { .. } => "ticket-cancelled",
            Self::TooEarly { .. } => "too-early",
            Self::IdempotencyKeyReused => "idempotency-key-reused",
            Self::LimitExceeded | Self::TooManyUnpaid { .. } => "limit-exceeded",
            Self::Unfit(_) => "unfit-showtime",
            Self::TitleTaken => "title-taken",
            Self::MovieEnded => "movie-ended",
            Self::ShowsToCome => "shows-to-come",
            Self::AuditoriumTaken { .. } => "auditorium-taken",
        }
    }
}

impl From<SeatRefusal> for Refusal {
    fn from(refusal: SeatRefusal) -> Self {
        match refusal {
            SeatRefusal::SeatCount { wanted, given } => Self::SeatCount { wanted, given },
            SeatRefusal::UnknownSeat(seats) => Self::UnknownSeats { seats },
            SeatRefusal::WrongGrade(seats) => Self::WrongGrade { seats },
            SeatRefusal::AccessibleSeatOnly(seats) => Self::AccessibleSeatOnly { seats },
            SeatRefusal::SeatsTaken(seats) => Self::SeatsUnavailable { seats },
            SeatRefusal::SingleSeatGap { stranded, alternatives } => {
                Self::SingleSeatGap { stranded, alternatives }
            }
        }
    }
}
