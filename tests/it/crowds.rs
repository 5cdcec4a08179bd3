//! Crowds over HTTP, on both engines: two hundred want one seat, two thousand want two hundred
//! places. Customers share one client, as they would share the network.

use crate::app::{Answer, App, Customer, id, text, together};
use crate::postgres::cluster;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Parties of one that want one and the same seat.
const RIVALS: usize = 200;
/// Losers who choose again, one after the other.
const CHOOSE_AGAIN: usize = 5;
/// Customers who want to buy one place.
const BUYERS: usize = 2_000;
/// Places left when they come.
const PLACES: usize = 200;
/// So many buyers have a connection at a time.
const AT_ONCE: usize = 100;

#[tokio::test]
async fn crowds_are_served_on_sqlite() {
    crowds_are_served(&[]).await;
}

#[tokio::test]
async fn crowds_are_served_on_postgres() {
    let Some(cluster) = cluster() else { return };
    crowds_are_served(&["--database-url", &cluster.database()]).await;
}

async fn crowds_are_served(flags: &[&str]) {
    // The rush has auditoriums of 400 seats of one grade.
    let app = App::start(&[flags, &["--catalogue", "rush"]].concat()).await;
    let crowd = app.somebody();
    let instant = json!({"approveMillis": [0, 0], "otherMillis": [0, 0]});
    crowd.send(crowd.http.put(format!("{}/faults", app.gateway)).json(&instant)).await.expect(200);
    let shows = crowd.get("/showtimes?limit=2").await.expect(200);
    one_seat(&crowd, &shows["items"][0]).await;
    last_places(&crowd, &shows["items"][1]).await;
}

/// Scenario 14, R2.
async fn one_seat(crowd: &Customer, showtime: &Value) {
    let paid = (0..RIVALS).map(|n| {
        let (rival, showtime) = (one_of(crowd, "rival", n), showtime.clone());
        async move {
            let reservation = rival.reserve_at(&showtime, 1).await.expect(201);
            let answer = rival.pay(&reservation).await;
            assert!([201, 202].contains(&answer.status), "{answer:?}");
            (rival, reservation)
        }
    });
    let mut rivals = Vec::new();
    for (rival, reservation) in in_turns(paid).await {
        let approved = rival.until(&reservation, "PAYMENT_APPROVED").await;
        rivals.push((rival, approved));
    }
    let path = format!("/showtimes/{}/best-seats?partySize=1&grade=STANDARD", id(showtime));
    let seat = crowd.get(&path).await.expect(200)["items"][0]["seatIds"].clone();

    let puts = rivals.into_iter().map(|(rival, approved)| {
        let seat = seat.clone();
        async move { (rival.put_seats(&approved, &seat).await, rival, approved) }
    });
    let (won, lost): (Vec<_>, Vec<_>) =
        together(puts).await.into_iter().partition(|(answer, ..)| answer.status < 300);
    assert_eq!((won.len(), lost.len()), (1, RIVALS - 1));
    for (answer, ..) in &lost {
        assert_eq!(answer.status, 409, "{answer:?}");
        assert_eq!(answer.body["code"], "seats-unavailable");
        assert_eq!(answer.body["conflictingSeatIds"], seat);
        assert_eq!(answer.body["currentStatus"], "PAYMENT_APPROVED");
    }
    let (_, winner, booked) = &won[0];
    assert!(winner.sees_seats(&winner.until(booked, "TICKETED").await, "MINE").await);
    for (_, loser, approved) in &lost {
        let kept = loser.read(approved).await;
        assert_eq!(kept["version"], approved["version"]);
        assert_eq!(kept["deadlineAt"], approved["deadlineAt"]);
    }
    for (_, loser, approved) in lost.iter().take(CHOOSE_AGAIN) {
        loser.choose_seats(approved).await.expect(200);
        loser.until(approved, "TICKETED").await;
    }
    let map = crowd.seats_of(id(showtime)).await;
    let taken = map.iter().filter(|seat| seat["state"] == "TAKEN").count();
    assert_eq!(taken, 1 + CHOOSE_AGAIN);
}

/// R1: as many tickets as places, each for a seat of its own.
async fn last_places(crowd: &Customer, showtime: &Value) {
    let seats = crowd.seats_of(id(showtime)).await.len();
    let early = (0..(seats - PLACES) / 8).map(|n| {
        let (family, showtime) = (one_of(crowd, "family", n), showtime.clone());
        async move { (planned(&family, &showtime, 8).await.expect(201), family) }
    });
    for (reservation, family) in in_turns(early).await {
        family.until(&reservation, "TICKETED").await;
    }
    assert_eq!(crowd.remaining(showtime, "STANDARD").await, PLACES as u64);

    let buys = (0..BUYERS).map(|n| {
        let (buyer, showtime) = (one_of(crowd, "buyer", n), showtime.clone());
        async move { (planned(&buyer, &showtime, 1).await, buyer) }
    });
    let (made, refused): (Vec<_>, Vec<_>) =
        in_turns(buys).await.into_iter().partition(|(answer, _)| answer.status == 201);
    assert_eq!((made.len(), refused.len()), (PLACES, BUYERS - PLACES));
    for (answer, _) in refused {
        assert_eq!(answer.expect(409)["code"], "sold-out");
    }
    assert_eq!(crowd.remaining(showtime, "STANDARD").await, 0);

    let mut seated = BTreeSet::new();
    let mut codes = BTreeSet::new();
    for (answer, buyer) in &made {
        let ticketed = buyer.until(&answer.body, "TICKETED").await;
        assert_eq!(buyer.ledger(&ticketed).await, ["APPROVE DONE", "CAPTURE DONE"]);
        seated.insert(text(&ticketed["seats"][0]["seatId"]).to_owned());
        codes.insert(text(&ticketed["tickets"][0]["code"]).to_owned());
    }
    assert_eq!((seated.len(), codes.len()), (PLACES, PLACES));
    let map = crowd.seats_of(id(showtime)).await;
    assert!(map.iter().all(|seat| seat["state"] == "TAKEN"));
}

/// Asks to be carried through: the service pays, and chooses the best seats.
async fn planned(customer: &Customer, showtime: &Value, adults: u32) -> Answer {
    let body = json!({
        "showtimeId": showtime["id"], "grade": "STANDARD",
        "admissions": [{"type": "ADULT", "count": adults}],
        "plan": {"method": "CARD", "seats": "best"},
    });
    customer.post("/reservations", body).await
}

fn one_of(crowd: &Customer, name: &str, n: usize) -> Customer {
    crowd.clone().named(format!("{name}-{n}"))
}

/// Carries all out, [`AT_ONCE`] at a time.
async fn in_turns<T: Send + 'static>(
    tasks: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    together(tasks.into_iter().map(|task| {
        let turns = turns.clone();
        async move {
            let _turn = turns.acquire_owned().await.expect("it is not closed");
            task.await
        }
    }))
    .await
}
