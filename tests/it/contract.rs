//! The contract of a payment company's adapter (design 3, Money), the same for all three, against
//! the real stand-in: one key has one effect at most, and its answer is given again.

mod stand;

use crate::app::{together, until};
use domain::payment::Answer;
use domain::words::Operation;
use gateway::{Outcome, Unknown};
use serde_json::json;
use stand::{AMOUNT, each};

const DONE: Outcome = Outcome::Known(Answer::Done { approval_ends_at: None });

#[tokio::test]
async fn one_key_has_one_effect_and_one_answer() {
    each(async |stand| {
        let order = stand.approved("r-1").await;
        let capture = order.call(Operation::Capture, AMOUNT, None);
        let deliveries = together((0..10).map(|_| {
            let (gateway, call) = (stand.gateway.clone(), capture.clone());
            async move { gateway.deliver(&call).await }
        }));
        for outcome in deliveries.await {
            let outcome = outcome.expect("an answer");
            assert!([DONE, Outcome::InProgress].contains(&outcome), "{outcome:?}");
        }
        assert_eq!(stand.deliver(&capture).await, DONE);
        assert_eq!(stand.inquire(&capture).await, DONE);
        assert_eq!(stand.entries("r-1", "CAPTURE").await, ["DONE"]);
    })
    .await;
}

#[tokio::test]
async fn what_was_never_heard_is_delivered_again() {
    each(async |stand| {
        for (n, fault) in ["RESET", "DOWN", "FAIL", "OVERLOAD"].into_iter().enumerate() {
            let id = format!("r-{n}");
            let order = stand.approved(&id).await;
            let capture = order.call(Operation::Capture, AMOUNT, None);
            stand.rule(json!({"fault": fault, "operation": "CAPTURE", "for": {"calls": 1}})).await;
            assert!(stand.gateway.deliver(&capture).await.is_err(), "{fault}");
            assert_eq!(stand.inquire(&capture).await, Outcome::NotFound, "{fault}");
            assert_eq!(stand.deliver(&capture).await, DONE, "{fault}");
            assert_eq!(stand.entries(&id, "CAPTURE").await, ["DONE"], "{fault}");
        }
        // A company that cannot be asked has not said no.
        let order = stand.approved("r-unsure").await;
        let capture = order.call(Operation::Capture, AMOUNT, None);
        stand.rule(json!({"fault": "OVERLOAD", "operation": "INQUIRE"})).await;
        let asked = stand.gateway.inquire(&capture).await;
        assert!(matches!(asked, Err(Unknown::TooMany { .. })), "{asked:?}");
    })
    .await;
}

#[tokio::test]
async fn a_call_that_hangs_is_unknown() {
    each(async |stand| {
        let order = stand.approved("r-1").await;
        let capture = order.call(Operation::Capture, AMOUNT, None);
        let hang = json!({
            "fault": "HANG", "operation": "CAPTURE", "millis": [9000, 9000], "for": {"calls": 1},
        });
        stand.rule(hang).await;
        let asked = stand.gateway.deliver(&capture).await;
        assert!(matches!(asked, Err(Unknown::NoAnswer(_))), "{asked:?}");
        assert_eq!(stand.deliver(&capture).await, DONE);
    })
    .await;
}

#[tokio::test]
async fn a_lost_answer_is_found() {
    each(async |stand| {
        let order = stand.approved("r-1").await;
        let calls = [
            order.call(Operation::Capture, AMOUNT, None),
            order.call(Operation::Refund, 10_000, Some("c-1")),
            order.call(Operation::Refund, 18_000, Some("c-2")),
        ];
        for call in calls {
            let operation = call.operation.as_str();
            let lost = json!({"fault": "LOSE_ANSWER", "operation": operation, "for": {"calls": 1}});
            stand.rule(lost).await;
            assert!(stand.gateway.deliver(&call).await.is_err(), "{operation}");
            assert_eq!(stand.inquire(&call).await, DONE, "{operation}");
            assert_eq!(stand.deliver(&call).await, DONE, "{operation}");
        }
        assert_eq!(stand.entries("r-1", "CAPTURE").await, ["DONE"]);
        assert_eq!(stand.entries("r-1", "REFUND").await, ["DONE"; 2]);
    })
    .await;
}

#[tokio::test]
async fn late_and_doubled_deliveries_change_nothing() {
    each(async |stand| {
        let order = stand.approved("r-1").await;
        let capture = order.call(Operation::Capture, AMOUNT, None);
        stand.rule(json!({"fault": "LATE", "operation": "CAPTURE", "for": {"calls": 1}})).await;
        assert!(stand.gateway.deliver(&capture).await.is_err());
        assert_eq!(stand.inquire(&capture).await, Outcome::NotFound);
        // Both are under way now; whichever comes first, there is one effect.
        let again = stand.gateway.deliver(&capture).await.expect("an answer");
        assert!([DONE, Outcome::InProgress].contains(&again), "{again:?}");
        until("the late one", async || stand.inquire(&capture).await == DONE).await;
        assert_eq!(stand.entries("r-1", "CAPTURE").await, ["DONE"]);

        let refund = order.call(Operation::Refund, AMOUNT, Some("c-1"));
        stand.rule(json!({"fault": "TWICE", "operation": "REFUND"})).await;
        assert_eq!(stand.deliver(&refund).await, DONE);
        assert_eq!(stand.entries("r-1", "REFUND").await, ["DONE"]);
    })
    .await;
}

#[tokio::test]
async fn a_refusal_is_definitive() {
    each(async |stand| {
        let order = stand.approved("r-1").await;
        let capture = order.call(Operation::Capture, AMOUNT, None);
        let decline = json!({"fault": "DECLINE", "operation": "CAPTURE", "for": {"calls": 1}});
        stand.rule(decline).await;
        let refused = stand.deliver(&capture).await;
        assert!(matches!(refused, Outcome::Known(Answer::Refused { .. })), "{refused:?}");
        assert_eq!(stand.deliver(&capture).await, refused);
        assert_eq!(stand.entries("r-1", "CAPTURE").await, ["REFUSED"]);
        assert_eq!(stand.deliver(&order.call(Operation::Void, AMOUNT, Some("c-1"))).await, DONE);
    })
    .await;
}

#[tokio::test]
async fn refunds_go_in_parts_and_never_beyond() {
    each(async |stand| {
        let order = stand.approved("r-1").await;
        stand.deliver(&order.call(Operation::Capture, AMOUNT, None)).await;
        let part = order.call(Operation::Refund, 10_000, Some("c-1"));
        assert_eq!(stand.deliver(&part).await, DONE);
        let too_much = stand.deliver(&order.call(Operation::Refund, 18_001, Some("c-2"))).await;
        assert!(matches!(too_much, Outcome::Known(Answer::Refused { .. })), "{too_much:?}");
        let rest = order.call(Operation::Refund, 18_000, Some("c-3"));
        assert_eq!(stand.deliver(&rest).await, DONE);
        // Repeated under their keys, they are what they were.
        assert_eq!(stand.deliver(&part).await, DONE);
        assert_eq!(stand.inquire(&part).await, DONE);
        assert_eq!(stand.deliver(&rest).await, DONE);
        let nothing_left = stand.deliver(&order.call(Operation::Refund, 1, Some("c-4"))).await;
        assert!(matches!(nothing_left, Outcome::Known(Answer::Refused { .. })), "{nothing_left:?}");
        let done = stand.entries("r-1", "REFUND").await;
        assert_eq!(done.iter().filter(|outcome| *outcome == "DONE").count(), 2);
    })
    .await;
}

#[tokio::test]
async fn what_does_not_fit_is_not_believed() {
    each(async |stand| {
        let order = stand.approved("r-1").await;
        let capture = order.call(Operation::Capture, AMOUNT, None);
        for fault in ["WRONG_AMOUNT", "UNKNOWN_STATUS"] {
            let id = stand.rule(json!({"fault": fault})).await;
            let delivered = stand.gateway.deliver(&capture).await;
            let asked = stand.gateway.inquire(&capture).await;
            assert!(matches!(asked, Err(Unknown::Misfit(_))), "{fault} {asked:?}");
            if fault == "WRONG_AMOUNT" {
                assert!(matches!(delivered, Err(Unknown::Misfit(_))), "{delivered:?}");
            }
            stand.remove_rule(id).await;
            assert_eq!(stand.inquire(&capture).await, DONE);
        }
        assert_eq!(stand.entries("r-1", "CAPTURE").await, ["DONE"]);
    })
    .await;
}

#[tokio::test]
async fn an_authorization_lapses_and_is_only_read() {
    each(async |stand| {
        if stand.gateway.charges_later() {
            return;
        }
        let order = stand.approved("r-1").await;
        let void = order.call(Operation::Void, AMOUNT, Some("c-1"));
        assert_eq!(stand.deliver(&void).await, Outcome::InProgress);

        stand.rule(json!({"fault": "LAPSE", "operation": "AUTHORIZE"})).await;
        let lapsed = stand.authorized("r-2", AMOUNT).await;
        assert_eq!(stand.read(&lapsed, AMOUNT).await, Outcome::Known(Answer::Lapsed));
        let refused = stand.deliver(&lapsed.call(Operation::Capture, AMOUNT, None)).await;
        assert!(matches!(refused, Outcome::Known(Answer::Refused { .. })), "{refused:?}");
        let void = lapsed.call(Operation::Void, AMOUNT, Some("c-2"));
        assert_eq!(stand.deliver(&void).await, DONE);
        assert!(stand.entries("r-2", "VOID").await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_foreign_authorization_is_refused() {
    each(async |stand| {
        if stand.gateway.charges_later() {
            return;
        }
        let code = |outcome| match outcome {
            Outcome::Known(Answer::Refused { code }) => code,
            other => panic!("{other:?}"),
        };
        let cheap = stand.authorized("r-1", 100).await;
        assert_eq!(code(stand.read(&cheap, AMOUNT).await), "AMOUNT_MISMATCH");
        let mut other = stand.approved("r-2").await;
        other.id = "r-3".to_owned();
        let refused = code(stand.read(&other, AMOUNT).await);
        assert!(["FOREIGN_AUTHORIZATION", "PAYMENT_NOT_FOUND"].contains(&refused.as_str()));
        other.authorization = None;
        assert_eq!(code(stand.read(&other, AMOUNT).await), "NO_AUTHORIZATION");
    })
    .await;
}
