//! `marquee keys` and `marquee token`: an issuer of tokens for those who have no other, and for tests.

use crate::config::{Keys, Token};
use crate::pages::make_key;
use anyhow::Context;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use rcgen::KeyPair;
use serde::Serialize;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    role: &'a str,
    iat: u64,
    exp: u64,
}

/// A P-256 key, and its public half for those who check; and one for the sessions of the pages.
pub(crate) fn keys(options: &Keys) -> anyhow::Result<()> {
    let named = || format!("--into {}", options.into.display());
    std::fs::create_dir_all(&options.into).with_context(named)?;
    make_key(&options.into).with_context(named)?;
    let (private, public) = (options.into.join("issuer.pem"), options.into.join("issuer.json"));
    let new = KeyPair::generate()?.serialize_pem();
    write_new(&private, &new).with_context(named)?;
    // Of the key that is there now, whoever wrote it.
    let key = read_key(&private)?;
    let set = JwkSet { keys: vec![Jwk::from_encoding_key(&key, Algorithm::ES256)?] };
    std::fs::write(&public, serde_json::to_string_pretty(&set)?).with_context(named)?;
    println!("{}", public.display());
    Ok(())
}

/// What its owner alone may read; what is there stays.
pub(crate) fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn read_key(path: &Path) -> anyhow::Result<EncodingKey> {
    let named = || format!("the key {}", path.display());
    let pem = std::fs::read(path).with_context(named)?;
    EncodingKey::from_ec_pem(&pem).with_context(named)
}

pub(crate) fn token(options: &Token) -> anyhow::Result<()> {
    let key = read_key(&options.key)?;
    let iat = get_current_timestamp();
    let claims = Claims {
        iss: &options.names.auth_issuer,
        aud: &options.names.auth_audience,
        sub: options.subject.as_str(),
        role: options.role.as_str(),
        iat,
        exp: iat + options.lasts.as_secs(),
    };
    println!("{}", encode(&Header::new(Algorithm::ES256), &claims, &key)?);
    Ok(())
}
