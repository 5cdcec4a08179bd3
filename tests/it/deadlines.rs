//! Deadlines, over HTTP, with short ones: what expires, what never does, and whose time it is.

use crate::app::{App, Customer, id, lasts, text, until};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;

const SHORT: [&str; 8] =
    ["--pay-within", "1500ms", "--seat-within", "1500ms", "--defer-within", "2s", "--grace", "0s"];

/// One system for all of them: each case is a customer of its own, and they run at once.
#[tokio::test]
async fn deadlines_are_kept() {
    let app = App::start(&SHORT).await;
    tokio::join!(
        who_never_pays_expires(app.somebody()),
        who_chooses_no_seats_expires(app.somebody()),
        an_approval_after_the_deadline_counts(app.somebody()),
        after_a_decline_there_is_time_again(app.somebody()),
        a_sent_call_never_expires(app.somebody()),
    );
}

async fn who_never_pays_expires(customer: Customer) {
    let showtime = customer.own_showtime().await;
    let before = customer.remaining(&showtime, "STANDARD").await;
    let reservation = customer.reserve_at(&showtime, 2).await.expect(201);
    assert_eq!(customer.remaining(&showtime, "STANDARD").await, before - 2);
    let expired = customer.until(&reservation, "EXPIRED").await;
    assert_eq!(expired["statusReason"], "PAYMENT_TIMEOUT");
    let late = at(&customer, &reservation, "ReservationExpired").await;
    let late = late.duration_since(instant(&reservation["deadlineAt"]));
    assert!(late >= SignedDuration::ZERO, "{late:?} late");
    assert!(late <= SignedDuration::from_secs(1), "{late:?} late");
    assert_eq!(customer.remaining(&showtime, "STANDARD").await, before);
    assert!(customer.ledger(&reservation).await.is_empty());
    assert_eq!(customer.timeline(&reservation).await, ["Reserved", "ReservationExpired"]);

    let problem = customer.pay(&reservation).await.expect(409);
    assert_eq!(problem["code"], "deadline-passed");
    assert_eq!(problem["currentStatus"], "EXPIRED");
    assert_eq!(customer.cancel(&reservation).await.expect(409)["code"], "wrong-state");
}

async fn who_chooses_no_seats_expires(customer: Customer) {
    let showtime = customer.own_showtime().await;
    let before = customer.remaining(&showtime, "STANDARD").await;
    let reservation = customer.reserve_at(&showtime, 1).await.expect(201);
    let approved = customer.pay(&reservation).await.expect(201);
    let expired = customer.until(&reservation, "EXPIRED").await;
    assert_eq!(expired["statusReason"], "SEAT_TIMEOUT");
    assert_eq!(expired["payment"]["status"], "CANCELLED");
    assert_eq!(customer.ledger(&reservation).await, ["APPROVE DONE", "VOID DONE"]);
    assert_eq!(customer.remaining(&showtime, "STANDARD").await, before);
    let undone = at(&customer, &reservation, "CancellationRequested").await;
    let late = undone.duration_since(instant(&approved["deadlineAt"]));
    assert!(late >= SignedDuration::ZERO, "{late:?} late");
    assert!(late <= SignedDuration::from_secs(1), "{late:?} late");
    assert_eq!(
        customer.timeline(&reservation).await[3..],
        [
            "CancellationRequested",
            "PaymentCancellationRequested",
            "PaymentCancelled",
            "ReservationExpired"
        ]
    );
    let problem = customer.choose_seats(&reservation).await.expect(409);
    assert_eq!(problem["code"], "deadline-passed");
}

/// Sent in time, answered after `payBy` and before the deferral's end.
async fn an_approval_after_the_deadline_counts(customer: Customer) {
    let reservation = customer.reserve(1).await;
    let slow = json!({"fault": "SLOW", "operation": "APPROVE", "millis": [2500, 2500]});
    customer.fault(&reservation, slow).await;
    customer.pay(&reservation).await.expect(202);
    customer.until(&reservation, "PAYMENT_APPROVED").await;
    let approved_at = at(&customer, &reservation, "PaymentApproved").await;
    assert!(approved_at > instant(&reservation["deadlineAt"]));
    customer.choose_seats(&reservation).await.expect(200);
    customer.until(&reservation, "TICKETED").await;
    assert_eq!(customer.ledger(&reservation).await, ["APPROVE DONE", "CAPTURE DONE"]);
}

async fn after_a_decline_there_is_time_again(customer: Customer) {
    let reservation = customer.reserve(1).await;
    let slow = json!({"fault": "SLOW", "operation": "APPROVE", "millis": [1300, 1300]});
    customer.fault(&reservation, slow).await;
    customer.fault(&reservation, json!({"fault": "DECLINE", "for": {"calls": 1}})).await;
    customer.pay(&reservation).await.expect(402);
    let again = customer.read(&reservation).await;
    let declined_at = at(&customer, &reservation, "PaymentDeclined").await;
    let left = instant(&again["deadlineAt"]).duration_since(declined_at);
    // One transaction may read its clock twice.
    assert!(left >= SignedDuration::from_millis(1450), "{left:?} left");
    let paid = customer.pay(&reservation).await.expect(201);
    assert_eq!(paid["status"], "PAYMENT_APPROVED");
    customer.choose_seats(&reservation).await.expect(200);
}

/// The approval takes longer than `payBy` and the deferral together, and than one try waits for it.
async fn a_sent_call_never_expires(customer: Customer) {
    let reservation = customer.reserve(1).await;
    let slow = json!({"fault": "SLOW", "operation": "APPROVE", "millis": [5500, 5500]});
    customer.fault(&reservation, slow).await;
    let pending = customer.pay(&reservation).await.expect(202);
    until("the last deadline", async || passed(&customer, &pending).await).await;
    let waits = async || customer.read(&reservation).await["payment"]["status"] != "NONE";
    assert!(lasts(Duration::from_secs(1), waits).await);
    customer.until(&reservation, "PAYMENT_APPROVED").await;
    customer.choose_seats(&reservation).await.expect(200);
    customer.until(&reservation, "TICKETED").await;
    assert_eq!(customer.ledger(&reservation).await, ["APPROVE DONE", "CAPTURE DONE"]);
}

#[tokio::test]
async fn nothing_expires_right_after_the_start() {
    let app = App::start(&["--pay-within", "1s", "--seat-within", "1s"]).await;
    let customer = app.somebody();
    let (unpaid, reserved) = (customer.reserve(1).await, customer.reserve(1).await);
    until("the deadline", async || passed(&customer, &reserved).await).await;
    let stays = async || customer.read(&unpaid).await["status"] == "RESERVED";
    assert!(lasts(Duration::from_secs(1), stays).await);
    assert_eq!(customer.read(&unpaid).await["allowedActions"], json!(["pay", "cancel"]));
    let approved = customer.pay(&reserved).await.expect(201);
    until("the deadline", async || passed(&customer, &approved).await).await;
    let stays = async || customer.read(&approved).await["status"] == "PAYMENT_APPROVED";
    assert!(lasts(Duration::from_secs(1), stays).await);
    customer.choose_seats(&approved).await.expect(200);
    customer.until(&approved, "TICKETED").await;
    assert_eq!(customer.read(&unpaid).await["status"], "RESERVED");
}

/// Whether the deadline that was told has passed by the server's clock.
async fn passed(customer: &Customer, told: &Value) -> bool {
    let now = customer.read(told).await;
    instant(&now["serverTime"]) > instant(&told["deadlineAt"])
}

/// When this happened first.
async fn at(customer: &Customer, reservation: &Value, kind: &str) -> Timestamp {
    let path = format!("/reservations/{}/timeline?limit=100", id(reservation));
    let page = customer.get(&path).await.expect(200);
    let mut items = page["items"].as_array().expect("a list").iter();
    instant(&items.find(|item| item["type"] == kind).expect("it happened")["at"])
}

fn instant(value: &Value) -> Timestamp {
    text(value).parse().expect("an instant")
}
