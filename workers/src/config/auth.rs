//! Whose tokens are believed, and who issues some.

use super::duration;
use crate::pages::key_in;
use anyhow::{Context, bail};
use api::caller::Trust;
use api::guests::Guests;
use api::rate::Rates;
use api::tokens::Tokens;
use clap::Args;
use domain::ids::CustomerId;
use domain::words::Role;
use reqwest::Url;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

const FETCHED_WITHIN: Duration = Duration::from_secs(5);
const FRESH_FOR: Duration = Duration::from_secs(5 * 60);
/// Not more often than this, whoever comes with whatever key.
const ASKED_EVERY: Duration = Duration::from_secs(5);
/// A key takes a few hundred bytes.
const KEYS_BYTES_MAX: usize = 256 * 1024;

/// Whose tokens are believed, the same for the whole fleet.
#[derive(Args)]
pub(crate) struct AuthFlags {
    /// The public keys (JWKS) of whoever issues tokens: a file, or the https address where they are
    /// published, which is asked again every five minutes, and when a token names another key.
    /// Without it there are no tokens, and the API listens on loopback only.
    #[arg(long, value_name = "FILE|URL", env = "MARQUEE_AUTH_KEYS")]
    auth_keys: Option<String>,
    /// How many requests a second one person may send to each process, four times as many at once; 0:
    /// any number.
    #[arg(long, env = "MARQUEE_RATE_LIMIT", default_value_t = 50)]
    rate_limit: u32,
    /// How often a minute people without an account may try to reserve from one address, at each
    /// process; 0: any number.
    #[arg(long, env = "MARQUEE_STRANGERS_LIMIT", default_value_t = 60)]
    strangers_limit: u32,
    /// How many proxies of ours stand before the API, one behind the other: each adds to
    /// X-Forwarded-For from whom it has a request, and nobody else may reach the port. Strangers are
    /// told apart by address.
    #[arg(long, env = "MARQUEE_PROXIES", default_value_t = 0)]
    pub(crate) proxies: usize,
    #[command(flatten)]
    names: TokenNames,
}

/// What stands in every token.
#[derive(Args)]
pub(crate) struct TokenNames {
    /// Who issues tokens: their `iss`.
    #[arg(long, env = "MARQUEE_AUTH_ISSUER", default_value = "marquee")]
    pub(crate) auth_issuer: String,
    /// Whom they are for: their `aud`.
    #[arg(long, env = "MARQUEE_AUTH_AUDIENCE", default_value = "marquee")]
    pub(crate) auth_audience: String,
}

impl AuthFlags {
    /// Whom to believe, for as long as the process runs.
    /// With `session_key` people may book as guests.
    pub(crate) async fn trust(&self, session_key: Option<&Path>) -> anyhow::Result<Trust> {
        let Some(place) = &self.auth_keys else { return Ok(Trust::ThisMachine) };
        let named = || format!("--auth-keys {place}");
        let published = published(place).with_context(named)?;
        let keys = match &published {
            Some(at) => fetched(at).await,
            None => std::fs::read_to_string(place).map_err(anyhow::Error::from),
        };
        let keys = keys.with_context(named)?;
        let TokenNames { auth_issuer, auth_audience } = &self.names;
        let tokens = Tokens::new(&keys, auth_issuer, auth_audience).with_context(named)?;
        let tokens = Arc::new(tokens);
        if let Some(at) = published {
            tokio::spawn(kept_fresh(tokens.clone(), at));
        }
        let rates = Rates::new(self.rate_limit, self.strangers_limit);
        let guests = session_key.map(key_in).transpose()?.map(|key| Arc::new(Guests::new(&key)));
        Ok(Trust::Tokens { tokens, rates, guests })
    }
}

/// The address where keys are published; nothing: a file's name.
fn published(place: &str) -> anyhow::Result<Option<Url>> {
    if !place.contains("://") {
        return Ok(None);
    }
    let at: Url = place.parse()?;
    let is_here = at.host_str().is_some_and(|host| {
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    });
    match at.scheme() {
        "https" => Ok(Some(at)),
        "http" if is_here => Ok(Some(at)),
        _ => bail!("keys come by https, or whoever stands between could give others"),
    }
}

async fn fetched(at: &Url) -> anyhow::Result<String> {
    let client = reqwest::Client::builder().timeout(FETCHED_WITHIN).build()?;
    let mut answer = client.get(at.clone()).send().await?.error_for_status()?;
    let mut text = Vec::new();
    while let Some(part) = answer.chunk().await? {
        text.extend_from_slice(&part);
        if text.len() > KEYS_BYTES_MAX {
            bail!("more than {KEYS_BYTES_MAX} bytes are no key set");
        }
    }
    Ok(String::from_utf8(text)?)
}

/// An issuer that cannot be reached keeps the keys that it had.
async fn kept_fresh(tokens: Arc<Tokens>, at: Url) {
    loop {
        sleep(ASKED_EVERY).await;
        timeout(FRESH_FOR, tokens.missed()).await.ok();
        let fetched = fetched(&at).await;
        let exchanged = fetched.and_then(|keys| Ok(tokens.exchange(&keys)?));
        if let Err(error) = exchanged {
            tracing::warn!(?error, "the issuer's keys are those of before");
        }
    }
}

/// Makes keys to sign tokens with, where nobody else issues them.
#[derive(Args)]
pub(crate) struct Keys {
    /// Gets `issuer.pem`, which signs and is nobody else's business, `issuer.json`, for `--auth-keys`,
    /// and `session.key`, for `--session-key`. What is there stays.
    #[arg(long, value_name = "DIR")]
    pub(crate) into: PathBuf,
}

/// Prints a token.
#[derive(Args)]
pub(crate) struct Token {
    /// What signs it: `issuer.pem`.
    #[arg(long, value_name = "FILE", env = "MARQUEE_TOKEN_KEY")]
    pub(crate) key: PathBuf,
    /// Who bears it: letters, digits, - and _.
    #[arg(long, value_parser = |text: &str| CustomerId::parse(text))]
    pub(crate) subject: CustomerId,
    /// What they are: customer, gate, staff, admin or partner.
    #[arg(long, default_value = "customer", value_parser = Role::parse)]
    pub(crate) role: Role,
    /// How long it is good for.
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = duration)]
    pub(crate) lasts: Duration,
    #[command(flatten)]
    pub(crate) names: TokenNames,
}
