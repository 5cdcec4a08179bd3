//! Who visits: a signed cookie names a visitor; a token names staff; and which language they read.
//! What changes something has to come from a page of ours.

use crate::client::Site;
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::ids::CustomerId;
use domain::person::Person;
use domain::words::{Language, Role};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::net::IpAddr;
use uuid::Uuid;

const COOKIE: &str = "marquee";
const LANGUAGE_COOKIE: &str = "lang";
/// The token of staff, for the pages of staff alone.
const STAFF_COOKIE: &str = "staff";
const STAFF_LASTS_SECS: u64 = 10 * 3600;
const LASTS_SECS: u64 = 400 * 24 * 3600;
/// Sessions are for the pages, whatever else is signed with the same key.
const AUDIENCE: &str = "marquee-pages";

/// Signs and checks who visits.
pub struct Sessions {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    aud: String,
    exp: u64,
}

impl Sessions {
    /// With a key that all processes share.
    pub fn new(key: &[u8]) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        let (encoding, decoding) = (EncodingKey::from_secret(key), DecodingKey::from_secret(key));
        Self { encoding, decoding, validation }
    }

    fn person(&self, cookie: &str) -> Option<Person> {
        let claims = decode::<Claims>(cookie, &self.decoding, &self.validation).ok()?.claims;
        Some(Person { id: CustomerId::parse(claims.sub).ok()?, role: Role::Customer })
    }

    fn cookie(&self, person: &Person, secure: &str) -> Option<HeaderValue> {
        let exp = jsonwebtoken::get_current_timestamp() + LASTS_SECS;
        let claims = Claims { sub: person.id.to_string(), aud: AUDIENCE.to_owned(), exp };
        let token = encode(&Header::new(Algorithm::HS256), &claims, &self.encoding).ok()?;
        let cookie = format!(
            "{COOKIE}={token}; Path=/; Max-Age={LASTS_SECS}; HttpOnly; SameSite=Lax{secure}"
        );
        HeaderValue::from_str(&cookie).ok()
    }
}

/// As whom the API is asked.
#[derive(Clone)]
pub(crate) enum Who {
    /// Whom our cookie names.
    Customer(Person),
    /// Whoever a token says they are; without one, where there are no tokens, staff.
    Staff(Option<String>),
}

/// Who looks at a page.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) who: Who,
    /// Brought no cookie of ours.
    pub(crate) is_new: bool,
    pub(crate) language: Language,
    /// The name that they call us by: the API answers to some only.
    pub(crate) host: Option<HeaderValue>,
    /// Where they call from, as it was noted.
    pub(crate) address: Option<ConnectInfo<IpAddr>>,
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self {
            who: Who::Customer(newcomer()),
            is_new: true,
            language: Language::Korean,
            host: None,
            address: None,
        }))
    }
}

impl Visitor {
    pub(crate) fn brought_token(&self) -> bool {
        matches!(self.who, Who::Staff(Some(_)))
    }
}

/// A working day with this token; none with an empty one.
pub(crate) fn staff_cookie(headers: &HeaderMap, token: &str) -> Option<HeaderValue> {
    let lasts = if token.is_empty() { 0 } else { STAFF_LASTS_SECS };
    let secure = secure(headers);
    let cookie = format!(
        "{STAFF_COOKIE}={token}; Path=/staff; Max-Age={lasts}; HttpOnly; SameSite=Strict{secure}"
    );
    HeaderValue::from_str(&cookie).ok()
}

/// Cookies of a page that came over TLS never leave without.
fn secure(headers: &HeaderMap) -> &'static str {
    let proto = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    if proto == Some("https") { "; Secure" } else { "" }
}

/// Somebody who has never been here.
fn newcomer() -> Person {
    let id = format!("visitor-{}", Uuid::new_v4().simple());
    let id = CustomerId::parse(id).expect("letters and digits");
    Person { id, role: Role::Customer }
}

/// Finds out who visits, and gives a cookie to whoever has none.
pub(crate) async fn visit(State(site): State<Site>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    if !is_safe(request.method()) && !comes_from_here(headers) {
        return (StatusCode::FORBIDDEN, "from a page of ours only").into_response();
    }
    // No address of ours has such letters; what they stand for could be another of the API's.
    if request.uri().path().contains('%') {
        return StatusCode::NOT_FOUND.into_response();
    }
    let asked = request.uri().query().and_then(|query| {
        let lang = query.split('&').find_map(|pair| pair.strip_prefix("lang="))?;
        Language::parse(lang).ok()
    });
    let kept = cookie(headers, LANGUAGE_COOKIE).and_then(|word| Language::parse(word).ok());
    let accepted = || headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok().map(Language::wanted);
    let reads = asked.or(kept).or_else(accepted).unwrap_or_default();
    let secure = secure(headers);
    let known = cookie(headers, COOKIE).and_then(|cookie| site.sessions.person(cookie));
    let (who, signed) = match (request.uri().path(), known) {
        (path, _) if is_for_staff(path) => {
            (Who::Staff(cookie(headers, STAFF_COOKIE).map(str::to_owned)), None)
        }
        (_, Some(person)) => (Who::Customer(person), None),
        (_, None) => {
            let person = newcomer();
            let signed = site.sessions.cookie(&person, secure);
            (Who::Customer(person), signed)
        }
    };
    let host = headers.get(header::HOST).cloned();
    let address = request.extensions().get().cloned();
    let visitor = Visitor { who, is_new: signed.is_some(), language: reads, host, address };
    request.extensions_mut().insert(visitor);
    let mut response = next.run(request).await;
    let chosen = asked.map(|language| {
        format!("{LANGUAGE_COOKIE}={language}; Path=/; Max-Age={LASTS_SECS}; SameSite=Lax{secure}")
    });
    let chosen = chosen.and_then(|cookie| HeaderValue::from_str(&cookie).ok());
    for cookie in signed.into_iter().chain(chosen) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

fn is_for_staff(path: &str) -> bool {
    path == "/staff" || path.starts_with("/staff/")
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Browsers say where a request comes from; whoever says nothing is no browser, and has no cookies
/// that somebody else could use.
fn comes_from_here(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text("origin") else { return true };
    let host = origin.split_once("://").map(|(_, host)| host);
    host.is_some() && host == text("host")
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split("; "));
    pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (header::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
            })
            .collect()
    }

    #[test]
    fn what_changes_something_comes_from_a_page_of_ours() {
        for (given, allowed) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("origin", "http://localhost:8088"), ("host", "localhost:8088")], true),
            (&[("origin", "https://evil.example"), ("host", "localhost:8088")], false),
            (&[("origin", "null"), ("host", "localhost:8088")], false),
            (&[("host", "localhost:8088")], true),
        ] {
            assert_eq!(comes_from_here(&headers(given)), allowed, "{given:?}");
        }
    }

    #[test]
    fn a_cookie_that_we_did_not_sign_is_nobodys() {
        let sessions = Sessions::new(&[7; 32]);
        let person = newcomer();
        let cookie = sessions.cookie(&person, "").unwrap();
        let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
        let token = cookie.strip_prefix("marquee=").unwrap();
        assert_eq!(sessions.person(token), Some(person.clone()));
        assert_eq!(Sessions::new(&[8; 32]).person(token), None);
        assert_eq!(sessions.person(&format!("{token}x")), None);
    }
}
