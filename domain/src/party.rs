//! The people of one reservation: how many of each audience type, what they pay, what they may see.

use crate::catalogue::Prices;
use crate::won::Won;
use crate::words::{AgeRating, Audience, Grade};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Nobody may ask for more people than this, whatever the showtime allows.
pub const PARTY_SIZE_LIMIT: u32 = 20;

/// How many reservations of one showtime a customer may hold without having paid, but for those that
/// a plan pays (specification 1.9).
pub const UNPAID_MAX: u32 = 4;

/// The people of one reservation by audience type, between 1 and [`PARTY_SIZE_LIMIT`] in all.
///
/// On the wire a list, `[{"type":"ADULT","count":2}]` (specification 2.6): a type named twice is
/// added up, and the order is always that of [`Audience`], so equal parties are equal texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Admissions>", into = "Vec<Admissions>")]
pub struct Party {
    /// No count is zero.
    counts: BTreeMap<Audience, u32>,
}

/// Why a list of admissions is no party (`party-size`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartyError {
    #[error("a party has at least one person")]
    Empty,
    #[error("a party has at most {PARTY_SIZE_LIMIT} people")]
    TooLarge,
}

/// One line of the list on the wire.
#[derive(Serialize, Deserialize)]
struct Admissions {
    #[serde(rename = "type")]
    audience: Audience,
    count: u32,
}

impl AgeRating {
    /// Whether somebody of this type may see such a film without others.
    pub fn admits(self, audience: Audience) -> bool {
        match self {
            Self::All | Self::Twelve | Self::Fifteen => true,
            Self::Nineteen => audience != Audience::Teen,
        }
    }
}

impl Party {
    /// Adds up the admissions of each type; counts of zero are as if they had not been named.
    pub fn parse(
        admissions: impl IntoIterator<Item = (Audience, u32)>,
    ) -> Result<Self, PartyError> {
        let mut counts = BTreeMap::new();
        let mut size = 0u32;
        for (audience, count) in admissions {
            size = size.saturating_add(count);
            if size > PARTY_SIZE_LIMIT {
                return Err(PartyError::TooLarge);
            }
            if count > 0 {
                *counts.entry(audience).or_insert(0) += count;
            }
        }
        if counts.is_empty() { Err(PartyError::Empty) } else { Ok(Self { counts }) }
    }

    /// The party of the report's own request, which names no one but the customer.
    pub fn one_adult() -> Self {
        Self { counts: BTreeMap::from([(Audience::Adult, 1)]) }
    }

    /// How many people, hence how many seats.
    pub fn size(&self) -> u32 {
        self.counts.values().sum()
    }

    /// The types that come, each with its count, never zero.
    pub fn counts(&self) -> impl Iterator<Item = (Audience, u32)> {
        self.counts.iter().map(|(audience, count)| (*audience, *count))
    }

    /// Everybody, one by one.
    pub fn people(&self) -> impl Iterator<Item = Audience> {
        self.counts().flat_map(|(audience, count)| (0..count).map(move |_| audience))
    }

    /// Those who still come when these do not; nothing when nobody would be left.
    pub fn without(&self, leaving: impl IntoIterator<Item = Audience>) -> Option<Self> {
        let mut counts = self.counts.clone();
        for audience in leaving {
            let left = counts.get(&audience)?.checked_sub(1)?;
            if left > 0 {
                counts.insert(audience, left);
            } else {
                counts.remove(&audience);
            }
        }
        (!counts.is_empty()).then_some(Self { counts })
    }

    /// How many people of this type come.
    pub fn count(&self, audience: Audience) -> u32 {
        self.counts.get(&audience).copied().unwrap_or(0)
    }

    /// The price of all in one grade; `None` when a type has no price there.
    ///
    /// A total beyond what an amount can be is `None` as well: it cannot be sold either.
    pub fn price(&self, prices: &Prices, grade: Grade) -> Option<Won> {
        self.price_by(prices.get(&grade)?)
    }

    /// The price of all, given what each pays.
    pub fn price_by(&self, each_pays: &BTreeMap<Audience, Won>) -> Option<Won> {
        let mut total = Won::ZERO;
        for (audience, count) in self.counts() {
            let each = each_pays.get(&audience)?;
            total = total.plus(each.times(count).ok()?).ok()?;
        }
        Some(total)
    }

    /// Whether all may see a film of this rating: a TEEN may not see a 19-rated one (scenario 22).
    ///
    /// The lower ratings admit younger people in company, which is judged at the door.
    pub fn may_see(&self, rating: AgeRating) -> bool {
        self.counts().all(|(audience, _)| rating.admits(audience))
    }

    /// Whether these people can be booked in this grade at all (specification 1.9).
    ///
    /// WHEELCHAIR and COMPANION are booked apart, in grade ACCESSIBLE, where nobody else is; each
    /// companion comes with a wheelchair of their own.
    pub fn fits_grade(&self, grade: Grade) -> bool {
        let wheelchairs = self.count(Audience::Wheelchair);
        let companions = self.count(Audience::Companion);
        let others = self.size() - wheelchairs - companions;
        match grade {
            Grade::Economy | Grade::Standard | Grade::Prime => wheelchairs + companions == 0,
            Grade::Accessible => others == 0 && wheelchairs > 0 && companions <= wheelchairs,
        }
    }
}

impl TryFrom<Vec<Admissions>> for Party {
    type Error = PartyError;
    fn try_from(list: Vec<Admissions>) -> Result<Self, PartyError> {
        Self::parse(list.into_iter().map(|admissions| (admissions.audience, admissions.count)))
    }
}

impl From<Party> for Vec<Admissions> {
    fn from(party: Party) -> Self {
        party.counts().map(|(audience, count)| Admissions { audience, count }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Audience::{Adult, Companion, Senior, Teen, Wheelchair};
    use proptest::prelude::*;

    fn party(admissions: &[(Audience, u32)]) -> Party {
        Party::parse(admissions.iter().copied()).expect("a party")
    }

    fn won(won: i64) -> Won {
        Won::parse(won).expect("an amount")
    }

    #[test]
    fn sizes_are_between_one_and_the_limit() {
        assert_eq!(Party::parse([]), Err(PartyError::Empty));
        assert_eq!(Party::parse([(Adult, 0), (Teen, 0)]), Err(PartyError::Empty));
        assert_eq!(party(&[(Adult, PARTY_SIZE_LIMIT)]).size(), PARTY_SIZE_LIMIT);
        for large in [&[(Adult, PARTY_SIZE_LIMIT), (Teen, 1)][..], &[(Adult, u32::MAX); 3][..]] {
            assert_eq!(Party::parse(large.iter().copied()), Err(PartyError::TooLarge));
        }
        assert_eq!(Party::one_adult(), party(&[(Adult, 1), (Senior, 0)]));
    }

    #[test]
    fn the_wire_form_is_a_list_with_each_type_once() {
        let read = |text: &str| serde_json::from_str::<Party>(text);
        let merged = read(
            r#"[{"type":"TEEN","count":1},{"type":"ADULT","count":1},{"type":"TEEN","count":2}]"#,
        )
        .expect("a party");
        assert_eq!(merged, party(&[(Adult, 1), (Teen, 3)]));
        assert_eq!(
            serde_json::to_string(&merged).expect("JSON"),
            r#"[{"type":"ADULT","count":1},{"type":"TEEN","count":3}]"#
        );
        for bad in [
            "[]",
            r#"[{"type":"ADULT","count":0}]"#,
            r#"[{"type":"ADULT","count":21}]"#,
            r#"[{"type":"ADULT","count":-1}]"#,
            r#"[{"type":"CHILD","count":1}]"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_price_needs_a_price_for_every_type() {
        let standard = BTreeMap::from([(Adult, won(14_000)), (Teen, won(11_000))]);
        let prices = Prices::from([(Grade::Standard, standard)]);
        let family = party(&[(Adult, 2), (Teen, 1)]);
        assert_eq!(family.price(&prices, Grade::Standard), Some(won(39_000)));
        assert_eq!(family.price(&prices, Grade::Prime), None);
        assert_eq!(party(&[(Senior, 1)]).price(&prices, Grade::Standard), None);

        let dear = Prices::from([(
            Grade::Standard,
            BTreeMap::from([(Adult, won(crate::won::WON_MAX)), (Teen, won(1))]),
        )]);
        assert_eq!(party(&[(Adult, 2)]).price(&dear, Grade::Standard), None);
        assert_eq!(party(&[(Adult, 1), (Teen, 1)]).price(&dear, Grade::Standard), None);
    }

    #[test]
    fn who_does_not_come_is_no_longer_of_the_party() {
        let family = party(&[(Adult, 2), (Teen, 1)]);
        assert_eq!(family.people().collect::<Vec<_>>(), [Adult, Adult, Teen]);
        assert_eq!(family.without([Teen]), Some(party(&[(Adult, 2)])));
        assert_eq!(family.without([Adult]), Some(party(&[(Adult, 1), (Teen, 1)])));
        assert_eq!(family.without([]), Some(family.clone()));
        assert_eq!(family.without(family.people()), None);
        assert_eq!(family.without([Teen, Teen]), None);
        assert_eq!(family.without([Senior]), None);
    }

    #[test]
    fn a_teen_may_not_see_a_19_rated_film() {
        for rating in AgeRating::EVERY {
            assert!(party(&[(Adult, 1), (Senior, 1)]).may_see(*rating));
            let allowed = *rating != AgeRating::Nineteen;
            assert_eq!(party(&[(Adult, 1), (Teen, 1)]).may_see(*rating), allowed, "{rating}");
        }
    }

    #[test]
    fn wheelchairs_and_companions_are_booked_apart() {
        let check = |admissions: &[(Audience, u32)], standard: bool, accessible: bool| {
            let party = party(admissions);
            assert_eq!(party.fits_grade(Grade::Standard), standard, "{admissions:?}");
            assert_eq!(party.fits_grade(Grade::Accessible), accessible, "{admissions:?}");
        };
        check(&[(Adult, 2)], true, false);
        check(&[(Wheelchair, 1)], false, true);
        check(&[(Wheelchair, 1), (Companion, 1)], false, true);
        check(&[(Wheelchair, 2), (Companion, 1)], false, true);
        check(&[(Wheelchair, 1), (Companion, 2)], false, false);
        check(&[(Companion, 1)], false, false);
        check(&[(Wheelchair, 1), (Adult, 1)], false, false);
    }

    proptest! {
        #[test]
        fn a_party_survives_the_wire(
            list in proptest::collection::vec((0..Audience::EVERY.len(), 0u32..5), 0..8)
        ) {
            let list: Vec<_> = list.into_iter().map(|(i, n)| (Audience::EVERY[i], n)).collect();
            let total: u32 = list.iter().map(|(_, count)| count).sum();
            match Party::parse(list) {
                Ok(party) => {
                    prop_assert_eq!(party.size(), total);
                    let wire = serde_json::to_string(&party).expect("JSON");
                    prop_assert_eq!(serde_json::from_str::<Party>(&wire).expect("a party"), party);
                }
                Err(PartyError::Empty) => prop_assert_eq!(total, 0),
                Err(PartyError::TooLarge) => prop_assert!(total > PARTY_SIZE_LIMIT),
            }
        }
    }
}
