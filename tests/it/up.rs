//! `marquee up` as its operator meets it: starts that cannot be, kills, stops, neighbours.

mod refusals;

use crate::app::{App, Customer, SOON, id, shared, text, until};
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// The report's own call: carried through without another click.
async fn ask_for_a_ticket(customer: &Customer) -> Value {
    let body = json!({
        "customerName": "홍길동", "movieName": "사탄의인형3", "reservationStatus": "예매완료",
    });
    customer.post("/reservations", body).await.expect(201)
}

/// Kills a process of a system that this test started, by its pid in `run.json`.
fn kill(app: &App, name: &str) {
    let pid = i32::try_from(app.pid(name)).ok().and_then(Pid::from_raw).expect("a pid");
    rustix::process::kill_process(pid, Signal::KILL).expect("it runs");
}

/// What still runs with this data folder, which only one system has.
fn running_in(data_dir: &Path) -> Vec<String> {
    let output = Command::new("ps").args(["-ww", "-A", "-o", "pid,args"]).output().expect("ps");
    let data_dir = data_dir.canonicalize().expect("a folder").display().to_string();
    let all = String::from_utf8_lossy(&output.stdout).into_owned();
    all.lines().filter(|line| line.contains(&data_dir)).map(str::to_owned).collect()
}

fn same_but_the_time(before: &Value, after: &Value) {
    let timeless = |body: &Value| {
        let mut body = body.clone();
        body["serverTime"] = Value::Null;
        body
    };
    assert_eq!(timeless(before), timeless(after));
}

#[tokio::test]
async fn an_orderly_stop_leaves_no_process_and_the_next_start_goes_on() {
    let app = App::start(&[]).await;
    let customer = app.somebody();
    let ticketed = customer.ticketed(2).await;
    let under_way = ask_for_a_ticket(&customer).await;
    let folder = app.data_dir.path().to_owned();
    assert!(running_in(&folder).len() >= 3, "{:?}", running_in(&folder));

    let data_dir = app.stop().await;
    assert_eq!(running_in(&folder), [""; 0]);

    let app = App::start_in(data_dir, &[]).await;
    let customer = app.customer(&customer.id);
    same_but_the_time(&ticketed, &customer.read(&ticketed).await);
    customer.until(&under_way, "TICKETED").await;
}

#[tokio::test]
async fn a_killed_up_takes_its_children_along_and_loses_no_booking() {
    let app = App::start(&[]).await;
    let customer = app.somebody();
    let ticketed = customer.ticketed(1).await;
    let cancelled = customer.ticketed(1).await;
    customer.cancel(&cancelled).await;
    let cancelled = customer.until(&cancelled, "CANCELLED").await;
    let reserved = customer.reserve(1).await;
    let approved = customer.approved(1).await;
    let mut under_way = Vec::new();
    for _ in 0..8 {
        under_way.push(ask_for_a_ticket(&customer).await);
    }

    kill(&app, "marquee");
    let folder = app.data_dir.path().to_owned();
    until("the end of all children", async || running_in(&folder).is_empty()).await;

    let app = App::start_in(app.stop().await, &[]).await;
    let customer = app.customer(&customer.id);
    for booking in &under_way {
        customer.until(booking, "TICKETED").await;
        assert_eq!(customer.ledger(booking).await, ["APPROVE DONE", "CAPTURE DONE"]);
    }
    for finished in [&ticketed, &cancelled, &reserved, &approved] {
        same_but_the_time(finished, &customer.read(finished).await);
    }
    customer.choose_seats(&approved).await.expect(200);
    customer.until(&approved, "TICKETED").await;
    // Payments that the killed worker was at stand for the time limit of their activity, which
    // looks like a busy gateway for as long as the line was not counted anew.
    let ready = async || customer.get("/readyz").await.expect(200)["payments"]["waiting"] == 0;
    until("the end of the line", ready).await;
    customer.pay(&reserved).await.expect(201);
}

/// Kills a child alone, again and again, while people book.
async fn survives_the_loss_of(child: &str) {
    let app = App::start(&[]).await;
    let customer = app.somebody();
    let mut bookings = vec![ask_for_a_ticket(&customer).await];
    for _ in 0..2 {
        let before = app.pid(child);
        kill(&app, child);
        bookings.push(ask_for_a_ticket(&customer).await);
        until("another process", async || app.pid(child) != before).await;
        bookings.push(ask_for_a_ticket(&customer).await);
    }
    for booking in &bookings {
        customer.until(booking, "TICKETED").await;
        assert_eq!(customer.ledger(booking).await, ["APPROVE DONE", "CAPTURE DONE"]);
    }
}

#[tokio::test]
async fn a_killed_gateway_is_started_again() {
    survives_the_loss_of("gateway").await;
}

#[tokio::test]
async fn a_killed_temporal_is_started_again() {
    survives_the_loss_of("temporal").await;
}

#[tokio::test]
async fn two_run_side_by_side_and_each_says_where_it_is() {
    let (one, other) = (shared().await, App::start(&[]).await);
    let (here, there) = (one.run_file().unwrap(), other.run_file().unwrap());
    for name in ["api", "temporal", "temporalUi", "gateway"] {
        assert_ne!(here[name], there[name], "{name}");
        assert_ne!(text(&here[name]), "");
    }
    for name in ["marquee", "temporal", "gateway"] {
        assert_ne!(one.pid(name), other.pid(name), "{name}");
        let folder = other.data_dir.path();
        let pid = other.pid(name).to_string();
        assert!(
            running_in(folder).iter().any(|line| line.trim_start().starts_with(&pid)),
            "{name}"
        );
    }
    let customer = other.somebody();
    let ui = customer.http.get(text(&there["temporalUi"])).send().await.expect("the UI");
    assert_eq!(ui.status(), 200);
    let booking = ask_for_a_ticket(&customer).await;
    customer.until(&booking, "TICKETED").await;
    let elsewhere = one.customer(&customer.id);
    elsewhere.get(&format!("/reservations/{}", id(&booking))).await.expect(404);
}

/// Both look for free ports at the same moment; neither may end up with the other's servers.
#[tokio::test]
async fn two_started_at_once_keep_apart() {
    let start = || App::start(&["--listen", "127.0.0.1:0"]);
    let (one, other) = tokio::join!(start(), start());
    let (here, there) = (one.run_file().unwrap(), other.run_file().unwrap());
    for name in ["api", "temporal", "temporalUi", "gateway"] {
        assert_ne!(here[name], there[name], "{name}");
    }
    for app in [&one, &other] {
        let customer = app.somebody();
        let booking = ask_for_a_ticket(&customer).await;
        customer.until(&booking, "TICKETED").await;
        assert!(!app.log().contains("starting it again"), "{}", app.log());
    }
}

#[tokio::test]
async fn the_rush_has_a_million_places_and_takes_the_reports_call() {
    let app = App::start(&["--catalogue", "rush"]).await;
    let customer = app.somebody();
    let (mut places, mut path) = (0, "/showtimes?limit=100".to_owned());
    loop {
        let page = customer.get(&path).await.expect(200);
        for show in page["items"].as_array().expect("items") {
            let grades = show["grades"].as_array().expect("grades").iter();
            places += grades.map(|pool| pool["remaining"].as_u64().expect("a count")).sum::<u64>();
        }
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        path = format!("/showtimes?limit=100&cursor={cursor}");
    }
    assert!(places >= 1_000_000, "{places} places");
    let booking = ask_for_a_ticket(&customer).await;
    customer.until(&booking, "TICKETED").await;
}

#[tokio::test]
async fn the_fault_console_exists_in_the_test_profile_only() {
    let folder = tempfile::tempdir().unwrap();
    let demo = App::launch(folder, &["--profile", "demo"]).await;
    let customer = demo.somebody();
    let answer = customer.put("/admin/faults/ticket", json!({"down": true})).await;
    assert_eq!(answer.expect(404)["code"], "not-found");
    let audited = customer.get("/admin/invariants").await;
    assert_eq!(audited.expect(404)["code"], "not-found");
}
