//! How much the gateway takes at a time.

use super::*;

#[tokio::test]
async fn calls_above_the_limit_are_turned_away_and_counted() {
    let (_folder, journal) = new_journal();
    let narrow = Faults { approve_millis: [300, 300], calls_max: Some(2), ..prompt() };
    let (house, running) = start(&journal, narrow).await;
    let began = Instant::now();
    let mut deliveries = tokio::task::JoinSet::new();
    for n in 0..5 {
        let (house, key) = (house.clone(), format!("one-of-five-calls-{n}"));
        deliveries.spawn(async move { house.try_post(&format!("o-{n}/approve"), &key, 1).await });
    }
    let answers: Vec<_> = deliveries.join_all().await.into_iter().map(Result::unwrap).collect();
    let took = answers.iter().filter(|answer| answer.status() == StatusCode::OK).count();
    assert_eq!(took, 2);
    for refused in answers.iter().filter(|answer| answer.status() != StatusCode::OK) {
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.headers()["retry-after"], "1");
    }

    let load = house.read("/load").await;
    for (count, expected) in
        [("inFlight", 0), ("peak", 2), ("taken", 2), ("overLimit", 3), ("overRate", 0)]
    {
        assert_eq!(load[count], expected, "{count} in {load}");
    }
    let (busy, passed) = (load["busyMillis"].as_u64().unwrap(), began.elapsed().as_millis());
    assert!(busy >= 600 && u128::from(busy) <= 2 * passed, "{load}");
    running.stop().await;
}

#[tokio::test]
async fn more_calls_in_a_second_than_are_taken_are_turned_away() {
    let (_folder, house, running) = start_prompt().await;
    house.put("/faults", json!({ "approveMillis": [0, 0], "callsPerSecondMax": 1 })).await;
    let since = Instant::now();
    let mut refused = 0;
    for n in 0.. {
        let (path, key) = (format!("o-{n}/approve"), format!("call-number-{n:05}"));
        let status = house.try_post(&path, &key, 1).await.unwrap().status();
        refused += u64::from(status == StatusCode::TOO_MANY_REQUESTS);
        if since.elapsed() > Duration::from_secs(2) {
            break;
        }
    }
    let load = house.read("/load").await;
    assert_eq!(load["overRate"], refused);
    assert!(load["taken"].as_u64().unwrap() <= 4, "{load}");
    running.stop().await;
}
