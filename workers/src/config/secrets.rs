//! What comes by the environment alone, so that no list of processes shows it.

use domain::secret::Secret;

const GATEWAY_SECRET: &str = "MARQUEE_GATEWAY_SECRET";
const WEBHOOK_SECRET: &str = "MARQUEE_WEBHOOK_SECRET";
const NOTICES_KEY: &str = "MARQUEE_NOTICES_KEY";
const NOTICES_SECRET: &str = "MARQUEE_NOTICES_SECRET";
const NOTICES_SMS_KEY: &str = "MARQUEE_NOTICES_SMS_KEY";
const NOTICES_SMS_SECRET: &str = "MARQUEE_NOTICES_SMS_SECRET";

/// All of them, with what they are.
pub(super) const SECRETS: [(&str, &str); 6] = [
    (GATEWAY_SECRET, "The payment company's secret key."),
    (WEBHOOK_SECRET, "`whsec_…`: what PortOne signs its messages with."),
    (NOTICES_KEY, "The key at the company that sends notices."),
    (NOTICES_SECRET, "Its secret."),
    (NOTICES_SMS_KEY, "NHN Cloud's key for texts."),
    (NOTICES_SMS_SECRET, "Its secret."),
];

/// The payment company's API key.
pub(crate) fn gateway_secret() -> Option<Secret> {
    secret(GATEWAY_SECRET)
}

/// What PortOne signs its messages with.
pub(crate) fn webhook_secret() -> Option<Secret> {
    secret(WEBHOOK_SECRET)
}

fn secret(name: &str) -> Option<Secret> {
    std::env::var(name).ok().filter(|text| !text.is_empty()).map(Secret::from)
}

/// The key and the secret of the company that sends notices.
pub(crate) fn notices_account() -> Option<(String, Secret)> {
    account(NOTICES_KEY, NOTICES_SECRET)
}

/// Those of its service for texts, where that is another.
pub(crate) fn notices_sms_account() -> Option<(String, Secret)> {
    account(NOTICES_SMS_KEY, NOTICES_SMS_SECRET)
}

fn account(key: &str, secret_name: &str) -> Option<(String, Secret)> {
    Some((std::env::var(key).ok()?, secret(secret_name)?))
}
