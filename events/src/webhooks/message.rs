//! What is sent to an endpoint, and the proof that it is from us:
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use crate::cloud_event::{id_of, timestamp, type_of};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::feed::Entry;
use domain::secret::Secret;
use domain::time::Time;
use domain::words::ReservationStatus;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde::Serialize;
use sha2::Sha256;

const PREFIX: &str = "whsec_";

/// One event, as an endpoint gets it.
pub struct Message {
    /// The same whenever the event is sent.
    pub id: String,
    pub body: String,
}

#[derive(Serialize)]
struct Body {
    r#type: String,
    timestamp: Timestamp,
    data: Data,
}

/// Ids and the status alone: an address can be wrong. The receiver reads the rest from us.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    reservation_id: String,
    seq: i64,
    customer_id: String,
    showtime_id: String,
    status: ReservationStatus,
}

impl Message {
    pub fn of(entry: &Entry) -> Self {
        let body = Body {
            r#type: type_of(entry.event.kind),
            timestamp: timestamp(entry.event.at),
            data: Data {
                reservation_id: entry.reservation_id.to_string(),
                seq: entry.event.seq,
                customer_id: entry.customer_id.to_string(),
                showtime_id: entry.showtime_id.to_string(),
                status: entry.event.status,
            },
        };
        let body = serde_json::to_string(&body).expect("plain data has a JSON form");
        Self { id: id_of(&entry.reservation_id, entry.event.seq), body }
    }

    /// The headers of a try at this moment; a receiver believes it for some minutes.
    pub fn signed(&self, secrets: &[Secret], now: Time) -> [(&'static str, String); 3] {
        let seconds = (now.as_millis() / 1_000).to_string();
        let content = format!("{}.{seconds}.{}", self.id, self.body);
        let signatures: Vec<_> = secrets.iter().filter_map(|it| signature(it, &content)).collect();
        [
            ("webhook-id", self.id.clone()),
            ("webhook-timestamp", seconds),
            ("webhook-signature", signatures.join(" ")),
        ]
    }
}

/// A new secret.
pub fn new_secret() -> Secret {
    // 244 random bits; 192 are asked for at least.
    let bytes: Vec<u8> = (0..2).flat_map(|_| uuid::Uuid::new_v4().into_bytes()).collect();
    Secret::from(format!("{PREFIX}{}", BASE64_STANDARD.encode(bytes)))
}

fn signature(secret: &Secret, content: &str) -> Option<String> {
    let key = BASE64_STANDARD.decode(secret.reveal().strip_prefix(PREFIX)?).ok()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(content.as_bytes());
    Some(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn a_message_is_signed_with_each_secret() {
        let message = Message {
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned(),
            body: r#"{"test": 2432232314}"#.to_owned(),
        };
        let secret = Secret::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let secrets = [secret, new_secret()];
        let [_, (_, seconds), (_, signatures)] =
            message.signed(&secrets, Time::from_millis(1_614_265_330_123));
        assert_eq!(seconds, "1614265330");
        let (first, second) = signatures.split_once(' ').expect("two");
        assert_eq!(first, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(second.starts_with("v1,") && second != first, "{second}");
    }
}
