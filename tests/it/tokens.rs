//! With keys a caller is who their token says, and nobody else; and the API may listen anywhere.

use crate::app::{App, Customer, MARQUEE, id, text, until};
use crate::repository::marquee;
use axum::Router;
use axum::routing::get;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// An issuer of the test's own.
pub(crate) struct Issuer(TempDir);

impl Issuer {
    pub(crate) fn new() -> Self {
        let issuer = Self(tempfile::tempdir().expect("a temporary folder"));
        issuer.run(&["keys", "--into", &issuer.path("")]);
        issuer
    }

    pub(crate) fn path(&self, file: &str) -> String {
        self.0.path().join(file).display().to_string()
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new(MARQUEE).args(arguments).output().expect("marquee runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("a text").trim().to_owned()
    }

    pub(crate) fn token(&self, subject: &str, role: &str) -> String {
        let key = self.path("issuer.pem");
        self.run(&["token", "--key", &key, "--subject", subject, "--role", role])
    }

    /// A token that says this, signed by its key.
    fn signs(&self, claims: &Value) -> String {
        let pem = std::fs::read(Path::new(&self.path("issuer.pem"))).expect("a key");
        let key = EncodingKey::from_ec_pem(&pem).expect("a key");
        encode(&Header::new(Algorithm::ES256), claims, &key).expect("a token")
    }
}

/// What a good token of a customer says, but for these members.
fn claims(other: Value) -> Value {
    let mut claims = json!({
        "iss": "marquee", "aud": "marquee", "sub": "customer", "role": "customer",
        "exp": get_current_timestamp() + 60,
    });
    for (name, value) in other.as_object().expect("members") {
        claims[name] = value.clone();
    }
    claims
}

async fn tells_everybody(app: &App, path: &str) {
    app.customer("nobody").get(path).await.expect(200);
}

async fn is_refused(customer: &Customer, what: &str) {
    for path in ["/mypage", "/reservations", "/admin/attention", "/events"] {
        let answer = customer.get(path).await;
        assert_eq!(answer.header("www-authenticate"), "Bearer", "{what}: {path}");
        assert_eq!(answer.expect(401)["code"], "unauthenticated", "{what}: {path}");
    }
}

#[tokio::test]
async fn a_caller_is_who_their_token_says() {
    let issuer = Issuer::new();
    // Anywhere, here on all addresses.
    let flags = ["--auth-keys", &issuer.path("issuer.json"), "--listen", "0.0.0.0:0"];
    let app = App::start(&flags).await;
    let bearer = |token: &str| app.customer("ignored").with_token(token);

    let customer = bearer(&issuer.token("somebody", "customer"));
    let ticketed = customer.ticketed(1).await;
    assert_eq!(ticketed["customerId"], "somebody");
    // A role or a name that is only said counts for nothing.
    customer.as_role("admin").get("/admin/attention").await.expect(403);
    let other = bearer(&issuer.token("other", "customer"));
    let path = format!("/reservations/{}", id(&ticketed));
    other.get(&path).await.expect(404);
    let staff = bearer(&issuer.token("boss", "staff"));
    staff.get(&path).await.expect(200);
    staff.get("/events").await.expect(403);
    bearer(&issuer.token("acme", "partner")).get("/events?limit=1").await.expect(200);

    // What hangs on the door.
    let show = ticketed["showtimeId"].as_str().expect("an id");
    for path in ["/movies", "/theaters", "/showtimes?limit=1", "/readyz", &seat_map(show)] {
        tells_everybody(&app, path).await;
    }
    let mine = customer.get(&seat_map(show)).await.expect(200).to_string();
    assert!(mine.contains("MINE"));
    is_refused(&app.customer("nobody"), "no token").await;
    let named = app.customer("x").request("GET", "/movies").header("host", "cinema.example:80");
    app.customer("x").send(named).await.expect(200);

    refuses_what_others_sign(&app, &issuer).await;
    // Whatever an issuer calls its people; and an address is not kept.
    let odd =
        bearer(&issuer.signs(&claims(json!({"sub": "kakao|hong@example.com", "role": null}))));
    let reserved = odd.reserve(1).await;
    assert!(reserved["customerId"].as_str().expect("an id").starts_with("sub-"));
    assert_eq!(odd.get("/mypage").await.expect(200)["items"][0]["reservationId"], reserved["id"]);
}

fn seat_map(showtime: &str) -> String {
    format!("/showtimes/{showtime}/seatmap")
}

async fn refuses_what_others_sign(app: &App, issuer: &Issuer) {
    let now = get_current_timestamp();
    let without = |name: &str| {
        let mut all = claims(json!({}));
        all.as_object_mut().expect("members").remove(name);
        issuer.signs(&all)
    };
    let good = issuer.signs(&claims(json!({})));
    app.customer("x").with_token(&good).get("/mypage").await.expect(200);
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let unsigned = encode(&Header::default(), &claims(json!({})), &EncodingKey::from_secret(b"x"));
    let unsigned = unsigned.expect("a token");
    let public = std::fs::read(issuer.path("issuer.json")).expect("the public key");
    let by_public = EncodingKey::from_secret(&public);
    let confused = encode(&Header::default(), &claims(json!({})), &by_public).expect("a token");
    for (what, token) in [
        ("nothing", String::new()),
        ("no token", "abc".to_owned()),
        ("another issuer's key", Issuer::new().signs(&claims(json!({})))),
        ("another issuer", issuer.signs(&claims(json!({"iss": "elsewhere"})))),
        ("for others", issuer.signs(&claims(json!({"aud": "elsewhere"})))),
        ("expired", issuer.signs(&claims(json!({"exp": now - 60})))),
        ("not yet", issuer.signs(&claims(json!({"nbf": now + 600})))),
        ("for ever", without("exp")),
        ("for nobody", without("aud")),
        ("by nobody", without("iss")),
        ("nobody's", without("sub")),
        ("of no role we know", issuer.signs(&claims(json!({"role": "king"})))),
        ("signed with a secret", unsigned),
        ("signed with the public key", confused),
        // {"alg":"none"}
        ("not signed", format!("eyJhbGciOiJub25lIn0.{payload}.")),
        ("its signature cut", format!("{header}.{payload}.{}", &signature[1..])),
        ("twice", format!("{good} {good}")),
    ] {
        is_refused(&app.customer("x").with_token(&token), what).await;
    }
    let basic = app.customer("x").request("GET", "/mypage").header("authorization", "Basic eDp5");
    app.customer("x").send(basic).await.expect(401);
}

#[test]
fn keys_that_are_none_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("keys.json");
    let octets = r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#;
    for (text, says) in [
        (None, "--auth-keys"),
        (Some("{}"), "not a JSON Web Key Set"),
        (Some(r#"{"keys":[]}"#), "no key in it"),
        (Some(octets), "none of Ed25519, P-256 and RSA"),
    ] {
        if let Some(text) = text {
            std::fs::write(&file, text).expect("a file");
        }
        let mut command = Command::new(MARQUEE);
        command.args(["up", "--listen", "0.0.0.0:0", "--data-dir"]).arg(folder.path());
        let output = command.arg("--auth-keys").arg(&file).output().expect("marquee runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(says), "{text:?}: {said}");
    }
}

#[tokio::test]
async fn keys_are_fetched_where_they_are_published() {
    let (issuer, next) = (Issuer::new(), Issuer::new());
    let keys_of = |issuer: &Issuer| std::fs::read_to_string(issuer.path("issuer.json"));
    let (publish, keys) = watch::channel(keys_of(&issuer).expect("keys"));
    let keys = move || std::future::ready(keys.borrow().clone());
    let published = Router::new().route("/keys", get(keys));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let at = listener.local_addr().expect("an address");
    let publisher = tokio::spawn(async move { axum::serve(listener, published).await });
    let app = App::start(&["--auth-keys", &format!("http://{at}/keys")]).await;
    let known = app.customer("ann").with_token(&issuer.token("ann", "customer"));
    known.get("/mypage").await.expect(200);
    // The issuer signs with another key from now on.
    let later = app.customer("ann").with_token(&next.token("ann", "customer"));
    later.get("/mypage").await.expect(401);
    publish.send_replace(keys_of(&next).expect("keys"));
    until("the new key", async || later.get("/mypage").await.status == 200).await;
    known.get("/mypage").await.expect(401);
    // Whoever is known goes on being known.
    publisher.abort();
    later.get("/mypage").await.expect(200);
    for place in [format!("http://{at}/keys"), "http://issuer.example/keys".to_owned()] {
        let folder = issuer.path("data");
        let (began, said) = marquee(&["up", "--data-dir", &folder, "--auth-keys", &place], &[]);
        assert!(!began && said.contains(&format!("--auth-keys {place}")), "{said}");
    }
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_ask_again() {
    let issuer = Issuer::new();
    let keys = issuer.path("issuer.json");
    let app = App::start(&["--auth-keys", &keys, "--rate-limit", "1"]).await;
    let of = |name: &str| app.customer(name).with_token(&issuer.token(name, "customer"));
    let (eager, calm) = (of("eager"), of("calm"));
    for left in (0..4).rev() {
        let answer = eager.get("/mypage").await;
        assert_eq!(answer.header("ratelimit-policy"), "\"person\";q=4;w=4");
        assert_eq!(answer.header("ratelimit"), format!("\"person\";r={left}"));
        answer.expect(200);
    }
    let refused = eager.get("/mypage").await;
    assert_eq!(
        (refused.header("ratelimit"), refused.header("retry-after")),
        ("\"person\";r=0", "1")
    );
    assert_eq!(refused.expect(429)["code"], "rate-limited");
    // Others have a bucket of their own, and it fills again.
    calm.get("/mypage").await.expect(200);
    until("a place", async || eager.get("/mypage").await.status == 200).await;
}

#[tokio::test]
async fn strangers_are_told_apart_by_address() {
    let issuer = Issuer::new();
    let keys = issuer.path("issuer.json");
    let app = App::start(&["--auth-keys", &keys, "--strangers-limit", "4", "--proxies", "1"]).await;
    let nobody = app.customer("nobody");
    let show = nobody.showtime().await;
    let wish = json!({"showtimeId": show["id"], "grade": "STANDARD",
        "admissions": [{"type": "ADULT", "count": 1}]});
    let from = async |forwarded: &str| {
        let request = nobody.request("POST", "/reservations").json(&wish);
        nobody.send(request.header("X-Forwarded-For", forwarded)).await
    };
    // The pages, each time with a new name: the same people.
    let visit = async |forwarded: &str| {
        let path = format!("{}/shows/{}", app.api, id(&show));
        let form = "grade=STANDARD&STANDARD-ADULT=1&name=a&phone=010-1234-5678&key=";
        let request = nobody.http.post(path).header("X-Forwarded-For", forwarded);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        let answer = request.body(form).send().await.expect("an answer");
        answer.status().as_u16()
    };
    for n in 0..4 {
        // Whatever they say of themselves stands before what the proxy says.
        from(&format!("10.0.0.{n}, 203.0.113.7")).await.expect(201);
    }
    let refused = from("203.0.113.7").await;
    assert_eq!(refused.header("ratelimit-policy"), "\"address\";q=4;w=60");
    assert_eq!(refused.header("ratelimit"), "\"address\";r=0");
    assert_eq!(refused.expect(429)["code"], "rate-limited");
    assert_eq!(visit("203.0.113.7").await, 429);
    from("203.0.113.8").await.expect(201);
    until("a place", async || from("203.0.113.7").await.status == 201).await;
}

#[tokio::test]
async fn a_guest_has_one_reservation_and_nothing_else() {
    let issuer = Issuer::new();
    let app = App::start(&["--auth-keys", &issuer.path("issuer.json")]).await;
    let nobody = app.customer("nobody");
    let show = nobody.showtime().await;
    let [mine, other] = [
        nobody.reserve_at(&show, 1).await.expect(201),
        nobody.reserve_at(&show, 1).await.expect(201),
    ];
    assert_ne!(mine["customerId"], other["customerId"]);
    let guest = app.customer("guest").with_token(text(&mine["guestToken"]));
    // A repeat is answered as the first time, with the token; a key that anybody could think of is not.
    let wish = json!({"showtimeId": show["id"], "grade": "STANDARD",
        "admissions": [{"type": "ADULT", "count": 1}]});
    let key = "0123456789abcdef0123456789abcdef";
    let first = nobody.keyed("POST", "/reservations", &wish, key).await.expect(201);
    let repeat = nobody.keyed("POST", "/reservations", &wish, key).await;
    assert_eq!(repeat.header("idempotency-replayed"), "true");
    let repeat = repeat.expect(201);
    assert_eq!((&repeat["id"], repeat["guestToken"].is_string()), (&first["id"], true));
    nobody.keyed("POST", "/reservations", &wish, "1").await.expect(400);
    // The token is told once.
    let own = format!("/reservations/{}", id(&mine));
    assert_eq!(guest.get(&own).await.expect(200)["guestToken"], Value::Null);
    guest.get(&format!("/reservations/{}", id(&other))).await.expect(404);
    assert_eq!(guest.get("/mypage").await.expect(200)["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(guest.reserve_at(&show, 1).await.expect(403)["code"], "forbidden");
    for path in ["/admin/attention", "/events"] {
        guest.get(path).await.expect(403);
    }
    guest.finished(&mine).await;
    guest.cancel(&mine).await;
    guest.until(&mine, "CANCELLED").await;
    // What the pages' cookies are signed with makes no guest, nor does a token that was touched.
    let page = nobody.request("GET", "/").send().await.expect("a page");
    let cookie = page.headers()["set-cookie"].to_str().expect("a text");
    let cookie =
        cookie.trim_start_matches("marquee=").split(';').next().expect("a token").to_owned();
    for token in [cookie, format!("{}x", text(&mine["guestToken"]))] {
        app.customer("guest").with_token(&token).get(&own).await.expect(401);
    }
}
