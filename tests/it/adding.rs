//! Staff adds films and showtimes over HTTP, and customers book them.

use crate::app::{Answer, Customer, id, shared, text, until};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicI64, Ordering};

fn film(title: &str) -> Value {
    json!({"title": title, "originalTitle": "The Host 2", "runtimeMinutes": 119, "ageRating": "15"})
}

/// Like a showtime that there is, in the same auditorium at a time of its own.
fn show(movie: &Value, like: &Value) -> Value {
    static NEXT: AtomicI64 = AtomicI64::new(0);
    let day = 60 + NEXT.fetch_add(1, Ordering::Relaxed);
    let starts_at = Timestamp::now() + SignedDuration::from_hours(24 * day);
    let prices =
        grades(like).iter().map(|it| (text(&it["grade"]).to_owned(), it["prices"].clone()));
    json!({
        "movieId": movie["id"], "auditoriumId": like["auditoriumId"], "cancelPolicy": "STANDARD",
        "startsAt": starts_at.to_string(), "prices": prices.collect::<Map<_, _>>(),
    })
}

#[tokio::test]
async fn what_staff_puts_on_is_booked_by_its_title() {
    let app = shared().await;
    let (customer, staff) = (app.somebody(), app.somebody().as_role("staff"));
    let movie = staff.post("/admin/movies", film("괴물 2")).await;
    assert_eq!(movie.header("location"), format!("/movies/{}", id(&movie.body)));
    let movie = movie.expect(201);
    assert_eq!(movie["status"], "SHOWING");
    assert_eq!(customer.get(&format!("/movies/{}", id(&movie))).await.expect(200), movie);
    let like = customer.own_showtime().await;
    let added = staff.post("/admin/showtimes", show(&movie, &like)).await;
    assert_eq!(added.header("location"), format!("/showtimes/{}", id(&added.body)));
    let added = added.expect(201);
    assert_eq!(added["movieTitle"], "괴물 2");
    assert_eq!(added["maxPartySize"], 8);
    let read = customer.get(&format!("/showtimes/{}", id(&added))).await.expect(200);
    assert_eq!(read, added);
    for (grade, other) in grades(&added).iter().zip(grades(&like)) {
        assert_eq!(grade["remaining"], grade["sellable"]);
        assert_eq!(grade["prices"], other["prices"]);
    }
    let body = json!({
        "customerName": "홍길동", "movieName": "괴물 2", "reservationStatus": "예매완료",
    });
    let booking = customer.post("/reservations", body).await.expect(201);
    assert_eq!(booking["showtimeId"], added["id"]);
    customer.until(&booking, "TICKETED").await;
}

fn grades(showtime: &Value) -> &[Value] {
    showtime["grades"].as_array().expect("grades")
}

#[tokio::test]
async fn a_second_click_adds_nothing() {
    let app = shared().await;
    let staff = app.somebody().as_role("staff");
    let twice = async |path: &str, body: &Value| {
        let first = staff.keyed("POST", path, body, "k").await.expect(201);
        let again = staff.keyed("POST", path, body, "k").await;
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!(again.expect(201), first);
        first
    };
    let movie = twice("/admin/movies", &film("살인의 추억 2")).await;
    let like = staff.own_showtime().await;
    let wanted = show(&movie, &like);
    let added = twice("/admin/showtimes", &wanted).await;
    refused(staff.post("/admin/movies", film("살인의 추억 2")).await, 409, "title-taken");
    let taken = staff.post("/admin/showtimes", wanted).await;
    assert!(text(&taken.body["detail"]).contains(id(&added)), "{taken:?}");
    refused(taken, 409, "auditorium-taken");
}

#[track_caller]
fn refused(answer: Answer, status: u16, code: &str) {
    let problem = answer.expect(status);
    assert_eq!(problem["code"], code, "{problem}");
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let app = shared().await;
    let staff = app.somebody().as_role("staff");
    let movie = staff.post("/admin/movies", film("마더 2")).await.expect(201);
    let wanted = show(&movie, &staff.own_showtime().await);
    let mistaken = async |path: &str, wanted: &Value, status: u16, member: &str, value: Value| {
        let mut body = wanted.clone();
        body[member] = value;
        let problem = staff.post(path, body).await.expect(status);
        let pointer = text(&problem["errors"][0]["pointer"]);
        assert!(pointer.starts_with(&format!("/{member}")), "{problem}");
    };
    for (member, value) in [
        ("title", json!(" ")),
        ("runtimeMinutes", json!(0)),
        ("runtimeMinutes", json!(601)),
        ("ageRating", json!("18")),
    ] {
        mistaken("/admin/movies", &film("없는 영화"), 400, member, value).await;
    }
    for (status, member, value) in [
        (422, "startsAt", json!("2020-01-01T00:00:00Z")),
        (422, "startsAt", json!("2999-01-01T00:00:00Z")),
        (400, "startsAt", json!("tomorrow")),
        (422, "salesCloseAt", json!("2999-01-01T00:00:00Z")),
        (422, "salesOpenAt", json!("2999-01-01T00:00:00Z")),
        (422, "maxPartySize", json!(21)),
        (422, "prices", json!({})),
        (422, "prices", json!({"STANDARD": {}})),
        (400, "prices", json!({"STANDARD": {"ADULT": {"value": -1, "currency": "KRW"}}})),
        (400, "prices", json!({"BALCONY": {}})),
        (400, "cancelPolicy", json!("NONE")),
    ] {
        mistaken("/admin/showtimes", &wanted, status, member, value).await;
    }
    for (member, value) in [("movieId", "nothing"), ("auditoriumId", "nowhere")] {
        let mut body = wanted.clone();
        body[member] = json!(value);
        refused(staff.post("/admin/showtimes", body).await, 404, "not-found");
    }
    let customer = app.somebody();
    refused(customer.post("/admin/showtimes", wanted).await, 403, "forbidden");
    refused(customer.post("/admin/movies", film("없는 영화")).await, 403, "forbidden");
    let none = customer.get("/movies?title=없는 영화").await.expect(200);
    assert_eq!(none["items"], json!([]));
}

#[tokio::test]
async fn staff_reads_what_temporal_knows_of_a_booking() {
    let app = shared().await;
    let (customer, staff) = (app.somebody(), app.somebody().as_role("staff"));
    let booking = customer.ticketed(1).await;
    customer.cancel(&booking).await;
    customer.until(&booking, "CANCELLED").await;
    let path = format!("/admin/reservations/{}/history", id(&booking));
    refused(customer.get(&path).await, 403, "forbidden");
    refused(staff.get("/admin/reservations/nothing/history").await, 404, "not-found");
    refused(staff.get(&format!("{path}?cursor=x")).await, 400, "malformed");
    let all = events(&staff, &format!("{path}?limit=100")).await;
    assert_eq!(events(&staff, &format!("{path}?limit=7")).await, all);
    let runs = ["booking/", "cancellation/"].map(|run| {
        let of_run = all.iter().filter(move |it| text(&it["workflowId"]).starts_with(run));
        of_run.cloned().collect::<Vec<_>>()
    });
    for (run, activities) in runs.iter().zip([
        vec!["carry_payment", "carry_payment", "issue_tickets"],
        vec!["revoke_tickets", "return_money"],
    ]) {
        assert_eq!(run[0]["type"], "WorkflowExecutionStarted");
        let found: Vec<&str> = run.iter().filter_map(|it| it["activity"].as_str()).collect();
        assert_eq!(found, activities);
        assert!(run.iter().any(|it| it["attempt"] == 1), "{run:?}");
        for (n, event) in (1..).zip(run) {
            assert_eq!(event["eventId"], n);
        }
    }
}

#[tokio::test]
async fn staff_reads_why_a_booking_waits() {
    let app = shared().await;
    let (customer, staff) = (app.somebody(), app.somebody().as_role("staff"));
    let reservation = customer.reserve(1).await;
    customer.fault(&reservation, json!({"fault": "FAIL"})).await;
    customer.pay(&reservation).await.expect(202);
    let path = format!("/admin/reservations/{}/history?limit=100", id(&reservation));
    until("the first failure", async || {
        let all = events(&staff, &path).await;
        let waits = all.iter().rfind(|it| it["activity"] == "carry_payment");
        waits.is_some_and(|it| {
            let why = it["failure"].as_str().unwrap_or_default();
            it["attempt"].as_i64() >= Some(2) && why.starts_with("OutcomeUnknown: ")
        })
    })
    .await;
    let call = format!("/admin/gateway-calls/{}-1-approve/settlement", id(&reservation));
    let refused = json!({"outcome": "REFUSED", "reference": "by-phone"});
    staff.as_role("admin").post(&call, refused).await.expect(200);
}

#[tokio::test]
async fn a_film_is_corrected_and_its_run_ends() {
    let app = shared().await;
    let staff = app.somebody().as_role("staff");
    let movie = staff.post("/admin/movies", film("올드보이 2")).await.expect(201);
    let path = format!("/admin/movies/{}", id(&movie));
    let change = async |body: Value| staff.send(staff.request("PATCH", &path).json(&body)).await;
    let corrected = change(json!({"ageRating": "19", "runtimeMinutes": 120.0})).await.expect(200);
    assert_eq!(corrected["ageRating"], "19");
    assert_eq!(corrected["runtimeMinutes"], 120);
    assert_eq!(corrected["title"], movie["title"]);
    for (body, pointer) in [
        (json!({"runtimeMinutes": 0}), "/runtimeMinutes"),
        (json!({"status": "GONE"}), "/status"),
        (json!({"title": ""}), "/title"),
    ] {
        let problem = change(body).await.expect(400);
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    let like = staff.own_showtime().await;
    let taken = text(&like["movieTitle"]);
    refused(change(json!({"title": taken})).await, 409, "title-taken");
    let added = staff.post("/admin/showtimes", show(&movie, &like)).await.expect(201);
    refused(change(json!({"status": "ENDED"})).await, 409, "shows-to-come");
    let given_up = format!("/admin/showtimes/{}/cancellation", id(&added));
    staff.post(&given_up, json!({"reason": "nobody came"})).await;
    assert_eq!(change(json!({"status": "ENDED"})).await.expect(200)["status"], "ENDED");
    refused(staff.post("/admin/showtimes", show(&movie, &like)).await, 409, "movie-ended");
}

/// All events, page by page.
async fn events(staff: &Customer, path: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut next = path.to_owned();
    loop {
        let page = staff.get(&next).await.expect(200);
        all.extend(page["items"].as_array().expect("items").iter().cloned());
        let Some(cursor) = page["nextCursor"].as_str() else { return all };
        next = format!("{path}&cursor={cursor}");
    }
}

#[tokio::test]
async fn a_ticket_is_a_qr_code() {
    let customer = shared().await.somebody();
    let booking = customer.ticketed(1).await;
    let code = text(&booking["tickets"][0]["code"]);
    let asked = customer.request("GET", &format!("/tickets/{code}"));
    let answer = asked.header("accept", "image/svg+xml").send().await.expect("an answer");
    assert_eq!(answer.headers()["content-type"], "image/svg+xml");
    let svg = answer.text().await.expect("a text");
    assert!(svg.contains("<svg"), "{svg}");
    assert_eq!(customer.get(&format!("/tickets/{code}")).await.expect(200)["code"], code);
    customer.cancel(&booking).await;
    let asked = customer.request("GET", &format!("/tickets/{code}"));
    let answer = asked.header("accept", "image/svg+xml").send().await.expect("an answer");
    assert_eq!(answer.status(), 410);
}
