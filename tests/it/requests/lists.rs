//! Lists: every item once, page by page, and what no page can be asked for with.

use super::refused;
use crate::app::{Customer, id, shared, text};
use serde_json::Value;

const LISTS: &[&str] =
    &["/movies", "/theaters", "/showtimes", "/reservations", "/payments", "/mypage"];

/// All items of a list in pages of this size, by its cursors; Link headers lead the same way.
async fn walk(customer: &Customer, list: &str, limit: usize) -> Vec<Value> {
    let with = |more: &str| format!("{list}{}{more}", if list.contains('?') { '&' } else { '?' });
    let (mut items, mut path) = (Vec::new(), with(&format!("limit={limit}")));
    loop {
        let answer = customer.get(&path).await;
        let link = answer.header("link").to_owned();
        let page = answer.expect(200);
        let shown = page["items"].as_array().expect("items");
        items.extend(shown.clone());
        let Some(cursor) = page["nextCursor"].as_str() else {
            assert_eq!(link, "", "the last page of {list}");
            assert!(page["nextCursor"].is_null() && shown.len() <= limit, "{page:#}");
            return items;
        };
        assert_eq!(shown.len(), limit, "{path}");
        let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
        path = with(&format!("limit={limit}&cursor={cursor}"));
        assert_eq!(next, Some(path.as_str()), "{list}");
        assert!(items.len() < 10_000, "{list} has no end");
    }
}

fn key(item: &Value) -> String {
    let key = ["id", "reservationId", "seq"].map(|name| &item[name]);
    key.into_iter().find(|value| !value.is_null()).expect("a key").to_string()
}

/// Pages of any size hold the same items in the same order, none twice.
async fn same_in_any_pages(customer: &Customer, list: &str, limits: &[usize], least: usize) {
    let whole: Vec<String> = walk(customer, list, 100).await.iter().map(key).collect();
    assert!(whole.len() >= least, "{list} is too short to test: {whole:?}");
    let mut once = whole.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), whole.len(), "{list} repeats items");
    for limit in limits {
        let paged: Vec<String> = walk(customer, list, *limit).await.iter().map(key).collect();
        assert_eq!(paged, whole, "{list} in pages of {limit}");
    }
}

#[tokio::test]
async fn pages_hold_everything_once() {
    let customer = shared().await.somebody();
    let ticketed = customer.ticketed(2).await;
    for _ in 0..2 {
        let reservation = customer.reserve(1).await;
        customer.pay(&reservation).await.expect(201);
    }
    customer.reserve(1).await;
    let own = format!("/reservations/{}", id(&ticketed));
    let theaters = customer.get("/theaters").await.expect(200);
    let rooms = format!("/theaters/{}/auditoriums", text(&theaters["items"][0]["id"]));
    same_in_any_pages(&customer, "/movies", &[1, 3], 2).await;
    same_in_any_pages(&customer, "/theaters", &[1], 2).await;
    same_in_any_pages(&customer, &rooms, &[1, 2], 2).await;
    same_in_any_pages(&customer, "/showtimes", &[29], 101).await;
    same_in_any_pages(&customer, "/reservations", &[1, 3], 4).await;
    same_in_any_pages(&customer, "/reservations?status=PAYMENT_APPROVED", &[1], 2).await;
    same_in_any_pages(&customer, "/payments", &[1, 2], 3).await;
    same_in_any_pages(&customer, "/mypage", &[1, 4], 4).await;
    same_in_any_pages(&customer, &format!("{own}/timeline"), &[1, 3], 7).await;
    same_in_any_pages(&customer, &format!("{own}/tickets"), &[1], 2).await;
    same_in_any_pages(&customer, &format!("{own}/payments"), &[1], 1).await;
    let day = &text(&ticketed["startsAt"])[..10];
    same_in_any_pages(&customer, &format!("/showtimes?date={day}"), &[1], 2).await;
}

#[tokio::test]
async fn a_bad_query_is_refused() {
    let customer = shared().await.somebody();
    let mut queries = Vec::new();
    for list in LISTS {
        for bad in ["limit=0", "limit=101", "limit=abc", "limit=-1", "limit=", "limit=99999999999"]
        {
            queries.push(format!("{list}?{bad}"));
        }
        for bad in ["cursor=%20", "cursor=%00", "cursor=a%2Fb", "cursor=';--", "cursor=%EC%82%AC"] {
            queries.push(format!("{list}?{bad}"));
        }
        queries.push(format!("{list}?cursor={}", "x".repeat(10_000)));
        queries.push(format!("{list}?limit=1&limit=2"));
    }
    let dates = ["2026-13-40", "2026-02-30", "22-11-2026", "today", "", "2026-11-22T00:00:00Z"];
    queries.extend(dates.map(|date| format!("/showtimes?date={date}")));
    let showtime = customer.showtime().await;
    let best = format!("/showtimes/{}/best-seats", id(&showtime));
    let reservation = customer.reserve(1).await;
    queries.extend([
        "/showtimes?cursor=abc".to_owned(),
        "/showtimes?cursor=abc.def".to_owned(),
        "/showtimes?cursor=99999999999999999999.x".to_owned(),
        format!("/reservations/{}/timeline?cursor=abc", id(&reservation)),
        "/showtimes?movieId=a%20b".to_owned(),
        "/movies?status=GONE".to_owned(),
        "/reservations?status=GONE".to_owned(),
        "/reservations?status=reserved".to_owned(),
        best.clone(),
        format!("{best}?partySize=2"),
        format!("{best}?partySize=2&grade=GOLD"),
        format!("{best}?partySize=-1&grade=STANDARD"),
        format!("{best}?partySize=two&grade=STANDARD"),
    ]);
    let mut wrong = Vec::new();
    for query in queries {
        let answer = customer.get(&query).await;
        if answer.status != 400 || answer.body["code"] != "malformed" {
            wrong.push(format!("{} {} for {query:.80}", answer.status, answer.body["code"]));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    for size in [0_u32, 21, u32::MAX] {
        let path = format!("{best}?partySize={size}&grade=STANDARD");
        refused(customer.get(&path).await, 422, "party-size", &path);
    }
}

/// Values at the edge of what can be read: never our failure.
#[tokio::test]
async fn a_query_at_the_edge_is_answered() {
    let customer = shared().await.somebody();
    for query in [
        "/showtimes?date=9999-12-31",
        "/showtimes?date=0001-01-01",
        "/showtimes?date=-009999-01-01",
        "/showtimes?cursor=9223372036854775807.x",
        "/showtimes?cursor=-9223372036854775808.x",
        "/showtimes?movieId=nothing&theaterId=nothing",
        "/movies?title=%00",
        "/movies?title=%25",
        "/movies?title=';--",
        "/movies?cursor=zzz",
        "/mypage?cursor=nothing",
        "/tickets/%25",
    ] {
        let answer = customer.get(query).await;
        assert!(answer.status < 500, "{query}: {:#}", answer.body);
    }
    let nothing = customer.get("/movies?title=%25").await.expect(200);
    assert_eq!(nothing["items"].as_array().map(Vec::len), Some(0), "% is no wildcard");
}
