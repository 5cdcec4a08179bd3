//! A deploy at noon: each process is replaced by a new one while people book, and nobody notices.

use super::parts::{Fleet, Replica};
use super::plan;
use crate::app::{Customer, together, until};
use crate::monitoring::{names_in, queries};
use crate::postgres::cluster;
use balancer::Balancer;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::interval;

/// Those who book and read all the time.
const CUSTOMERS: usize = 4;
const EACH_BOOKS_EVERY: Duration = Duration::from_millis(400);

#[tokio::test]
async fn a_rolling_restart_fails_no_request() {
    let Some(cluster) = cluster() else { return };
    let fleet = Fleet::on(&cluster.database()).await;
    let balancer = Balancer::start().await.expect("a balancer");
    let mut apis = Vec::new();
    let mut workers = Vec::new();
    for _ in 0..2 {
        apis.push(added(&fleet, &balancer).await);
        workers.push(fleet.worker_replica().await);
    }
    let over = Arc::new(AtomicBool::new(false));
    let api = format!("http://{}", balancer.address);
    let people = (0..CUSTOMERS).map(|n| {
        let customer = Customer::new(&api, &fleet.gateway, &format!("noon-{n}"));
        tokio::spawn(books_and_reads(customer, over.clone()))
    });
    let people: Vec<_> = people.collect();

    let mut new = Vec::new();
    for old in apis {
        new.push(added(&fleet, &balancer).await);
        assert!(old.stopped().await, "an orderly stop");
    }
    for old in workers {
        new.push(fleet.worker_replica().await);
        assert!(old.stopped().await, "an orderly stop");
    }
    until("their share of the requests", async || new[0].serves().await && new[1].serves().await)
        .await;
    over.store(true, Ordering::Relaxed);
    let booked = together(people.into_iter().map(async |person| person.await.expect("no panic")));
    for (customer, reservations) in booked.await {
        assert!(!reservations.is_empty());
        for reservation in &reservations {
            customer.until(reservation, "TICKETED").await;
        }
    }
}

async fn added(fleet: &Fleet, balancer: &Balancer) -> Replica {
    let replica = fleet.api_replica().await;
    balancer.add(replica.address).await.expect("it is ready");
    replica
}

/// Every answer is a good one.
async fn books_and_reads(customer: Customer, over: Arc<AtomicBool>) -> (Customer, Vec<Value>) {
    let mut pace = interval(EACH_BOOKS_EVERY);
    let mut booked = Vec::new();
    while !over.load(Ordering::Relaxed) {
        pace.tick().await;
        let body = plan(&customer).await;
        booked.push(customer.post("/reservations", body).await.expect(201));
        customer.get("/mypage?limit=5").await.expect(200);
    }
    (customer, booked)
}

/// What those who operate it see of one process, and what of its end.
#[tokio::test]
async fn a_process_says_how_it_is_and_when_it_stops() {
    let Some(cluster) = cluster() else { return };
    let fleet = Fleet::on(&cluster.database()).await;
    let (api, worker) = (fleet.api_replica().await, fleet.worker_replica().await);
    let customer = Customer::new(&format!("http://{}", api.address), &fleet.gateway, "seen");
    let ticketed = customer.ticketed(1).await;
    customer.cancel(&ticketed).await;
    customer.until(&ticketed, "CANCELLED").await;

    customer.get("/somebody-typed-01012345678").await.expect(404);

    let counted =
        async || worker.metrics().await.contains("marquee_events_total{type=\"TicketIssued\"} 1");
    until("the events", counted).await;
    let (page, of_worker) = (api.metrics().await, worker.metrics().await);
    for (page, name) in [
        (
            &page,
            "marquee_http_requests_total{method=\"POST\",status=\"201\",endpoint=\"/reservations\"}",
        ),
        (&page, "marquee_http_requests_duration_seconds_bucket"),
        (&page, "marquee_oldest_seconds{worry=\"NOT_ATTENDED\"}"),
        (&page, "marquee_payments_waiting "),
        (&of_worker, "marquee_open_reservations{status=\"TICKETED\"}"),
        (&of_worker, "marquee_feed_lag_seconds"),
        (&of_worker, "temporal_workflow_completed_total"),
        (&of_worker, "temporal_activity_execution_latency_seconds_bucket"),
        (&of_worker, "temporal_worker_task_slots_available"),
    ] {
        assert!(page.contains(name), "no {name} in\n{page}");
    }
    // Whoever watches asks for nothing else; a failure has not been counted yet.
    let never = "temporal_workflow_task_execution_failed_total";
    for name in queries().iter().flat_map(|query| names_in(query)).filter(|name| name != never) {
        let sink = name == "marquee_sink_lag_events"; // this fleet has none
        assert!(sink || page.contains(&name) || of_worker.contains(&name), "no {name}");
    }
    // Nobody's own things are in the numbers.
    assert!(page.contains("endpoint=\"none\"") && !page.contains("typed"), "{page}");
    for page in [page, of_worker] {
        assert!(!page.contains("seen") && !page.contains(ticketed["id"].as_str().expect("an id")));
    }

    // It answers on, but says that it will not for long; who waits is told at once.
    let waiting = customer.clone().as_role("partner");
    let waiting = tokio::spawn(async move { waiting.get("/events?after=100000&wait=30").await });
    api.part.signal(rustix::process::Signal::TERM);
    let parting = async || api.ready().await == 503;
    until("its farewell", parting).await;
    let answer = customer.get("/mypage").await;
    assert_eq!(answer.header("connection"), "close");
    answer.expect(200);
    assert_eq!(customer.get("/readyz").await.expect(503)["code"], "unavailable");
    waiting.await.expect("no panic").expect(200);
    // Who asks twice is in a hurry.
    assert!(api.part.stop(), "an orderly stop");
    assert!(worker.part.stop(), "an orderly stop");
}

/// Worker versioning: what one release has begun it finishes, beside the next one, which gets what
/// is new; and back again.
#[tokio::test]
async fn a_booking_stays_with_the_release_that_began_it() {
    let Some(cluster) = cluster() else { return };
    let mut fleet = Fleet::on(&cluster.database()).await;
    let _others = [fleet.api(), fleet.worker("payment,ticket")];
    fleet.set("TEMPORAL_DEPLOYMENT_NAME", "marquee".to_owned());
    let old = release(&mut fleet, "old").await;
    let customer = fleet.customer("between");
    let begun = customer.reserve(1).await;
    until("its run", async || build_of(&fleet, &begun) == "old").await;

    let new = release(&mut fleet, "new").await;
    let next = customer.reserve(1).await;
    until("its run", async || build_of(&fleet, &next) == "new").await;
    finishes(&customer, &begun).await;
    finishes(&customer, &next).await;
    assert_eq!(build_of(&fleet, &begun), "old");

    // The new one was none: back.
    let unlucky = customer.reserve(1).await;
    until("its run", async || build_of(&fleet, &unlucky) == "new").await;
    becomes_current(&fleet, "old").await;
    let after = customer.reserve(1).await;
    until("its run", async || build_of(&fleet, &after) == "old").await;
    finishes(&customer, &unlucky).await;
    finishes(&customer, &after).await;
    for worker in [old, new] {
        assert!(worker.stopped().await, "an orderly stop");
    }
}

/// Starts a booking worker of this build, and makes it the one that gets what is new.
async fn release(fleet: &mut Fleet, build: &str) -> Replica {
    fleet.set("TEMPORAL_WORKER_BUILD_ID", build.to_owned());
    let worker = fleet.booking_replica().await;
    becomes_current(fleet, build).await;
    worker
}

async fn becomes_current(fleet: &Fleet, build: &str) {
    let made = async || {
        let mut set = fleet.temporal.cli();
        set.args(["worker", "deployment", "set-current-version", "--yes"]);
        set.args(["--deployment-name", "marquee", "--build-id", build]);
        // Refused until its first poll was seen.
        set.output().expect("the CLI runs").status.success()
    };
    until("the current version", made).await;
}

/// The build of the worker that has last moved a booking's run; empty before one has.
fn build_of(fleet: &Fleet, reservation: &Value) -> String {
    let mut describe = fleet.temporal.cli();
    let run = format!("booking/{}", crate::app::id(reservation));
    describe.args(["workflow", "describe", "--output", "json", "--workflow-id", &run]);
    let described = describe.output().expect("the CLI runs").stdout;
    let described: Value = serde_json::from_slice(&described).unwrap_or_default();
    let worker = &described["workflowExecutionInfo"]["mostRecentWorkerVersionStamp"];
    worker["buildId"].as_str().unwrap_or_default().to_owned()
}

async fn finishes(customer: &Customer, reservation: &Value) {
    customer.pay(reservation).await.expect(201);
    customer.choose_seats(reservation).await.expect(200);
    customer.until(reservation, "TICKETED").await;
}
