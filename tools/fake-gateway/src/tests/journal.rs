//! What was answered is never lost and never done again.

use super::*;
use std::io::Write;

#[tokio::test]
async fn a_restart_repeats_the_answers_and_keeps_the_rules() {
    let (_folder, journal) = new_journal();
    let (house, running) = start(&journal, prompt()).await;
    let approved = house.post("o/approve", &key_of("o/approve"), AMOUNT).await;
    let refused = house.post("o/capture", "less-capture-00001", 1).await;
    let captured = house.post("o/capture", &key_of("o/capture"), AMOUNT).await;
    let ledger = house.read("/ledger").await;
    running.stop().await;

    let (house, running) = start(&journal, prompt()).await;
    assert_eq!(house.read("/ledger").await, ledger);
    assert_eq!(house.post("o/approve", &key_of("o/approve"), AMOUNT).await, approved);
    assert_eq!(house.post("o/capture", "less-capture-00001", 1).await, refused);
    assert_eq!(house.inquire(&key_of("o/capture")).await, captured);
    assert_eq!(house.refusal("o/void", "late-void-00000001", AMOUNT).await, "ALREADY_CAPTURED");
    assert_eq!(house.read("/ledger").await["items"][3]["seq"], 4);
    running.stop().await;
}

#[tokio::test]
async fn what_a_killed_gateway_answered_is_in_the_file() {
    let (folder, journal) = new_journal();
    let (house, running) = start(&journal, prompt()).await;
    let mut deliveries = tokio::task::JoinSet::new();
    for n in 0..50 {
        let house = house.clone();
        deliveries.spawn(async move { house.answer(&format!("o-{n}/approve"), AMOUNT).await });
    }
    let answers = deliveries.join_all().await;

    // What the file holds now is what a kill would leave.
    let left = folder.path().join("left.jsonl");
    std::fs::copy(&journal, &left).unwrap();
    let (heir, heir_running) = start(&left, prompt()).await;
    for answer in answers {
        let found = heir.read(&format!("/v1/operations/{}", answer["key"].as_str().unwrap())).await;
        assert_eq!(found, answer);
    }
    running.stop().await;
    heir_running.stop().await;
}

#[tokio::test]
async fn a_torn_last_line_is_cut_off() {
    let (_folder, journal) = new_journal();
    let (house, running) = start(&journal, prompt()).await;
    let approved = house.post("o/approve", &key_of("o/approve"), AMOUNT).await;
    house.answer("o/capture", AMOUNT).await;
    running.stop().await;
    let whole = std::fs::read(&journal).unwrap();
    let first_line = whole.iter().position(|&byte| byte == b'\n').unwrap() + 1;

    for torn_bytes in [1, 40, whole.len() - first_line - 1] {
        std::fs::write(&journal, &whole[..first_line + torn_bytes]).unwrap();
        let (house, running) = start(&journal, prompt()).await;
        assert_eq!(house.post("o/approve", &key_of("o/approve"), AMOUNT).await, approved);
        assert_eq!(house.inquire(&key_of("o/capture")).await.0, StatusCode::NOT_FOUND);
        assert_eq!(house.answer("o/capture", AMOUNT).await["outcome"], "DONE");
        running.stop().await;

        let (house, running) = start(&journal, prompt()).await;
        assert_eq!(house.count_in_ledger("o").await, 2);
        running.stop().await;
    }
}

#[tokio::test]
async fn a_spoilt_journal_is_not_served() {
    let (_folder, journal) = new_journal();
    let (house, running) = start(&journal, prompt()).await;
    house.answer("o/approve", AMOUNT).await;
    running.stop().await;
    let whole = std::fs::read(&journal).unwrap();

    let mut file = std::fs::OpenOptions::new().append(true).open(&journal).unwrap();
    file.write_all(b"not json\n").unwrap();
    let (_house, running) = start(&journal, prompt()).await;
    let error = format!("{:#}", running.served.await.unwrap().unwrap_err());
    assert!(error.contains("read line 2"), "{error}");

    std::fs::write(&journal, [whole.as_slice(), whole.as_slice()].concat()).unwrap();
    let (_house, running) = start(&journal, prompt()).await;
    let error = format!("{:#}", running.served.await.unwrap().unwrap_err());
    assert!(error.contains("it does not follow entry 1"), "{error}");
}

#[tokio::test]
async fn two_gateways_cannot_share_a_journal() {
    let (_folder, journal) = new_journal();
    let (house, running) = start(&journal, prompt()).await;
    house.answer("o/approve", AMOUNT).await;
    let (_house, second) = start(&journal, prompt()).await;
    let error = format!("{:#}", second.served.await.unwrap().unwrap_err());
    assert!(error.contains("another house gateway"), "{error}");
    running.stop().await;
}

#[tokio::test]
async fn what_is_being_worked_on_is_finished_before_the_end() {
    let (_folder, journal) = new_journal();
    let slow = Faults { approve_millis: [200, 200], ..prompt() };
    let (house, running) = start(&journal, slow).await;
    let key = key_of("o/approve");
    let client = house.clone();
    let delivery = tokio::spawn(async move { client.try_post("o/approve", &key, AMOUNT).await });
    house.inquire_until(&key_of("o/approve"), "IN_PROGRESS").await;
    delivery.abort();
    running.stop().await;

    let (house, running) = start(&journal, prompt()).await;
    assert_eq!(house.count_in_ledger("o").await, 1);
    running.stop().await;
}
