//! From reservation to tickets, over HTTP.

use crate::app::{Answer, App, Customer, id, shared, text, together, until};
use serde_json::{Value, json};

#[tokio::test]
async fn a_customer_reserves_pays_chooses_seats_and_gets_tickets() {
    let customer = shared().await.somebody();
    let reservation = customer.reserve(2).await;
    assert_eq!(reservation["status"], "RESERVED");
    let paid = customer.pay(&reservation).await.expect(201);
    assert_eq!(paid["status"], "PAYMENT_APPROVED");
    customer.choose_seats(&reservation).await.expect(200);
    let ticketed = customer.until(&reservation, "TICKETED").await;

    let codes: Vec<_> =
        ticketed["tickets"].as_array().expect("a list").iter().map(|t| &t["code"]).collect();
    assert_eq!(codes.len(), 2);
    assert_ne!(codes[0], codes[1]);
    assert_eq!(
        customer.timeline(&reservation).await,
        [
            "Reserved",
            "PaymentRequested",
            "PaymentApproved",
            "SeatAssigned",
            "PaymentCaptured",
            "TicketIssued",
            "TicketIssued"
        ]
    );
    assert_eq!(customer.ledger(&reservation).await, ["APPROVE DONE", "CAPTURE DONE"]);
    let mypage = customer.get(&format!("/mypage/{}", id(&reservation))).await.expect(200);
    assert_eq!(mypage["statusLabel"], "발권완료");
    assert_eq!(mypage["customerName"], "홍길동");
    let ticket = customer.get(&format!("/tickets/{}", text(codes[0]))).await.expect(200);
    assert_eq!(ticket["status"], "ISSUED");
}

#[tokio::test]
async fn the_reports_own_calls_book_a_ticket() {
    let customer = shared().await.somebody();
    let body = json!({
        "customerName": "홍길동", "movieName": "사탄의인형3", "reservationStatus": "예매완료",
    });
    let reservation = customer.post("/reservations", body).await.expect(201);
    assert_eq!(reservation["customerName"], "홍길동");
    assert_eq!(reservation["movieName"], "사탄의인형3");
    let ticketed = customer.until(&reservation, "TICKETED").await;
    assert_eq!(ticketed["seats"].as_array().expect("a list").len(), 1);
    assert_eq!(ticketed["tickets"].as_array().expect("a list").len(), 1);
    let payments = customer.get("/payments").await.expect(200);
    assert_eq!(payments["items"][0]["reservationId"], reservation["id"]);
    assert_eq!(payments["items"][0]["status"], "CAPTURED");
}

#[tokio::test]
async fn a_plan_with_named_seats_is_carried_through() {
    let customer = shared().await.somebody();
    let showtime = customer.own_showtime().await;
    let seats = best_seats(&customer, &showtime, 2).await;
    let reservation = planned(&customer, &showtime, 2, &seats).await.expect(201);
    assert_eq!(reservation["plan"]["seats"], seats);
    assert_eq!(reservation["deadlineAt"], reservation["startsAt"]);
    let ticketed = customer.until(&reservation, "TICKETED").await;
    assert_eq!(seat_ids(&ticketed), seats);
    assert_eq!(customer.ledger(&reservation).await, ["APPROVE DONE", "CAPTURE DONE"]);
}

#[tokio::test]
async fn a_plan_whose_seats_are_taken_leaves_the_choice_to_the_customer() {
    let app = shared().await;
    let (customer, other) = (app.somebody(), app.somebody());
    let showtime = customer.own_showtime().await;
    let seats = best_seats(&customer, &showtime, 2).await;
    let first = other.reserve_at(&showtime, 2).await.expect(201);
    other.pay(&first).await.expect(201);
    other.put_seats(&first, &seats).await.expect(200);

    let reservation = planned(&customer, &showtime, 2, &seats).await.expect(201);
    let dropped = async || {
        let types = customer.timeline(&reservation).await;
        types.last().is_some_and(|last| last == "PlanSeatsTaken")
    };
    until("the end of the plan's seats", dropped).await;
    let approved = customer.read(&reservation).await;
    assert_eq!(approved["status"], "PAYMENT_APPROVED");
    assert_eq!(approved["plan"]["seats"], Value::Null);
    assert_eq!(approved["allowedActions"], json!(["selectSeats", "cancel"]));
    assert!(approved["deadlineAt"].is_string());
    customer.choose_seats(&reservation).await.expect(200);
    customer.until(&reservation, "TICKETED").await;
}

#[tokio::test]
async fn a_create_repeated_under_its_key_makes_one_reservation() {
    ten_creates_with_one_key(shared().await).await;
}

/// Scenario 16.
pub(crate) async fn ten_creates_with_one_key(app: &App) {
    let customer = app.somebody();
    let showtime = customer.own_showtime().await;
    let body = full_form(&showtime, 2);
    let create = || {
        let (customer, body) = (customer.clone(), body.clone());
        async move { customer.keyed("POST", "/reservations", &body, "create-1").await }
    };
    let answers = together((0..10).map(|_| create())).await;
    for answer in &answers {
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    let replayed = answers.iter().filter(|answer| answer.header("idempotency-replayed") == "true");
    assert_eq!(replayed.count(), 9);
    for answer in answers {
        let again = customer.read(&answer.body).await;
        assert_eq!(answer.body["code"], again["code"]);
        assert_eq!(answer.header("location"), format!("/reservations/{}", id(&again)));
    }
    let own = customer.get("/reservations").await.expect(200);
    assert_eq!(own["items"].as_array().expect("a list").len(), 1);

    let other_body = full_form(&showtime, 3);
    let reused = customer.keyed("POST", "/reservations", &other_body, "create-1").await;
    assert_eq!(reused.expect(422)["code"], "idempotency-key-reused");
    // Somebody else's key is another key.
    app.somebody().keyed("POST", "/reservations", &body, "create-1").await.expect(201);
}

#[tokio::test]
async fn a_repeated_create_answers_the_reservation_as_it_is_now() {
    let customer = shared().await.somebody();
    let body = full_form(&customer.showtime().await, 1);
    let first = customer.keyed("POST", "/reservations", &body, "create-2").await.expect(201);
    customer.pay(&first).await.expect(201);
    let again = customer.keyed("POST", "/reservations", &body, "create-2").await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.expect(201)["status"], "PAYMENT_APPROVED");
}

#[tokio::test]
async fn the_workflow_itself_says_what_it_waits_for() {
    let customer = shared().await.somebody();
    let reservation = customer.reserve(1).await;
    let path = format!("/reservations/{}/progress", id(&reservation));
    let by_workflow = async |owes: &str| {
        let progress = customer.get(&path).await.expect(200);
        progress["source"] == "workflow" && progress["owes"] == owes
    };
    until("the workflow's own answer", async || by_workflow("customer").await).await;
    let waiting = customer.get(&path).await.expect(200);
    assert_eq!(waiting["status"], "RESERVED");
    assert_eq!(waiting["until"], reservation["deadlineAt"]);
    customer.pay(&reservation).await.expect(201);
    until("seats to be chosen", async || by_workflow("customer").await).await;
    customer.choose_seats(&reservation).await.expect(200);
    customer.until(&reservation, "TICKETED").await;
    until("the end of the booking", async || by_workflow("nothing").await).await;
}

#[tokio::test]
async fn what_has_not_changed_is_answered_with_304() {
    let customer = shared().await.somebody();
    let reservation = customer.reserve(1).await;
    let showtime = text(&reservation["showtimeId"]);
    let paths = [
        format!("/reservations/{}", id(&reservation)),
        "/mypage".to_owned(),
        format!("/mypage/{}", id(&reservation)),
        format!("/showtimes/{showtime}/seatmap"),
    ];
    let mut tags = Vec::new();
    for path in &paths {
        let tag = customer.get(path).await.header("etag").to_owned();
        assert_eq!(unless(&customer, path, &tag).await, 304, "{path}");
        tags.push(tag);
    }
    customer.pay(&reservation).await.expect(201);
    customer.choose_seats(&reservation).await.expect(200);
    for (path, tag) in paths.iter().zip(tags) {
        assert_eq!(unless(&customer, path, &tag).await, 200, "{path}");
    }
}

#[tokio::test]
async fn what_is_somebody_elses_does_not_exist() {
    let app = shared().await;
    let (owner, stranger) = (app.somebody(), app.somebody());
    let ticketed = owner.ticketed(1).await;
    let cancelled = owner.reserve(1).await;
    owner.cancel(&cancelled).await.expect(200);
    let own = format!("/reservations/{}", id(&ticketed));
    for path in [
        own.clone(),
        format!("{own}/payments"),
        format!("{own}/progress"),
        format!("{own}/cancellation"),
        format!("{own}/tickets"),
        format!("{own}/timeline"),
        format!("/mypage/{}", id(&ticketed)),
        format!("/payments/{}", text(&ticketed["payment"]["id"])),
        format!("/tickets/{}", text(&ticketed["tickets"][0]["code"])),
        format!("/reservations/{}/cancellation", id(&cancelled)),
    ] {
        assert_eq!(stranger.get(&path).await.expect(404)["code"], "not-found", "{path}");
    }
    stranger.pay(&ticketed).await.expect(404);
    stranger.put_seats(&ticketed, &seat_ids(&ticketed)).await.expect(404);
    stranger.cancel(&ticketed).await.expect(404);
    for path in ["/reservations", "/payments", "/mypage"] {
        let page = stranger.get(path).await.expect(200);
        assert_eq!(page["items"], json!([]), "{path}");
    }
    assert_eq!(owner.read(&ticketed).await["status"], "TICKETED");
}

fn full_form(showtime: &Value, adults: u32) -> Value {
    json!({
        "showtimeId": showtime["id"], "grade": "STANDARD",
        "admissions": [{"type": "ADULT", "count": adults}],
    })
}

async fn planned(customer: &Customer, showtime: &Value, adults: u32, seats: &Value) -> Answer {
    let mut body = full_form(showtime, adults);
    body["plan"] = json!({"method": "CARD", "seats": seats});
    customer.post("/reservations", body).await
}

async fn best_seats(customer: &Customer, showtime: &Value, size: u32) -> Value {
    let path = format!("/showtimes/{}/best-seats?partySize={size}&grade=STANDARD", id(showtime));
    customer.get(&path).await.expect(200)["items"][0]["seatIds"].clone()
}

fn seat_ids(reservation: &Value) -> Value {
    reservation["seats"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|seat| seat["seatId"].clone())
        .collect()
}

async fn unless(customer: &Customer, path: &str, tag: &str) -> u16 {
    customer.send(customer.request("GET", path).header("If-None-Match", tag)).await.status
}
