//! Paying, over HTTP: refusals of the gateway, lost answers and repeats.

use crate::app::{Answer, Customer, id, shared, together};
use serde_json::{Value, json};

#[tokio::test]
async fn after_a_declined_card_a_good_one_pays() {
    let customer = shared().await.somebody();
    let reservation = customer.reserve(1).await;
    customer.fault(&reservation, json!({"fault": "DECLINE", "for": {"calls": 1}})).await;
    let declined = customer.pay(&reservation).await.expect(402);
    assert_eq!(declined["code"], "payment-declined");
    assert_eq!(declined["attemptsLeft"], 2);
    assert_eq!(declined["currentStatus"], "RESERVED");
    let again = customer.read(&reservation).await;
    assert_eq!(again["status"], "RESERVED");
    assert_eq!(again["payment"]["attemptsLeft"], 2);
    assert_eq!(again["allowedActions"], json!(["pay", "cancel"]));

    let paid = customer.pay(&reservation).await.expect(201);
    assert_eq!(paid["status"], "PAYMENT_APPROVED");
    assert_eq!(customer.ledger(&reservation).await, ["APPROVE REFUSED", "APPROVE DONE"]);
    let path = format!("/reservations/{}/payments", id(&reservation));
    let payments = customer.get(&path).await.expect(200);
    assert_eq!(payments["items"][0]["status"], "APPROVED");
    assert_eq!(payments["items"][1]["status"], "DECLINED");
}

#[tokio::test]
async fn three_declines_end_the_reservation() {
    let customer = shared().await.somebody();
    let showtime = customer.own_showtime().await;
    let before = customer.remaining(&showtime, "STANDARD").await;
    let reservation = customer.reserve_at(&showtime, 2).await.expect(201);
    assert_eq!(customer.remaining(&showtime, "STANDARD").await, before - 2);
    customer.fault(&reservation, json!({"fault": "DECLINE"})).await;
    for left in [2, 1, 0] {
        assert_eq!(customer.pay(&reservation).await.expect(402)["attemptsLeft"], left);
    }
    expect_declined_for_good(&customer, &reservation).await;
    assert_eq!(customer.remaining(&showtime, "STANDARD").await, before);
    assert_eq!(customer.ledger(&reservation).await, ["APPROVE REFUSED"; 3]);
    assert_eq!(customer.pay(&reservation).await.expect(409)["code"], "wrong-state");
}

#[tokio::test]
async fn a_plan_ends_with_its_first_decline() {
    let customer = shared().await.somebody();
    let showtime = customer.own_showtime().await;
    let before = customer.remaining(&showtime, "STANDARD").await;
    let body = json!({
        "showtimeId": showtime["id"], "grade": "STANDARD",
        "admissions": [{"type": "ADULT", "count": 1}],
        "plan": {"method": "CARD", "seats": "best"},
    });
    let reservation = customer.post("/reservations", body).await.expect(201);
    // The approval takes 400 ms at least and is judged at their end.
    customer.fault(&reservation, json!({"fault": "DECLINE"})).await;
    customer.until(&reservation, "EXPIRED").await;
    expect_declined_for_good(&customer, &reservation).await;
    assert_eq!(customer.remaining(&showtime, "STANDARD").await, before);
}

#[tokio::test]
async fn a_refused_capture_undoes_the_booking() {
    let customer = shared().await.somebody();
    let approved = customer.approved(1).await;
    customer.fault(&approved, json!({"fault": "DECLINE", "operation": "CAPTURE"})).await;
    let answer = customer.choose_seats(&approved).await;
    assert!([202, 402].contains(&answer.status), "{answer:?}");
    let expired = customer.until(&approved, "EXPIRED").await;
    expect_declined_for_good(&customer, &approved).await;
    assert_eq!(expired["payment"]["status"], "CANCELLED");
    assert_eq!(expired["tickets"], json!([]));
    assert!(customer.sees_seats(&expired, "AVAILABLE").await);
    assert_eq!(customer.ledger(&approved).await, ["APPROVE DONE", "CAPTURE REFUSED", "VOID DONE"]);
}

#[tokio::test]
async fn a_charge_whose_answer_is_lost_is_found_again() {
    let customer = shared().await.somebody();
    let reservation = customer.reserve(1).await;
    customer.fault(&reservation, json!({"fault": "LOSE_ANSWER", "for": {"calls": 1}})).await;
    let answer = customer.pay(&reservation).await;
    assert!([201, 202].contains(&answer.status), "{answer:?}");
    customer.until(&reservation, "PAYMENT_APPROVED").await;
    customer.fault(&reservation, json!({"fault": "LOSE_ANSWER", "for": {"calls": 1}})).await;
    let answer = customer.choose_seats(&reservation).await;
    assert!([200, 202].contains(&answer.status), "{answer:?}");
    customer.until(&reservation, "TICKETED").await;
    assert_eq!(customer.ledger(&reservation).await, ["APPROVE DONE", "CAPTURE DONE"]);
    assert_eq!(customer.deliveries(&reservation).await, [1, 1]);
}

#[tokio::test]
async fn a_request_without_effect_is_delivered_again_under_its_key() {
    // OVERLOAD would make all others of this system wait: see `line`.
    for fault in ["RESET", "DOWN", "FAIL"] {
        let customer = shared().await.somebody();
        let reservation = customer.reserve(1).await;
        customer.fault(&reservation, json!({"fault": fault, "for": {"calls": 1}})).await;
        let answer = customer.pay(&reservation).await;
        assert!([201, 202].contains(&answer.status), "{answer:?}");
        customer.until(&reservation, "PAYMENT_APPROVED").await;
        assert_eq!(customer.deliveries(&reservation).await, [2], "{fault}");
        customer.choose_seats(&reservation).await.expect(200);
        customer.until(&reservation, "TICKETED").await;
        assert_eq!(customer.ledger(&reservation).await, ["APPROVE DONE", "CAPTURE DONE"]);
    }
}

#[tokio::test]
async fn many_pays_with_one_key_charge_once() {
    twenty_pays_with_one_key(&shared().await.somebody()).await;
}

/// Scenario 17.
pub(crate) async fn twenty_pays_with_one_key(customer: &Customer) {
    let reservation = customer.reserve(1).await;
    let answers = pay_at_once(customer, &reservation, |_| "pay-1".to_owned()).await;
    let replayed = answers.iter().filter(|answer| answer.header("idempotency-replayed") == "true");
    assert_eq!(replayed.count(), 19);
    // On a busy machine the approval may take longer than an answer waits.
    assert!(answers.iter().all(|answer| [201, 202].contains(&answer.status)), "{answers:?}");
    customer.until(&reservation, "PAYMENT_APPROVED").await;
    assert_eq!(customer.ledger(&reservation).await, ["APPROVE DONE"]);

    let path = format!("/reservations/{}/payments", id(&reservation));
    let other = json!({"method": "KAKAO_PAY", "amount": reservation["amount"]});
    let reused = customer.keyed("POST", &path, &other, "pay-1").await.expect(422);
    assert_eq!(reused["code"], "idempotency-key-reused");
}

#[tokio::test]
async fn of_many_pays_with_different_keys_one_is_made() {
    let customer = shared().await.somebody();
    let reservation = customer.reserve(1).await;
    customer.fault(&reservation, json!({"fault": "SLOW", "millis": [1500, 1500]})).await;
    let answers = pay_at_once(&customer, &reservation, |n| format!("pay-{n}")).await;
    let (made, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status < 300);
    assert_eq!(made.len(), 1);
    for answer in refused {
        assert_eq!(answer.header("retry-after"), "1");
        let problem = answer.expect(409);
        assert_eq!(problem["code"], "payment-in-progress");
        // Deferred where the machine is busy: a second click is no second card.
        let status = problem["currentStatus"].as_str().expect("a status");
        assert!(["PAYMENT_PENDING", "PAYMENT_DEFERRED"].contains(&status), "{status}");
    }
    customer.until(&reservation, "PAYMENT_APPROVED").await;
    assert_eq!(customer.ledger(&reservation).await, ["APPROVE DONE"]);
}

#[tokio::test]
async fn a_slow_approval_is_answered_with_202_and_comes_later() {
    let customer = shared().await.somebody();
    let reservation = customer.reserve(1).await;
    customer.fault(&reservation, json!({"fault": "SLOW", "millis": [2600, 2600]})).await;
    let answer = customer.pay(&reservation).await;
    assert_eq!(answer.header("retry-after"), "1");
    let pending = answer.expect(202);
    let status = pending["status"].as_str().unwrap();
    assert!(["PAYMENT_PENDING", "PAYMENT_DEFERRED"].contains(&status), "{status}");
    let approved = customer.until(&reservation, "PAYMENT_APPROVED").await;
    assert_eq!(approved["payment"]["status"], "APPROVED");
}

#[tokio::test]
async fn another_amount_is_refused_and_told() {
    let customer = shared().await.somebody();
    let reservation = customer.reserve(1).await;
    let path = format!("/reservations/{}/payments", id(&reservation));
    let body = json!({"method": "CARD", "amount": {"value": 1, "currency": "KRW"}});
    let problem = customer.post(&path, body).await.expect(422);
    assert_eq!(problem["code"], "amount-mismatch");
    assert_eq!(problem["expected"], reservation["amount"]);
    assert_eq!(customer.read(&reservation).await["version"], 1);
}

async fn expect_declined_for_good(customer: &Customer, reservation: &Value) {
    let expired = customer.read(reservation).await;
    assert_eq!(expired["status"], "EXPIRED");
    assert_eq!(expired["statusReason"], "PAYMENT_DECLINED");
    assert_eq!(expired["allowedActions"], json!([]));
    assert_eq!(expired["deadlineAt"], Value::Null);
}

async fn pay_at_once(
    customer: &Customer,
    reservation: &Value,
    key: impl Fn(u32) -> String,
) -> Vec<Answer> {
    let path = format!("/reservations/{}/payments", id(reservation));
    let body = json!({"method": "CARD", "amount": reservation["amount"]});
    together((0..20).map(|n| {
        let (customer, path, body, key) = (customer.clone(), path.clone(), body.clone(), key(n));
        async move { customer.keyed("POST", &path, &body, &key).await }
    }))
    .await
}
