//! Whose tokens are believed, and who issues some.

use super::duration;
use anyhow::Context;
use api::caller::Trust;
use api::tokens::Tokens;
use clap::Args;
use domain::ids::CustomerId;
use domain::words::Role;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Whose tokens are believed, the same for the whole fleet.
#[derive(Args)]
pub(crate) struct AuthFlags {
    /// A file with the public keys (JWKS) of whoever issues tokens. Without it there are no tokens,
    /// and the API listens on loopback only.
    #[arg(long, value_name = "FILE", env = "MARQUEE_AUTH_KEYS")]
    auth_keys: Option<PathBuf>,
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
    pub(crate) fn trust(&self) -> anyhow::Result<Trust> {
        let Some(file) = &self.auth_keys else { return Ok(Trust::ThisMachine) };
        let named = || format!("--auth-keys {}", file.display());
        let keys = std::fs::read_to_string(file).with_context(named)?;
        let TokenNames { auth_issuer, auth_audience } = &self.names;
        let tokens = Tokens::new(&keys, auth_issuer, auth_audience).with_context(named)?;
        Ok(Trust::Tokens(Arc::new(tokens)))
    }
}

/// Makes keys to sign tokens with, where nobody else issues them.
#[derive(Args)]
pub(crate) struct Keys {
    /// Gets `issuer.pem`, which signs and is nobody else's business, and `issuer.json`, for
    /// `--auth-keys`. What is there stays.
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
