//! Requests that cannot be served: each is refused with its own status and code, as a problem
//! document, and nothing is half done. `App`'s customers check the form of every problem.

mod headers;
mod lists;

use crate::app::{Answer, App, Customer, id, shared, text};
use serde_json::{Value, json};
use std::time::Duration;

/// Fails unless the answer is this problem.
#[track_caller]
fn refused(answer: Answer, status: u16, code: &str, what: &str) -> Value {
    assert_eq!(answer.status, status, "{what}: {:#}", answer.body);
    assert_eq!(answer.body["code"], code, "{what}: {:#}", answer.body);
    answer.body
}

/// Fails unless the problem names this place of the body. Where something is missing the place is
/// the missing member's, or its parent's with a message that names it.
#[track_caller]
fn names(problem: &Value, pointer: &str, what: &str) {
    let mistake = &problem["errors"][0];
    let (parent, member) = pointer.rsplit_once('/').expect("a pointer");
    let by_parent = mistake["pointer"] == parent
        && mistake["message"].as_str().is_some_and(|message| message.contains(member));
    assert!(mistake["pointer"] == pointer || by_parent, "{what}: not {pointer}: {problem:#}");
}

/// What a path may name that does not exist: plain, strange, huge.
fn unknown_ids() -> Vec<String> {
    let strange = ["nothing", "a%20b", "a%2Fb", "..%2F..%2Fetc", "%00", "%EC%82%AC", "x'--;", "*"];
    let mut ids: Vec<String> = strange.map(str::to_owned).into();
    ids.push("x".repeat(10_000));
    ids.push("00000000-0000-0000-0000-000000000000".to_owned());
    ids
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let customer = shared().await.somebody();
    let pay = json!({"method": "CARD", "amount": {"value": 14_000, "currency": "KRW"}});
    for unknown in unknown_ids() {
        for path in [
            "/movies/{}",
            "/theaters/{}",
            "/theaters/{}/auditoriums",
            "/showtimes/{}",
            "/showtimes/{}/seatmap",
            "/showtimes/{}/best-seats?partySize=1&grade=STANDARD",
            "/reservations/{}",
            "/reservations/{}/payments",
            "/reservations/{}/tickets",
            "/reservations/{}/timeline",
            "/reservations/{}/progress",
            "/reservations/{}/cancellation",
            "/payments/{}",
            "/payments?reservationId={}",
            "/tickets/{}",
            "/mypage/{}",
        ] {
            let path = path.replace("{}", &unknown);
            refused(customer.get(&path).await, 404, "not-found", &path);
        }
        for (method, path, body) in [
            ("POST", "/reservations/{}/payments", pay.clone()),
            ("PUT", "/reservations/{}/seats", json!({"seatIds": ["A1"]})),
            ("POST", "/reservations/{}/cancellation", json!({})),
        ] {
            let path = path.replace("{}", &unknown);
            let answer = customer.send(customer.request(method, &path).json(&body)).await;
            refused(answer, 404, "not-found", &path);
        }
    }
}

/// The bodies of a create that are refused: what is set in a good one, status, code, pointer.
fn bad_creates() -> Vec<(Value, u16, &'static str, &'static str)> {
    let party = |kind: Value, count: Value| json!({"admissions": [{"type": kind, "count": count}]});
    let adults = |count: Value| party(json!("ADULT"), count);
    let contact = |name: &str, phone: &str| json!({"contact": {"name": name, "phone": phone}});
    let two = json!({"admissions": [
        {"type": "ADULT", "count": u32::MAX}, {"type": "SENIOR", "count": u32::MAX},
    ]});
    vec![
        (json!({"showtimeId": null}), 400, "malformed", "/showtimeId"),
        (json!({"showtimeId": 7}), 400, "malformed", "/showtimeId"),
        (json!({"showtimeId": "nothing"}), 404, "not-found", ""),
        (json!({"showtimeId": "x".repeat(10_000)}), 404, "not-found", ""),
        (json!({"showtimeId": "a b"}), 404, "not-found", ""),
        (json!({"movieName": "사탄의인형3"}), 400, "malformed", "/movieName"),
        (json!({"grade": null}), 400, "malformed", "/grade"),
        (json!({"grade": "GOLD"}), 400, "malformed", "/grade"),
        (json!({"grade": "standard"}), 400, "malformed", "/grade"),
        (json!({"grade": 1}), 400, "malformed", "/grade"),
        (json!({"admissions": null}), 400, "malformed", "/admissions"),
        (json!({"admissions": []}), 422, "party-size", ""),
        (json!({"admissions": "ADULT"}), 400, "malformed", "/admissions"),
        (json!({"admissions": [7]}), 400, "malformed", "/admissions/0"),
        (json!({"admissions": [{"type": "ADULT"}]}), 400, "malformed", "/admissions/0/count"),
        (json!({"admissions": [{"count": 1}]}), 400, "malformed", "/admissions/0/type"),
        (party(json!("BABY"), json!(1)), 400, "malformed", "/admissions/0/type"),
        (party(json!(null), json!(1)), 400, "malformed", "/admissions/0/type"),
        (adults(json!(0)), 422, "party-size", ""),
        (adults(json!(-1)), 400, "malformed", "/admissions/0/count"),
        (adults(json!(1.5)), 400, "malformed", "/admissions/0/count"),
        (adults(json!("1")), 400, "malformed", "/admissions/0/count"),
        (adults(json!(4_294_967_296_u64)), 400, "malformed", "/admissions/0/count"),
        (adults(json!(1e300)), 400, "malformed", "/admissions/0/count"),
        (adults(json!(u32::MAX)), 422, "party-size", ""),
        (two, 422, "party-size", ""),
        (adults(json!(9)), 422, "party-size", ""),
        (party(json!("WHEELCHAIR"), json!(1)), 422, "accessible-seat-only", ""),
        (json!({"grade": "ACCESSIBLE"}), 422, "accessible-seat-only", ""),
        (json!({"contact": "홍길동"}), 400, "malformed", "/contact"),
        (json!({"contact": {"name": 7}}), 400, "malformed", "/contact/name"),
        (contact("", "010"), 400, "malformed", "/contact/name"),
        (contact("   ", "010"), 400, "malformed", "/contact/name"),
        (contact("a\0b", "010"), 400, "malformed", "/contact/name"),
        (contact("a\nb", "010"), 400, "malformed", "/contact/name"),
        (contact(&"가".repeat(1_000), "010"), 400, "malformed", "/contact/name"),
        (contact("홍길동", "call me"), 400, "malformed", "/contact/phone"),
        (contact("홍길동", &"1".repeat(100)), 400, "malformed", "/contact/phone"),
        (json!({"plan": true}), 400, "malformed", "/plan"),
        (json!({"plan": {"method": "CARD"}}), 400, "malformed", "/plan/seats"),
        (json!({"plan": {"seats": "best"}}), 400, "malformed", "/plan/method"),
        (json!({"plan": {"method": "GOLD", "seats": "best"}}), 400, "malformed", "/plan/method"),
        (json!({"plan": {"method": "CARD", "seats": "worst"}}), 400, "malformed", "/plan/seats"),
    ]
}

fn good_create(showtime: &Value) -> Value {
    json!({
        "showtimeId": showtime["id"], "grade": "STANDARD",
        "admissions": [{"type": "ADULT", "count": 2}],
        "contact": {"name": "홍길동", "phone": "010-1234-5678"},
        "somethingOfTomorrow": {"is": "ignored"},
    })
}

#[tokio::test]
async fn a_bad_create_is_refused_and_takes_no_place() {
    let customer = shared().await.somebody();
    let showtime = customer.own_showtime().await;
    let before = customer.remaining(&showtime, "STANDARD").await;
    for (change, status, code, pointer) in bad_creates() {
        let mut body = good_create(&showtime);
        for (member, value) in change.as_object().expect("members") {
            body[member] = value.clone();
        }
        let what = change.to_string();
        let problem = refused(customer.post("/reservations", body).await, status, code, &what);
        if !pointer.is_empty() {
            names(&problem, pointer, &what);
        }
    }
    let mine = customer.get("/reservations").await.expect(200);
    assert_eq!(mine["items"], json!([]));
    assert_eq!(customer.remaining(&showtime, "STANDARD").await, before);

    let booked = customer.post("/reservations", good_create(&showtime)).await.expect(201);
    assert_eq!(booked["status"], "RESERVED");
    assert_eq!(customer.remaining(&showtime, "STANDARD").await, before - 2);
}

#[tokio::test]
async fn a_bad_call_of_the_reports_form_is_refused() {
    let customer = shared().await.somebody();
    for (body, status, code) in [
        (json!({"movieName": "없는 영화"}), 404, "not-found"),
        (json!({"movieName": ""}), 400, "malformed"),
        (json!({"movieName": "a\0b"}), 400, "malformed"),
        (json!({"movieName": "x".repeat(5_000)}), 400, "malformed"),
        (json!({"movieName": ["사탄의인형3"]}), 400, "malformed"),
        (json!({"movieName": "사탄의인형3", "customerName": "x".repeat(5_000)}), 400, "malformed"),
        (json!({"movieName": "사탄의인형3", "customerName": 7}), 400, "malformed"),
        (json!({"customerName": "홍길동"}), 400, "malformed"),
        (json!({}), 400, "malformed"),
        (json!([]), 400, "malformed"),
        (json!(null), 400, "malformed"),
        (json!("사탄의인형3"), 400, "malformed"),
    ] {
        let what = body.to_string();
        refused(customer.post("/reservations", body).await, status, code, &what);
    }
    assert_eq!(customer.get("/reservations").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn a_bad_payment_is_refused_and_takes_no_money() {
    let customer = shared().await.somebody();
    let reservation = customer.reserve(2).await;
    let path = format!("/reservations/{}/payments", id(&reservation));
    let due = reservation["amount"]["value"].as_i64().expect("an amount");
    let won = |value: Value| json!({"amount": {"value": value, "currency": "KRW"}});
    for (change, status, code, pointer) in [
        (json!({"method": null}), 400, "malformed", "/method"),
        (json!({"method": "SEASHELLS"}), 400, "malformed", "/method"),
        (json!({"amount": null}), 400, "malformed", "/amount"),
        (json!({"amount": due}), 400, "malformed", "/amount"),
        (json!({"amount": {"value": due}}), 400, "malformed", "/amount/currency"),
        (json!({"amount": {"currency": "KRW"}}), 400, "malformed", "/amount/value"),
        (won(json!(-1)), 400, "malformed", "/amount/value"),
        (won(json!(due as f64 + 0.5)), 400, "malformed", "/amount/value"),
        (won(json!(due.to_string())), 400, "malformed", "/amount/value"),
        (won(json!(i64::MAX)), 400, "malformed", "/amount/value"),
        (won(json!(u64::MAX)), 400, "malformed", "/amount/value"),
        (won(json!(1e300)), 400, "malformed", "/amount/value"),
        (won(json!(0)), 422, "amount-mismatch", ""),
        (won(json!(due - 1)), 422, "amount-mismatch", ""),
        (won(json!(due + 1)), 422, "amount-mismatch", ""),
        (
            json!({"amount": {"value": due, "currency": "USD"}}),
            400,
            "malformed",
            "/amount/currency",
        ),
        (json!({"authorization": 7}), 400, "malformed", "/authorization"),
        (json!({"authorization": "x".repeat(5_000)}), 400, "malformed", "/authorization"),
    ] {
        let mut body = json!({"method": "CARD", "amount": reservation["amount"]});
        for (member, value) in change.as_object().expect("members") {
            body[member] = value.clone();
        }
        let what = change.to_string();
        let problem = refused(customer.post(&path, body).await, status, code, &what);
        if !pointer.is_empty() {
            names(&problem, pointer, &what);
        }
    }
    names(&customer.post(&path, json!({})).await.expect(400), "/method", "{}");
    assert_eq!(customer.timeline(&reservation).await, ["Reserved"]);
    assert_eq!(customer.ledger(&reservation).await, [""; 0]);
    customer.pay(&reservation).await.expect(201);
}

#[tokio::test]
async fn bad_seats_are_refused_and_none_is_taken() {
    let customer = shared().await.somebody();
    let reservation = customer.approved(2).await;
    let path = format!("/reservations/{}/seats", id(&reservation));
    let map = customer.seats_of(text(&reservation["showtimeId"])).await;
    let of_grade = |grade: &str| {
        let seats = map.iter().filter(|seat| seat["grade"] == grade);
        seats.map(|seat| seat["id"].clone()).collect::<Vec<_>>()
    };
    let (fit, prime) = (of_grade("STANDARD"), of_grade("PRIME"));
    for (seats, status, code) in [
        (json!(["nothing", "nobody"]), 404, "not-found"),
        (json!([fit[0], "nothing"]), 404, "not-found"),
        (json!([]), 422, "seat-count"),
        (json!([fit[0]]), 422, "seat-count"),
        (json!([fit[0], fit[0]]), 422, "seat-count"),
        (json!(fit[..3]), 422, "seat-count"),
        (json!(prime[..2]), 422, "wrong-grade"),
        (json!([fit[0], "a b"]), 400, "malformed"),
        (json!([fit[0], "x".repeat(10_000)]), 400, "malformed"),
        (json!([1, 2]), 400, "malformed"),
        (json!("A1"), 400, "malformed"),
        (json!(null), 400, "malformed"),
    ] {
        let what = seats.to_string();
        let answer = customer.put(&path, json!({"seatIds": seats})).await;
        refused(answer, status, code, &what);
    }
    names(&customer.put(&path, json!({})).await.expect(400), "/seatIds", "{}");
    assert_eq!(customer.seats_of(text(&reservation["showtimeId"])).await, map);
    customer.choose_seats(&reservation).await.expect(200);
}

#[tokio::test]
async fn a_command_in_the_wrong_state_says_what_is_possible() {
    let customer = shared().await.somebody();
    let reserved = customer.reserve(1).await;
    let early = customer.put_seats(&reserved, &json!(["A1"])).await;
    told(early, "RESERVED", &["pay", "cancel"]);
    refused(
        customer.get(&format!("/reservations/{}/cancellation", id(&reserved))).await,
        404,
        "not-found",
        "a cancellation of nothing",
    );

    customer.pay(&reserved).await.expect(201);
    told(customer.pay(&reserved).await, "PAYMENT_APPROVED", &["selectSeats", "cancel"]);
    customer.cancel(&reserved).await;
    customer.until(&reserved, "CANCELLED").await;
    told(customer.pay(&reserved).await, "CANCELLED", &[]);
    told(customer.put_seats(&reserved, &json!(["A1"])).await, "CANCELLED", &[]);

    let declined = customer.reserve(1).await;
    customer.fault(&declined, json!({"fault": "DECLINE"})).await;
    for _ in 0..3 {
        refused(customer.pay(&declined).await, 402, "payment-declined", "a declined card");
    }
    told(customer.pay(&declined).await, "EXPIRED", &[]);
    told(customer.cancel(&declined).await, "EXPIRED", &[]);
}

#[track_caller]
fn told(answer: Answer, status: &str, actions: &[&str]) {
    let problem = refused(answer, 409, "wrong-state", status);
    assert_eq!(problem["currentStatus"], status);
    assert_eq!(problem["allowedActions"], json!(actions));
}

#[tokio::test]
async fn a_ticket_of_a_cancelled_reservation_is_gone_and_somebody_elses_does_not_exist() {
    let system = shared().await;
    let (mine, other) = (system.somebody(), system.somebody());
    let ticketed = mine.ticketed(1).await;
    let ticket = format!("/tickets/{}", text(&ticketed["tickets"][0]["code"]));
    let payment = format!("/payments/{}", text(&ticketed["payment"]["id"]));
    let own = format!("/reservations/{}", id(&ticketed));
    let parts = ["", "/payments", "/tickets", "/timeline", "/progress", "/cancellation"];
    let mut paths: Vec<String> = parts.map(|part| format!("{own}{part}")).into();
    paths.extend([ticket.clone(), payment, format!("/mypage/{}", id(&ticketed))]);
    paths.push(format!("/payments?reservationId={}", id(&ticketed)));
    for path in paths {
        refused(other.get(&path).await, 404, "not-found", &path);
    }
    refused(other.pay(&ticketed).await, 404, "not-found", "pay");
    refused(other.put_seats(&ticketed, &json!(["A1"])).await, 404, "not-found", "seats");
    refused(other.cancel(&ticketed).await, 404, "not-found", "cancel");
    assert_eq!(mine.read(&ticketed).await["status"], "TICKETED");

    mine.cancel(&ticketed).await;
    mine.until(&ticketed, "CANCELLED").await;
    refused(mine.get(&ticket).await, 410, "ticket-cancelled", &ticket);
}

/// A body as it is.
async fn raw(customer: &Customer, kind: Option<&str>, body: impl Into<reqwest::Body>) -> Answer {
    let mut request = customer.request("POST", "/reservations").body(body);
    if let Some(kind) = kind {
        request = request.header("content-type", kind);
    }
    customer.send(request).await
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused() {
    let app = shared().await;
    let customer = app.somebody();
    let good = good_create(&customer.showtime().await).to_string();
    let json = Some("application/json");
    for body in ["", "{", "nonsense", "{\"showtimeId\":}", "{} {}", "\u{feff}{}", "[[[[[["] {
        refused(raw(&customer, json, body).await, 400, "malformed", body);
    }
    let deep = "[".repeat(8_000);
    refused(raw(&customer, json, deep).await, 400, "malformed", "deep");
    let not_utf8 = b"{\"movieName\":\"\xff\xfe\"}".to_vec();
    refused(raw(&customer, json, not_utf8).await, 400, "malformed", "not UTF-8");
    let unsupported = "unsupported-media-type";
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        refused(raw(&customer, Some(kind), good.clone()).await, 415, unsupported, kind);
    }
    refused(raw(&customer, None, good.clone()).await, 415, unsupported, "no content type");

    let padding = |bytes: usize| good.clone() + &" ".repeat(bytes - good.len());
    refused(raw(&customer, json, padding(16 * 1024 + 1)).await, 413, "too-large", "too large");
    refused(raw(&customer, json, padding(100 * 1024)).await, 413, "too-large", "huge");
    let utf8 = Some("application/json; charset=utf-8");
    raw(&customer, utf8, padding(16 * 1024)).await.expect(201);
    customer_can_book(app).await;
}

/// A refused body is read to its end, or the answer says that the connection closes: else the next
/// request on it is lost.
#[tokio::test]
async fn after_a_refused_body_the_next_request_is_answered() {
    let customer = shared().await.somebody();
    let (small, body) = (" ".repeat(300), " ".repeat(64 * 1024));
    for _ in 0..30 {
        raw(&customer, Some("text/plain"), small.clone()).await.expect(415);
        raw(&customer, Some("text/plain"), body.clone()).await.expect(413);
        customer.post("/movies", Value::Null).await.expect(405);
        raw(&customer, Some("application/json"), body.clone()).await.expect(413);
        customer.get("/movies").await.expect(200);
    }
}

/// After everything that was thrown at it the system books.
async fn customer_can_book(app: &App) {
    let began = std::time::Instant::now();
    app.somebody().ticketed(1).await;
    assert!(began.elapsed() < Duration::from_secs(20), "a booking took {:?}", began.elapsed());
}

#[tokio::test]
async fn a_fifth_unpaid_reservation_of_one_showtime_is_refused() {
    let app = shared().await;
    let customer = app.somebody();
    let show = customer.own_showtime().await;
    let mut kept = Vec::new();
    for _ in 0..4 {
        kept.push(customer.reserve_at(&show, 1).await.expect(201));
    }
    assert_eq!(customer.reserve_at(&show, 1).await.expect(409)["code"], "limit-exceeded");
    // Whoever tries the system out is held to nothing.
    let demo = app.customer("demo");
    for _ in 0..5 {
        demo.reserve_at(&show, 1).await.expect(201);
    }
    customer.pay(&kept[0]).await.expect(201);
    customer.reserve_at(&show, 1).await.expect(201);
}
