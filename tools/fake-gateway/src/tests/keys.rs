//! One key has one effect and one answer.

use super::*;

const KEY: &str = "key-0123456789abcdef";

#[tokio::test]
async fn twenty_parallel_deliveries_have_one_effect() {
    let (_folder, journal) = new_journal();
    let slow = Faults { approve_millis: [200, 200], ..prompt() };
    let (house, running) = start(&journal, slow).await;

    let mut deliveries = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let house = house.clone();
        deliveries.spawn(async move { house.post("order-1/approve", KEY, AMOUNT).await });
    }
    let answers = deliveries.join_all().await;

    let (status, answer) = house.post("order-1/approve", KEY, AMOUNT).await;
    assert_eq!(status, StatusCode::OK);
    let in_progress = (StatusCode::CONFLICT, r#"{"code":"IN_PROGRESS"}"#.to_owned());
    assert!(answers.contains(&in_progress), "the deliveries did not overlap");
    assert!(answers.contains(&(StatusCode::OK, answer.clone())));
    for given in answers {
        assert!(given == in_progress || given == (StatusCode::OK, answer.clone()), "{given:?}");
    }
    assert_eq!(house.count_in_ledger("order-1").await, 1);
    let counts = house.read("/deliveries?orderId=order-1").await;
    assert_eq!(counts, json!({ "items": [{ "key": KEY, "count": 21 }] }));
    running.stop().await;
}

#[tokio::test]
async fn a_repeated_delivery_gets_the_same_bytes() {
    let (_folder, house, running) = start_prompt().await;
    let first = house.post("order-1/approve", KEY, AMOUNT).await;
    assert_eq!(first.0, StatusCode::OK);
    assert_eq!(house.post("order-1/approve", KEY, AMOUNT).await, first);
    assert_eq!(house.inquire(KEY).await, first);

    let refused = house.post("order-2/capture", "capture-0123456789", AMOUNT).await;
    house.answer("order-2/approve", AMOUNT).await;
    assert_eq!(house.post("order-2/capture", "capture-0123456789", AMOUNT).await, refused);
    running.stop().await;
}

#[tokio::test]
async fn an_answer_has_the_agreed_shape() {
    let (_folder, house, running) = start_prompt().await;
    let answer = house.answer_to("order-1/approve", KEY, AMOUNT).await;
    let (at, ends_at) =
        (answer["at"].as_str().unwrap(), answer["approvalEndsAt"].as_str().unwrap());
    let expected = json!({
        "key": KEY, "orderId": "order-1", "operation": "APPROVE", "amount": AMOUNT,
        "outcome": "DONE", "code": null, "at": at, "approvalEndsAt": ends_at,
    });
    assert_eq!(answer, expected);
    for text in [at, ends_at] {
        assert_eq!(text.len(), "2026-01-02T03:04:05.678Z".len(), "{text}");
    }
    let span = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    assert_eq!(span(ends_at) - span(at), 7 * 24 * 3_600_000);
    running.stop().await;
}

#[tokio::test]
async fn a_key_cannot_be_used_for_something_else() {
    let (_folder, house, running) = start_prompt().await;
    house.answer_to("order-1/approve", KEY, AMOUNT).await;
    let reuses =
        [("order-2/approve", AMOUNT), ("order-1/capture", AMOUNT), ("order-1/approve", AMOUNT + 1)];
    for (path, amount) in reuses {
        let (status, body) = house.post(path, KEY, amount).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        assert_eq!(body, r#"{"code":"KEY_REUSED"}"#);
    }
    assert_eq!(house.read("/ledger").await["items"].as_array().unwrap().len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn the_work_goes_on_when_the_client_has_gone() {
    let (_folder, journal) = new_journal();
    let slow = Faults { approve_millis: [300, 300], ..prompt() };
    let (house, running) = start(&journal, slow).await;
    assert_eq!(house.inquire(KEY).await.0, StatusCode::NOT_FOUND);

    let impatient = house.clone();
    let delivery =
        tokio::spawn(async move { impatient.try_post("order-1/approve", KEY, AMOUNT).await });
    let body = house.inquire_until(KEY, "IN_PROGRESS").await;
    let working = json!({ "key": KEY, "outcome": "IN_PROGRESS" });
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), working);
    assert_eq!(
        house.post("order-2/approve", KEY, AMOUNT).await.0,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    delivery.abort();

    let answer = house.inquire_until(KEY, "DONE").await;
    assert_eq!(house.post("order-1/approve", KEY, AMOUNT).await, (StatusCode::OK, answer));
    running.stop().await;
}

#[tokio::test]
async fn a_delivery_that_cannot_be_understood_has_no_effect() {
    let (_folder, house, running) = start_prompt().await;
    let long = "k".repeat(257);
    for key in ["", "short", "with space 0123456", "with/slash-0123456", long.as_str()] {
        assert_eq!(house.post("order-1/approve", key, AMOUNT).await.0, StatusCode::BAD_REQUEST);
    }
    for amount in [0, -1, 1_000_000_001] {
        assert_eq!(house.post("order-1/approve", KEY, amount).await.0, StatusCode::BAD_REQUEST);
    }
    assert_eq!(house.post("order-1/steal", KEY, AMOUNT).await.0, StatusCode::NOT_FOUND);
    assert_eq!(house.post("order.1/approve", KEY, AMOUNT).await.0, StatusCode::BAD_REQUEST);

    let url = format!("{}/v1/payments/order-1/approve", house.base);
    let post = |body: String| house.client.post(&url).header("Idempotency-Key", KEY).body(body);
    let status = async |body: String| post(body).send().await.unwrap().status();
    assert_eq!(status("{".to_owned()).await, StatusCode::BAD_REQUEST);
    assert_eq!(status(r#"{"amount":28000}"#.to_owned()).await, StatusCode::BAD_REQUEST);
    assert_eq!(status(" ".repeat(17 * 1024)).await, StatusCode::PAYLOAD_TOO_LARGE);
    let keyless = house.client.post(&url).body(r#"{"amount":28000,"method":"CARD"}"#);
    assert_eq!(keyless.send().await.unwrap().status(), StatusCode::BAD_REQUEST);

    assert_eq!(house.count_in_ledger("order-1").await, 0);
    assert_eq!(house.get("/livez").await.0, StatusCode::OK);
    running.stop().await;
}
