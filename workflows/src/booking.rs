//! The booking: reserve → pay → choose seats → tickets, for one reservation.

use crate::contract::{
    BOOKING_QUEUE, Bookings, ReservationRef, Standing, approving, capturing, on_our_store,
    ticketing,
};
use domain::ids::ReservationId;
use domain::reservation::{Owes, PaymentStep};
use domain::time::Time;
use std::time::{Duration, UNIX_EPOCH};
use temporalio_common::search_attributes::{SearchAttributeKey, Timestamp};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    SyncWorkflowContext, TimerOptions, TimerResult, WorkflowContext, WorkflowContextView,
    WorkflowResult, WorkflowTermination, select,
};

/// For the Temporal UI's list: how the reservation stands.
pub const RESERVATION_STATUS: SearchAttributeKey<String> =
    SearchAttributeKey::keyword("ReservationStatus");
/// For the Temporal UI's list: everything of one showtime. Set at the start.
pub const SHOWTIME_ID: SearchAttributeKey<String> = SearchAttributeKey::keyword("ShowtimeId");
/// For the Temporal UI's list: until when the customer is to act.
pub const DEADLINE_AT: SearchAttributeKey<Timestamp> = SearchAttributeKey::datetime("DeadlineAt");

/// Where the server's clock is ahead of the store's, a wait that ends too early is not repeated
/// faster than this.
const WAIT_MIN: Duration = Duration::from_millis(500);

/// The id of a reservation's booking; there is one open at most.
pub fn workflow_id(reservation: &ReservationId) -> String {
    format!("{BOOKING_QUEUE}/{reservation}")
}

#[workflow]
pub struct Booking {
    booking: ReservationRef,
    standing: Option<Standing>,
    woken: bool,
}

#[workflow_methods]
impl Booking {
    #[init]
    fn new(_: &WorkflowContextView, booking: ReservationRef) -> Self {
        Self { booking, standing: None, woken: false }
    }

    #[run(name = "booking")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        Self::look(ctx).await?;
        loop {
            match Self::owes(ctx) {
                Owes::Payment(_) => Self::carry_payment(ctx).await?,
                Owes::Tickets => Self::issue_tickets(ctx).await?,
                Owes::Await(until) => {
                    Self::woken_or_at(ctx, until).await?;
                    Self::look(ctx).await?;
                }
                Owes::Nothing => return Ok(()),
            }
            if ctx.continue_as_new_suggested() {
                // What is still owed is due at the pump, which starts the next run.
                return Ok(());
            }
        }
    }

    /// Look again: the row has changed.
    #[signal]
    pub fn wake(&mut self, _: &mut SyncWorkflowContext<Self>) {
        self.woken = true;
    }

    /// How the reservation stood when this run last looked.
    #[query]
    pub fn status(&self, _: &WorkflowContextView) -> Option<Standing> {
        self.standing
    }

    async fn look(ctx: &mut WorkflowContext<Self>) -> Result<(), WorkflowTermination> {
        let booking = Self::about_to_look(ctx);
        let options = on_our_store("what is owed?");
        let standing = ctx.execute_local_activity(Bookings::look, booking, options).await?;
        Self::stand(ctx, standing);
        Ok(())
    }

    async fn carry_payment(ctx: &mut WorkflowContext<Self>) -> Result<(), WorkflowTermination> {
        let booking = Self::about_to_look(ctx);
        let options = match Self::owes(ctx) {
            Owes::Payment(PaymentStep::Capture) => capturing("capture"),
            _ => approving("approve, seats of the plan, capture"),
        };
        let standing = ctx.execute_activity(Bookings::carry_payment, booking, options).await?;
        Self::stand(ctx, standing);
        Ok(())
    }

    async fn issue_tickets(ctx: &mut WorkflowContext<Self>) -> Result<(), WorkflowTermination> {
        let booking = Self::about_to_look(ctx);
        let options = ticketing("issue tickets");
        let standing = ctx.execute_activity(Bookings::issue_tickets, booking, options).await?;
        Self::stand(ctx, standing);
        Ok(())
    }

    /// The customer acts, or the deadline passes.
    async fn woken_or_at(
        ctx: &mut WorkflowContext<Self>,
        until: Time,
    ) -> Result<(), WorkflowTermination> {
        let wait = left(ctx, until);
        let deadline_at = UNIX_EPOCH + until.since(Time::from_millis(0));
        ctx.upsert_search_attributes([DEADLINE_AT.value_set(deadline_at.into())]);
        let scope = ctx.cancellation_token().child_token();
        let options = TimerOptions::builder(wait)
            .summary("deadline of the customer".to_string())
            .cancellation_token(scope.clone());
        let mut deadline = ctx.timer(options.build());
        let ended = select! {
            woken = ctx.wait_condition(|booking: &Self| booking.woken) => woken,
            fired = deadline => match fired {
                TimerResult::Fired => Ok(()),
                TimerResult::Cancelled => return Err(WorkflowTermination::cancelled()),
            },
        };
        // The losing timer would stay open on the server.
        scope.cancel();
        Ok(ended?)
    }

    /// From here a wake is news; what came before is seen by the step that follows.
    fn about_to_look(ctx: &WorkflowContext<Self>) -> ReservationRef {
        ctx.state_mut(|booking| {
            booking.woken = false;
            booking.booking.clone()
        })
    }

    fn stand(ctx: &WorkflowContext<Self>, standing: Standing) {
        let before = ctx.state_mut(|booking| booking.standing.replace(standing));
        if before.is_none_or(|before| before.status != standing.status) {
            ctx.upsert_search_attributes([
                RESERVATION_STATUS.value_set(standing.status.as_str().to_owned())
            ]);
            ctx.set_current_details(format!("**{}** {}", standing.status, standing.status.label()));
        }
    }

    fn owes(ctx: &WorkflowContext<Self>) -> Owes {
        ctx.state(|booking| booking.standing.map_or(Owes::Nothing, |standing| standing.owes))
    }
}

/// By the workflow's own time, which a replay repeats.
fn left(ctx: &WorkflowContext<Booking>, until: Time) -> Duration {
    let now = ctx.workflow_time().and_then(|now| now.duration_since(UNIX_EPOCH).ok());
    let now = now.map_or(Time::from_millis(0), |now| Time::from_millis(0).plus(now));
    until.since(now).max(WAIT_MIN)
}
