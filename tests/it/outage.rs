//! Temporal is away, and comes back with its memory or without: every command is accepted meanwhile
//! and carried out afterwards (specification 1.7).

use crate::app::{App, Customer, id, text};
use crate::temporal::Temporal;
use serde_json::{Value, json};

#[tokio::test]
async fn bookings_go_on_when_temporal_comes_back() {
    let mut temporal = Temporal::start().await;
    let app = App::start(&["--temporal-address", &temporal.address()]).await;
    let begun = Begun::before(&app).await;
    temporal.stop();
    let accepted = begun.while_down(&app).await;
    temporal.start_again().await;
    accepted.end_right().await;
}

#[tokio::test]
async fn bookings_go_on_when_temporal_has_lost_everything() {
    let mut temporal = Temporal::start().await;
    let app = App::start(&["--temporal-address", &temporal.address()]).await;
    let begun = Begun::before(&app).await;
    temporal.stop();
    let accepted = begun.while_down(&app).await;
    temporal.forget();
    temporal.start_again().await;
    accepted.end_right().await;
}

/// One reservation of each status in which a customer can be when the outage begins.
struct Begun {
    customer: Customer,
    to_pay: Value,
    to_seat: Value,
    reserved: Value,
    approved: Value,
    ticketed: Value,
}

/// What was accepted during the outage.
struct Accepted {
    customer: Customer,
    to_ticket: Vec<Value>,
    reserved: Value,
    /// With what the gateway is to have done.
    to_cancel: Vec<(Value, Vec<&'static str>)>,
}

impl Begun {
    async fn before(app: &App) -> Self {
        let customer = app.somebody();
        Self {
            to_pay: customer.reserve(1).await,
            to_seat: customer.approved(1).await,
            reserved: customer.reserve(1).await,
            approved: customer.approved(1).await,
            ticketed: customer.ticketed(1).await,
            customer,
        }
    }

    async fn while_down(self, app: &App) -> Accepted {
        let Self { customer, to_pay, to_seat, reserved, approved, ticketed } = self;
        // A start that fails is what tells that Temporal is away.
        let unpaid = customer.reserve(1).await;
        app.until_temporal("down").await;
        let showtime = customer.showtime().await;
        let planned = json!({
            "showtimeId": showtime["id"], "grade": "STANDARD",
            "admissions": [{"type": "ADULT", "count": 2}],
            "plan": {"method": "CARD", "seats": "best"},
        });
        let planned = customer.post("/reservations", planned).await.expect(201);
        let expect = |answer: Value, status: &str| assert_eq!(answer["status"], status);
        expect(customer.pay(&to_pay).await.expect(202), "PAYMENT_PENDING");
        expect(customer.choose_seats(&to_seat).await.expect(202), "SEAT_SELECTED");
        expect(customer.cancel(&reserved).await.expect(200), "CANCELLED");
        expect(customer.cancel(&approved).await.expect(202), "CANCELLING");
        expect(customer.cancel(&ticketed).await.expect(202), "CANCELLING");
        expect_reads(&customer, &to_seat).await;
        Accepted {
            to_cancel: vec![
                (approved, vec!["APPROVE DONE", "VOID DONE"]),
                (ticketed, vec!["APPROVE DONE", "CAPTURE DONE", "REFUND DONE"]),
            ],
            to_ticket: vec![planned, to_seat, to_pay, unpaid],
            reserved,
            customer,
        }
    }
}

async fn expect_reads(customer: &Customer, reservation: &Value) {
    let own = format!("/reservations/{}", id(reservation));
    for path in [
        "/mypage".to_owned(),
        format!("/mypage/{}", id(reservation)),
        format!("/showtimes/{}/seatmap", text(&reservation["showtimeId"])),
        format!("{own}/timeline"),
        own.clone(),
        "/showtimes".to_owned(),
        "/payments".to_owned(),
    ] {
        customer.get(&path).await.expect(200);
    }
    let progress = customer.get(&format!("{own}/progress")).await.expect(200);
    assert_eq!(progress["source"], "store");
    assert_eq!(progress["owes"], "capture");
    let ready = customer.get("/readyz").await.expect(200);
    let [status, store, temporal] = ["status", "store", "temporal"].map(|name| &ready[name]);
    assert_eq!((status, store, temporal), (&json!("ready"), &json!("up"), &json!("down")));
}

impl Accepted {
    async fn end_right(self) {
        let Self { customer, to_ticket, reserved, to_cancel } = self;
        let [_, to_seat, to_pay, unpaid] = &to_ticket[..] else { panic!("four of them") };
        customer.until(to_seat, "TICKETED").await;
        customer.until(to_pay, "PAYMENT_APPROVED").await;
        customer.choose_seats(to_pay).await;
        // Made while Temporal was down, it is paid for now that it is up.
        customer.pay(unpaid).await;
        customer.until(unpaid, "PAYMENT_APPROVED").await;
        customer.choose_seats(unpaid).await;
        for reservation in &to_ticket {
            customer.until(reservation, "TICKETED").await;
            let done = customer.ledger(reservation).await;
            assert_eq!(done, ["APPROVE DONE", "CAPTURE DONE"], "{reservation}");
        }
        for (reservation, expected) in to_cancel {
            customer.until(&reservation, "CANCELLED").await;
            assert_eq!(customer.ledger(&reservation).await, expected);
        }
        assert_eq!(customer.read(&reserved).await["status"], "CANCELLED");
        assert!(customer.ledger(&reserved).await.is_empty());
    }
}
