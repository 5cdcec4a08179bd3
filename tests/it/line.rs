//! Payment overload becomes waiting: over HTTP, with a payment company that is down, slow or small
//! (scenarios 9 and 10, R20, R27).

use crate::app::{Answer, App, Customer, id, text, together, until};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use temporalio_client::{
    Client, ClientOptions, ConnectionOptions, UntypedWorkflow, WorkflowDescribeOptions,
    WorkflowHandle, WorkflowTerminateOptions,
};

/// A breaker that was opened again and again looks every thirty seconds.
const RECOVERS_WITHIN: Duration = Duration::from_secs(90);

/// Who pays while the company is down: with a card after reserving, or by the report's call.
struct Crowd {
    paying: Vec<(Customer, Value, Answer)>,
    planned: Vec<(Customer, Value)>,
}

impl App {
    async fn script(&self, faults: Value) {
        let tester = self.customer("tester");
        let url = format!("{}/faults", self.gateway);
        tester.send(tester.http.put(url).json(&faults)).await.expect(200);
    }

    async fn payments(&self) -> Value {
        self.customer("readiness").get("/readyz").await.expect(200)["payments"].clone()
    }

    async fn until_breaker(&self, states: &[&str]) {
        let began = Instant::now();
        while !states.contains(&text(&self.payments().await["breaker"])) {
            assert!(began.elapsed() < RECOVERS_WITHIN, "never {states:?}");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Reserves first, then all pay at once.
    async fn pay_at_once(&self, count: usize) -> Vec<(Customer, Value, Answer)> {
        let mut reserved = Vec::new();
        for _ in 0..count {
            let customer = self.somebody();
            let reservation = customer.reserve(1).await;
            reserved.push((customer, reservation));
        }
        together(reserved.into_iter().map(|(customer, reservation)| async move {
            let answer = customer.pay(&reservation).await;
            (customer, reservation, answer)
        }))
        .await
    }
}

/// Scenario 9.
#[tokio::test]
async fn while_the_gateway_is_down_all_wait_and_then_all_are_paid_once() {
    let app = App::start(&["--gateway-calls", "4"]).await;
    app.script(json!({"rules": [{"fault": "DOWN"}]})).await;
    let opening = app.pay_at_once(24).await;
    app.until_breaker(&["open"]).await;
    let crowd = Crowd { paying: app.pay_at_once(30).await, planned: planned(&app).await };
    let changed = changes_card(&app).await;
    assert!(app.payments().await["waiting"].as_u64().expect("a number") > 20);
    for (_, _, answer) in opening.iter().chain(&crowd.paying) {
        expect_waiting(answer);
    }

    app.script(json!({"callsMax": 4})).await;
    for (customer, reservation, _) in opening.iter().chain(&crowd.paying) {
        paid(customer, reservation, "PAYMENT_APPROVED").await;
        assert_eq!(customer.ledger(reservation).await, ["APPROVE DONE"]);
    }
    for (customer, reservation) in &crowd.planned {
        paid(customer, reservation, "TICKETED").await;
        assert_eq!(customer.ledger(reservation).await, ["APPROVE DONE", "CAPTURE DONE"]);
        assert_eq!(customer.timeline(reservation).await[..2], ["Reserved", "PaymentDeferred"]);
    }
    another_card_was_charged(&changed).await;
    // The cause is gone, and so is the line.
    app.until_breaker(&["closed"]).await;
    let began = Instant::now();
    app.somebody().ticketed(1).await;
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
}

fn expect_waiting(answer: &Answer) {
    assert_eq!(answer.status, 202, "{answer:?}");
    let again: u64 = answer.header("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&again), "{again}");
    let status = text(&answer.body["status"]);
    match status {
        "PAYMENT_PENDING" => assert_eq!(answer.body["payment"]["estimatedAt"], Value::Null),
        _ => {
            assert_eq!(status, "PAYMENT_DEFERRED");
            assert_eq!(answer.body["statusLabel"], "결제대기(혼잡)");
            assert_eq!(answer.body["payment"]["status"], "DEFERRED");
            assert!(answer.body["payment"]["estimatedAt"].is_string());
        }
    }
}

/// The report's call is told the truth at once.
async fn planned(app: &App) -> Vec<(Customer, Value)> {
    let mut planned = Vec::new();
    for _ in 0..6 {
        let customer = app.somebody();
        let body = json!({
            "customerName": "홍길동", "movieName": "사탄의인형3", "reservationStatus": "예매완료",
        });
        let reservation = customer.post("/reservations", body).await.expect(201);
        assert_eq!(reservation["status"], "PAYMENT_DEFERRED");
        assert_eq!(reservation["reservationStatus"], "결제대기(혼잡)");
        planned.push((customer, reservation));
    }
    planned
}

/// R27: the first card waits unsent, and a second one takes its place.
async fn changes_card(app: &App) -> (Customer, Value) {
    let customer = app.somebody();
    let reservation = customer.reserve(1).await;
    let deferred = customer.pay(&reservation).await.expect(202);
    assert_eq!(deferred["status"], "PAYMENT_DEFERRED");
    assert_eq!(deferred["allowedActions"], json!(["pay", "cancel"]));
    let path = format!("/reservations/{}/payments", id(&reservation));
    let other = json!({"method": "KAKAO_PAY", "amount": reservation["amount"]});
    let again = customer.post(&path, other).await.expect(202);
    assert_eq!(again["status"], "PAYMENT_DEFERRED");
    let payments = customer.get(&path).await.expect(200);
    assert_eq!(payments["items"][0]["status"], "PENDING");
    assert_eq!(payments["items"][1]["status"], "ABANDONED");
    (customer, reservation)
}

async fn another_card_was_charged((customer, reservation): &(Customer, Value)) {
    paid(customer, reservation, "PAYMENT_APPROVED").await;
    assert_eq!(customer.ledger(reservation).await, ["APPROVE DONE"]);
    let path = format!("/reservations/{}/payments", id(reservation));
    let payments = customer.get(&path).await.expect(200);
    assert_eq!(payments["items"][0]["status"], "APPROVED");
    assert_eq!(payments["items"][0]["method"], "KAKAO_PAY");
}

/// As `Customer::until`, for as long as a breaker may take.
async fn paid(customer: &Customer, reservation: &Value, status: &str) {
    let began = Instant::now();
    loop {
        let now = customer.read(reservation).await;
        if now["status"] == status {
            return;
        }
        assert_ne!(now["status"], "EXPIRED");
        assert!(began.elapsed() < RECOVERS_WITHIN, "waited for {status} in vain: {now:#}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

#[tokio::test]
async fn a_slow_gateway_is_left_alone_and_used_fully_when_it_is_fast_again() {
    let app = App::start(&["--gateway-calls", "8", "--gateway-slow", "610ms"]).await;
    app.script(json!({"approveMillis": [900, 900], "callsMax": 8})).await;
    let crowd = app.pay_at_once(60).await;
    for (_, _, answer) in &crowd {
        assert!([201, 202].contains(&answer.status), "{answer:?}");
    }
    app.until_breaker(&["open", "half-open"]).await;
    app.script(json!({"approveMillis": [400, 500], "callsMax": 8})).await;
    app.until_breaker(&["closed"]).await;
    for (customer, reservation, _) in &crowd {
        paid(customer, reservation, "PAYMENT_APPROVED").await;
        assert_eq!(customer.ledger(reservation).await, ["APPROVE DONE"]);
        // Never above its limit: nobody had to come again.
        assert_eq!(customer.deliveries(reservation).await, [1]);
    }
    assert!(app.log().contains("the gateway is left alone"), "the breaker is heard of");
}

#[tokio::test]
async fn a_company_that_asks_for_a_pause_gets_it_and_all_are_paid_after_it() {
    let app = App::start(&[]).await;
    app.script(json!({"rules": [{"fault": "OVERLOAD", "for": {"calls": 1}}]})).await;
    let crowd = app.pay_at_once(10).await;
    let mut again = 0;
    for (customer, reservation, answer) in &crowd {
        assert!([201, 202].contains(&answer.status), "{answer:?}");
        paid(customer, reservation, "PAYMENT_APPROVED").await;
        again += customer.deliveries(reservation).await.iter().map(|count| count - 1).sum::<u64>();
        customer.choose_seats(reservation).await.expect(200);
        customer.until(reservation, "TICKETED").await;
        assert_eq!(customer.ledger(reservation).await, ["APPROVE DONE", "CAPTURE DONE"]);
    }
    assert_eq!(again, 1, "only who was turned away came again, under the same key");
    assert!(app.log().contains("the gateway is left alone"), "for the second it asked for");
    app.until_breaker(&["closed"]).await;
}

/// Money that is owed back goes before money that is wanted.
#[tokio::test]
async fn a_refund_overtakes_the_line() {
    let app = App::start(&["--gateway-calls", "1", "--gateway-slow", "5s"]).await;
    let leaves = app.somebody();
    let ticketed = leaves.ticketed(1).await;
    app.script(json!({"approveMillis": [700, 700]})).await;
    let crowd = app.pay_at_once(20).await;
    leaves.cancel(&ticketed).await;
    leaves.until(&ticketed, "CANCELLED").await;
    assert_eq!(leaves.ledger(&ticketed).await, ["APPROVE DONE", "CAPTURE DONE", "REFUND DONE"]);
    let mut waiting = 0;
    for (customer, reservation, _) in &crowd {
        let now = customer.read(reservation).await;
        waiting += usize::from(text(&now["status"]) == "PAYMENT_DEFERRED");
    }
    assert!(waiting >= 5, "{waiting} of 20 still waited when the refund was done");
    for (customer, reservation, _) in &crowd {
        paid(customer, reservation, "PAYMENT_APPROVED").await;
    }
}

#[tokio::test]
async fn who_is_deferred_and_loses_the_run_is_paid_all_the_same() {
    let app = App::start(&["--gateway-calls", "4"]).await;
    app.script(json!({"rules": [{"fault": "DOWN"}]})).await;
    let opening = app.pay_at_once(24).await;
    app.until_breaker(&["open"]).await;
    let customer = app.somebody();
    let reservation = customer.reserve(1).await;
    let deferred = customer.pay(&reservation).await.expect(202);
    assert_eq!(deferred["status"], "PAYMENT_DEFERRED");
    let waits = async || customer.pending_activities(&app, &reservation).await == 1;
    until("its payment to stand in line", waits).await;
    customer.terminate_run(&app, &reservation).await;
    // Temporal goes on showing it, which says nothing.
    assert_eq!(customer.pending_activities(&app, &reservation).await, 1);
    app.script(json!({})).await;
    let path = format!("/admin/reservations/{}/nudge", id(&reservation));
    customer.as_role("staff").post(&path, json!({})).await.expect(200);
    paid(&customer, &reservation, "PAYMENT_APPROVED").await;
    drop(opening);
}

/// What an operator may do behind our back, over Temporal's own API.
impl Customer {
    async fn run(&self, app: &App, reservation: &Value) -> WorkflowHandle<Client, UntypedWorkflow> {
        let address = text(&app.run_file().expect("it runs")["temporal"]).to_owned();
        let url: reqwest::Url = format!("http://{address}").parse().expect("an address");
        let server = ConnectionOptions::new(url).identity("operator").build();
        let options = ClientOptions::new("default").build();
        let client = Client::connect(server, options).await.expect("it answers");
        client.get_workflow_handle(format!("booking/{}", id(reservation)))
    }

    async fn pending_activities(&self, app: &App, reservation: &Value) -> usize {
        let run = self.run(app, reservation).await;
        match run.describe(WorkflowDescribeOptions::default()).await {
            Ok(described) => described.raw().pending_activities.len(),
            Err(_) => 0,
        }
    }

    async fn terminate_run(&self, app: &App, reservation: &Value) {
        let run = self.run(app, reservation).await;
        run.terminate(WorkflowTerminateOptions::default()).await.expect("it runs");
    }
}

/// Scenario 10.
#[tokio::test]
async fn who_is_deferred_too_long_expires_and_nothing_is_charged() {
    let short = ["--pay-within", "10s", "--defer-within", "1s", "--grace", "0s"];
    let app = App::start(&[&short[..], &["--gateway-calls", "4"]].concat()).await;
    app.script(json!({"rules": [{"fault": "DOWN"}]})).await;
    let opening = app.pay_at_once(24).await;
    app.until_breaker(&["open"]).await;
    let anybody = app.somebody();
    let showtime = anybody.own_showtime().await;
    let before = anybody.remaining(&showtime, "STANDARD").await;
    let mut deferred = Vec::new();
    for _ in 0..8 {
        let customer = app.somebody();
        let reservation = customer.reserve_at(&showtime, 2).await.expect(201);
        let waits = customer.pay(&reservation).await.expect(202);
        assert_eq!(waits["status"], "PAYMENT_DEFERRED");
        deferred.push((customer, reservation));
    }
    let mut expired = 0;
    for (customer, reservation) in &deferred {
        let end = expired_or_sent(customer, reservation).await;
        if end["status"] == "EXPIRED" {
            expired += 1;
            assert_eq!(end["statusReason"], "PAYMENT_TIMEOUT");
            assert_eq!(end["payment"]["estimatedAt"], Value::Null);
            assert!(customer.ledger(reservation).await.is_empty());
        }
    }
    assert!(expired > 0);
    let held = 2 * (deferred.len() - expired) as u64;
    assert_eq!(anybody.remaining(&showtime, "STANDARD").await, before - held);
    drop(opening);
}

/// One or another is the one whose payment is tried, to see whether the company is back; what was
/// sent does not expire.
async fn expired_or_sent(customer: &Customer, reservation: &Value) -> Value {
    let began = Instant::now();
    loop {
        let now = customer.read(reservation).await;
        let not_sent = now["allowedActions"].as_array().expect("actions").contains(&json!("pay"));
        if !not_sent {
            return now;
        }
        assert!(began.elapsed() < RECOVERS_WITHIN, "waited in vain: {now:#}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
