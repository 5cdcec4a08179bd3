//! What may be done with the money of one order.

use super::*;

#[tokio::test]
async fn money_is_approved_and_captured_once() {
    let (_folder, house, running) = start_prompt().await;
    assert_eq!(house.refusal("o/capture", "early-capture-0001", AMOUNT).await, "NOT_APPROVED");
    assert_eq!(house.refusal("o/void", "early-void-0000001", AMOUNT).await, "NOT_APPROVED");
    assert_eq!(house.answer("o/approve", AMOUNT).await["outcome"], "DONE");
    assert_eq!(house.refusal("o/approve", "other-approve-0001", AMOUNT).await, "ALREADY_APPROVED");
    assert_eq!(house.refusal("o/capture", "less-capture-00001", 1).await, "AMOUNT_MISMATCH");
    let captured = house.answer("o/capture", AMOUNT).await;
    assert_eq!(captured["outcome"], "DONE");
    assert_eq!(captured["approvalEndsAt"], Value::Null);
    assert_eq!(house.refusal("o/capture", "other-capture-0001", AMOUNT).await, "ALREADY_CAPTURED");
    assert_eq!(house.refusal("o/void", "late-void-00000001", AMOUNT).await, "ALREADY_CAPTURED");
    running.stop().await;
}

#[tokio::test]
async fn an_approval_is_voided_once_and_then_ends() {
    let (_folder, house, running) = start_prompt().await;
    house.answer("o/approve", AMOUNT).await;
    assert_eq!(house.refusal("o/void", "less-void-00000001", 1).await, "AMOUNT_MISMATCH");
    assert_eq!(house.answer("o/void", AMOUNT).await["outcome"], "DONE");
    assert_eq!(house.refusal("o/void", "other-void-0000001", AMOUNT).await, "ALREADY_VOIDED");
    assert_eq!(house.refusal("o/capture", "late-capture-00001", AMOUNT).await, "ALREADY_VOIDED");
    assert_eq!(house.refusal("o/refund", "late-refund-000001", AMOUNT).await, "ALREADY_VOIDED");
    running.stop().await;
}

#[tokio::test]
async fn refunds_never_exceed_what_was_captured() {
    let (_folder, house, running) = start_prompt().await;
    house.answer("o/approve", AMOUNT).await;
    assert_eq!(house.refusal("o/refund", "early-refund-00001", AMOUNT).await, "NOT_CAPTURED");
    house.answer("o/capture", AMOUNT).await;
    let first = house.answer_to("o/refund", "first-refund-00001", 10_000).await;
    assert_eq!(first["outcome"], "DONE");
    assert_eq!(house.refusal("o/refund", "large-refund-00001", 18_001).await, "AMOUNT_EXCEEDED");
    let rest = house.answer_to("o/refund", "other-refund-00001", 18_000).await;
    assert_eq!(rest["outcome"], "DONE");
    assert_eq!(house.refusal("o/refund", "last-refund-000001", 1).await, "AMOUNT_EXCEEDED");
    running.stop().await;
}

#[tokio::test]
async fn parallel_refunds_share_what_was_captured() {
    let (_folder, house, running) = start_prompt().await;
    house.answer("o/approve", AMOUNT).await;
    house.answer("o/capture", AMOUNT).await;
    let mut refunds = tokio::task::JoinSet::new();
    for n in 0..10 {
        let house = house.clone();
        let key = format!("parallel-refund-{n:02}");
        refunds.spawn(async move { house.answer_to("o/refund", &key, AMOUNT / 4).await });
    }
    let answers = refunds.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer["outcome"] == "DONE").count(), 4);
    running.stop().await;
}

#[test]
fn an_approval_cannot_be_captured_after_its_end() {
    use crate::answer::{Moment, Now, Refusal};
    use crate::delivery::{Operation, Won};
    use crate::payment::Payment;

    let amount = Won::try_from(AMOUNT).unwrap();
    let (at, ends_at) = (Moment::now(), Moment::now().approval_end());
    let start = Now { at, ends_at };
    let approved = Payment::Untouched.after(Operation::Approve, amount, start).unwrap();
    let end = Now { at: ends_at, ends_at };
    let late = approved.after(Operation::Capture, amount, end);
    assert_eq!(late, Err(Refusal::ApprovalEnded));
    assert_eq!(approved.after(Operation::Void, amount, end), Ok(Payment::Voided));
}
