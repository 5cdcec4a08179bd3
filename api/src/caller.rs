//! Who calls. There are no tokens yet: the server listens on loopback only, and a caller acts as
//! one demo customer or as the one named by `X-Customer-Id`, in the role named by `X-Role`.
//!
//! A handler says by its extractor what it needs; [`Role::may_act_as`] says who has it.

use crate::problem::Problem;
use axum::extract::{FromRequestParts, Request};
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::ids::CustomerId;
use domain::person::Person;
use domain::words::Role;

const DEMO_CUSTOMER: &str = "demo";

/// The customer that a request acts as, whatever the role: what is a customer's own.
pub(crate) struct Caller(pub(crate) CustomerId);

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
        impl<S: Sync> FromRequestParts<S> for $role {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
                who(parts, Role::$role).map($of)
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

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(who(parts, Role::Customer)?.id))
    }
}

impl<S: Sync> FromRequestParts<S> for Anyone {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        who(parts, Role::Customer).map(Self)
    }
}

fn who(parts: &Parts, needed: Role) -> Result<Person, Problem> {
    let header = |name| parts.headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let unfit = "X-Customer-Id: letters, digits, - and _, at most 128";
    let id = CustomerId::parse(header("x-customer-id").unwrap_or(DEMO_CUSTOMER))
        .map_err(|_| Problem::malformed(unfit))?;
    let role = Role::parse(header("x-role").unwrap_or(Role::Customer.as_str()))
        .map_err(|_| Problem::malformed("X-Role: customer, gate, staff, admin or partner"))?;
    if role.may_act_as(needed) {
        return Ok(Person { id, role });
    }
    let detail = format!("this is for {needed}, not for {role}");
    Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
}

/// A web page of elsewhere can make a browser call loopback under a name of its own (DNS
/// rebinding); such a call bears that name.
pub(crate) async fn loopback_names_only(request: Request, next: Next) -> Response {
    if names_loopback(request.headers()) {
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
