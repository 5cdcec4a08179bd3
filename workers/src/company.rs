//! The payment company that a process works with, and what it needs to speak to it.

use crate::config::{GatewayFlags, GatewayKind, gateway_secret, webhook_secret};
use anyhow::{Context, bail};
use api::callbacks::{Company, Tongue};
use domain::secret::Secret;
use gateway::Gateway;
use gateway::house::House;
use gateway::portone::PortOne;
use gateway::toss::Toss;
use reqwest::Url;
use std::sync::Arc;

/// The keys of the stand-in, which everybody knows.
const STAND_IN_WEBHOOK_SECRET: &str = "whsec_c3RhbmQtaW4gZm9yIGEgcGF5bWVudCBjb21wYW55";
const STAND_IN_SECRET: &str = "test_sk_stand_in";

impl From<GatewayKind> for Tongue {
    fn from(kind: GatewayKind) -> Self {
        match kind {
            GatewayKind::House => Self::House,
            GatewayKind::Toss => Self::Toss,
            GatewayKind::PortOne => Self::PortOne,
        }
    }
}

/// The company of these flags; without an address nobody can be asked.
pub(crate) fn company(flags: &GatewayFlags) -> anyhow::Result<Company> {
    let tongue = Tongue::from(flags.kind);
    let webhook_secret = webhook_secret();
    let Some(url) = flags.url.clone() else {
        return Ok(Company { tongue, gateway: None, webhook_secret });
    };
    if tongue == Tongue::PortOne && webhook_secret.is_none() {
        bail!("MARQUEE_WEBHOOK_SECRET is not set: what is PortOne's cannot be told from forgeries");
    }
    let gateway = Some(client(tongue, url, gateway_secret())?);
    Ok(Company { tongue, gateway, webhook_secret })
}

/// The company that the stand-in at this address plays, with its keys where none are given.
pub(crate) fn stand_in(kind: GatewayKind, root: &Url) -> anyhow::Result<Company> {
    let tongue = Tongue::from(kind);
    let base = match tongue {
        Tongue::House => root.clone(),
        Tongue::Toss | Tongue::PortOne => root.join(&format!("{}/", tongue.path()))?,
    };
    let secret = gateway_secret().unwrap_or_else(|| Secret::from(STAND_IN_SECRET.to_owned()));
    let gateway = Some(client(tongue, base, Some(secret))?);
    Ok(Company { tongue, gateway, webhook_secret: Some(stand_in_webhook_secret()) })
}

/// What the stand-in signs with.
pub(crate) fn stand_in_webhook_secret() -> Secret {
    webhook_secret().unwrap_or_else(|| Secret::from(STAND_IN_WEBHOOK_SECRET.to_owned()))
}

fn client(tongue: Tongue, base: Url, secret: Option<Secret>) -> anyhow::Result<Arc<dyn Gateway>> {
    let key = || secret.context("MARQUEE_GATEWAY_SECRET is not set: the company would not know us");
    Ok(match tongue {
        Tongue::House => Arc::new(House::new(base)?),
        Tongue::Toss => Arc::new(Toss::new(base, key()?)?),
        Tongue::PortOne => Arc::new(PortOne::new(base, key()?)?),
    })
}
