//! The same behaviour on PostgreSQL; skipped where it is not installed. The other tests of HTTP
//! run on SQLite.

use crate::app::{App, id, text, together};
use crate::booking::ten_creates_with_one_key;
use crate::cancelling::twenty_cancels_with_different_keys;
use crate::paying::twenty_pays_with_one_key;
use crate::postgres::cluster;
use serde_json::{Value, json};

#[tokio::test]
async fn bookings_are_carried_through_on_postgres() {
    let Some(cluster) = cluster() else { return };
    let app = App::start(&["--database-url", &cluster.database()]).await;
    happy_path_and_cancellation(&app).await;
    the_reports_calls(&app).await;
    a_race_for_the_last_places(&app).await;
    ten_creates_with_one_key(&app).await;
    twenty_pays_with_one_key(&app.somebody()).await;
    twenty_cancels_with_different_keys(&app.somebody()).await;
}

async fn happy_path_and_cancellation(app: &App) {
    let customer = app.somebody();
    let ticketed = customer.ticketed(2).await;
    assert_eq!(ticketed["tickets"].as_array().expect("a list").len(), 2);
    assert_eq!(customer.ledger(&ticketed).await, ["APPROVE DONE", "CAPTURE DONE"]);
    let mypage = customer.get(&format!("/mypage/{}", id(&ticketed))).await.expect(200);
    assert_eq!(mypage["statusLabel"], "발권완료");

    customer.cancel(&ticketed).await;
    let cancelled = customer.until(&ticketed, "CANCELLED").await;
    assert_eq!(cancelled["payment"]["refunded"], ticketed["amount"]);
    assert_eq!(customer.ledger(&ticketed).await, ["APPROVE DONE", "CAPTURE DONE", "REFUND DONE"]);
    assert!(app.somebody().sees_seats(&ticketed, "AVAILABLE").await);
    assert_eq!(
        customer.timeline(&ticketed).await[7..],
        [
            "CancellationRequested",
            "PaymentCancellationRequested",
            "SeatCancellationRequested",
            "TicketCancellationRequested",
            "TicketCancelled",
            "TicketCancelled",
            "SeatCancelled",
            "PaymentCancelled",
            "ReservationCancelled"
        ]
    );
}

async fn the_reports_calls(app: &App) {
    let customer = app.somebody();
    let body = json!({
        "customerName": "홍길동", "movieName": "사탄의인형3", "reservationStatus": "예매완료",
    });
    let reservation = customer.post("/reservations", body).await.expect(201);
    let ticketed = customer.until(&reservation, "TICKETED").await;
    assert_eq!(ticketed["tickets"].as_array().expect("a list").len(), 1);
    let payments = customer.get("/payments").await.expect(200);
    assert_eq!(payments["items"][0]["status"], "CAPTURED");
}

/// Twenty parties of eight want a grade that has no room for all of them (scenario 15).
async fn a_race_for_the_last_places(app: &App) {
    let showtime = small_showtime(app).await;
    let places = app.somebody().remaining(&showtime, "STANDARD").await;
    let (fit, left) = (usize::try_from(places / 8).expect("few"), places % 8);
    let reserve = |_| {
        let (customer, showtime) = (app.somebody(), showtime.clone());
        async move { (customer.reserve_at(&showtime, 8).await, customer) }
    };
    let (made, refused): (Vec<_>, Vec<_>) = together((0..20).map(reserve))
        .await
        .into_iter()
        .partition(|(answer, _)| answer.status == 201);
    assert_eq!(made.len(), fit);
    for (answer, _) in refused {
        assert_eq!(answer.expect(409)["code"], "sold-out");
    }
    assert_eq!(app.somebody().remaining(&showtime, "STANDARD").await, left);
    let (reservation, holder) = &made[0];
    holder.cancel(&reservation.body).await.expect(200);
    app.somebody().reserve_at(&showtime, 8).await.expect(201);
    let refused = app.somebody().reserve_at(&showtime, 8).await.expect(409);
    assert_eq!(refused["code"], "sold-out");
}

/// One with fewer places of grade STANDARD than twenty parties of eight need, and some.
async fn small_showtime(app: &App) -> Value {
    loop {
        let customer = app.somebody();
        let showtime = customer.own_showtime().await;
        let places = customer.remaining(&showtime, "STANDARD").await;
        assert!(places > 0, "{}", text(&showtime["id"]));
        if (16..152).contains(&places) {
            return showtime;
        }
    }
}
