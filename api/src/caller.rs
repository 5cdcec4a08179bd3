//! Who calls: the bearer of a token. Without keys to check tokens with, the server listens on loopback
//! only, and a caller acts as one demo customer or as the one named by `X-Customer-Id`, in the role
//! named by `X-Role`.
//!
//! A handler says by its extractor what it needs; [`Role::may_act_as`] says who has it.

use crate::App;
use crate::guests::Guests;
use crate::problem::Problem;
use crate::rate::Rates;
use crate::tokens::Tokens;
use axum::extract::{FromRequestParts, OptionalFromRequestParts, Request, State};
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::ids::CustomerId;
use domain::person::Person;
use domain::words::Role;
use std::sync::Arc;

const DEMO_CUSTOMER: &str = "demo";

/// Whom to believe that they are who they say.
#[derive(Clone)]
pub enum Trust {
    /// Anybody on this machine.
    ThisMachine,
    /// Whoever has a token.
    Tokens {
        tokens: Arc<Tokens>,
        rates: Rates,
        /// Where people may book without an account.
        guests: Option<Arc<Guests>>,
    },
}

/// The customer that a request acts as, whatever the role: what is a customer's own.
pub(crate) struct Caller(pub(crate) CustomerId);

/// Whoever may reserve: a customer, or somebody who is not known and gets a token.
pub(crate) struct Booker {
    pub(crate) id: CustomerId,
    /// Whoever tries the system on their own machine may hold any number unpaid.
    pub(crate) unlimited: bool,
    /// What signs the token of somebody who was not known.
    pub(crate) guests: Option<Arc<Guests>>,
}

impl FromRequestParts<App> for Booker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        if let Trust::Tokens { guests: Some(guests), rates, .. } = &app.trust
            && says_nothing(parts)
        {
            let key = parts.headers.get("idempotency-key").and_then(|key| key.to_str().ok());
            let id = guests.somebody_new(key).ok_or_else(|| {
                Problem::malformed("without a token an Idempotency-Key has 32 characters at least")
            })?;
            rates.take_as_stranger(parts)?;
            return Ok(Self { id, unlimited: false, guests: Some(guests.clone()) });
        }
        let id = who(parts, app, Role::Customer)?.id;
        // A visitor of the pages is anybody, with a new name as often as they like.
        if let Trust::Tokens { rates, .. } = &app.trust
            && parts.extensions.get::<Person>().is_some()
        {
            rates.take_as_stranger(parts)?;
        }
        let unlimited = matches!(app.trust, Trust::ThisMachine) && id.as_str() == DEMO_CUSTOMER;
        Ok(Self { id, unlimited, guests: None })
    }
}

/// Whoever calls: the customer sees their own, staff everybody's.
pub(crate) struct Anyone(pub(crate) Person);

/// Makes an extractor named after the role that is needed, with the person where that matters.
macro_rules! needs {
    ($(#[$doc:meta])* $role:ident($person:ident)) => {
        $(#[$doc])*
        pub(crate) struct $role(pub(crate) $person);
        needs!(impl $role, $role);
    };
    ($(#[$doc:meta])* $role:ident) => {
        $(#[$doc])*
        pub(crate) struct $role;
        needs!(impl $role, |_| $role);
    };
    (impl $role:ident, $of:expr) => {
        impl FromRequestParts<App> for $role {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
                who(parts, app, Role::$role).map($of)
            }
        }
    };
}

needs!(
    /// 403 to everybody else.
    Staff(Person)
);
needs!(
    /// Who lets people in, whoever it is. 403 to everybody else.
    Gate
);
needs!(
    /// Somebody else's system. 403 to everybody else.
    Partner(Person)
);

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Ok(Self(who(parts, app, Role::Guest)?.id))
    }
}

impl OptionalFromRequestParts<App> for Caller {
    type Rejection = Problem;

    /// What everybody may see, and who is known sees a little more of. A bad token is no visitor's.
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Option<Self>, Problem> {
        match &app.trust {
            Trust::Tokens { .. } if says_nothing(parts) => Ok(None),
            _ => Ok(Some(Self(who(parts, app, Role::Guest)?.id))),
        }
    }
}

impl FromRequestParts<App> for Anyone {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        who(parts, app, Role::Guest).map(Self)
    }
}

fn says_nothing(parts: &Parts) -> bool {
    !parts.headers.contains_key(AUTHORIZATION) && parts.extensions.get::<Person>().is_none()
}

fn who(parts: &Parts, app: &App, needed: Role) -> Result<Person, Problem> {
    // Within this process the pages say who it is; from outside nobody can.
    let known = parts.extensions.get::<Person>().cloned();
    let person = match (known, &app.trust) {
        (Some(person), _) => person,
        (None, Trust::ThisMachine) => named(parts)?,
        (None, Trust::Tokens { tokens, guests, .. }) => borne(parts, tokens, guests.as_deref())?,
    };
    if let Trust::Tokens { rates, .. } = &app.trust {
        rates.take(&person.id, parts)?;
    }
    if person.role.may_act_as(needed) {
        return Ok(person);
    }
    let detail = format!("this is for {needed}, not for {}", person.role);
    Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
}

fn borne(parts: &Parts, tokens: &Tokens, guests: Option<&Guests>) -> Result<Person, Problem> {
    let unauthenticated =
        |detail: String| Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail);
    let given = parts.headers.get(AUTHORIZATION).and_then(|given| given.to_str().ok());
    let token = given.and_then(|given| {
        let (scheme, token) = given.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token)
    });
    let token = token.ok_or_else(|| unauthenticated("Authorization: Bearer …".to_owned()))?;
    // First whom we know ourselves: what the issuer's keys do not fit has them asked for again.
    if let Some(guest) = guests.and_then(|guests| guests.person(token)) {
        return Ok(guest);
    }
    tokens.person(token).map_err(|disbelief| unauthenticated(disbelief.to_string()))
}

fn named(parts: &Parts) -> Result<Person, Problem> {
    let header = |name| parts.headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let unfit = "X-Customer-Id: letters, digits, - and _, at most 128";
    let id = CustomerId::parse(header("x-customer-id").unwrap_or(DEMO_CUSTOMER))
        .map_err(|_| Problem::malformed(unfit))?;
    let role = Role::parse(header("x-role").unwrap_or(Role::Customer.as_str())).map_err(|_| {
        Problem::malformed("X-Role: guest, customer, gate, staff, admin or partner")
    })?;
    Ok(Person { id, role })
}

/// A web page of elsewhere can make a browser call loopback under a name of its own (DNS
/// rebinding); such a call bears that name. It has no token.
pub(crate) async fn loopback_names_only(
    State(trust): State<Trust>,
    request: Request,
    next: Next,
) -> Response {
    if matches!(trust, Trust::Tokens { .. }) || names_loopback(request.headers()) {
        return next.run(request).await;
    }
    let detail = "without tokens this server answers to loopback names only";
    Problem::new(StatusCode::FORBIDDEN, "forbidden", detail).into_response()
}

fn names_loopback(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else { return true };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_pass() {
        for (host, passes) in [
            ("localhost:8088", true),
            ("127.0.0.1:8088", true),
            ("[::1]:8088", true),
            ("localhost", true),
            ("evil.example:8088", false),
            ("127.0.0.1.evil.example", false),
            ("10.0.0.1:8088", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            assert_eq!(names_loopback(&headers), passes, "{host}");
        }
    }
}
