//! API and workers as processes of their own, on PostgreSQL: they carry bookings through together,
//! and the loss, the death or the freezing of any of them costs nothing but time.

mod deploys;
pub(crate) mod parts;

use crate::app::{Customer, MARQUEE, id, lasts, text, until};
use crate::postgres::{cluster, own_cluster};
use parts::{Fleet, Part};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;

#[tokio::test]
async fn a_fleet_survives_the_death_of_its_processes() {
    let Some(cluster) = cluster() else { return };
    let mut fleet = Fleet::on(&cluster.database()).await;
    // All at once, on a database without a schema.
    let others = [fleet.worker("booking,ticket"), fleet.worker("booking,ticket")];
    let (api, payment) = (fleet.api(), [fleet.worker("payment"), fleet.worker("payment")]);
    fleet.until_ready().await;
    bookings_are_carried_through(&fleet).await;
    let api = a_killed_api_has_forgotten_nothing(&fleet, api).await;
    let payment = a_worker_is_killed_in_the_middle_of_a_payment(&fleet, payment).await;
    let payment = a_frozen_worker_wakes_up_after_the_undo(&mut fleet, payment).await;
    for part in [payment, api].into_iter().chain(others) {
        assert!(part.stop(), "an orderly stop");
    }
}

async fn bookings_are_carried_through(fleet: &Fleet) {
    let customer = fleet.customer("through");
    let mut planned = Vec::new();
    for _ in 0..6 {
        planned.push(customer.post("/reservations", plan(&customer).await).await.expect(201));
    }
    // Answered as in one process: the API hears of what a worker has done.
    let ticketed = customer.ticketed(2).await;
    for reservation in planned.iter().chain([&ticketed]) {
        customer.until(reservation, "TICKETED").await;
        assert_eq!(customer.ledger(reservation).await, ["APPROVE DONE", "CAPTURE DONE"]);
    }
    customer.cancel(&ticketed).await;
    customer.until(&ticketed, "CANCELLED").await;
    assert_eq!(customer.ledger(&ticketed).await, ["APPROVE DONE", "CAPTURE DONE", "REFUND DONE"]);
    let payments = json!({"breaker": null, "waiting": 0}); // the breaker is the worker's
    let expected =
        json!({"status": "ready", "store": "up", "temporal": "up", "payments": payments});
    // The line is counted now and then.
    let rests = async || customer.get("/readyz").await.expect(200) == expected;
    until("rest", rests).await;
    let open = customer.reserve(1).await;
    let asks = format!("/reservations/{}/progress", id(&open));
    let by_workflow = async || customer.get(&asks).await.body["source"] == "workflow";
    until("an answer of the workflow", by_workflow).await;
}

/// Commands under way when it dies are repeated under their keys: no answer was a lie, and nothing
/// is done twice.
async fn a_killed_api_has_forgotten_nothing(fleet: &Fleet, api: Part) -> Part {
    let customer = fleet.customer("repeats");
    let body = plan(&customer).await;
    let answered = customer.keyed("POST", "/reservations", &body, "key-0").await.expect(201);
    let under_way: Vec<_> = (1..=12)
        .map(|n| {
            let key = format!("key-{n}");
            let request = customer.request("POST", "/reservations");
            let request = request.header("Idempotency-Key", &key).json(&body);
            tokio::spawn(async move {
                let answer = request.send().await.ok()?;
                let acknowledged = (answer.status() == 201).then_some(answer)?;
                acknowledged.json::<Value>().await.ok()
            })
        })
        .collect();
    let some_are_in = async || reservations_of(&customer).await.len() > 2;
    until("some of them", some_are_in).await;
    api.kill();
    let api = fleet.api();
    fleet.until_ready().await;

    let repeat = customer.keyed("POST", "/reservations", &body, "key-0").await;
    assert_eq!(repeat.header("idempotency-replayed"), "true");
    assert_eq!(repeat.expect(201)["id"], answered["id"]);
    let mut all = vec![answered];
    for (n, acknowledged) in (1..).zip(under_way) {
        let acknowledged = acknowledged.await.expect("it does not panic");
        let key = format!("key-{n}");
        let made = customer.keyed("POST", "/reservations", &body, &key).await.expect(201);
        if let Some(acknowledged) = acknowledged {
            assert_eq!(acknowledged["id"], made["id"], "{key}");
        }
        all.push(made);
    }
    assert_eq!(reservations_of(&customer).await.len(), all.len());
    for reservation in &all {
        customer.until(reservation, "TICKETED").await;
        assert_eq!(customer.ledger(reservation).await, ["APPROVE DONE", "CAPTURE DONE"]);
    }
    api
}

async fn reservations_of(customer: &Customer) -> Vec<Value> {
    let page = customer.get("/reservations?limit=100").await.expect(200);
    page["items"].as_array().expect("items").clone()
}

/// One of two dies with the call at the gateway; the other asks what became of it and goes on.
async fn a_worker_is_killed_in_the_middle_of_a_payment(fleet: &Fleet, payment: [Part; 2]) -> Part {
    let customer = fleet.customer("killed");
    let [one, other] = payment;
    // Alone, so that it has the call.
    assert!(other.stop(), "an orderly stop");
    let reservation = payment_under_way(&customer).await;
    one.kill();
    let heir = fleet.worker("payment");
    customer.until(&reservation, "PAYMENT_APPROVED").await;
    customer.choose_seats(&reservation).await;
    customer.until(&reservation, "TICKETED").await;
    assert_eq!(customer.ledger(&reservation).await, ["APPROVE DONE", "CAPTURE DONE"]);
    assert_eq!(customer.deliveries(&reservation).await, [1, 1]);
    heir
}

/// Scenario R28: the frozen one still holds the call; another run undoes meanwhile.
async fn a_frozen_worker_wakes_up_after_the_undo(fleet: &mut Fleet, frozen: Part) -> Part {
    let customer = fleet.customer("frozen");
    let reservation = payment_under_way(&customer).await;
    frozen.signal(Signal::STOP);
    // Temporal would hand tasks to the frozen one's open polls. A restart forgets them.
    fleet.temporal.stop();
    fleet.temporal.start_again().await;
    let heir = fleet.worker("payment");
    customer.cancel(&reservation).await;
    customer.until(&reservation, "CANCELLED").await;
    let undone = ["APPROVE DONE", "VOID DONE"];
    assert_eq!(customer.ledger(&reservation).await, undone);
    let timeline = customer.timeline(&reservation).await;

    frozen.signal(Signal::CONT);
    let stays = async || {
        customer.read(&reservation).await["status"] == "CANCELLED"
            && customer.ledger(&reservation).await == undone
            && customer.timeline(&reservation).await == timeline
    };
    // Longer than it waits for an answer of the gateway.
    assert!(lasts(Duration::from_secs(4), stays).await);
    assert!(frozen.stop(), "an orderly stop");
    heir
}

/// A reservation whose approval the gateway is working on, slowly.
async fn payment_under_way(customer: &Customer) -> Value {
    let reservation = customer.reserve(1).await;
    customer.fault(&reservation, json!({"fault": "SLOW", "millis": [2000, 2000]})).await;
    let paying = (customer.clone(), reservation.clone());
    let paying = tokio::spawn(async move { paying.0.pay(&paying.1).await });
    let at_gateway = async || customer.deliveries(&reservation).await == [1];
    until("the delivery", at_gateway).await;
    paying.abort();
    reservation
}

/// PostgreSQL stops without a goodbye while people book: commands are refused as unavailable, none
/// that was answered is lost, and all is carried out when it is back.
#[tokio::test]
async fn a_fleet_survives_the_death_of_its_database() {
    let Some(mut cluster) = own_cluster() else { return };
    let fleet = Fleet::on(&cluster.database()).await;
    let _parts = [fleet.api(), fleet.worker("booking,ticket"), fleet.worker("payment")];
    fleet.until_ready().await;
    let customer = fleet.customer("outage");
    let body = plan(&customer).await;
    let mut answered = Vec::new();
    for n in 0..6 {
        let key = format!("before-{n}");
        answered.push(customer.keyed("POST", "/reservations", &body, &key).await.expect(201));
    }
    let slow = payment_under_way(&customer).await;

    cluster.stop_at_once();
    let refused = customer.keyed("POST", "/reservations", &body, "meanwhile").await;
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(refused.expect(503)["code"], "unavailable");
    customer.get("/readyz").await.expect(503);
    cluster.start_again();

    fleet.until_ready().await;
    let taken =
        async || customer.keyed("POST", "/reservations", &body, "meanwhile").await.status == 201;
    until("a booking", taken).await;
    answered.push(customer.keyed("POST", "/reservations", &body, "meanwhile").await.expect(201));
    customer.until(&slow, "PAYMENT_APPROVED").await;
    customer.choose_seats(&slow).await;
    answered.push(slow);
    for reservation in &answered {
        customer.until(reservation, "TICKETED").await;
        assert_eq!(customer.ledger(reservation).await, ["APPROVE DONE", "CAPTURE DONE"]);
    }
    assert_eq!(reservations_of(&customer).await.len(), answered.len());
}

#[test]
fn a_fleet_refuses_settings_that_cannot_be() {
    let postgres = ["--database-url", "postgres://nobody:s3cretWord@127.0.0.1:1/none"];
    let sqlite = ["--database-url", "sqlite://marquee.db"];
    let temporal = ["--temporal-address", "127.0.0.1:1"];
    let gateway = ["--gateway-url", "http://127.0.0.1:1/"];
    let with = |command: &'static str, flags: &[&[&'static str]]| {
        [&[command][..], &flags.concat()[..]].concat()
    };
    for (arguments, says) in [
        (with("api", &[&sqlite, &temporal]), "use `marquee up`"),
        (with("worker", &[&sqlite, &temporal, &gateway]), "use `marquee up`"),
        (with("migrate", &[&sqlite]), "use `marquee up`"),
        (with("api", &[&temporal]), "--database-url"),
        (with("api", &[&postgres]), "--temporal-address"),
        (with("api", &[&postgres, &temporal, &["--listen", "0.0.0.0:0"]]), "loopback"),
        (with("worker", &[&postgres, &temporal]), "--gateway-url"),
        (with("worker", &[&postgres, &temporal, &["--queues", "popcorn"]]), "--queues"),
        (with("worker", &[&postgres, &temporal, &["--queues", "ticket"]]), "cannot open"),
        (with("migrate", &[&postgres]), "cannot open the database"),
    ] {
        let mut command = Command::new(MARQUEE);
        for setting in ["MARQUEE_DATABASE_URL", "MARQUEE_GATEWAY_URL", "TEMPORAL_ADDRESS"] {
            command.env_remove(setting);
        }
        command.env("MARQUEE_LISTEN", "127.0.0.1:0");
        let ended = command.args(&arguments).output().expect("marquee starts");
        let errors = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success(), "{arguments:?}");
        assert!(errors.contains(says), "{arguments:?}: {errors}");
        assert!(!errors.contains("s3cretWord"), "{errors}");
        assert!(!errors.contains("panicked"), "{errors}");
    }
}

/// Two adults, the best seats, paid by card: carried through without another click.
async fn plan(customer: &Customer) -> Value {
    json!({
        "showtimeId": text(&customer.showtime().await["id"]), "grade": "STANDARD",
        "admissions": [{"type": "ADULT", "count": 2}],
        "plan": {"method": "CARD", "seats": "best"},
    })
}
