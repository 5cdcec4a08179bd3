//! Until when what is given back, by three policies, and quotes, over HTTP (scenarios 19 and 20).

use crate::app::{App, Customer, id, shared, text};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

/// A party with its tickets for a showtime that starts so soon.
async fn ticketed(app: &App, customer: &Customer, starts_in: i64, policy: &str) -> Value {
    let soon = minutes(starts_in)..minutes(starts_in + 120);
    let soon = app.showtime_in(soon, policy).await;
    let reservation = customer.reserve_at(&soon, 1).await.expect(201);
    customer.pay(&reservation).await.expect(201);
    customer.choose_seats(&reservation).await.expect(200);
    customer.until(&reservation, "TICKETED").await
}

async fn quote(customer: &Customer, reservation: &Value) -> Value {
    let path = format!("/reservations/{}/cancellation-quote", id(reservation));
    customer.get(&path).await.expect(200)
}

fn instant(value: &Value) -> Timestamp {
    text(value).parse().expect("an instant")
}

#[tokio::test]
async fn standard_gives_all_back_until_it_is_late() {
    let app = shared().await;
    let customer = app.somebody();
    let staff = app.somebody().as_role("staff");
    let early = ticketed(app, &customer, 21, "STANDARD").await;
    let quoted = quote(&customer, &early).await;
    assert_eq!((&quoted["percent"], &quoted["refund"]), (&json!(100), &early["amount"]));
    let closes = instant(&quoted["nextChange"]["at"]);
    assert_eq!(instant(&early["startsAt"]).duration_since(closes), minutes(20));
    assert_eq!(quoted["nextChange"]["percent"], json!(null), "then it closes");
    customer.cancel(&early).await;
    let cancelled = customer.until(&early, "CANCELLED").await;
    assert_eq!(cancelled["payment"]["refunded"], early["amount"]);

    let late = ticketed(app, &customer, 19, "STANDARD").await;
    assert_eq!(late["allowedActions"], json!([]));
    let path = format!("/reservations/{}/cancellation-quote", id(&late));
    for refused in [customer.cancel(&late).await, customer.get(&path).await] {
        let problem = refused.expect(409);
        assert_eq!(problem["code"], "cancel-window-closed");
        assert!(problem["boxOffice"].is_string());
        let closed = instant(&problem["closedAt"]);
        assert_eq!(instant(&late["startsAt"]).duration_since(closed), minutes(20));
    }
    let at_counter = staff.get(&path).await.expect(200);
    assert_eq!((&at_counter["percent"], &at_counter["refund"]), (&json!(100), &late["amount"]));
    staff.cancel(&late).await;
    let cancelled = customer.until(&late, "CANCELLED").await;
    assert_eq!(cancelled["statusReason"], "STAFF_REQUEST");
    assert_eq!(cancelled["payment"]["refunded"], late["amount"]);
}

#[tokio::test]
async fn the_standard_terms_give_half_back_when_it_is_late() {
    let app = shared().await;
    let customer = app.somebody();
    let late = ticketed(app, &customer, 19, "KFTC").await;
    let quoted = quote(&customer, &late).await;
    assert_eq!(quoted["percent"], 50);
    let paid = late["amount"]["value"].as_i64().expect("won");
    assert_eq!(quoted["refund"]["value"], (paid + 1) / 2, "rounded in the customer's favour");
    assert_eq!(instant(&quoted["nextChange"]["at"]), instant(&late["startsAt"]));
    customer.cancel(&late).await;
    let cancelled = customer.until(&late, "CANCELLED").await;
    assert_eq!(cancelled["payment"]["refunded"], quoted["refund"]);
    assert_eq!(cancelled["payment"]["status"], "PARTIALLY_REFUNDED");
    assert_eq!(cancelled["cancellation"]["percent"], 50);
    assert_eq!(customer.ledger(&late).await, ["APPROVE DONE", "CAPTURE DONE", "REFUND DONE"]);
}

#[tokio::test]
async fn events_are_refused_on_the_day() {
    let app = shared().await;
    let customer = app.somebody();
    let soon = ticketed(app, &customer, 3, "EVENT").await;
    let answer = customer.cancel(&soon).await;
    // Just before midnight in Seoul, in three minutes is tomorrow.
    let day = |at: Timestamp| at.to_zoned(jiff::tz::Offset::constant(9).to_time_zone()).date();
    if day(Timestamp::now()) == day(instant(&soon["startsAt"])) {
        assert_eq!(answer.expect(409)["code"], "cancel-window-closed");
    }
    let later = ticketed(app, &customer, 24 * 60, "EVENT").await;
    let quoted = quote(&customer, &later).await;
    assert_eq!(quoted["percent"], 100);
    customer.cancel(&later).await;
    customer.until(&later, "CANCELLED").await;
}

#[tokio::test]
async fn before_a_deal_exists_the_window_does_not_matter() {
    let app = shared().await;
    let customer = app.somebody();
    let soon = app.showtime_in(minutes(10)..minutes(120), "KFTC").await;
    let unpaid = customer.reserve_at(&soon, 1).await.expect(201);
    let quoted = quote(&customer, &unpaid).await;
    assert_eq!((&quoted["percent"], &quoted["refund"]["value"]), (&json!(100), &json!(0)));
    let paid = customer.pay(&unpaid).await.expect(201);
    let quoted = quote(&customer, &paid).await;
    assert_eq!((&quoted["percent"], &quoted["refund"]), (&json!(100), &paid["amount"]));
    customer.cancel(&paid).await;
    customer.until(&paid, "CANCELLED").await;
    let ended = format!("/reservations/{}/cancellation-quote", id(&paid));
    assert_eq!(customer.get(&ended).await.expect(409)["code"], "wrong-state");
    let stranger = app.somebody();
    stranger.get(&ended).await.expect(404);
}

#[tokio::test]
async fn the_catalogue_sells_on_each_terms() {
    let customer = shared().await.somebody();
    let page = customer.get("/showtimes?limit=100").await.expect(200);
    let mut policies: Vec<&str> = Vec::new();
    let mut pages = vec![page];
    while let Some(cursor) = pages.last().and_then(|page| page["nextCursor"].as_str()) {
        let path = format!("/showtimes?limit=100&cursor={cursor}");
        pages.push(customer.get(&path).await.expect(200));
    }
    for page in &pages {
        let items = page["items"].as_array().expect("items");
        policies.extend(items.iter().map(|show| text(&show["cancelPolicy"])));
    }
    policies.sort_unstable();
    policies.dedup();
    assert_eq!(policies, ["EVENT", "KFTC", "STANDARD"]);
}
