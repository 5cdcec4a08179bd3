//! The ledger has one item per definitive answer.

use super::*;

#[tokio::test]
async fn the_ledger_has_one_item_per_answer_whatever_was_delivered() {
    let (_folder, house, running) = start_prompt().await;
    for _ in 0..3 {
        house.answer("o-1/approve", AMOUNT).await;
    }
    house.refusal("o-2/capture", &key_of("o-2/capture"), AMOUNT).await;
    let captured = house.answer("o-1/capture", AMOUNT).await;

    let ledger = house.read("/ledger").await;
    assert_eq!(ledger["nextCursor"], Value::Null);
    let items = ledger["items"].as_array().unwrap();
    let outcomes: Vec<_> = items.iter().map(|item| item["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["DONE", "REFUSED", "DONE"]);
    let last = json!({
        "seq": 3, "key": key_of("o-1/capture"), "orderId": "o-1", "operation": "CAPTURE",
        "amount": AMOUNT, "outcome": "DONE", "at": captured["at"],
    });
    assert_eq!(items[2], last);
    running.stop().await;
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repeat() {
    let (_folder, house, running) = start_prompt().await;
    for n in 0..6 {
        house.answer(&format!("o-{n}/approve"), AMOUNT).await;
        house.answer("all/approve", AMOUNT).await;
        house.answer_to("all/capture", &format!("capture-number-{n}"), AMOUNT).await;
    }
    assert_eq!(seqs(&house, "").await, (1..=13).collect::<Vec<u64>>());
    assert_eq!(seqs(&house, "&orderId=all").await, [2, 3, 5, 7, 9, 11, 13]);
    assert_eq!(seqs(&house, "&orderId=o-1").await, [4]);
    assert!(seqs(&house, "&orderId=none").await.is_empty());
    for query in ["limit=0", "limit=1001", "after=x", "orderId=a%20b"] {
        assert_eq!(house.get(&format!("/ledger?{query}")).await.0, StatusCode::BAD_REQUEST);
    }
    running.stop().await;
}

/// All items of a ledger, read two by two.
async fn seqs(house: &House, filter: &str) -> Vec<u64> {
    let mut seqs = Vec::new();
    let mut after = 0;
    loop {
        let page = house.read(&format!("/ledger?limit=2&after={after}{filter}")).await;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        seqs.extend(items.iter().map(|item| item["seq"].as_u64().unwrap()));
        let Some(next) = page["nextCursor"].as_u64() else { return seqs };
        after = next;
    }
}
