//! Companies where the customer authorises in the browser, over HTTP through `up`: the stand-in's
//! widget is the browser.

use crate::app::{Answer, App, Customer, id, until};
use serde_json::{Value, json};

#[tokio::test]
async fn with_toss_the_customer_authorises_and_we_confirm() {
    with_company("toss").await;
}

#[tokio::test]
async fn with_portone_the_customer_authorises_and_we_confirm() {
    with_company("portone").await;
}

async fn with_company(company: &'static str) {
    let app = App::start(&["--gateway", company]).await;
    let browser = |name: &str| Browser { customer: app.customer(name), company };
    tokio::join!(
        paid_and_refunded(browser("anna")),
        cancelled_before_seats(browser("ben")),
        lapsed_and_paid_again(browser("cora")),
        not_ours(browser("dan")),
        told_by_webhook(browser("eve")),
        forged(browser("fred")),
        no_plans(browser("gil")),
        nothing_charged_while_silent(browser("hal")),
    );
}

struct Browser {
    customer: Customer,
    company: &'static str,
}

impl Browser {
    /// What the widget gives the browser for the reservation's next attempt.
    async fn authorize(&self, reservation: &Value, won: &Value) -> String {
        let order = &self.customer.read(reservation).await["payment"]["nextId"];
        let (http, gateway) = (&self.customer.http, &self.customer.gateway);
        let url = format!("{gateway}/widget/{}/authorizations", self.company);
        let wish = json!({"orderId": order, "amount": won});
        let answer = self.customer.send(http.post(url).json(&wish)).await.expect(201);
        answer["authorization"].as_str().expect("an authorization").to_owned()
    }

    async fn pay_with(&self, reservation: &Value, authorization: &str) -> Answer {
        let path = format!("/reservations/{}/payments", id(reservation));
        let body = json!({
            "method": "CARD", "amount": reservation["amount"], "authorization": authorization,
        });
        self.customer.post(&path, body).await
    }

    async fn pay(&self, reservation: &Value) -> Answer {
        let authorization = self.authorize(reservation, &reservation["amount"]["value"]).await;
        self.pay_with(reservation, &authorization).await
    }

    async fn ticketed(&self) -> Value {
        let reservation = self.customer.reserve(2).await;
        self.pay(&reservation).await.expect(201);
        let chosen = self.customer.choose_seats(&reservation).await;
        assert!([200, 202].contains(&chosen.status), "{chosen:?}");
        self.customer.until(&reservation, "TICKETED").await
    }

    async fn ledger(&self, reservation: &Value) -> Vec<String> {
        self.customer.ledger(reservation).await
    }
}

async fn paid_and_refunded(browser: Browser) {
    let reservation = browser.ticketed().await;
    assert_eq!(browser.ledger(&reservation).await, ["AUTHORIZE DONE", "CAPTURE DONE"]);
    let answer = browser.customer.cancel(&reservation).await;
    assert!([200, 202].contains(&answer.status), "{answer:?}");
    browser.customer.until(&reservation, "CANCELLED").await;
    let ledger = browser.ledger(&reservation).await;
    assert_eq!(ledger, ["AUTHORIZE DONE", "CAPTURE DONE", "REFUND DONE"]);
}

/// Nothing was taken: what was authorised lapses, and nobody asks the company for anything.
async fn cancelled_before_seats(browser: Browser) {
    let customer = &browser.customer;
    let reservation = customer.reserve(1).await;
    browser.pay(&reservation).await.expect(201);
    customer.cancel(&reservation).await.expect(202);
    let cancelling = customer.read(&reservation).await;
    assert_eq!(cancelling["status"], "CANCELLING");
    assert_eq!(browser.ledger(&reservation).await, ["AUTHORIZE DONE"]);
}

async fn lapsed_and_paid_again(browser: Browser) {
    let customer = &browser.customer;
    let reservation = customer.reserve(1).await;
    customer.fault(&reservation, json!({"fault": "LAPSE", "for": {"calls": 1}})).await;
    browser.pay(&reservation).await.expect(201);
    let again = customer.until(&reservation, "RESERVED").await;
    assert_eq!(again["payment"]["attemptsLeft"], 3);
    assert_eq!(again["allowedActions"], json!(["pay", "cancel"]));
    let told = ["Reserved", "PaymentRequested", "PaymentLapsed"];
    assert_eq!(customer.timeline(&reservation).await, told);

    assert_eq!(browser.pay(&reservation).await.expect(201)["status"], "PAYMENT_APPROVED");
    let ledger = browser.ledger(&reservation).await;
    assert_eq!(ledger, ["AUTHORIZE DONE", "AUTHORIZE DONE"]);
}

async fn not_ours(browser: Browser) {
    let customer = &browser.customer;
    let (mine, other) = (customer.reserve(1).await, customer.reserve(1).await);
    let of_other = browser.authorize(&other, &other["amount"]["value"]).await;
    let problem = browser.pay_with(&mine, &of_other).await.expect(402);
    assert_eq!(problem["attemptsLeft"], 2);
    let too_little = browser.authorize(&mine, &json!(100)).await;
    let problem = browser.pay_with(&mine, &too_little).await.expect(402);
    assert_eq!(problem["attemptsLeft"], 1);
    assert_eq!(customer.read(&mine).await["status"], "RESERVED");
    let captured = browser.ledger(&mine).await.into_iter().filter(|line| line.contains("CAPTURE"));
    assert_eq!(captured.count(), 0);
}

/// The answer to the capture is lost, and webhooks come before it and twice.
async fn told_by_webhook(browser: Browser) {
    let customer = &browser.customer;
    let reservation = customer.reserve(1).await;
    for fault in ["WEBHOOK_TWICE", "WEBHOOK_EARLY"] {
        customer.fault(&reservation, json!({"fault": fault})).await;
    }
    let lost = json!({"fault": "LOSE_ANSWER", "operation": "CAPTURE", "for": {"calls": 1}});
    customer.fault(&reservation, lost).await;
    browser.pay(&reservation).await.expect(201);
    customer.choose_seats(&reservation).await;
    customer.until(&reservation, "TICKETED").await;
    assert_eq!(browser.ledger(&reservation).await, ["AUTHORIZE DONE", "CAPTURE DONE"]);
    let captured = customer.timeline(&reservation).await;
    assert_eq!(captured.iter().filter(|kind| *kind == "PaymentCaptured").count(), 1);
}

/// Whoever is not the company is not believed.
async fn forged(browser: Browser) {
    let customer = &browser.customer;
    let reservation = customer.reserve(1).await;
    let order = customer.read(&reservation).await["payment"]["nextId"].clone();
    let path = format!("/gateway/{}/callbacks", browser.company);
    if browser.company == "portone" {
        let body = json!({"type": "Transaction.Paid", "data": {"paymentId": order}});
        let problem = customer.post(&path, body.clone()).await.expect(401);
        assert_eq!(problem["code"], "bad-signature");
        let signed = customer
            .request("POST", &path)
            .header("webhook-id", "msg_1")
            .header("webhook-timestamp", jiff::Timestamp::now().as_second())
            .header("webhook-signature", "v1,AAAA")
            .json(&body);
        assert_eq!(customer.send(signed).await.expect(401)["code"], "bad-signature");
    } else {
        let payment = json!({"orderId": order, "status": "DONE", "totalAmount": 1});
        let body = json!({"eventType": "PAYMENT_STATUS_CHANGED", "data": payment});
        customer.post(&path, body).await.expect(204);
    }
    assert_eq!(customer.read(&reservation).await["version"], 1);
    customer.post("/gateway/house/callbacks", json!({})).await.expect(404);
}

/// Nobody is charged without a click.
async fn no_plans(browser: Browser) {
    let customer = &browser.customer;
    let showtime = customer.showtime().await;
    let body = json!({
        "showtimeId": showtime["id"], "grade": "STANDARD",
        "admissions": [{"type": "ADULT", "count": 1}],
        "plan": {"method": "CARD", "seats": "best"},
    });
    let problem = customer.post("/reservations", body).await.expect(400);
    assert_eq!(problem["errors"][0]["pointer"], "/plan");
}

/// While the company cannot be asked, the payment waits and nothing was sent.
async fn nothing_charged_while_silent(browser: Browser) {
    let customer = &browser.customer;
    let reservation = customer.reserve(1).await;
    let authorization = browser.authorize(&reservation, &reservation["amount"]["value"]).await;
    let down = json!({"fault": "DOWN", "operation": "INQUIRE", "for": {"calls": 2}});
    customer.fault(&reservation, down).await;
    let answer = browser.pay_with(&reservation, &authorization).await;
    assert!([201, 202].contains(&answer.status), "{answer:?}");
    until("the approval", async || {
        customer.read(&reservation).await["status"] == "PAYMENT_APPROVED"
    })
    .await;
    assert_eq!(browser.ledger(&reservation).await, ["AUTHORIZE DONE"]);
}
