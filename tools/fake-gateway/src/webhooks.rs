//! Webhooks: what the companies tell their client by themselves. PortOne's are signed as Standard
//! Webhooks are; Toss signs none of its payments.

use crate::Callbacks;
use crate::answer::{Answer, Moment};
use crate::delivery::Face;
use crate::faces::{Payment, portone, toss};
use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Client, RequestBuilder};
use serde_json::json;
use sha2::Sha256;
use std::sync::Arc;
use std::time::Duration;

const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The pauses before one is sent again; the real ones count in minutes.
const AGAIN_AFTER_SECS: [u64; 4] = [1, 4, 16, 64];

/// Sends webhooks to the client.
#[derive(Clone)]
pub(crate) struct Webhooks(Arc<Sender>);

struct Sender {
    root: String,
    secret: Vec<u8>,
    client: Client,
}

impl Webhooks {
    pub(crate) fn new(callbacks: Callbacks) -> anyhow::Result<Self> {
        let Callbacks { root, portone_secret } = callbacks;
        let secret =
            portone_secret.strip_prefix("whsec_").context("a secret begins with whsec_")?;
        let secret = BASE64_STANDARD.decode(secret).context("a secret is base64")?;
        let client = Client::builder().no_proxy().timeout(ANSWER_WITHIN).build()?;
        let root = root.trim_end_matches('/').to_owned();
        Ok(Self(Arc::new(Sender { root, secret, client })))
    }

    /// Tells how the payment of these answers stands, until the client has heard it.
    pub(crate) async fn send(self, face: Face, answers: Vec<Arc<Answer>>) {
        let Some(payment) = Payment::of(&answers) else { return };
        let id = format!("msg_{:016x}", fastrand::u64(..));
        for pause in AGAIN_AFTER_SECS.map(Some).into_iter().chain([None]) {
            let sent = self.0.request(face, &payment, &id).send().await;
            if sent.is_ok_and(|response| response.status().is_success()) {
                return;
            }
            let Some(pause) = pause else { break };
            tokio::time::sleep(Duration::from_secs(pause)).await;
        }
        tracing::warn!(order = %payment.order, "a webhook was never heard");
    }
}

impl Sender {
    fn request(&self, face: Face, payment: &Payment, id: &str) -> RequestBuilder {
        if face == Face::Toss {
            let url = format!("{}/toss/callbacks", self.root);
            let body = json!({
                "eventType": "PAYMENT_STATUS_CHANGED", "createdAt": Moment::now(),
                "data": toss::payment_body(payment),
            });
            return self.client.post(url).json(&body);
        }
        let body = portone::webhook_body(payment).to_string();
        let at = (Moment::now().as_millis() / 1000).to_string();
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{at}.{body}").as_bytes());
        let signature = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
        self.client
            .post(format!("{}/portone/callbacks", self.root))
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", at)
            .header("webhook-signature", signature)
            .body(body)
    }
}
