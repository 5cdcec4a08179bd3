//! What a workflow may ask of the world: every activity with its wire name, input, output, task
//! queue, time limits and retries. Wire names never change; Rust names may.

#![expect(
    clippy::result_unit_err,
    clippy::unimplemented,
    reason = "the SDK takes a declaration's types and never runs its body"
)]

use domain::cancellation::OwesUndo;
use domain::ids::{CancellationId, ReservationId};
use domain::reservation::Owes;
use domain::words::ReservationStatus;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use temporalio_common::Priority;
use temporalio_macros::activity_definitions;
use temporalio_workflow::{ActivityOptions, LocalActivityOptions, RetryPolicy};

/// Task queue of the workflows and of activities on our own store.
pub const BOOKING_QUEUE: &str = "booking";
/// Task queue of everything that talks to the gateway: the waiting room when it is slow.
pub const PAYMENT_QUEUE: &str = "payment";
/// Task queue of ticketing: its outage holds up no booking.
pub const TICKET_QUEUE: &str = "ticket";

/// Which reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationRef {
    pub reservation_id: ReservationId,
}

/// Which cancellation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancellationRef {
    pub cancellation_id: CancellationId,
}

/// How a reservation stands and what it owes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    pub status: ReservationStatus,
    pub owes: Owes,
}

/// Activities of the booking.
pub struct Bookings;

#[activity_definitions]
impl Bookings {
    /// Reads what is owed; carries out a deadline that has passed.
    #[activity(name = "look")]
    pub fn look(input: ReservationRef) -> Result<Standing, ()> {
        unimplemented!()
    }

    /// Approve, the plan's seats, capture: as far as they are owed.
    #[activity(name = "carry_payment")]
    pub fn carry_payment(input: ReservationRef) -> Result<Standing, ()> {
        unimplemented!()
    }

    #[activity(name = "issue_tickets")]
    pub fn issue_tickets(input: ReservationRef) -> Result<Standing, ()> {
        unimplemented!()
    }
}

pub use bookings::{CarryPayment, IssueTickets, Look};

/// Activities of the cancellation; each answers with what is owed next.
pub struct Undos;

#[activity_definitions]
impl Undos {
    #[activity(name = "look_at_undo")]
    pub fn look_at_undo(input: CancellationRef) -> Result<OwesUndo, ()> {
        unimplemented!()
    }

    /// Brings the booking's open gateway call to its answer.
    #[activity(name = "settle_call")]
    pub fn settle_call(input: CancellationRef) -> Result<OwesUndo, ()> {
        unimplemented!()
    }

    #[activity(name = "revoke_tickets")]
    pub fn revoke_tickets(input: CancellationRef) -> Result<OwesUndo, ()> {
        unimplemented!()
    }

    #[activity(name = "free_seats")]
    pub fn free_seats(input: CancellationRef) -> Result<OwesUndo, ()> {
        unimplemented!()
    }

    /// Void or refund, whichever undoes what was taken.
    #[activity(name = "return_money")]
    pub fn return_money(input: CancellationRef) -> Result<OwesUndo, ()> {
        unimplemented!()
    }

    #[activity(name = "close_cancellation")]
    pub fn close_cancellation(input: CancellationRef) -> Result<OwesUndo, ()> {
        unimplemented!()
    }
}

pub use undos::{CloseCancellation, FreeSeats, LookAtUndo, ReturnMoney, RevokeTickets, SettleCall};

/// Our own store, well under a second: inside the workflow task, at no cost of a transition.
pub(crate) fn on_our_store(summary: &str) -> LocalActivityOptions {
    LocalActivityOptions::builder()
        .start_to_close_timeout(Duration::from_secs(5))
        .retry_policy(retried_without_end(Duration::from_secs(10)))
        .summary(summary.to_owned())
        .build()
}

/// One try at the gateway. A killed worker's work goes on elsewhere after this long; a try that is
/// cut off is harmless, because the next one inquires under the same key.
const GATEWAY_TRY: Duration = Duration::from_secs(6);

/// The gateway: new approvals wait behind the completing and undoing of older ones. (An approval
/// with a plan goes on to its capture in the same try.)
pub(crate) fn approving(summary: &str) -> ActivityOptions {
    remote(PAYMENT_QUEUE, GATEWAY_TRY, 3, summary)
}

/// The gateway, before new approvals: the seat is taken, the money is not.
pub(crate) fn capturing(summary: &str) -> ActivityOptions {
    remote(PAYMENT_QUEUE, GATEWAY_TRY, 2, summary)
}

/// The gateway, before all else: money that is owed back.
pub(crate) fn returning_money(summary: &str) -> ActivityOptions {
    remote(PAYMENT_QUEUE, GATEWAY_TRY, 1, summary)
}

pub(crate) fn ticketing(summary: &str) -> ActivityOptions {
    remote(TICKET_QUEUE, Duration::from_secs(5), 3, summary)
}

/// No limit in number or total time: what is owed stays owed; alerts tell people about it.
fn remote(queue: &str, one_try: Duration, priority: u32, summary: &str) -> ActivityOptions {
    ActivityOptions::with_start_to_close_timeout(one_try)
        .task_queue(queue)
        .retry_policy(retried_without_end(Duration::from_secs(30)))
        .priority(Priority::builder().priority_key(priority).build())
        .summary(summary)
        .build()
}

fn retried_without_end(longest_pause: Duration) -> RetryPolicy {
    RetryPolicy::builder()
        .initial_interval(Duration::from_secs(1))
        .maximum_interval(longest_pause)
        .build()
}
