//! Who may do what: every route of the API, by every role, on one's own and on others' things. The
//! routes are those of the router itself, so a new one without a rule fails.

use crate::app::{App, Customer, id, text, until};
use crate::openapi::description;
use crate::tokens::Issuer;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Who is let in; everybody else hears 401 without a token, and 403 with one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rule {
    Public,
    /// Whoever is known, and whoever is not; a guest has what guests have.
    Booking,
    /// Whoever is known, for what is theirs.
    Known,
    /// The customer and staff; to others it is not there.
    Own,
    /// The customer alone; to others it is not there.
    Mine,
    Gate,
    Staff,
    Partner,
    /// The partner alone; to another one it is not there.
    Theirs,
}

use Rule::{Booking, Gate, Known, Mine, Own, Partner, Public, Staff, Theirs};

const RULES: &[(&str, &str, Rule)] = &[
    ("GET", "/movies", Public),
    ("GET", "/movies/{id}", Public),
    ("GET", "/theaters", Public),
    ("GET", "/theaters/{id}", Public),
    ("GET", "/theaters/{id}/auditoriums", Public),
    ("GET", "/showtimes", Public),
    ("GET", "/showtimes/{id}", Public),
    ("GET", "/showtimes/{id}/seatmap", Public),
    ("GET", "/showtimes/{id}/seatmap/events", Public),
    ("GET", "/showtimes/{id}/best-seats", Public),
    ("GET", "/livez", Public),
    ("GET", "/readyz", Public),
    // Believed by its signature, whoever brings it.
    ("POST", "/gateway/{company}/callbacks", Public),
    // There in the test profile only.
    ("GET", "/admin/faults", Public),
    ("PUT", "/admin/faults/ticket", Public),
    ("GET", "/admin/invariants", Public),
    ("POST", "/reservations", Booking),
    ("GET", "/reservations", Known),
    ("GET", "/payments", Known),
    ("GET", "/mypage", Known),
    ("GET", "/mypage/events", Known),
    ("GET", "/notifications", Known),
    ("GET", "/reservations/{id}", Own),
    ("GET", "/reservations/{id}/payments", Own),
    ("GET", "/reservations/{id}/progress", Own),
    ("GET", "/reservations/{id}/tickets", Own),
    ("GET", "/reservations/{id}/timeline", Own),
    ("GET", "/reservations/{id}/events", Own),
    ("GET", "/payments/{id}", Own),
    ("GET", "/tickets/{code}", Own),
    ("GET", "/reservations/{id}/cancellation-quote", Own),
    ("GET", "/mypage/{id}", Mine),
    ("POST", "/reservations/{id}/payments", Mine),
    ("PUT", "/reservations/{id}/seats", Mine),
    ("POST", "/notifications/{id}/copies", Mine),
    ("POST", "/tickets/{code}/check-ins", Gate),
    ("POST", "/check-ins", Gate),
    ("GET", "/events", Partner),
    ("GET", "/webhook-endpoints", Partner),
    ("POST", "/webhook-endpoints", Partner),
    ("GET", "/webhook-endpoints/{id}", Theirs),
    ("PUT", "/webhook-endpoints/{id}", Theirs),
    ("GET", "/webhook-endpoints/{id}/deliveries", Theirs),
    ("POST", "/webhook-endpoints/{id}/secret-rotations", Theirs),
    ("POST", "/webhook-endpoints/{id}/replays", Theirs),
    ("DELETE", "/webhook-endpoints/{id}", Theirs),
    ("GET", "/admin/attention", Staff),
    ("GET", "/admin/audit", Staff),
    ("POST", "/admin/reservations/{id}/nudge", Staff),
    ("POST", "/admin/cancellations/{id}/refund-account", Staff),
    ("POST", "/admin/cancellations/{id}/outside-refund", Staff),
    ("POST", "/admin/customers/{id}/erasure", Staff),
    ("POST", "/admin/gateway-calls/{key}/settlement", Staff),
    ("POST", "/admin/showtimes/{id}/cancellation", Staff),
    ("GET", "/admin/showtimes/{id}/cancellation", Staff),
    ("PATCH", "/admin/showtimes/{id}/seats", Staff),
    ("GET", "/admin/showtimes", Staff),
    ("POST", "/admin/showtimes", Staff),
    ("POST", "/admin/movies", Staff),
    ("PATCH", "/admin/movies/{id}", Staff),
    ("GET", "/admin/reservations/{id}/history", Staff),
    ("POST", "/admin/lookups", Staff),
    // Last: after them nothing is as it was.
    ("POST", "/reservations/{id}/cancellation", Own),
    ("GET", "/reservations/{id}/cancellation", Own),
];

const CALLERS: [&str; 8] =
    ["nobody", "guest", "owner", "other", "gate", "staff", "admin", "partner"];

/// What a caller hears who is not let in; nothing where they are.
fn refusal(rule: Rule, caller: &str) -> Option<u16> {
    let (known, let_in, otherwise) = match rule {
        Public => return None,
        Booking => (false, caller != "guest", 403),
        Known => (true, true, 403),
        Own => (true, ["owner", "staff", "admin"].contains(&caller), 404),
        Mine => (true, caller == "owner", 404),
        Gate => (true, ["gate", "staff", "admin"].contains(&caller), 403),
        Staff => (true, ["staff", "admin"].contains(&caller), 403),
        Partner => (true, ["partner", "admin"].contains(&caller), 403),
        Theirs if caller == "admin" => (true, false, 404),
        Theirs => (true, caller == "partner", 403),
    };
    match (known, caller) {
        (true, "nobody") => Some(401),
        _ => (!let_in).then_some(otherwise),
    }
}

/// The role that an operation is described to need; nothing: anybody may.
fn described_role(operation: &Value) -> Option<&str> {
    let needs =
        operation["security"].as_array()?.iter().find_map(|way| way["bearer"].as_array())?;
    needs[0].as_str()
}

/// One registration makes a route and its description, so that none is missing here.
#[test]
fn every_route_has_a_rule() {
    let mut routes = BTreeSet::new();
    for (path, item) in description()["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let needs = described_role(operation).map(str::to_owned);
            routes.insert((method.to_uppercase(), path.clone(), needs));
        }
    }
    let needs = |rule: &Rule, path: &str| match rule {
        Public if path.starts_with("/showtimes/{id}/seatmap") => Some("customer".to_owned()),
        Public => None,
        Booking | Known | Own | Mine => Some("customer".to_owned()),
        Gate => Some("gate".to_owned()),
        Staff => Some("staff".to_owned()),
        Partner | Theirs => Some("partner".to_owned()),
    };
    let ruled: BTreeSet<(String, String, Option<String>)> = RULES
        .iter()
        .map(|(method, path, rule)| ((*method).to_owned(), (*path).to_owned(), needs(rule, path)))
        .collect();
    assert!(routes.len() > 40, "{routes:?}");
    assert_eq!(routes.symmetric_difference(&ruled).collect::<Vec<_>>(), Vec::<&_>::new());
}

/// What the rows are about.
struct Things {
    booking: Value,
    notice: String,
    endpoint: String,
}

impl Things {
    /// A path of the table, with real things of the owner's and of the partner's in it.
    fn path(&self, template: &str) -> String {
        let booking = id(&self.booking);
        let show = text(&self.booking["showtimeId"]);
        let own = match template.split('/').nth(1).unwrap_or_default() {
            "reservations" | "mypage" => booking.to_owned(),
            "payments" => format!("{booking}-1"),
            "tickets" => text(&self.booking["tickets"][0]["code"]).to_owned(),
            "notifications" => self.notice.clone(),
            "webhook-endpoints" => self.endpoint.clone(),
            "showtimes" => show.to_owned(),
            "gateway" => "house".to_owned(),
            _ => "nothing".to_owned(),
        };
        let mut path = template.to_owned();
        for name in ["{id}", "{code}", "{key}", "{company}"] {
            path = path.replace(name, &own);
        }
        match template {
            "/showtimes/{id}/best-seats" => format!("{path}?partySize=1&grade=STANDARD"),
            // A stream is let go at once; who may not have it hears so before.
            _ => path,
        }
    }

    fn body(&self, method: &str, template: &str) -> Option<Value> {
        match (method, template) {
            ("GET" | "DELETE", _) => None,
            (_, "/reservations/{id}/payments") => {
                Some(json!({"method": "CARD", "amount": self.booking["amount"]}))
            }
            (_, "/reservations/{id}/seats") => {
                Some(json!({"seatIds": [self.booking["seats"][0]["seatId"]]}))
            }
            (_, "/reservations/{id}/cancellation") => Some(json!({"reason": "CUSTOMER_REQUEST"})),
            (_, "/webhook-endpoints" | "/webhook-endpoints/{id}") => {
                Some(json!({"url": "https://partner.example/again", "eventTypes": []}))
            }
            (_, "/webhook-endpoints/{id}/replays") => Some(json!({"after": 0})),
            _ => Some(json!({})),
        }
    }
}

async fn answered(caller: &Customer, method: &str, path: &str, body: Option<Value>) -> u16 {
    let request = caller.request(method, path);
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    // Only the head: a stream has no end.
    request.send().await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn each_role_may_do_its_own_and_nothing_else() {
    let issuer = Issuer::new();
    let app = App::start(&["--auth-keys", &issuer.path("issuer.json")]).await;
    let show = app.customer("nobody").showtime().await;
    let guest = app.customer("nobody").reserve_at(&show, 1).await.expect(201);
    let as_who = |name: &str| match name {
        "nobody" => app.customer("nobody"),
        "guest" => app.customer(name).with_token(text(&guest["guestToken"])),
        "owner" | "other" => app.customer(name).with_token(&issuer.token(name, "customer")),
        role => app.customer(role).with_token(&issuer.token(role, role)),
    };
    let (owner, partner) = (as_who("owner"), as_who("partner"));
    let booking = owner.ticketed(1).await;
    let notices = async || owner.get("/notifications").await.expect(200)["items"].clone();
    until("a notice", async || notices().await.as_array().is_some_and(|all| !all.is_empty())).await;
    let wanted = json!({"url": "https://partner.example/hook", "eventTypes": []});
    let endpoint = partner.post("/webhook-endpoints", wanted).await.expect(201);
    let things = Things {
        booking,
        notice: text(&notices().await[0]["id"]).to_owned(),
        endpoint: id(&endpoint).to_owned(),
    };
    let mut wrong = Vec::new();
    for (method, template, rule) in RULES {
        // Who may not comes first; then nothing has happened yet that others could be told of.
        let mut callers = CALLERS;
        callers.sort_by_key(|caller| refusal(*rule, caller).is_none());
        for caller in callers {
            let (path, body) = (things.path(template), things.body(method, template));
            let status = answered(&as_who(caller), method, &path, body).await;
            let fits = match refusal(*rule, caller) {
                Some(expected) => status == expected,
                None if matches!(rule, Own | Mine | Theirs) => {
                    ![401, 403, 404].contains(&status) && status < 500
                }
                None => {
                    ![403].contains(&status) && (status != 401 || *rule == Public) && status < 500
                }
            };
            if !fits {
                wrong.push(format!("{method} {template} {rule:?}: {caller} hears {status}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
