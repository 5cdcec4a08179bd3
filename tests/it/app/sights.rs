//! What a customer looks at: reservations, showtimes, seats, and, as a tester, the gateway's books.

use super::{Customer, SOON, id, text};
use serde_json::Value;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

impl Customer {
    pub(crate) async fn read(&self, reservation: &Value) -> Value {
        self.get(&format!("/reservations/{}", id(reservation))).await.expect(200)
    }

    /// Waits for a status; an ending that is another fails at once.
    pub(crate) async fn until(&self, reservation: &Value, status: &str) -> Value {
        let began = Instant::now();
        loop {
            let now = self.read(reservation).await;
            if now["status"] == status {
                return now;
            }
            let ended = ["CANCELLED", "EXPIRED", "COMPLETED"].contains(&text(&now["status"]));
            assert!(!ended, "waited for {status}, ended as {now:#}");
            assert!(began.elapsed() < SOON, "waited for {status} in vain: {now:#}");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// The types of the timeline, in order; its places are checked to be gap-free.
    pub(crate) async fn timeline(&self, reservation: &Value) -> Vec<String> {
        let path = format!("/reservations/{}/timeline?limit=100", id(reservation));
        let page = self.get(&path).await.expect(200);
        let items = page["items"].as_array().expect("items");
        for (place, item) in (1..).zip(items) {
            assert_eq!(item["seq"], place);
        }
        items.iter().map(|item| text(&item["type"]).to_owned()).collect()
    }

    /// What the gateway has done for a reservation, as `APPROVE DONE`, in order.
    pub(crate) async fn ledger(&self, reservation: &Value) -> Vec<String> {
        let mut done = Vec::new();
        for attempt in 1..=3 {
            let order = format!("{}-{attempt}", id(reservation));
            let url = format!("{}/ledger?orderId={order}", self.gateway);
            let page = self.send(self.http.get(url)).await.expect(200);
            for item in page["items"].as_array().expect("items") {
                done.push(format!("{} {}", text(&item["operation"]), text(&item["outcome"])));
            }
        }
        done
    }

    /// A showtime in five days that no other test is given, for those who count places or seats.
    pub(crate) async fn own_showtime(&self) -> Value {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let day = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(5 * 24);
        let day = day.to_zoned(jiff::tz::Offset::constant(9).to_time_zone()).date();
        let page = self.get(&format!("/showtimes?limit=100&date={day}")).await.expect(200);
        let shows = page["items"].as_array().expect("items");
        shows[NEXT.fetch_add(1, Ordering::Relaxed)].clone()
    }

    /// How many places of a grade a showtime has left.
    pub(crate) async fn remaining(&self, showtime: &Value, grade: &str) -> u64 {
        let show = self.get(&format!("/showtimes/{}", id(showtime))).await.expect(200);
        let grades = show["grades"].as_array().expect("grades");
        let pool = grades.iter().find(|pool| pool["grade"] == grade).expect("the grade");
        pool["remaining"].as_u64().expect("a number")
    }

    /// All seats of a showtime, row by row in each block from the left.
    pub(crate) async fn seats_of(&self, showtime: &str) -> Vec<Value> {
        let map = self.get(&format!("/showtimes/{showtime}/seatmap")).await.expect(200);
        let blocks = map["blocks"].as_array().expect("blocks").iter();
        let rows = blocks.flat_map(|block| block["rows"].as_array().expect("rows"));
        rows.flat_map(|row| row["seats"].as_array().expect("seats")).cloned().collect()
    }

    /// Whether this customer sees all seats of the reservation in this state.
    pub(crate) async fn sees_seats(&self, reservation: &Value, state: &str) -> bool {
        let map = self.seats_of(text(&reservation["showtimeId"])).await;
        let seats = reservation["seats"].as_array().expect("seats");
        seats.iter().all(|seat| {
            let shown = map.iter().find(|shown| shown["id"] == seat["seatId"]);
            shown.expect("the seat is on the map")["state"] == state
        })
    }

    /// How many times each gateway key of the first payment attempt was delivered, in order.
    pub(crate) async fn deliveries(&self, reservation: &Value) -> Vec<u64> {
        let url = format!("{}/deliveries?orderId={}-1", self.gateway, id(reservation));
        let page = self.send(self.http.get(url)).await.expect(200);
        let items = page["items"].as_array().expect("items");
        items.iter().map(|item| item["count"].as_u64().expect("a count")).collect()
    }
}
