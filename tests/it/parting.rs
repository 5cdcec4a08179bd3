//! Some tickets are given back, and others sit elsewhere, over HTTP (scenarios 21 and 23).

use crate::app::{Answer, Customer, id, shared, text, until};
use serde_json::{Value, json};

async fn give_back(customer: &Customer, reservation: &Value, tickets: &[&Value]) -> Answer {
    let path = format!("/reservations/{}/cancellation", id(reservation));
    customer.post(&path, json!({"reason": "CUSTOMER_REQUEST", "ticketIds": tickets})).await
}

/// Waits until nothing of it is being cancelled.
async fn settled(customer: &Customer, reservation: &Value) -> Value {
    let done = async || customer.read(reservation).await["cancellation"]["state"] == "DONE";
    until("the end of the cancellation", done).await;
    customer.read(reservation).await
}

fn issued(reservation: &Value) -> Vec<&Value> {
    let tickets = reservation["tickets"].as_array().expect("tickets");
    tickets.iter().filter(|ticket| ticket["status"] == "ISSUED").collect()
}

/// A reservation of so many with tickets, whose window is open.
async fn ticketed(customer: &Customer, adults: u32) -> Value {
    let showtime = customer.own_showtime().await;
    let reservation = customer.reserve_at(&showtime, adults).await.expect(201);
    customer.pay(&reservation).await.expect(201);
    customer.choose_seats(&reservation).await.expect(200);
    customer.until(&reservation, "TICKETED").await
}

#[tokio::test]
async fn one_of_three_tickets_is_given_back() {
    let app = shared().await;
    let (customer, other) = (app.somebody(), app.somebody());
    let booked = ticketed(&customer, 3).await;
    let actions = json!(["changeSeats", "cancel", "cancelTickets"]);
    assert_eq!(booked["allowedActions"], actions);
    let one = &booked["tickets"][1];
    let path = format!("/reservations/{}/cancellation-quote?ticketIds={}", id(&booked), id(one));
    let quoted = customer.get(&path).await.expect(200);
    assert_eq!(quoted["refund"], one["price"]);
    let answer = give_back(&customer, &booked, &[&one["id"]]).await;
    assert!([200, 202].contains(&answer.status), "{answer:?}");
    let parted = settled(&customer, &booked).await;
    assert_eq!(parted["status"], "TICKETED");
    assert_eq!(
        (&parted["partySize"], parted["admissions"][0]["count"].as_u64()),
        (&json!(2), Some(2))
    );
    assert_eq!(issued(&parted).len(), 2);
    assert_eq!(parted["payment"]["status"], "PARTIALLY_REFUNDED");
    assert_eq!(parted["payment"]["refunded"], one["price"]);
    assert_eq!(parted["cancellation"]["scope"], "PART");
    assert_eq!(parted["cancellation"]["ticketIds"], json!([one["id"]]));
    let seat = booked["seats"].as_array().expect("seats").iter();
    let seat = seat.clone().find(|seat| seat["number"] == one["seatNumber"]).expect("its seat");
    let map = other.seats_of(text(&booked["showtimeId"])).await;
    let shown = map.iter().find(|shown| shown["id"] == seat["seatId"]).expect("on the map");
    assert_eq!(shown["state"], "AVAILABLE");
    let code = |ticket: &Value| format!("/tickets/{}", text(&ticket["code"]));
    assert_eq!(customer.get(&code(one)).await.expect(410)["code"], "ticket-cancelled");
    customer.get(&code(&booked["tickets"][0])).await.expect(200);
    let shown = customer.get(&format!("/mypage/{}", id(&booked))).await.expect(200);
    assert_eq!((&shown["seatQty"], &shown["refunded"]), (&json!(2), &one["price"]));
    assert_eq!(shown["seatNumbers"].as_array().map(Vec::len), Some(2));

    customer.cancel(&booked).await;
    let cancelled = customer.until(&booked, "CANCELLED").await;
    assert_eq!(cancelled["payment"]["refunded"], booked["amount"]);
    let payment = format!("/payments/{}", text(&cancelled["payment"]["id"]));
    let payment = customer.get(&payment).await.expect(200);
    assert_eq!(payment["status"], "REFUNDED");
    let refunds = payment["refunds"].as_array().expect("refunds");
    let won = |refund: &Value| refund["amount"]["value"].as_i64().expect("won");
    let returned: i64 = refunds.iter().map(won).sum();
    assert_eq!((refunds.len(), Some(returned)), (2, booked["amount"]["value"].as_i64()));
    let ledger = customer.ledger(&booked).await;
    assert_eq!(ledger, ["APPROVE DONE", "CAPTURE DONE", "REFUND DONE", "REFUND DONE"]);
}

#[tokio::test]
async fn tickets_that_cannot_be_given_back_are_refused() {
    let app = shared().await;
    let customer = app.somebody();
    let booked = ticketed(&customer, 2).await;
    let none = give_back(&customer, &booked, &[]).await.expect(400);
    assert_eq!(none["code"], "malformed");
    let unknown = give_back(&customer, &booked, &[&json!("t-unknown")]).await.expect(404);
    assert_eq!(unknown["code"], "not-found");
    let other = app.somebody();
    let theirs = ticketed(&other, 1).await;
    give_back(&customer, &booked, &[&theirs["tickets"][0]["id"]]).await.expect(404);
    give_back(&other, &booked, &[&booked["tickets"][0]["id"]]).await.expect(404);
    let one = &booked["tickets"][0]["id"];
    give_back(&customer, &booked, &[one]).await;
    settled(&customer, &booked).await;
    // The same again is what it was; together with others it is refused.
    let again = give_back(&customer, &booked, &[one]).await.expect(200);
    assert_eq!(again["cancellation"]["ticketIds"], json!([one]));
    let both = give_back(&customer, &booked, &[one, &booked["tickets"][1]["id"]]).await;
    let problem = both.expect(409);
    assert_eq!(problem["code"], "ticket-cancelled");
    assert_eq!(problem["ticketIds"], json!([one]));
}

#[tokio::test]
async fn another_scope_meanwhile_is_told_to_wait() {
    let customer = shared().await.somebody();
    let booked = ticketed(&customer, 2).await;
    let slow = json!({"fault": "SLOW", "operation": "REFUND", "millis": [3000, 3000]});
    customer.fault(&booked, slow).await;
    let one = &booked["tickets"][0]["id"];
    let running = give_back(&customer, &booked, &[one]).await.expect(202);
    assert_eq!((&running["status"], &running["allowedActions"]), (&json!("TICKETED"), &json!([])));
    let whole = customer.cancel(&booked).await;
    assert!(!whole.header("retry-after").is_empty());
    assert_eq!(whole.expect(409)["code"], "cancellation-in-progress");
    let parted = settled(&customer, &booked).await;
    assert_eq!(parted["cancellation"]["id"], running["cancellation"]["id"]);
    customer.cancel(&booked).await;
    customer.until(&booked, "CANCELLED").await;
}

#[tokio::test]
async fn seats_are_changed_and_kept_where_others_were_faster() {
    let app = shared().await;
    let (customer, other) = (app.somebody(), app.somebody());
    let booked = ticketed(&customer, 2).await;
    let path =
        format!("/showtimes/{}/best-seats?partySize=2&grade=STANDARD", text(&booked["showtimeId"]));
    let elsewhere = customer.get(&path).await.expect(200)["items"][0]["seatIds"].clone();
    let moved = customer.put_seats(&booked, &elsewhere).await.expect(200);
    assert_eq!(moved["status"], "TICKETED");
    let seats = moved["seats"].as_array().expect("seats");
    assert_eq!(seats.len(), 2);
    for seat in seats {
        assert!(elsewhere.as_array().expect("seats").contains(&seat["seatId"]));
    }
    assert!(other.sees_seats(&booked, "AVAILABLE").await);
    assert!(other.sees_seats(&moved, "TAKEN").await);
    let code = |ticket: &Value| format!("/tickets/{}", text(&ticket["code"]));
    customer.get(&code(&booked["tickets"][0])).await.expect(410);
    assert_eq!(issued(&moved).len(), 2);
    customer.get(&code(&moved["tickets"][0])).await.expect(200);
    assert_eq!(customer.timeline(&booked).await.last().map(String::as_str), Some("SeatChanged"));

    // The other one takes what was left, and it cannot be had again.
    let theirs = other.reserve_at(&json!({"id": booked["showtimeId"]}), 2).await.expect(201);
    other.pay(&theirs).await.expect(201);
    let left: Vec<&Value> =
        booked["seats"].as_array().expect("seats").iter().map(|seat| &seat["seatId"]).collect();
    other.put_seats(&theirs, &json!(left)).await.expect(200);
    let problem = customer.put_seats(&booked, &json!(left)).await.expect(409);
    assert_eq!(problem["code"], "seats-unavailable");
    assert_eq!(customer.read(&booked).await["seats"], moved["seats"], "they are still mine");
}
