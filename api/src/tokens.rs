//! Bearer tokens: signed JWTs of an issuer whose public keys we have (RFC 7519, and its best practices,
//! RFC 8725). `sub` is the person, `role` what they are; without it a customer.

use crate::json::digest;
use domain::ids::CustomerId;
use domain::person::Person;
use domain::words::Role;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Notify;

/// Clocks may differ by this much.
const LEEWAY_SECS: u64 = 30;

/// The keys of an issuer, each with what a token signed by it has to say. They may be exchanged.
pub struct Tokens {
    keys: RwLock<Arc<[Key]>>,
    /// Somebody came with a key that is none of them.
    missed: Notify,
    issuer: String,
    audience: String,
}

struct Key {
    id: Option<String>,
    decoding: DecodingKey,
    validation: Validation,
}

/// The keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("not a JSON Web Key Set")]
    NotASet(#[source] serde_json::Error),
    #[error("no key in it")]
    Empty,
    #[error("key {0} is none of Ed25519, P-256 and RSA")]
    Unfit(String),
    #[error("key {0} cannot be read")]
    Broken(String, #[source] jsonwebtoken::errors::Error),
}

/// The token is not to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Disbelief {
    #[error("the token has expired")]
    Expired,
    #[error("the token is not from the issuer, not for this service, or not a token")]
    Invalid,
    /// The issuer may have it, and has not told us yet.
    #[error("the token is signed with a key that is not known to be the issuer's")]
    UnknownKey,
    #[error("the token's role is none of customer, gate, staff, admin and partner")]
    NoSuchRole,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    role: Option<String>,
}

impl Tokens {
    /// `key_set` is the issuer's JWKS (RFC 7517). Its keys say how they sign; a token has no say in that.
    pub fn new(key_set: &str, issuer: &str, audience: &str) -> Result<Self, KeysError> {
        let keys = RwLock::new(keys_in(key_set, issuer, audience)?);
        let (issuer, audience) = (issuer.to_owned(), audience.to_owned());
        Ok(Self { keys, missed: Notify::new(), issuer, audience })
    }

    /// Returns when a token names a key that is not there: the issuer may have a new one.
    pub async fn missed(&self) {
        self.missed.notified().await;
    }

    /// From now on these are the issuer's keys; those that cannot be used change nothing.
    pub fn exchange(&self, key_set: &str) -> Result<(), KeysError> {
        let keys = keys_in(key_set, &self.issuer, &self.audience)?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// Who bears it.
    pub(crate) fn person(&self, token: &str) -> Result<Person, Disbelief> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner).clone();
        let claims = claims_of(&keys, token).inspect_err(|disbelief| {
            if *disbelief == Disbelief::UnknownKey {
                self.missed.notify_one();
            }
        });
        let Claims { sub, role } = claims?;
        let role = role.as_deref().map_or(Ok(Role::Customer), Role::parse);
        let role = role.map_err(|_| Disbelief::NoSuchRole)?;
        Ok(Person { id: id_of(&sub), role })
    }
}

fn keys_in(key_set: &str, issuer: &str, audience: &str) -> Result<Arc<[Key]>, KeysError> {
    let set: JwkSet = serde_json::from_str(key_set).map_err(KeysError::NotASet)?;
    let keys = set.keys.iter().map(|jwk| Key::of(jwk, issuer, audience));
    let keys = keys.collect::<Result<Arc<[_]>, _>>()?;
    if keys.is_empty() { Err(KeysError::Empty) } else { Ok(keys) }
}

fn claims_of(keys: &[Key], token: &str) -> Result<Claims, Disbelief> {
    let header = decode_header(token).map_err(|_| Disbelief::Invalid)?;
    let key = key_of(keys, header.kid).ok_or(Disbelief::UnknownKey)?;
    let claims = decode::<Claims>(token, &key.decoding, &key.validation);
    Ok(claims.map_err(|error| disbelief(&error))?.claims)
}

fn key_of(keys: &[Key], name: Option<String>) -> Option<&Key> {
    match name {
        Some(name) => keys.iter().find(|key| key.id.as_ref() == Some(&name)),
        // A set of one key needs no names.
        None => keys.first().filter(|_| keys.len() == 1),
    }
}

impl Key {
    fn of(jwk: &Jwk, issuer: &str, audience: &str) -> Result<Self, KeysError> {
        let id = jwk.common.key_id.clone();
        let name = || id.clone().unwrap_or_else(|| "without kid".to_owned());
        let algorithm = algorithm(jwk).ok_or_else(|| KeysError::Unfit(name()))?;
        let decoding =
            DecodingKey::from_jwk(jwk).map_err(|error| KeysError::Broken(name(), error))?;
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY_SECS;
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        Ok(Self { id, decoding, validation })
    }
}

fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            Some(Algorithm::EdDSA)
        }
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            Some(Algorithm::ES256)
        }
        AlgorithmParameters::RSA(_) => Some(Algorithm::RS256),
        _ => None,
    }
}

fn disbelief(error: &jsonwebtoken::errors::Error) -> Disbelief {
    match error.kind() {
        jsonwebtoken::errors::ErrorKind::ExpiredSignature => Disbelief::Expired,
        jsonwebtoken::errors::ErrorKind::InvalidSignature => Disbelief::UnknownKey,
        _ => Disbelief::Invalid,
    }
}

/// A subject may be anything, also somebody's address; what is none of our ids is not kept, but its
/// digest.
fn id_of(subject: &str) -> CustomerId {
    CustomerId::parse(subject).unwrap_or_else(|_| {
        let digest = digest(subject.as_bytes());
        CustomerId::parse(format!("sub-{}", &digest[..32])).expect("letters and digits")
    })
}
