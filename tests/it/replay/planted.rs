//! Small copies of the workflows with one flaw each: the replay of a golden history tells.

use super::{golden, is_nondeterminism, replay};
use domain::cancellation::OwesUndo;
use domain::reservation::Owes;
use domain::time::Time;
use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::workflow_replayer::{WorkflowReplayError, WorkflowReplayerOptions};
use temporalio_workflow::{ActivityOptions, LocalActivityOptions, WorkflowContext, WorkflowResult};
use workflows::booking::{DEADLINE_AT, RESERVATION_STATUS};
use workflows::contract::{Bookings, CancellationRef, ReservationRef, Standing, Undos};

/// A replay compares no time limits.
const A_WHILE: Duration = Duration::from_secs(5);
/// Four steps have 24 orders: so often none differs from the recorded one by chance, never.
const REPLAYS_MAX: u32 = 30;

#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    None,
    SwappedActivity,
    ReadsTheClock,
    NoTimer,
    HashOrder,
}

#[tokio::test]
async fn a_faithful_copy_repeats_the_histories() {
    for path in ["plan", "never-paid"] {
        booking_copy(Flaw::None, path).await.expect(path);
    }
    cancellation_copy(Flaw::None).await.expect("the same order");
}

#[tokio::test]
async fn a_swapped_activity_is_caught() {
    expect_caught(booking_copy(Flaw::SwappedActivity, "plan").await);
}

#[tokio::test]
async fn a_branch_by_the_clock_is_caught() {
    expect_caught(booking_copy(Flaw::ReadsTheClock, "never-paid").await);
}

#[tokio::test]
async fn a_removed_timer_is_caught() {
    expect_caught(booking_copy(Flaw::NoTimer, "never-paid").await);
}

/// Not by each replay: the order is the recorded one now and then. That is what the fence is for.
#[tokio::test]
async fn the_order_of_a_hash_map_is_caught_by_repeated_replays() {
    for _ in 0..REPLAYS_MAX {
        let replayed = cancellation_copy(Flaw::HashOrder).await;
        if replayed.is_err() {
            return expect_caught(replayed);
        }
    }
    panic!("in the recorded order {REPLAYS_MAX} times");
}

#[track_caller]
fn expect_caught(replayed: Result<(), WorkflowReplayError>) {
    let error = replayed.expect_err("it did something else");
    assert!(is_nondeterminism(&error), "{error}");
}

async fn booking_copy(flaw: Flaw, path: &str) -> Result<(), WorkflowReplayError> {
    let copy = WorkflowReplayerOptions::new()
        .register_workflow_with_factory(move || BookingCopy { flaw, standing: None });
    replay(copy.expect("one name").build(), &golden(path)).await
}

async fn cancellation_copy(flaw: Flaw) -> Result<(), WorkflowReplayError> {
    let copy = WorkflowReplayerOptions::new()
        .register_workflow_with_factory(move || CancellationCopy { flaw });
    replay(copy.expect("one name").build(), &golden("cancelled-ticketed-undo")).await
}

fn ordinary() -> ActivityOptions {
    ActivityOptions::with_start_to_close_timeout(A_WHILE).build()
}

fn local() -> LocalActivityOptions {
    LocalActivityOptions::builder().start_to_close_timeout(A_WHILE).build()
}

/// The booking of a customer who never acts.
#[workflow]
struct BookingCopy {
    flaw: Flaw,
    standing: Option<Standing>,
}

#[workflow_methods(factory_only)]
impl BookingCopy {
    #[run(name = "booking")]
    async fn run(ctx: &mut WorkflowContext<Self>, booking: ReservationRef) -> WorkflowResult<()> {
        let flaw = ctx.state(|copy| copy.flaw);
        let mut standing =
            ctx.execute_local_activity(Bookings::look, booking.clone(), local()).await?;
        loop {
            Self::stand(ctx, standing);
            let it = booking.clone();
            standing = match standing.owes {
                Owes::Payment(_) if flaw == Flaw::SwappedActivity => {
                    ctx.execute_activity(Bookings::issue_tickets, it, ordinary()).await?
                }
                Owes::Payment(_) => {
                    ctx.execute_activity(Bookings::carry_payment, it, ordinary()).await?
                }
                Owes::Tickets => {
                    ctx.execute_activity(Bookings::issue_tickets, it, ordinary()).await?
                }
                Owes::Await(until) => {
                    Self::wait(ctx, until).await;
                    ctx.execute_local_activity(Bookings::look, it, local()).await?
                }
                Owes::Nothing => return Ok(()),
            };
        }
    }

    async fn wait(ctx: &mut WorkflowContext<Self>, until: Time) {
        let until = UNIX_EPOCH + until.since(Time::from_millis(0));
        ctx.upsert_search_attributes([DEADLINE_AT.value_set(until.into())]);
        let no_timer = match ctx.state(|copy| copy.flaw) {
            Flaw::NoTimer => true,
            Flaw::ReadsTheClock => until < SystemTime::now(),
            Flaw::None | Flaw::SwappedActivity | Flaw::HashOrder => false,
        };
        if !no_timer {
            ctx.timer(A_WHILE).await;
        }
    }

    fn stand(ctx: &WorkflowContext<Self>, standing: Standing) {
        let before = ctx.state_mut(|copy| copy.standing.replace(standing));
        if before.is_none_or(|before| before.status != standing.status) {
            let status = standing.status.as_str().to_owned();
            ctx.upsert_search_attributes([RESERVATION_STATUS.value_set(status)]);
        }
    }
}

/// The undo of a ticketed reservation, its steps in an order of its own.
#[workflow]
struct CancellationCopy {
    flaw: Flaw,
}

#[workflow_methods(factory_only)]
impl CancellationCopy {
    #[run(name = "cancellation")]
    async fn run(ctx: &mut WorkflowContext<Self>, it: CancellationRef) -> WorkflowResult<()> {
        ctx.execute_local_activity(Undos::look_at_undo, it.clone(), local()).await?;
        let mut steps = vec![OwesUndo::Tickets, OwesUndo::Seats, OwesUndo::Money, OwesUndo::Close];
        if ctx.state(|copy| copy.flaw) == Flaw::HashOrder {
            let by_place: HashMap<usize, OwesUndo> = steps.into_iter().enumerate().collect();
            steps = by_place.into_values().collect();
        }
        for step in steps {
            let it = it.clone();
            match step {
                OwesUndo::Tickets => {
                    ctx.execute_activity(Undos::revoke_tickets, it, ordinary()).await?
                }
                OwesUndo::Seats => {
                    ctx.execute_local_activity(Undos::free_seats, it, local()).await?
                }
                OwesUndo::Money => {
                    ctx.execute_activity(Undos::return_money, it, ordinary()).await?
                }
                OwesUndo::Close => {
                    ctx.execute_local_activity(Undos::close_cancellation, it, local()).await?
                }
                OwesUndo::Settle | OwesUndo::Nothing => continue,
            };
        }
        Ok(())
    }
}
