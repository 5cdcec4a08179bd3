//! The names and the JSON on the wire to Temporal. Histories of running bookings hold them, and old
//! and new workers meet in one fleet: changing one strands them. Rust names may change freely.

use domain::cancellation::OwesUndo;
use domain::ids::{CancellationId, ReservationId};
use domain::reservation::{Owes, PaymentStep};
use domain::words::ReservationStatus;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use temporalio_common::protos::temporal::api::enums::v1::IndexedValueType;
use temporalio_common::{
    ActivityDefinition, QueryDefinition, SignalDefinition, WorkflowDefinition,
};
use workflows::booking::{self, Booking};
use workflows::cancellation::{self, Cancellation};
use workflows::contract;

/// So many activities are pinned here; `structure.rs` counts those that are declared.
pub(crate) const ACTIVITIES: usize = 9;

const STATUSES: [&str; 10] = [
    "RESERVED",
    "PAYMENT_PENDING",
    "PAYMENT_DEFERRED",
    "PAYMENT_APPROVED",
    "SEAT_SELECTED",
    "TICKETED",
    "CANCELLING",
    "CANCELLED",
    "EXPIRED",
    "COMPLETED",
];

#[test]
fn queues_ids_and_search_attributes() {
    assert_eq!(contract::BOOKING_QUEUE, "booking");
    assert_eq!(contract::PAYMENT_QUEUE, "payment");
    assert_eq!(contract::TICKET_QUEUE, "ticket");
    let reservation = ReservationId::parse("r1").unwrap();
    assert_eq!(booking::workflow_id(&reservation), "booking/r1");
    let cancellation = CancellationId::parse("c1").unwrap();
    assert_eq!(cancellation::workflow_id(&cancellation), "cancellation/c1");
    let (status, showtime) = (booking::RESERVATION_STATUS, booking::SHOWTIME_ID);
    for (attribute, name) in [(status, "ReservationStatus"), (showtime, "ShowtimeId")] {
        assert_eq!(attribute.name(), name);
        assert_eq!(attribute.indexed_value_type(), IndexedValueType::Keyword);
    }
    assert_eq!(booking::DEADLINE_AT.name(), "DeadlineAt");
    assert_eq!(booking::DEADLINE_AT.indexed_value_type(), IndexedValueType::Datetime);
}

#[test]
fn workflows_signals_and_queries() {
    assert_eq!(Booking::name(), "booking");
    assert_eq!(Cancellation::name(), "cancellation");
    round_trips::<<Booking as WorkflowDefinition>::Input>(&[json!({"reservation_id": "r1"})]);
    round_trips::<<Cancellation as WorkflowDefinition>::Input>(&[json!({"cancellation_id": "c1"})]);
    round_trips::<<Booking as WorkflowDefinition>::Output>(&[Value::Null]);
    round_trips::<<Cancellation as WorkflowDefinition>::Output>(&[Value::Null]);
    pin_wake(&Booking::wake);
    pin_wake(&Cancellation::wake);
    pin_status(&Booking::status, &[standings(), vec![Value::Null]].concat());
    pin_status(&Cancellation::status, &[undos(), vec![Value::Null]].concat());
}

#[test]
fn activities_of_the_booking() {
    let input = json!({"reservation_id": "r1"});
    pin(&contract::Look, "look", &input, &standings());
    pin(&contract::CarryPayment, "carry_payment", &input, &standings());
    pin(&contract::IssueTickets, "issue_tickets", &input, &standings());
}

#[test]
fn activities_of_the_cancellation() {
    let input = json!({"cancellation_id": "c1"});
    pin(&contract::LookAtUndo, "look_at_undo", &input, &undos());
    pin(&contract::SettleCall, "settle_call", &input, &undos());
    pin(&contract::RevokeTickets, "revoke_tickets", &input, &undos());
    pin(&contract::FreeSeats, "free_seats", &input, &undos());
    pin(&contract::ReturnMoney, "return_money", &input, &undos());
    pin(&contract::CloseCancellation, "close_cancellation", &input, &undos());
}

fn pin<A: ActivityDefinition>(activity: &A, name: &str, input: &Value, outputs: &[Value])
where
    A::Input: Serialize + DeserializeOwned,
    A::Output: Serialize + DeserializeOwned,
{
    assert_eq!(activity.name(), name);
    round_trips::<A::Input>(std::slice::from_ref(input));
    round_trips::<A::Output>(outputs);
}

/// A wake carries nothing.
fn pin_wake<S: SignalDefinition<Input = ()>>(signal: &S) {
    assert_eq!(signal.name(), "wake");
}

fn pin_status<Q: QueryDefinition<Input = ()>>(query: &Q, answers: &[Value])
where
    Q::Output: Serialize + DeserializeOwned,
{
    assert_eq!(query.name(), "status");
    round_trips::<Q::Output>(answers);
}

#[track_caller]
fn round_trips<T: Serialize + DeserializeOwned>(pinned: &[Value]) {
    for json in pinned {
        let read: T = serde_json::from_value(json.clone()).expect("what was written is read");
        assert_eq!(serde_json::to_value(read).expect("JSON"), *json);
    }
}

/// Every status once, and every kind of what is owed.
fn standings() -> Vec<Value> {
    let known: Vec<&str> = ReservationStatus::EVERY.iter().map(|status| status.as_str()).collect();
    assert_eq!(known, STATUSES, "a new status is to be pinned here");
    let owed = [
        json!({"Payment": "Request"}),
        json!({"Payment": "Approve"}),
        json!({"Payment": "PlanSeats"}),
        json!({"Payment": "Capture"}),
        json!("Tickets"),
        json!({"Await": 1_790_000_000_123_i64}),
        json!("Nothing"),
    ];
    // The compiler tells when one is added.
    let _: fn(Owes) = |owes| match owes {
        Owes::Payment(
            PaymentStep::Request
            | PaymentStep::Approve
            | PaymentStep::PlanSeats
            | PaymentStep::Capture,
        )
        | Owes::Tickets
        | Owes::Await(_)
        | Owes::Nothing => {}
    };
    let pairs = STATUSES.iter().zip(owed.iter().cycle());
    pairs.map(|(status, owes)| json!({"status": status, "owes": owes})).collect()
}

fn undos() -> Vec<Value> {
    // The compiler tells when one is added.
    let _: fn(OwesUndo) = |owes| match owes {
        OwesUndo::Settle
        | OwesUndo::Tickets
        | OwesUndo::Seats
        | OwesUndo::Money
        | OwesUndo::Close
        | OwesUndo::Nothing => {}
    };
    ["Settle", "Tickets", "Seats", "Money", "Close", "Nothing"].map(|owes| json!(owes)).to_vec()
}
