//! Choosing seats, over HTTP: the rules of the room. For races see `crowds.rs`.

use crate::app::{Answer, Customer, id, shared, text};
use serde_json::{Value, json};

#[tokio::test]
async fn the_same_seats_again_are_answered_the_same() {
    let customer = shared().await.somebody();
    let approved = customer.approved(2).await;
    let first = customer.choose_seats(&approved).await.expect(200);
    let seats: Value = first["seats"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|seat| seat["seatId"].clone())
        .collect();
    let again = customer.put_seats(&approved, &seats).await.expect(200);
    assert_eq!(again["seats"], first["seats"]);
    customer.until(&approved, "TICKETED").await;
    let again = customer.put_seats(&approved, &seats).await.expect(200);
    assert_eq!(again["status"], "TICKETED");
    let assigned = customer.timeline(&approved).await;
    assert_eq!(assigned.iter().filter(|kind| *kind == "SeatAssigned").count(), 1);
}

#[tokio::test]
async fn seats_before_the_payment_are_refused() {
    let customer = shared().await.somebody();
    let reservation = customer.reserve(1).await;
    let problem = customer.choose_seats(&reservation).await.expect(409);
    assert_eq!(problem["code"], "wrong-state");
    assert_eq!(problem["currentStatus"], "RESERVED");
    assert_eq!(problem["allowedActions"], json!(["pay", "cancel"]));
}

#[tokio::test]
async fn a_wheelchair_user_sits_beside_the_companion() {
    let customer = shared().await.somebody();
    let showtime = customer.own_showtime().await;
    let admissions = json!([{"type": "WHEELCHAIR", "count": 1}, {"type": "COMPANION", "count": 1}]);
    let body =
        json!({"showtimeId": showtime["id"], "grade": "ACCESSIBLE", "admissions": admissions});
    let reservation = customer.post("/reservations", body).await.expect(201);
    customer.pay(&reservation).await.expect(201);
    customer.choose_seats(&reservation).await.expect(200);
    let ticketed = customer.until(&reservation, "TICKETED").await;
    let mut kinds: Vec<&str> = ticketed["seats"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|seat| text(&seat["kind"]))
        .collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["COMPANION", "WHEELCHAIR"]);
}

#[tokio::test]
async fn seats_that_do_not_fit_the_party_are_refused() {
    let customer = shared().await.somebody();
    let approved = customer.approved(2).await;
    let showtime = text(&approved["showtimeId"]);
    let map = customer.seats_of(showtime).await;
    let first = |key: &str, value: &str| map.iter().find(|seat| seat[key] == value).unwrap();
    let standard = &first("grade", "STANDARD")["id"];
    let check = async |seats: Value, status: u16, code: &str| {
        let problem = customer.put_seats(&approved, &seats).await.expect(status);
        assert_eq!(problem["code"], code, "{problem}");
    };
    let wheelchair = &first("kind", "WHEELCHAIR")["id"];
    check(json!([standard, wheelchair]), 422, "accessible-seat-only").await;
    let economy = &first("grade", "ECONOMY")["id"];
    check(json!([standard, economy]), 422, "wrong-grade").await;
    check(json!([standard]), 422, "seat-count").await;
    check(json!([standard, standard]), 422, "seat-count").await;
    let elsewhere = seat_elsewhere(&customer, &approved).await;
    check(json!([standard, elsewhere]), 404, "not-found").await;
    check(json!([standard, "no-such-seat"]), 404, "not-found").await;
    assert_eq!(customer.read(&approved).await["status"], "PAYMENT_APPROVED");
}

#[tokio::test]
async fn a_lone_seat_is_not_left_over_and_the_alternatives_are_legal() {
    let app = shared().await;
    for which in 0..3 {
        let customer = app.somebody();
        let showtime = customer.own_showtime().await;
        let reservation = customer.reserve_at(&showtime, 1).await.expect(201);
        customer.pay(&reservation).await.expect(201);
        let (stranded, chosen) = second_from_the_aisle(&customer.seats_of(id(&showtime)).await);
        let refused = customer.put_seats(&reservation, &json!([chosen])).await.expect(422);
        assert_eq!(refused["code"], "single-seat-gap");
        assert!(
            refused["strandedSeatIds"].as_array().expect("a list").contains(&stranded),
            "{refused}"
        );
        assert_eq!(refused["alternatives"].as_array().expect("a list").len(), 3);
        customer.put_seats(&reservation, &refused["alternatives"][which]).await.expect(200);
    }
}

#[tokio::test]
async fn a_teen_may_not_see_a_film_for_adults() {
    let customer = shared().await.somebody();
    let page = customer.get("/showtimes?movieId=childs-play-3&limit=1").await.expect(200);
    let check = async |audience: &str| -> Answer {
        let body = json!({
            "showtimeId": page["items"][0]["id"], "grade": "STANDARD",
            "admissions": [{"type": "ADULT", "count": 1}, {"type": audience, "count": 1}],
        });
        customer.post("/reservations", body).await
    };
    assert_eq!(check("TEEN").await.expect(422)["code"], "age-restricted");
    check("SENIOR").await.expect(201);
}

/// A seat of an auditorium that the reservation is not for.
async fn seat_elsewhere(customer: &Customer, reservation: &Value) -> Value {
    let here = customer.get(&format!("/showtimes/{}", text(&reservation["showtimeId"]))).await;
    loop {
        let other = customer.own_showtime().await;
        if other["auditoriumId"] != here.body["auditoriumId"] {
            return customer.seats_of(id(&other)).await[0]["id"].clone();
        }
    }
}

/// The first two of at least three ordinary free seats in a row, the second of grade STANDARD.
fn second_from_the_aisle(map: &[Value]) -> (Value, Value) {
    let beside = |left: &Value, right: &Value| {
        left["y"] == right["y"] && left["x"].as_u64().map(|x| x + 1) == right["x"].as_u64()
    };
    let found = map.windows(4).find(|four| {
        let [before, first, second, third] = four else { return false };
        let ordinary = [first, second, third].iter().all(|seat| seat["kind"] == "NORMAL");
        let in_a_row = beside(first, second) && beside(second, third) && !beside(before, first);
        ordinary && in_a_row && second["grade"] == "STANDARD"
    });
    let four = found.expect("every auditorium has three seats in a row");
    (four[1]["id"].clone(), four[2]["id"].clone())
}
