//! What staff may do, over HTTP: who is let in, and what is written down of it.

use crate::app::stream::Stream;
use crate::app::{App, Customer, id, shared, text, until};
use crate::tokens::Issuer;
use reqwest::redirect::Policy;
use serde_json::{Value, json};

#[tokio::test]
async fn an_unknown_role_is_a_mistake_anywhere() {
    let person = shared().await.somebody().as_role("king");
    for path in ["/reservations", "/mypage", "/admin/audit"] {
        assert_eq!(person.get(path).await.expect(400)["code"], "malformed", "{path}");
    }
}

#[tokio::test]
async fn staff_reads_and_cancels_anybodys_reservation() {
    let app = shared().await;
    let owner = app.somebody();
    let staff = app.somebody().as_role("staff");
    let ticketed = owner.ticketed(1).await;
    let own = format!("/reservations/{}", id(&ticketed));
    for path in [
        own.clone(),
        format!("{own}/payments"),
        format!("{own}/progress"),
        format!("{own}/tickets"),
        format!("{own}/timeline"),
        format!("/payments/{}", text(&ticketed["payment"]["id"])),
        format!("/payments?reservationId={}", id(&ticketed)),
        format!("/tickets/{}", text(&ticketed["tickets"][0]["code"])),
    ] {
        let seen = staff.get(&path).await.expect(200);
        let empty = seen["items"].as_array().is_some_and(Vec::is_empty);
        assert!(!empty, "{path} {seen}");
    }
    // Their own stays theirs.
    staff.pay(&ticketed).await.expect(404);
    for role in ["gate", "partner"] {
        owner.clone().named("other".to_owned()).as_role(role).get(&own).await.expect(404);
    }
    staff.cancel(&ticketed).await;
    let cancelled = owner.until(&ticketed, "CANCELLED").await;
    assert_eq!(cancelled["statusReason"], "STAFF_REQUEST");
    staff.get(&format!("{own}/cancellation")).await.expect(200);
    // Asked again, it is the same cancellation and no second deed.
    staff.cancel(&ticketed).await.expect(200);
    let entries = audit_of(&staff, &own).await;
    assert_eq!(entries.len(), 1, "{entries:?}");
    let entry = &entries[0];
    assert_eq!(entry["actor"], staff.id.as_str());
    assert_eq!(entry["role"], "staff");
    assert_eq!(entry["action"], "CANCEL_RESERVATION");
    assert_eq!(entry["before"], json!({"status": "TICKETED"}));
    assert_eq!(entry["after"], json!({"status": "CANCELLING"}));
}

#[tokio::test]
async fn what_a_customer_does_is_no_deed_of_staff() {
    let app = shared().await;
    let owner = app.somebody();
    let reserved = owner.reserve(1).await;
    owner.cancel(&reserved).await.expect(200);
    let staff = app.somebody().as_role("admin");
    let entries = audit_of(&staff, &format!("/reservations/{}", id(&reserved))).await;
    assert_eq!(entries, Vec::<Value>::new());
}

#[tokio::test]
async fn a_nudge_is_written_down() {
    let app = shared().await;
    let reserved = app.somebody().reserve(1).await;
    let staff = app.somebody().as_role("staff");
    let path = format!("/admin/reservations/{}/nudge", id(&reserved));
    assert_eq!(staff.post(&path, json!({})).await.expect(200)["id"], reserved["id"]);
    staff.post("/admin/reservations/none/nudge", json!({})).await.expect(404);
    let entries = audit_of(&staff, &format!("/reservations/{}", id(&reserved))).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["action"], "NUDGE");
}

#[tokio::test]
async fn a_refused_refund_is_paid_to_another_account() {
    let app = shared().await;
    let (customer, staff) = (app.somebody(), app.somebody().as_role("staff"));
    let (ticketed, undo) = blocked(&customer).await;
    let path = format!("/admin/cancellations/{undo}/refund-account");
    for (body, pointer) in [
        (json!({"bankCode": "8", "accountNumber": "110123456789", "holder": "a"}), "/bankCode"),
        (json!({"bankCode": "088", "accountNumber": "x", "holder": "a"}), "/accountNumber"),
        (json!({"bankCode": "088", "accountNumber": "110123456789", "holder": ""}), "/holder"),
    ] {
        let problem = staff.post(&path, body).await.expect(400);
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    let account = json!({"bankCode": "088", "accountNumber": "110-123-456789", "holder": "홍길동"});
    customer.post(&path, account.clone()).await.expect(403);
    let answer = staff.keyed("POST", &path, &account, "a-refund").await;
    assert!(matches!(answer.status, 200 | 202), "{answer:?}");
    let cancelled = customer.until(&ticketed, "CANCELLED").await;
    assert_eq!(cancelled["payment"]["refunded"], ticketed["amount"]);
    let ledger = customer.ledger(&ticketed).await;
    assert_eq!(ledger, ["APPROVE DONE", "CAPTURE DONE", "REFUND REFUSED", "REFUND DONE"]);
    // The same request again, and another one.
    let again = staff.keyed("POST", &path, &account, "a-refund").await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(staff.post(&path, account).await.expect(409)["code"], "wrong-state");
    let entries = audit_of(&staff, &format!("/admin/cancellations/{undo}")).await;
    assert_eq!(entries.len(), 1);
    let told = format!("{entries:?} {:?}", customer.get(&own(&ticketed, "timeline")).await.body);
    assert!(!told.contains("110123456789"), "no personal data: {told}");
    assert!(!app.log().contains("110123456789"), "not in logs either");
}

#[tokio::test]
async fn a_refused_refund_that_was_paid_outside_is_closed() {
    let app = shared().await;
    let (customer, staff) = (app.somebody(), app.somebody().as_role("staff"));
    let (ticketed, undo) = blocked(&customer).await;
    let path = format!("/admin/cancellations/{undo}/outside-refund");
    staff.post(&path, json!({"reference": "to Hong Gildong"})).await.expect(400);
    staff.post(&path, json!({"reference": "T-2026/77"})).await;
    let cancelled = customer.until(&ticketed, "CANCELLED").await;
    assert_eq!(cancelled["payment"]["refunded"], ticketed["amount"]);
    let ledger = customer.ledger(&ticketed).await;
    assert_eq!(ledger, ["APPROVE DONE", "CAPTURE DONE", "REFUND REFUSED"]);
    let entries = audit_of(&staff, &format!("/admin/cancellations/{undo}")).await;
    assert_eq!(entries[0]["action"], "RETURN_OUTSIDE");
    assert_eq!(entries[0]["after"]["reference"], "T-2026/77");
}

/// Specification, scenario 13: found in the gateway's books, undone, and no ticket ever exists.
#[tokio::test]
async fn an_approval_that_surfaces_after_the_end_is_voided() {
    let app = shared().await;
    let customer = app.somebody();
    let reservation = customer.reserve(1).await;
    customer.fault(&reservation, json!({"fault": "DECLINE", "for": {"calls": 1}})).await;
    customer.pay(&reservation).await.expect(402);
    customer.cancel(&reservation).await.expect(200);
    // The company approves the same order after all, under a key that we have never heard of.
    let order = format!("{}-1", id(&reservation));
    let url = format!("{}/v1/payments/{order}/approve", customer.gateway);
    let amount = &reservation["amount"]["value"];
    let asked = customer.http.post(url).header("Idempotency-Key", format!("{order}-after-all"));
    customer.send(asked.json(&json!({"amount": amount, "method": "CARD"}))).await.expect(200);
    let ledger = ["APPROVE REFUSED", "APPROVE DONE", "VOID DONE"];
    until("the void", async || customer.ledger(&reservation).await == ledger).await;
    let payment = async || {
        let path = own(&reservation, "payments");
        customer.get(&path).await.expect(200)["items"][0]["status"].clone()
    };
    until("its record", async || payment().await == "VOIDED").await;
    let row = customer.read(&reservation).await;
    assert_eq!((&row["status"], &row["tickets"]), (&json!("CANCELLED"), &json!([])));
    let told = customer.timeline(&reservation).await;
    let last = ["CancellationRequested", "PaymentCancellationRequested", "PaymentCancelled"];
    assert_eq!(told[told.len() - 3..], last, "{told:?}");
}

#[tokio::test]
async fn what_needs_people_is_listed_and_settled() {
    let app = shared().await;
    let (customer, staff) = (app.somebody(), app.somebody().as_role("staff"));
    let (_, undo) = blocked(&customer).await;
    let concerns = async |subject: &str| {
        let mut found = Vec::new();
        let mut path = "/admin/attention?limit=2".to_owned();
        loop {
            let page = staff.get(&path).await.expect(200);
            let items = page["items"].as_array().expect("items").iter();
            found.extend(items.filter(|concern| concern["subject"] == subject).cloned());
            let Some(cursor) = page["nextCursor"].as_str() else { return found };
            path = format!("/admin/attention?limit=2&cursor={cursor}");
        }
    };
    let found = concerns(&undo).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["worry"], "REFUND_BLOCKED");
    assert!(text(&found[0]["advice"]).contains("refund-account"));
    staff.get("/admin/attention?cursor=nonsense").await.expect(400);
    // As the page does; what is no reference is said there.
    for (reference, status) in [("to+whom", 400), ("T-1", 303)] {
        let form = format!("cancellation={undo}&reference={reference}&key=k{reference}");
        assert_eq!(submitted(app, "/staff/outside-refunds", form).await, status);
    }
    until("its end", async || concerns(&undo).await.is_empty()).await;
}

#[tokio::test]
async fn only_an_admin_settles_a_call_before_its_time() {
    let app = shared().await;
    let (customer, staff) = (app.somebody(), app.somebody().as_role("staff"));
    let reservation = customer.reserve(1).await;
    customer.fault(&reservation, json!({"fault": "FAIL"})).await;
    customer.pay(&reservation).await.expect(202);
    let path = format!("/admin/gateway-calls/{}-1-approve/settlement", id(&reservation));
    let settlement = json!({"outcome": "REFUSED", "reference": "by-phone"});
    assert_eq!(staff.post(&path, settlement.clone()).await.expect(403)["code"], "forbidden");
    let form = format!("call={}-1-approve&outcome=DONE&reference=by-phone", id(&reservation));
    assert_eq!(submitted(app, "/staff/settlements", form).await, 403);
    let admin = staff.as_role("admin");
    admin.post(&path, json!({"outcome": "MAYBE", "reference": "x"})).await.expect(400);
    admin.post(&path, json!({"outcome": "DONE", "reference": "홍길동"})).await.expect(400);
    assert_eq!(admin.post(&path, settlement.clone()).await.expect(200)["status"], "RESERVED");
    assert_eq!(admin.post(&path, settlement).await.expect(409)["code"], "wrong-state");
    let target = format!("/admin/gateway-calls/{}-1-approve", id(&reservation));
    let entries = audit_of(&staff, &target).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["after"], json!({"outcome": "REFUSED", "reference": "by-phone"}));
    customer.cancel(&reservation).await.expect(200);
}

/// What a page answers to a form, which is sent as staff.
async fn submitted(app: &App, path: &str, form: String) -> u16 {
    let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build();
    let request = client.expect("a client").post(format!("{}{path}", app.api)).body(form);
    let form = "application/x-www-form-urlencoded";
    let answer = request.header("Content-Type", form).send().await.expect("an answer");
    answer.status().as_u16()
}

/// A booking whose refund the gateway has refused for good, and its cancellation.
pub(crate) async fn blocked(customer: &Customer) -> (Value, String) {
    let ticketed = customer.ticketed(1).await;
    let refused = json!({"fault": "DECLINE", "operation": "REFUND", "for": {"calls": 1}});
    customer.fault(&ticketed, refused).await;
    customer.cancel(&ticketed).await;
    let path = own(&ticketed, "cancellation");
    let is_blocked = async || customer.get(&path).await.expect(200)["state"] == "BLOCKED";
    until("the refusal of the refund", is_blocked).await;
    let undo = customer.get(&path).await.expect(200);
    (ticketed, text(&undo["id"]).to_owned())
}

fn own(reservation: &Value, part: &str) -> String {
    format!("/reservations/{}/{part}", id(reservation))
}

/// Newest first, of one target.
pub(crate) async fn audit_of(staff: &Customer, target: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut path = "/admin/audit?limit=100".to_owned();
    loop {
        let page = staff.get(&path).await.expect(200);
        let items = page["items"].as_array().expect("items").iter();
        found.extend(items.filter(|entry| entry["target"] == target).cloned());
        let Some(cursor) = page["nextCursor"].as_str() else { return found };
        path = format!("/admin/audit?limit=100&cursor={cursor}");
    }
}

#[tokio::test]
async fn staff_keeps_seats_back() {
    let app = shared().await;
    let (customer, staff) = (app.somebody(), app.somebody().as_role("staff"));
    let show = customer.own_showtime().await;
    let before = customer.remaining(&show, "STANDARD").await;
    let map = customer.seats_of(id(&show)).await;
    let fits = |seat: &&Value| seat["grade"] == "STANDARD" && seat["kind"] == "NORMAL";
    let seat = map.iter().find(fits).expect("a seat")["id"].clone();
    let keep = async |blocked: bool| {
        let path = format!("/admin/showtimes/{}/seats", id(&show));
        let body = json!({"seatIds": [seat], "blocked": blocked});
        staff.send(staff.request("PATCH", &path).json(&body)).await
    };
    let watch = customer.request("GET", &format!("/showtimes/{}/seatmap/events", id(&show)));
    let mut stream = Stream::open(watch).await;
    stream.next().await.expect("a snapshot");
    keep(true).await.expect(204);
    let change = stream.next().await.expect("a change");
    assert_eq!(change.data["seats"], json!([{"id": seat, "state": "BLOCKED"}]));
    assert_eq!(customer.remaining(&show, "STANDARD").await, before - 1);
    let reservation = customer.reserve_at(&show, 1).await.expect(201);
    customer.pay(&reservation).await.expect(201);
    let refused = customer.put_seats(&reservation, &json!([seat])).await.expect(409);
    assert_eq!(
        (&refused["code"], &refused["conflictingSeatIds"]),
        (&json!("seats-unavailable"), &json!([seat]))
    );
    keep(false).await.expect(204);
    let change = stream.next().await.expect("a change");
    assert_eq!(change.data["seats"], json!([{"id": seat, "state": "AVAILABLE"}]));
    customer.put_seats(&reservation, &json!([seat])).await.expect(200);
    assert_eq!(keep(true).await.expect(409)["code"], "seats-unavailable");
    let path = format!("/admin/showtimes/{}/seats", id(&show));
    for (body, status) in [
        (json!({"seatIds": [], "blocked": true}), 400),
        (json!({"seatIds": [seat]}), 400),
        (json!({"seatIds": ["nothing"], "blocked": true}), 404),
    ] {
        staff.send(staff.request("PATCH", &path).json(&body)).await.expect(status);
    }
}

#[tokio::test]
async fn the_door_of_the_staff_pages_opens_with_a_token_of_staff() {
    let issuer = Issuer::new();
    let app = App::start(&["--auth-keys", &issuer.path("issuer.json")]).await;
    let visitor = app.customer("nobody");
    let client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build();
    let client = client.expect("a client");
    let page = async |cookie: &str, path: &str| {
        let request = client.get(format!("{}{path}", app.api)).header("Cookie", cookie);
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a page"))
    };
    for path in ["/staff", "/staff/shows/s", "/staff/bookings/r"] {
        let (status, text) = page("", path).await;
        assert_eq!((status, text.contains("name=\"token\"")), (401, true), "{path}");
    }
    let enter = async |token: &str| {
        let request = client.post(format!("{}/staff/session", app.api));
        let form = "application/x-www-form-urlencoded";
        let request = request.header("Content-Type", form).body(format!("token={token}"));
        request.send().await.expect("an answer")
    };
    assert_eq!(enter("nonsense").await.status(), 401);
    assert_eq!(enter(&issuer.token("ann", "customer")).await.status(), 403);
    let entered = enter(&issuer.token("boss", "staff")).await;
    assert_eq!(entered.status(), 303);
    let cookie = entered.headers()["set-cookie"].to_str().expect("a text");
    for part in ["Path=/staff", "HttpOnly", "SameSite=Strict"] {
        assert!(cookie.contains(part), "{part} in {cookie}");
    }
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    let (status, text) = page(&cookie, "/staff").await;
    assert_eq!((status, text.contains("/staff/lookups")), (200, true));
    // It opens nothing else, and another site cannot use it.
    assert_eq!(visitor.get("/admin/attention").await.status, 401);
    let elsewhere = client.post(format!("{}/staff/session/end", app.api));
    let elsewhere = elsewhere.header("Cookie", &cookie).header("Sec-Fetch-Site", "cross-site");
    assert_eq!(elsewhere.send().await.expect("an answer").status(), 403);
}

#[tokio::test]
async fn staff_finds_a_booking_by_code_or_name() {
    let app = shared().await;
    let staff = app.somebody().as_role("staff");
    let customer = app.somebody();
    let show = customer.showtime().await;
    let name = format!("김{}", customer.id);
    let wish = json!({"showtimeId": show["id"], "grade": "STANDARD", "contact": {"name": name},
        "admissions": [{"type": "ADULT", "count": 1}]});
    let booking = customer.post("/reservations", wish).await.expect(201);
    let found = async |body: Value| staff.post("/admin/lookups", body).await;
    for body in [
        json!({"code": text(&booking["code"]).to_lowercase()}),
        json!({"name": format!(" {name} ")}),
    ] {
        let items = found(body.clone()).await.expect(200)["items"].clone();
        assert_eq!(items.as_array().map(Vec::len), Some(1), "{body}");
        assert_eq!(items[0]["id"], booking["id"]);
    }
    for body in [json!({"code": "NOTACODE"}), json!({"name": "Nobody of this name"})] {
        assert_eq!(found(body).await.expect(200)["items"], json!([]));
    }
    for body in [json!({}), json!({"code": ""}), json!({"phone": "010"})] {
        found(body).await.expect(400);
    }
    let sales = staff.get("/admin/showtimes?limit=1").await.expect(200)["items"][0].clone();
    for pool in sales["sales"].as_array().expect("grades") {
        let count = |name: &str| pool[name].as_u64().expect("a count");
        assert!(count("held") + count("sold") <= count("sellable"), "{pool}");
    }
}
