//! The fault script does what it says, as often as it says.

use super::*;

#[tokio::test]
async fn a_lost_answer_is_found_by_inquiry() {
    let (_folder, house, running) = start_prompt().await;
    house.rule(json!({ "fault": "LOSE_ANSWER", "orders": "o", "for": { "calls": 1 } })).await;
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
async fn what_is_kept_out_has_no_effect() {
    let (_folder, house, running) = start_prompt().await;
    let reset = json!({ "fault": "RESET", "operation": "APPROVE", "for": { "calls": 2 } });
    house.rule(reset).await;
    let key = key_of("o/approve");
    for _ in 0..2 {
        assert!(house.try_post("o/approve", &key, AMOUNT).await.is_err());
        assert_eq!(house.inquire(&key).await.0, StatusCode::NOT_FOUND);
    }
    for (fault, status, retry_after) in
        [("DOWN", 503, Some("1")), ("OVERLOAD", 429, Some("1")), ("FAIL", 500, None)]
    {
        house.rule(json!({ "fault": fault, "operation": "APPROVE", "for": { "calls": 1 } })).await;
        let response = house.try_post("o/approve", &key, AMOUNT).await.unwrap();
        assert_eq!(response.status(), status);
        let told = response.headers().get("retry-after").map(|value| value.to_str().unwrap());
        assert_eq!(told, retry_after);
        assert_eq!(house.inquire(&key).await.0, StatusCode::NOT_FOUND);
    }
    assert_eq!(house.answer("o/approve", AMOUNT).await["outcome"], "DONE");
    let counts = house.read("/deliveries?orderId=o").await;
    assert_eq!(counts, json!({ "items": [{ "key": key, "count": 6 }] }));
    running.stop().await;
}

#[tokio::test]
async fn a_call_that_hangs_is_never_answered() {
    let (_folder, house, running) = start_prompt().await;
    house.rule(json!({ "fault": "HANG", "millis": [200, 200], "for": { "calls": 1 } })).await;
    let began = Instant::now();
    assert!(house.try_post("o/approve", &key_of("o/approve"), AMOUNT).await.is_err());
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert_eq!(house.count_in_ledger("o").await, 0);
    running.stop().await;
}

#[tokio::test]
async fn inquiries_fail_as_deliveries_do() {
    let (_folder, house, running) = start_prompt().await;
    house.answer("o/approve", AMOUNT).await;
    house.rule(json!({ "fault": "DOWN", "operation": "INQUIRE", "for": { "calls": 1 } })).await;
    let key = key_of("o/approve");
    assert_eq!(house.inquire(&key).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(house.inquire(&key).await.0, StatusCode::OK);
    running.stop().await;
}

#[tokio::test]
async fn a_late_delivery_takes_effect_after_a_look_up_in_vain() {
    let (_folder, house, running) = start_prompt().await;
    house.rule(json!({ "fault": "LATE", "for": { "calls": 1 } })).await;
    let key = key_of("o/approve");
    assert!(house.try_post("o/approve", &key, AMOUNT).await.is_err());
    assert_eq!(house.count_in_ledger("o").await, 0);
    assert_eq!(house.inquire(&key).await.0, StatusCode::NOT_FOUND);
    house.inquire_until(&key, "DONE").await;
    running.stop().await;
}

#[tokio::test]
async fn a_doubled_call_has_one_effect_and_a_wrong_amount_is_only_told() {
    let (_folder, house, running) = start_prompt().await;
    house.rule(json!({ "fault": "TWICE", "for": { "calls": 1 } })).await;
    assert_eq!(house.answer("o/approve", AMOUNT).await["outcome"], "DONE");
    let counts = house.read("/deliveries?orderId=o").await;
    assert_eq!(counts["items"][0]["count"], 2);

    house.rule(json!({ "fault": "WRONG_AMOUNT", "for": { "calls": 1 } })).await;
    assert_eq!(house.answer("o/capture", AMOUNT).await["amount"], AMOUNT + 1);
    assert_eq!(house.answer("o/capture", AMOUNT).await["amount"], AMOUNT);
    assert_eq!(house.count_in_ledger("o").await, 2);
    running.stop().await;
}

#[tokio::test]
async fn scripted_refusals_strike_as_often_as_they_say() {
    let (_folder, house, running) = start_prompt().await;
    for operation in ["APPROVE", "CAPTURE", "REFUND"] {
        let once = json!({ "calls": 1 });
        house.rule(json!({ "fault": "DECLINE", "operation": operation, "for": once })).await;
    }
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
async fn the_newest_rule_that_fits_strikes() {
    let (_folder, house, running) = start_prompt().await;
    house.rule(json!({ "fault": "SLOW", "millis": [300, 300] })).await;
    let rule = json!({ "fault": "SLOW", "millis": [0, 0], "orders": "a", "for": { "calls": 1 } });
    let id = house.rule(rule).await["id"].clone();
    let slow = async |path: &str| {
        let began = Instant::now();
        house.answer(path, AMOUNT).await;
        began.elapsed() >= Duration::from_millis(300)
    };
    assert!(slow("b/approve").await);
    assert!(!slow("a/approve").await);
    // The newer one is used up.
    assert!(slow("a/capture").await);

    let removed = house.remove_rule(&id).await.unwrap();
    assert_eq!(removed["struck"], 1);
    assert_eq!(house.remove_rule(&id).await, None);
    let left = house.read("/faults").await["rules"].as_array().unwrap().clone();
    assert_eq!((left.len(), &left[0]["struck"]), (1, &json!(2)));
    running.stop().await;
}

#[tokio::test]
async fn a_rule_ends_with_its_time_and_a_share_is_drawn_by_its_seed() {
    let (_folder, house, running) = start_prompt().await;
    house.rule(json!({ "fault": "DECLINE", "orders": "t", "for": { "millis": 0 } })).await;
    assert_eq!(house.answer("t/approve", AMOUNT).await["outcome"], "DONE");

    let mut drawn = Vec::new();
    for round in ["x", "y"] {
        let share = json!({ "share": 0.5, "seed": 7 });
        house.rule(json!({ "fault": "DECLINE", "orders": round, "for": share })).await;
        let mut outcomes = Vec::new();
        for n in 0..20 {
            let answer = house.answer(&format!("{round}-{n}/approve"), AMOUNT).await;
            outcomes.push(answer["outcome"].clone());
        }
        drawn.push(outcomes);
    }
    assert_eq!(drawn[0], drawn[1]);
    assert!(drawn[0].contains(&json!("DONE")));
    assert!(drawn[0].contains(&json!("REFUSED")));
    running.stop().await;
}

#[tokio::test]
async fn the_script_has_defaults() {
    let (_folder, house, running) = start_prompt().await;
    assert_eq!(house.put("/faults", json!({})).await, StatusCode::OK);
    let defaults = json!({
        "approveMillis": [400, 620], "otherMillis": [20, 60], "callsMax": null,
        "callsPerSecondMax": null, "authorizedMillis": 600_000, "rules": [],
    });
    assert_eq!(house.read("/faults").await, defaults);
    let rule = json!({ "fault": "DECLINE", "for": { "calls": 2 } });
    house.put("/faults", json!({ "approveMillis": [0, 0], "rules": [rule] })).await;
    house.refusal("o/approve", &key_of("o/approve"), AMOUNT).await;
    let shown = json!([{ "id": 1, "fault": "DECLINE", "for": { "calls": 2 }, "struck": 1 }]);
    assert_eq!(house.read("/faults").await["rules"], shown);
    running.stop().await;
}

#[tokio::test]
async fn a_script_that_cannot_be_played_is_refused() {
    let (_folder, house, running) = start_prompt().await;
    let before = house.read("/faults").await;
    let wrong_rules = [
        json!({ "fault": "DECLINED" }),
        json!({ "fault": "DECLINE", "orders": "with space" }),
        json!({ "fault": "DECLINE", "millis": [1, 1] }),
        json!({ "fault": "SLOW" }),
        json!({ "fault": "SLOW", "millis": [2, 1] }),
        json!({ "fault": "FAIL", "for": { "share": 1.5, "seed": 1 } }),
        json!({ "fault": "FAIL", "for": { "share": 0.5 } }),
        json!({ "fault": "FAIL", "for": { "call": 1 } }),
    ];
    let wrong_settings = [
        json!({ "approveMillis": [2, 1] }),
        json!({ "otherMillis": [0, 600_001] }),
        json!({ "declineNxt": 1 }),
    ];
    let in_rules = |rule: &Value| json!({ "rules": [rule] });
    for script in wrong_rules.iter().map(in_rules).chain(wrong_settings) {
        assert_eq!(house.put("/faults", script).await, StatusCode::BAD_REQUEST);
    }
    for rule in &wrong_rules {
        assert_eq!(house.post_rule(rule).await.status(), StatusCode::BAD_REQUEST, "{rule}");
    }
    assert_eq!(house.read("/faults").await, before);
    running.stop().await;
}
