//! Money: whole won. The won has no minor unit, so no fraction ever exists.

use crate::words::Language;
use serde::{Deserialize, Serialize};

/// The largest amount accepted anywhere, in won.
pub const WON_MAX: i64 = 1_000_000_000;

/// An amount between 0 and [`WON_MAX`] won.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(try_from = "i64", into = "i64")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = i64))]
pub struct Won(i64);

/// An amount below 0 or above [`WON_MAX`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an amount is between 0 and {WON_MAX} won")]
pub struct NotAnAmount;

impl Won {
    pub const ZERO: Won = Won(0);

    pub fn parse(won: i64) -> Result<Self, NotAnAmount> {
        if (0..=WON_MAX).contains(&won) { Ok(Self(won)) } else { Err(NotAnAmount) }
    }

    pub fn get(self) -> i64 {
        self.0
    }

    pub fn plus(self, other: Won) -> Result<Won, NotAnAmount> {
        Self::parse(self.0 + other.0)
    }

    /// Zero where the other is more.
    #[must_use]
    pub fn less(self, other: Won) -> Won {
        Self((self.0 - other.0).max(0))
    }

    pub fn times(self, count: u32) -> Result<Won, NotAnAmount> {
        Self::parse(self.0.checked_mul(i64::from(count)).ok_or(NotAnAmount)?)
    }

    /// A share of this amount, rounded up: in the customer's favour when it is given back.
    pub fn percent_rounded_up(self, percent: Percent) -> Won {
        Won((self.0 * i64::from(percent.0) + 99) / 100)
    }
}

/// An amount as people read it: `28,000원`, `₩28,000`.
pub fn written(won: i64, language: Language) -> String {
    let digits = won.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match language {
        Language::Korean => format!("{grouped}원"),
        Language::English => format!("₩{grouped}"),
    }
}

impl TryFrom<i64> for Won {
    type Error = NotAnAmount;
    fn try_from(won: i64) -> Result<Self, NotAnAmount> {
        Self::parse(won)
    }
}

impl From<Won> for i64 {
    fn from(won: Won) -> i64 {
        won.0
    }
}

/// A share between 0 and 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = i64))]
pub struct Percent(u8);

/// A share outside 0 to 100.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a percentage is between 0 and 100")]
pub struct NotAPercentage;

impl Percent {
    pub const ALL: Percent = Percent(100);
    pub const HALF: Percent = Percent(50);

    pub fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<i64> for Percent {
    type Error = NotAPercentage;
    fn try_from(percent: i64) -> Result<Self, NotAPercentage> {
        match u8::try_from(percent) {
            Ok(percent) if percent <= 100 => Ok(Self(percent)),
            _ => Err(NotAPercentage),
        }
    }
}

impl From<Percent> for i64 {
    fn from(percent: Percent) -> i64 {
        i64::from(percent.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_written_as_people_do() {
        for (won, korean, english) in [
            (0, "0원", "₩0"),
            (900, "900원", "₩900"),
            (999, "999원", "₩999"),
            (28_000, "28,000원", "₩28,000"),
            (1_234_000, "1,234,000원", "₩1,234,000"),
            (1_234_567, "1,234,567원", "₩1,234,567"),
        ] {
            assert_eq!(written(won, Language::Korean), korean);
            assert_eq!(written(won, Language::English), english);
        }
    }

    proptest! {
        #[test]
        fn a_share_is_at_most_the_whole_and_never_rounded_down(won in 0..=WON_MAX, percent in 0..=100i64) {
            let whole = Won::parse(won).expect("in range");
            let share = whole.percent_rounded_up(Percent::try_from(percent).expect("in range"));
            prop_assert!(share <= whole);
            prop_assert!(share.get() * 100 >= won * percent);
            prop_assert!(share.get() * 100 < won * percent + 100);
        }

        #[test]
        fn sums_never_leave_the_range(a in 0..=WON_MAX, b in 0..=WON_MAX) {
            let (a, b) = (Won::parse(a).expect("in range"), Won::parse(b).expect("in range"));
            prop_assert_eq!(a.plus(b).is_ok(), a.get() + b.get() <= WON_MAX);
        }
    }

    #[test]
    fn foreign_amounts_are_refused() {
        assert!(Won::parse(-1).is_err());
        assert!(Won::parse(i64::MAX).is_err());
        assert!(Won::parse(WON_MAX).expect("the limit").times(u32::MAX).is_err());
    }
}
