//! One type per thing that has an id, so that two ids can never be swapped.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest id accepted from outside, in characters.
pub const ID_CHARS_MAX: usize = 128;

/// A text that cannot be an id: empty, too long, or with characters other than letters, digits,
/// `-` and `_`. (Gateways accept just these in keys and order ids; `providers.md`, PortOne.)
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id")]
pub struct NotAnId;

fn check(text: &str) -> Result<(), NotAnId> {
    let fits = !text.is_empty() && text.len() <= ID_CHARS_MAX;
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if fits && plain { Ok(()) } else { Err(NotAnId) }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[A-Za-z0-9_-]{1,128}$"))]
        pub struct $name(String);

        impl $name {
            /// Checks that the text can be an id; does not say that the thing exists.
            pub fn parse(text: impl Into<String>) -> Result<Self, NotAnId> {
                let text = text.into();
                check(&text)?;
                Ok(Self(text))
            }
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl TryFrom<String> for $name {
            type Error = NotAnId;
            fn try_from(text: String) -> Result<Self, NotAnId> {
                Self::parse(text)
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(MovieId);
id!(TheaterId);
id!(AuditoriumId);
id!(SeatId);
id!(ShowtimeId);
id!(CustomerId);
id!(ReservationId);
id!(
    /// One try to take money; the order id that the gateway knows.
    PaymentAttemptId
);
id!(
    /// The key of one gateway call: reservation, attempt, operation and, for an undo, cancellation.
    CallKey
);
id!(
    /// The fence of a seat assignment: freeing names it, so a late retry cannot free a later owner.
    AssignmentId
);
id!(TicketId);
id!(CancellationId);
id!(AuditEntryId);
id!(
    /// Where a partner wants to be told.
    EndpointId
);
id!(
    /// Reservation, place of the event in its timeline, channel and copy.
    NoticeId
);

impl PaymentAttemptId {
    /// The `n`th attempt of a reservation.
    pub fn nth(reservation: &ReservationId, n: u32) -> Self {
        Self(format!("{reservation}-{n}"))
    }

    /// Whether it looks as those that we make: other systems number their orders, too.
    pub fn has_our_form(&self) -> bool {
        self.reservation().is_some_and(|id| {
            let digits = id.as_str().strip_prefix('r').unwrap_or_default();
            let plain = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            digits.len() == 32 && digits.chars().all(plain)
        })
    }

    /// The reservation that an order id names; nothing when it is none of ours.
    pub fn reservation(&self) -> Option<ReservationId> {
        let (reservation, n) = self.0.rsplit_once('-')?;
        n.parse::<u32>().ok()?;
        ReservationId::parse(reservation).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked() {
        assert!(ReservationId::parse("r-1_A").is_ok());
        for bad in ["", "a b", "a/b", "가", "a'--;"] {
            assert_eq!(ReservationId::parse(bad), Err(NotAnId), "{bad}");
        }
        assert_eq!(SeatId::parse("x".repeat(ID_CHARS_MAX + 1)), Err(NotAnId));
    }
}
