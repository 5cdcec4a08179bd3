//! What companies tell us by themselves. Whatever it says, it only says which payment to look at:
//! the payment is read again before anything is believed.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::ids::PaymentAttemptId;
use domain::secret::Secret;
use domain::time::Time;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;
use std::time::Duration;

/// A signed message is refused when its time is off by more, in either direction.
const TIMES_APART_MAX: Duration = Duration::from_secs(5 * 60);

/// A message with the headers that Standard Webhooks sign it with.
pub struct Signed<'a> {
    pub id: &'a str,
    /// Seconds since 1970.
    pub timestamp: &'a str,
    /// Some signatures, with spaces between them: secrets are rotated.
    pub signatures: &'a str,
    pub body: &'a [u8],
}

/// The message was not made by whom it claims, or not now.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not fit")]
pub struct BadSignature;

/// Whether the message was signed with this secret, and recently.
pub fn verify(message: &Signed<'_>, secret: &Secret, now: Time) -> Result<(), BadSignature> {
    let key = secret.reveal().strip_prefix("whsec_").ok_or(BadSignature)?;
    let key = BASE64_STANDARD.decode(key).map_err(|_| BadSignature)?;
    let seconds: i64 = message.timestamp.parse().map_err(|_| BadSignature)?;
    let at = seconds.checked_mul(1000).ok_or(BadSignature)?;
    let apart = now.as_millis().abs_diff(at);
    if u128::from(apart) > TIMES_APART_MAX.as_millis() {
        return Err(BadSignature);
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| BadSignature)?;
    mac.update(format!("{}.{}.", message.id, message.timestamp).as_bytes());
    mac.update(message.body);
    let mut given = message.signatures.split(' ').filter_map(|one| one.strip_prefix("v1,"));
    let fits = given.any(|one| {
        let bytes = BASE64_STANDARD.decode(one).unwrap_or_default();
        mac.clone().verify_slice(&bytes).is_ok()
    });
    if fits { Ok(()) } else { Err(BadSignature) }
}

/// The payment that a message of Toss is about; nothing where it is about none.
pub fn toss_order(body: &[u8]) -> Option<PaymentAttemptId> {
    #[derive(Deserialize)]
    struct Message {
        data: Payment,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Payment {
        order_id: PaymentAttemptId,
    }
    serde_json::from_slice(body).ok().map(|message: Message| message.data.order_id)
}

/// The payment that a message of PortOne is about; nothing where it is about none.
pub fn portone_order(body: &[u8]) -> Option<PaymentAttemptId> {
    #[derive(Deserialize)]
    struct Message {
        data: Payment,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Payment {
        payment_id: PaymentAttemptId,
    }
    serde_json::from_slice(body).ok().map(|message: Message| message.data.payment_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn signed(body: &'static [u8]) -> Signed<'static> {
        Signed {
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            timestamp: "1614265330",
            signatures: "v1,bm90IHRoaXM= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            body,
        }
    }

    #[test]
    fn a_message_is_believed_when_it_is_signed_and_recent() {
        let secret = Secret::from(SECRET.to_owned());
        let other = Secret::from("whsec_AAAA".to_owned());
        let now = Time::from_millis(1_614_265_330_000);
        let check = |body, secret: &Secret, now| verify(&signed(body), secret, now).is_ok();
        assert!(check(br#"{"test": 2432232314}"#, &secret, now));
        assert!(check(br#"{"test": 2432232314}"#, &secret, now.plus(TIMES_APART_MAX)));
        assert!(!check(br#"{"test": 2432232315}"#, &secret, now));
        assert!(!check(br#"{"test": 2432232314}"#, &other, now));
        let late = now.plus(TIMES_APART_MAX + Duration::from_millis(1));
        assert!(!check(br#"{"test": 2432232314}"#, &secret, late));
    }
}
