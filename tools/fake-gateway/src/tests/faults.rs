//! The fault script does what it says, as often as it says.

use super::*;

#[tokio::test]
async fn a_lost_answer_is_found_by_inquiry() {
    let (_folder, house, running) = start_prompt().await;
    house.put("/faults/orders/o", json!({ "loseAnswersNext": 1 })).await;
    let key = key_of("o/approve");
    let error = house.try_post("o/approve", &key, AMOUNT).await.unwrap_err();
    assert!(error.is_request() && error.status().is_none(), "{error:?}");

    let found = house.inquire(&key).await;
    assert_eq!(found.0, StatusCode::OK);
    assert!(found.1.contains(r#""outcome":"DONE""#), "{}", found.1);
    assert_eq!(house.post("o/approve", &key, AMOUNT).await, found);
    assert_eq!(house.count_in_ledger("o").await, 1);
    running.stop().await;
}

#[tokio::test]
async fn dropped_and_failed_deliveries_have_no_effect() {
    let (_folder, house, running) = start_prompt().await;
    house.put("/faults/orders/o", json!({ "dropRequestsNext": 2, "failNext": 1 })).await;
    let key = key_of("o/approve");
    for _ in 0..2 {
        assert!(house.try_post("o/approve", &key, AMOUNT).await.is_err());
        assert_eq!(house.inquire(&key).await.0, StatusCode::NOT_FOUND);
    }
    let (status, _) = house.post("o/approve", &key, AMOUNT).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(house.inquire(&key).await.0, StatusCode::NOT_FOUND);
    assert_eq!(house.answer("o/approve", AMOUNT).await["outcome"], "DONE");
    let counts = house.read("/deliveries?orderId=o").await;
    assert_eq!(counts, json!({ "items": [{ "key": key, "count": 4 }] }));
    running.stop().await;
}

#[tokio::test]
async fn scripted_refusals_strike_as_often_as_they_say() {
    let (_folder, house, running) = start_prompt().await;
    let script = json!({ "declineNext": 1, "refuseCaptureNext": 1, "refuseRefundNext": 1 });
    house.put("/faults/orders/o", script).await;
    assert_eq!(house.refusal("o/approve", "declined-approval1", AMOUNT).await, "CARD_DECLINED");
    // The rules refuse first and leave the script as it is.
    assert_eq!(house.refusal("o/capture", "early-capture-0001", AMOUNT).await, "NOT_APPROVED");
    assert_eq!(house.answer("o/approve", AMOUNT).await["outcome"], "DONE");
    assert_eq!(house.refusal("o/capture", "refused-capture-01", AMOUNT).await, "CAPTURE_REFUSED");
    assert_eq!(house.answer("o/capture", AMOUNT).await["outcome"], "DONE");
    assert_eq!(house.refusal("o/refund", "refused-refund-001", AMOUNT).await, "REFUND_REFUSED");
    assert_eq!(house.answer("o/refund", AMOUNT).await["outcome"], "DONE");
    running.stop().await;
}

#[tokio::test]
async fn an_override_strikes_its_own_orders_only() {
    let (_folder, house, running) = start_prompt().await;
    let script = json!({
        "approveMillis": [0, 0], "declineAlways": true,
        "orders": { "a": { "declineAlways": false }, "a-poor": { "declineNext": 1 } },
    });
    assert_eq!(house.put("/faults", script).await, StatusCode::OK);
    assert_eq!(house.put("/faults/orders/b", json!({ "declineAlways": false })).await, 200);

    assert_eq!(house.answer("a-rich/approve", AMOUNT).await["outcome"], "DONE");
    assert_eq!(house.answer("b-rich/approve", AMOUNT).await["outcome"], "DONE");
    let code = house.refusal("c/approve", &key_of("c/approve"), AMOUNT).await;
    assert_eq!(code, "CARD_DECLINED");
    // The longest prefix alone counts, and what it leaves out is as for all orders.
    let key = key_of("a-poor/approve");
    assert_eq!(house.refusal("a-poor/approve", &key, AMOUNT).await, "CARD_DECLINED");

    let url = format!("{}/faults/orders/a", house.base);
    assert_eq!(house.client.delete(&url).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let code = house.refusal("a-new/approve", &key_of("a-new/approve"), AMOUNT).await;
    assert_eq!(code, "CARD_DECLINED");
    let overrides = house.read("/faults").await["orders"].clone();
    let left = json!({ "a-poor": { "declineNext": 1 }, "b": { "declineAlways": false } });
    assert_eq!(overrides, left);
    running.stop().await;
}

#[tokio::test]
async fn the_script_has_defaults_and_counts_down() {
    let (_folder, house, running) = start_prompt().await;
    assert_eq!(house.put("/faults", json!({})).await, StatusCode::OK);
    let defaults = json!({
        "approveMillis": [400, 620], "otherMillis": [20, 60], "declineNext": 0,
        "declineAlways": false, "refuseCaptureNext": 0, "refuseRefundNext": 0,
        "loseAnswersNext": 0, "dropRequestsNext": 0, "failNext": 0, "orders": {},
    });
    assert_eq!(house.read("/faults").await, defaults);
    house.put("/faults", json!({ "approveMillis": [0, 0], "declineNext": 2 })).await;
    house.refusal("o/approve", &key_of("o/approve"), AMOUNT).await;
    assert_eq!(house.read("/faults").await["declineNext"], 1);
    running.stop().await;
}

#[tokio::test]
async fn a_script_that_cannot_be_played_is_refused() {
    let (_folder, house, running) = start_prompt().await;
    let before = house.read("/faults").await;
    for script in [
        json!({ "approveMillis": [2, 1] }),
        json!({ "otherMillis": [0, 600_001] }),
        json!({ "declineNxt": 1 }),
        json!({ "orders": { "with space": {} } }),
        json!({ "orders": { "o": { "approveMillis": [2, 1] } } }),
    ] {
        assert_eq!(house.put("/faults", script).await, StatusCode::BAD_REQUEST);
    }
    let bad = json!({ "approveMillis": [2, 1] });
    assert_eq!(house.put("/faults/orders/o", bad).await, StatusCode::BAD_REQUEST);
    assert_eq!(house.read("/faults").await, before);
    running.stop().await;
}
