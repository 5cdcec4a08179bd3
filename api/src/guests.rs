//! Booking without an account: whoever reserves as nobody gets a token. It names a guest who has that
//! reservation and never another one, since a guest reserves nothing more.

use domain::ids::CustomerId;
use domain::person::Person;
use domain::time::Time;
use domain::words::Role;
use jsonwebtoken::crypto::sign;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// Whatever else is signed with the same key is no guest's.
const AUDIENCE: &str = "marquee-guest";
/// As long as a UUID is without its dashes.
const KEY_CHARS_MIN: usize = 32;
/// Refunds may come later than the show.
const AFTER_THE_SHOW: Duration = Duration::from_secs(30 * 24 * 3600);

/// Signs and checks the tokens of guests.
pub struct Guests {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    aud: String,
    exp: i64,
}

impl Guests {
    /// With a key that all processes share.
    pub fn new(key: &[u8]) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        let (encoding, decoding) = (EncodingKey::from_secret(key), DecodingKey::from_secret(key));
        Self { encoding, decoding, validation }
    }

    /// Somebody who has never been here; with the same key always the same one, so that a repeat is
    /// answered as the first time. Nothing when the key is one that others could think of, too.
    pub(crate) fn somebody_new(&self, key: Option<&str>) -> Option<CustomerId> {
        let name = match key {
            None => Uuid::new_v4().simple().to_string(),
            Some(key) if key.len() < KEY_CHARS_MIN => return None,
            Some(key) => sign(key.as_bytes(), &self.encoding, Algorithm::HS256).ok()?,
        };
        CustomerId::parse(format!("guest-{name}")).ok()
    }

    /// What this guest shows from now on.
    pub(crate) fn token(&self, guest: &CustomerId, show_ends_at: Time) -> Option<String> {
        let exp = show_ends_at.plus(AFTER_THE_SHOW).as_millis() / 1000;
        let claims = Claims { sub: guest.to_string(), aud: AUDIENCE.to_owned(), exp };
        encode(&Header::new(Algorithm::HS256), &claims, &self.encoding).ok()
    }

    /// Whose token it is, if it is a guest's.
    pub(crate) fn person(&self, token: &str) -> Option<Person> {
        let claims = decode::<Claims>(token, &self.decoding, &self.validation).ok()?.claims;
        Some(Person { id: CustomerId::parse(claims.sub).ok()?, role: Role::Guest })
    }
}
