//! A showtime is given up (T22, R17; specification 3, scenario 27).

use crate::app::{App, Customer, id, lasts, together, until};
use serde_json::{Value, json};
use std::time::Duration;

/// How reservations stand when the showtime is given up, and so many of each.
const EACH: usize = 6;
const STANDS: [&str; 5] =
    ["RESERVED", "PAYMENT_APPROVED", "TICKETED", "CANCELLING", "SEAT_SELECTED"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_get_everything_back_whatever_dies_meanwhile() {
    let app = App::start(&["--catalogue", "rush"]).await;
    let crowd = app.somebody();
    let instant = json!({"approveMillis": [0, 0], "otherMillis": [0, 0]});
    crowd.send(crowd.http.put(format!("{}/faults", app.gateway)).json(&instant)).await.expect(200);
    let show = crowd.get("/showtimes?limit=1").await.expect(200)["items"][0].clone();
    let mut reservations = brought(&crowd, &show, &STANDS[..4]).await;
    // From here on no ticket is issued or revoked: what has any waits in the middle of its undo.
    app.tickets_down(true).await;
    reservations.extend(until_no_ticket_comes(&crowd, &show).await);
    for (customer, reservation, _) in reservations.iter().filter(|(.., to)| *to == "CANCELLING") {
        customer.cancel(reservation).await.expect(202);
    }
    reservations.extend(brought(&crowd, &show, &STANDS[4..]).await);
    let all = reservations.len();
    assert!(all > 5 * EACH, "{all}");

    let path = format!("/admin/showtimes/{}/cancellation", id(&show));
    let reason = json!({"reason": "영사기 고장"});
    crowd.post(&path, reason.clone()).await.expect(403);
    let staff = crowd.as_role("admin");
    let begun = staff.post(&path, reason.clone()).await.expect(202);
    assert_eq!((&begun["state"], &begun["reason"]), (&json!("RUNNING"), &json!("영사기 고장")));
    let late = crowd.reserve_at(&show, 1).await.expect(409);
    assert_eq!(late["code"], "sales-closed");

    // What has tickets waits; in the middle of it everything is killed.
    let all_begun = async || staff.get(&path).await.body["waiting"] == 0;
    until("the last page", all_begun).await;
    let middle = staff.get(&path).await.expect(202);
    assert!(middle["running"].as_u64() > Some(0), "{middle}");
    let data_dir = app.kill().await;
    let app = App::start_in(data_dir, &["--catalogue", "rush"]).await;

    let (crowd, staff) = (app.somebody(), app.somebody().as_role("staff"));
    let all_done = async || staff.get(&path).await.body["done"] == all;
    until("the last reservation", all_done).await;
    // Whoever had taken the showtime is dead: it is looked at again half a minute later.
    let ended = async || staff.get(&path).await.status == 200;
    until("the end of all", ended).await;
    let done = staff.get(&path).await.expect(200);
    assert_eq!((&done["done"], &done["total"]), (&json!(all), &json!(all)));
    assert_eq!((&done["state"], &done["blocked"]), (&json!("DONE"), &json!(0)));
    assert_eq!(staff.post(&path, reason).await.expect(200), done, "asked again, nothing new");
    for (customer, reservation, _) in reservations {
        let customer = crowd.clone().named(customer.id);
        has_everything_back(&customer, &reservation).await;
    }
    let shown = crowd.get(&format!("/showtimes/{}", id(&show))).await.expect(200);
    assert_eq!(shown["status"], "CANCELLED");
    let map = crowd.seats_of(id(&show)).await;
    assert!(map.iter().all(|seat| seat["state"] == "AVAILABLE"));
    let audit = staff.get("/admin/audit").await.expect(200);
    let deeds = audit["items"].as_array().expect("a list").iter();
    assert_eq!(deeds.filter(|deed| deed["action"] == "CANCEL_SHOWTIME").count(), 1);
    assert_eq!(crowd.get("/admin/invariants").await.expect(200)["violations"], json!([]));
}

/// CANCELLED, paid back to the won, tickets first in the timeline.
async fn has_everything_back(customer: &Customer, reservation: &Value) {
    let ended = customer.read(reservation).await;
    assert_eq!(ended["status"], "CANCELLED", "{ended:#}");
    assert_eq!(ended["statusReason"], "SHOWTIME_CANCELLED");
    let ledger = customer.ledger(reservation).await;
    let told = customer.timeline(reservation).await;
    let place = |kind: &str| told.iter().rposition(|told| told == kind);
    match ledger.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | ["APPROVE DONE", "VOID DONE"] => assert_eq!(ended["payment"]["refunded"]["value"], 0),
        ["APPROVE DONE", "CAPTURE DONE", "REFUND DONE"] => {
            assert_eq!(ended["payment"]["refunded"], ended["amount"]);
            assert!(place("TicketCancelled") <= place("SeatCancelled"), "{told:?}");
            assert!(place("SeatCancelled") < place("PaymentCancelled"), "{told:?}");
        }
        _ => panic!("{ledger:?}"),
    }
    assert_eq!(place("ReservationCancelled"), Some(told.len() - 1));
}

/// Customers with a reservation each, as many in each of these stands.
async fn brought(
    crowd: &Customer,
    show: &Value,
    stands: &[&'static str],
) -> Vec<(Customer, Value, &'static str)> {
    let all = stands.iter().flat_map(|to| (0..EACH).map(move |n| (*to, n)));
    together(all.map(|(to, n)| {
        let customer = crowd.clone().named(format!("{}-{n}", to.to_lowercase()));
        let show = show.clone();
        async move {
            let reservation = brought_to(&customer, &show, to).await;
            (customer, reservation, to)
        }
    }))
    .await
}

/// The ticket worker finishes what it has begun: seats are chosen until they stay without tickets.
async fn until_no_ticket_comes(
    crowd: &Customer,
    show: &Value,
) -> Vec<(Customer, Value, &'static str)> {
    let mut probes = Vec::new();
    loop {
        let probe = crowd.clone().named(format!("probe-{}", probes.len()));
        let seated = brought_to(&probe, show, "SEAT_SELECTED").await;
        let waits = async || probe.read(&seated).await["status"] == "SEAT_SELECTED";
        let stays = lasts(Duration::from_millis(500), waits).await;
        probes.push((probe.clone(), seated.clone(), "SEAT_SELECTED"));
        if stays {
            return probes;
        }
    }
}

async fn brought_to(customer: &Customer, show: &Value, to: &str) -> Value {
    let reserved = customer.reserve_at(show, 1).await.expect(201);
    if to == "RESERVED" {
        return reserved;
    }
    customer.pay(&reserved).await;
    let approved = customer.until(&reserved, "PAYMENT_APPROVED").await;
    if to == "PAYMENT_APPROVED" {
        return approved;
    }
    // Others may be faster.
    while customer.choose_seats(&approved).await.status == 409 {}
    match to {
        "SEAT_SELECTED" => approved,
        _ => customer.until(&approved, "TICKETED").await,
    }
}

#[tokio::test]
async fn what_is_no_showtime_to_give_up() {
    let app = crate::app::shared().await;
    let staff = app.somebody().as_role("staff");
    let none = "/admin/showtimes/none/cancellation";
    staff.post(none, json!({"reason": "x"})).await.expect(404);
    staff.get(none).await.expect(404);
    let show = staff.own_showtime().await;
    let path = format!("/admin/showtimes/{}/cancellation", id(&show));
    staff.get(&path).await.expect(404);
    let problem = staff.post(&path, json!({"reason": "  "})).await.expect(400);
    assert_eq!(problem["errors"][0]["pointer"], "/reason");
    assert_eq!(staff.get(&format!("/showtimes/{}", id(&show))).await.body["status"], "ON_SALE");
}
