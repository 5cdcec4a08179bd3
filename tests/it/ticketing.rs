//! Ticketing is down, at booking and at cancel (specification 3, scenarios 7 and 8): people book as
//! before and get their tickets later; who cancels keeps seat and money until the tickets are gone.

use crate::app::{App, Customer, lasts, together};
use crate::cancelling::without_tickets;
use serde_json::{Value, json};
use std::time::Duration;

const CUSTOMERS: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_customers_book_while_ticketing_is_down() {
    let app = App::start(&["--catalogue", "rush"]).await;
    let crowd = app.somebody();
    let instant = json!({"approveMillis": [0, 0], "otherMillis": [0, 0]});
    crowd.send(crowd.http.put(format!("{}/faults", app.gateway)).json(&instant)).await.expect(200);
    let show = crowd.get("/showtimes?limit=1").await.expect(200)["items"][0].clone();
    let had = booked(&crowd, "early", &show).await;
    let had = crowd.clone().named("early".to_owned()).until(&had, "TICKETED").await;
    app.tickets_down(true).await;
    // The worker finishes what it has begun.
    without_tickets(&crowd).await;

    // Scenario 8: everybody gets as far as the seats, with nothing but 2xx.
    let bookings = (0..CUSTOMERS).map(|n| {
        let (crowd, show) = (crowd.clone(), show.clone());
        async move {
            let customer = crowd.clone().named(format!("customer-{n}"));
            (booked(&crowd, &customer.id, &show).await, customer)
        }
    });
    let seated = together(bookings).await;
    for (reservation, customer) in &seated {
        customer.until(reservation, "SEAT_SELECTED").await;
    }
    let undo = waits_for_its_tickets(&crowd, &had).await;
    for (reservation, customer) in &seated {
        assert_eq!(customer.read(reservation).await["status"], "SEAT_SELECTED");
        assert_eq!(customer.ledger(reservation).await, ["APPROVE DONE", "CAPTURE DONE"]);
    }

    // Nobody clicks again.
    app.tickets_down(false).await;
    for (reservation, customer) in &seated {
        let ticketed = customer.until(reservation, "TICKETED").await;
        assert_eq!(ticketed["tickets"].as_array().expect("a list").len(), 1);
    }
    let early = crowd.clone().named("early".to_owned());
    let cancelled = early.until(&had, "CANCELLED").await;
    assert_eq!(cancelled["cancellation"]["id"], undo["id"]);
    assert_eq!(early.ledger(&had).await, ["APPROVE DONE", "CAPTURE DONE", "REFUND DONE"]);
    let told = early.timeline(&had).await;
    let ends = ["TicketCancelled", "SeatCancelled", "PaymentCancelled", "ReservationCancelled"];
    assert_eq!(told[told.len() - 4..], ends);
    assert_eq!(crowd.get("/admin/invariants").await.expect(200)["violations"], json!([]));
}

/// Scenario 7: the cancel is accepted and nothing else moves.
async fn waits_for_its_tickets(crowd: &Customer, had: &Value) -> Value {
    let early = crowd.clone().named("early".to_owned());
    let cancelling = early.cancel(had).await.expect(202);
    assert_eq!(cancelling["status"], "CANCELLING");
    assert_eq!(cancelling["cancellation"]["steps"][0]["state"], "WAITING");
    let kept = async || {
        early.ledger(had).await == ["APPROVE DONE", "CAPTURE DONE"]
            && crowd.sees_seats(had, "TAKEN").await
            && early.read(had).await["payment"]["status"] == "CANCEL_REQUESTED"
    };
    assert!(lasts(Duration::from_millis(1500), kept).await);
    cancelling["cancellation"].clone()
}

/// One place, carried through by the service.
async fn booked(crowd: &Customer, name: &str, show: &Value) -> Value {
    let customer = crowd.clone().named(name.to_owned());
    let body = json!({
        "showtimeId": show["id"], "grade": "STANDARD",
        "admissions": [{"type": "ADULT", "count": 1}],
        "plan": {"method": "CARD", "seats": "best"},
    });
    customer.post("/reservations", body).await.expect(201)
}
