//! Cancelling, over HTTP: from every status, in the order of the specification (1.5), and once.

use crate::app::{App, Customer, SOON, id, lasts, shared, text, together, until};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[tokio::test]
async fn before_the_payment_it_ends_at_once() {
    let customer = shared().await.somebody();
    let showtime = customer.own_showtime().await;
    let before = customer.remaining(&showtime, "STANDARD").await;
    let reservation = customer.reserve_at(&showtime, 3).await.expect(201);
    let cancelled = customer.cancel(&reservation).await.expect(200);
    assert_eq!(cancelled["status"], "CANCELLED");
    assert_eq!(cancelled["statusReason"], "CUSTOMER_REQUEST");
    assert_eq!(cancelled["payment"]["status"], "NONE");
    assert_eq!(customer.remaining(&showtime, "STANDARD").await, before);
    assert!(customer.ledger(&reservation).await.is_empty());
    assert_eq!(
        customer.timeline(&reservation).await,
        ["Reserved", "CancellationRequested", "ReservationCancelled"]
    );
    // What is cancelled stays so, whatever is asked.
    assert_eq!(customer.cancel(&reservation).await.expect(200)["version"], cancelled["version"]);
    assert_eq!(customer.pay(&reservation).await.expect(409)["code"], "wrong-state");
}

#[tokio::test]
async fn an_approval_on_its_way_is_awaited_and_voided() {
    let customer = shared().await.somebody();
    let reservation = customer.reserve(1).await;
    let slow = json!({"fault": "SLOW", "operation": "APPROVE", "millis": [3000, 3000]});
    customer.fault(&reservation, slow).await;
    let paying = tokio::spawn({
        let (customer, reservation) = (customer.clone(), reservation.clone());
        async move { customer.pay(&reservation).await.expect(202) }
    });
    until("the delivery", async || !customer.deliveries(&reservation).await.is_empty()).await;
    let cancelling = customer.cancel(&reservation).await.expect(202);
    assert_eq!(cancelling["status"], "CANCELLING");
    assert_eq!(cancelling["payment"]["status"], "PENDING");
    assert_eq!(paying.await.unwrap()["status"], "CANCELLING");
    let cancelled = customer.until(&reservation, "CANCELLED").await;
    assert_eq!(cancelled["payment"]["status"], "CANCELLED");
    assert_eq!(customer.ledger(&reservation).await, ["APPROVE DONE", "VOID DONE"]);
    assert_eq!(
        customer.timeline(&reservation).await,
        [
            "Reserved",
            "PaymentRequested",
            "CancellationRequested",
            "PaymentCancellationRequested",
            "PaymentApproved",
            "PaymentCancelled",
            "ReservationCancelled"
        ]
    );
}

#[tokio::test]
async fn before_the_seats_the_approval_is_voided() {
    let customer = shared().await.somebody();
    let showtime = customer.own_showtime().await;
    let before = customer.remaining(&showtime, "STANDARD").await;
    let reservation = customer.reserve_at(&showtime, 2).await.expect(201);
    customer.pay(&reservation).await.expect(201);
    customer.cancel(&reservation).await;
    let cancelled = customer.until(&reservation, "CANCELLED").await;
    assert_eq!(cancelled["cancellation"]["state"], "DONE");
    let steps: Vec<_> = cancelled["cancellation"]["steps"].as_array().expect("a list").clone();
    let states: Vec<&str> = steps.iter().map(|step| text(&step["state"])).collect();
    assert_eq!(states, ["SKIPPED", "SKIPPED", "DONE"]);
    assert_eq!(customer.remaining(&showtime, "STANDARD").await, before);
    assert_eq!(customer.ledger(&reservation).await, ["APPROVE DONE", "VOID DONE"]);
    assert_eq!(
        customer.timeline(&reservation).await[3..],
        [
            "CancellationRequested",
            "PaymentCancellationRequested",
            "PaymentCancelled",
            "ReservationCancelled"
        ]
    );
}

#[tokio::test]
async fn after_the_tickets_everything_is_undone_in_order() {
    let app = shared().await;
    let (customer, other) = (app.somebody(), app.somebody());
    let ticketed = customer.ticketed(2).await;
    let code = text(&ticketed["tickets"][0]["code"]);
    customer.cancel(&ticketed).await;
    let cancelled = customer.until(&ticketed, "CANCELLED").await;
    assert_eq!(
        customer.timeline(&ticketed).await[7..],
        [
            "CancellationRequested",
            "PaymentCancellationRequested",
            "SeatCancellationRequested",
            "TicketCancellationRequested",
            "TicketCancelled",
            "TicketCancelled",
            "SeatCancelled",
            "PaymentCancelled",
            "ReservationCancelled"
        ]
    );
    assert_eq!(cancelled["payment"]["refunded"], ticketed["amount"]);
    assert_eq!(cancelled["cancellation"]["amount"], ticketed["amount"]);
    assert_eq!(cancelled["cancellation"]["percent"], 100);
    for part in ["seats", "tickets"] {
        let name = if part == "seats" { "state" } else { "status" };
        assert!(
            cancelled[part].as_array().expect("a list").iter().all(|one| one[name] == "CANCELLED")
        );
    }
    assert_eq!(customer.ledger(&ticketed).await, ["APPROVE DONE", "CAPTURE DONE", "REFUND DONE"]);
    let gone = customer.get(&format!("/tickets/{code}")).await.expect(410);
    assert_eq!(gone["code"], "ticket-cancelled");
    let path = format!("/payments/{}", text(&ticketed["payment"]["id"]));
    let payment = customer.get(&path).await.expect(200);
    assert_eq!(payment["status"], "REFUNDED");
    assert_eq!(payment["refunds"][0]["amount"], ticketed["amount"]);

    assert!(other.sees_seats(&ticketed, "AVAILABLE").await);
    let showtime = json!({"id": ticketed["showtimeId"]});
    let next = other.reserve_at(&showtime, 2).await.expect(201);
    other.pay(&next).await.expect(201);
    let seats: Value = ticketed["seats"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|seat| seat["seatId"].clone())
        .collect();
    other.put_seats(&next, &seats).await.expect(200);
    other.until(&next, "TICKETED").await;
    // The old code does not open the door to the new owner's seat.
    customer.get(&format!("/tickets/{code}")).await.expect(410);
}

#[tokio::test]
async fn what_has_ended_otherwise_is_not_cancelled() {
    let customer = shared().await.somebody();
    let reservation = customer.reserve(1).await;
    customer.fault(&reservation, json!({"fault": "DECLINE"})).await;
    customer.fault(&reservation, json!({"fault": "SLOW", "millis": [1, 1]})).await;
    for _ in 0..3 {
        customer.pay(&reservation).await.expect(402);
    }
    let problem = customer.cancel(&reservation).await.expect(409);
    assert_eq!(problem["code"], "wrong-state");
    assert_eq!(problem["currentStatus"], "EXPIRED");

    // A show is over half an hour after its end.
    let over = SignedDuration::from_mins(10)..-SignedDuration::from_hours(1);
    let over = shared().await.showtime_in(over, "STANDARD").await;

    let seen = customer.reserve_at(&over, 1).await.expect(201);
    customer.pay(&seen).await.expect(201);
    customer.choose_seats(&seen).await.expect(200);
    let types = async || customer.timeline(&seen).await;
    until("the end of the show", async || types().await.iter().any(|t| t == "ShowCompleted")).await;
    let problem = customer.cancel(&seen).await.expect(409);
    assert_eq!(problem["code"], "wrong-state");
    assert_eq!(problem["currentStatus"], "COMPLETED");
}

#[tokio::test]
async fn many_cancels_make_one_cascade() {
    twenty_cancels_with_different_keys(&shared().await.somebody()).await;
}

/// Scenario 17.
pub(crate) async fn twenty_cancels_with_different_keys(customer: &Customer) {
    let ticketed = customer.ticketed(1).await;
    let path = format!("/reservations/{}/cancellation", id(&ticketed));
    let answers = together((0..20).map(|n| {
        let (customer, path) = (customer.clone(), path.clone());
        let body = json!({"reason": "CUSTOMER_REQUEST"});
        async move { customer.keyed("POST", &path, &body, &format!("cancel-{n}")).await }
    }))
    .await;
    let cancelled = customer.until(&ticketed, "CANCELLED").await;
    for answer in answers {
        assert!([200, 202].contains(&answer.status), "{answer:?}");
        assert_eq!(answer.body["cancellation"]["id"], cancelled["cancellation"]["id"]);
    }
    assert_eq!(customer.ledger(&ticketed).await, ["APPROVE DONE", "CAPTURE DONE", "REFUND DONE"]);
    let asked = customer.timeline(&ticketed).await;
    assert_eq!(asked.iter().filter(|kind| *kind == "CancellationRequested").count(), 1);
}

#[tokio::test]
async fn a_refund_refused_for_good_waits_for_staff() {
    let customer = shared().await.somebody();
    let ticketed = customer.ticketed(1).await;
    let refused = json!({"fault": "DECLINE", "operation": "REFUND", "for": {"calls": 1}});
    customer.fault(&ticketed, refused).await;
    customer.cancel(&ticketed).await.expect(202);
    let path = format!("/reservations/{}/cancellation", id(&ticketed));
    let blocked = async || customer.get(&path).await.expect(200)["state"] == "BLOCKED";
    until("the refusal", blocked).await;
    let last = async || customer.timeline(&ticketed).await.pop();
    assert_eq!(last().await.as_deref(), Some("RefundDelayed"));
    let stays = async || customer.read(&ticketed).await["status"] == "CANCELLING";
    assert!(lasts(Duration::from_secs(1), stays).await);
    assert_eq!(
        customer.ledger(&ticketed).await,
        ["APPROVE DONE", "CAPTURE DONE", "REFUND REFUSED"]
    );
    assert!(customer.sees_seats(&ticketed, "AVAILABLE").await);
    assert_eq!(customer.read(&ticketed).await["payment"]["status"], "CANCEL_REQUESTED");
}

#[tokio::test]
async fn a_refund_whose_answer_is_lost_is_made_once() {
    let customer = shared().await.somebody();
    let ticketed = customer.ticketed(1).await;
    customer.fault(&ticketed, json!({"fault": "LOSE_ANSWER", "for": {"calls": 1}})).await;
    customer.cancel(&ticketed).await;
    customer.until(&ticketed, "CANCELLED").await;
    assert_eq!(customer.ledger(&ticketed).await, ["APPROVE DONE", "CAPTURE DONE", "REFUND DONE"]);
}

#[tokio::test]
async fn the_last_minutes_before_the_start_are_too_late_once_there_are_seats() {
    let app = shared().await;
    let customer = app.somebody();
    let soon = SignedDuration::from_mins(10)..SignedDuration::from_hours(2);
    let soon = app.showtime_in(soon, "STANDARD").await;
    let paid = customer.reserve_at(&soon, 1).await.expect(201);
    customer.pay(&paid).await.expect(201);
    let early = customer.reserve_at(&soon, 1).await.expect(201);
    customer.pay(&early).await.expect(201);

    customer.choose_seats(&paid).await.expect(200);
    let ticketed = customer.until(&paid, "TICKETED").await;
    assert_eq!(ticketed["allowedActions"], json!([]));
    let problem = customer.cancel(&paid).await.expect(409);
    assert_eq!(problem["code"], "cancel-window-closed");
    let starts_at: Timestamp = text(&ticketed["startsAt"]).parse().unwrap();
    let closed_at: Timestamp = text(&problem["closedAt"]).parse().unwrap();
    assert_eq!(starts_at.duration_since(closed_at), SignedDuration::from_mins(20));
    assert!(problem["boxOffice"].is_string());
    assert_eq!(customer.read(&paid).await["status"], "TICKETED");

    customer.cancel(&early).await;
    customer.until(&early, "CANCELLED").await;
    assert_eq!(customer.ledger(&early).await, ["APPROVE DONE", "VOID DONE"]);
}

#[tokio::test]
async fn while_tickets_are_down_neither_seat_nor_money_moves() {
    let app = App::start(&[]).await;
    let (customer, other) = (app.somebody(), app.somebody());
    let ticketed = customer.ticketed(1).await;
    app.tickets_down(true).await;
    let seated = without_tickets(&customer).await;

    let cancelling = customer.cancel(&ticketed).await.expect(202);
    assert_eq!(cancelling["status"], "CANCELLING");
    assert_eq!(cancelling["cancellation"]["steps"][0]["state"], "WAITING");
    let again = customer.cancel(&ticketed).await.expect(202);
    assert_eq!(again["cancellation"]["id"], cancelling["cancellation"]["id"]);
    // No ticket was issued here: none is in the way.
    customer.cancel(&seated).await;
    let undone = customer.until(&seated, "CANCELLED").await;
    assert_eq!(undone["tickets"], json!([]));
    assert_eq!(customer.ledger(&seated).await, ["APPROVE DONE", "CAPTURE DONE", "REFUND DONE"]);
    assert!(!customer.timeline(&seated).await.iter().any(|kind| kind.starts_with("Ticket")));
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let approved = customer.approved(1).await;
        assert_eq!(customer.choose_seats(&approved).await.expect(200)["status"], "SEAT_SELECTED");
        waiting.push(approved);
    }

    let kept = async || {
        let ledger = customer.ledger(&ticketed).await;
        ledger == ["APPROVE DONE", "CAPTURE DONE"] && other.sees_seats(&ticketed, "TAKEN").await
    };
    assert!(lasts(Duration::from_millis(1500), kept).await);
    assert_eq!(customer.read(&ticketed).await["status"], "CANCELLING");

    app.tickets_down(false).await;
    customer.until(&ticketed, "CANCELLED").await;
    assert_eq!(customer.ledger(&ticketed).await, ["APPROVE DONE", "CAPTURE DONE", "REFUND DONE"]);
    for approved in waiting {
        customer.until(&approved, "TICKETED").await;
    }
}

/// A seated reservation that stays without tickets. The worker finishes what it has begun: one that
/// still gets its tickets is followed by another.
pub(crate) async fn without_tickets(customer: &Customer) -> Value {
    let began = Instant::now();
    while began.elapsed() < SOON {
        let approved = customer.approved(1).await;
        customer.choose_seats(&approved).await.expect(200);
        let waits = async || customer.read(&approved).await["status"] == "SEAT_SELECTED";
        if lasts(Duration::from_millis(500), waits).await {
            return approved;
        }
    }
    panic!("the ticket worker does not stop");
}
