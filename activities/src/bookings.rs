//! The activities of the booking.

use crate::World;
use crate::failure::{Unfinished, failed};
use domain::ids::ReservationId;
use domain::reservation::{Owes, PaymentStep, Reservation};
use domain::words::{Operation, ReservationStatus};
use std::sync::Arc;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use workflows::contract::{self, ReservationRef, Standing};

/// On queue `booking`.
pub struct BookingActivities {
    pub world: World,
}

#[activities]
impl BookingActivities {
    #[activity(definition = contract::Look)]
    pub async fn look(
        self: Arc<Self>,
        _: ActivityContext,
        input: ReservationRef,
    ) -> Result<Standing, ActivityError> {
        self.world.look(&input.reservation_id).await.map_err(failed)
    }
}

/// On queue `payment`.
pub struct PaymentActivities {
    pub world: World,
}

#[activities]
impl PaymentActivities {
    #[activity(definition = contract::CarryPayment)]
    pub async fn carry_payment(
        self: Arc<Self>,
        _: ActivityContext,
        input: ReservationRef,
    ) -> Result<Standing, ActivityError> {
        self.world.carry_payment(&input.reservation_id).await.map_err(failed)
    }
}

/// On queue `ticket`.
pub struct TicketActivities {
    pub world: World,
}

#[activities]
impl TicketActivities {
    #[activity(definition = contract::IssueTickets)]
    pub async fn issue_tickets(
        self: Arc<Self>,
        _: ActivityContext,
        input: ReservationRef,
    ) -> Result<Standing, ActivityError> {
        self.world.issue_tickets(&input.reservation_id).await.map_err(failed)
    }
}

impl World {
    pub async fn look(&self, id: &ReservationId) -> Result<Standing, Unfinished> {
        let owes = self.store.look(id).await?;
        let row = self.store.reservation(id).await?;
        Ok(row.map_or(NOBODY, |row| Standing { status: row.status, owes }))
    }

    /// Goes on while what is owed is its own kind of work. An approved plan costs one activity.
    pub async fn carry_payment(&self, id: &ReservationId) -> Result<Standing, Unfinished> {
        let mut done_at: Option<i64> = None;
        while let Some(row) = self.store.reservation(id).await? {
            let Owes::Payment(step) = row.owes() else { return Ok(standing(&row)) };
            if done_at == Some(row.version) {
                return Err(Unfinished::NoProgress);
            }
            match self.payment_step(id, step).await {
                // Its next try stands in line by what is owed now: before all new approvals.
                Err(Unfinished::LeftAlone(_))
                    if step == PaymentStep::Capture && done_at.is_some() =>
                {
                    return Ok(standing(&row));
                }
                done => done?,
            }
            done_at = Some(row.version);
        }
        Ok(NOBODY)
    }

    /// One transaction of the store, or one operation at the gateway. Nothing when it is not owed.
    pub async fn payment_step(
        &self,
        id: &ReservationId,
        step: PaymentStep,
    ) -> Result<(), Unfinished> {
        match step {
            PaymentStep::Request => Ok(self.store.pay_by_plan(id).await?),
            PaymentStep::Approve => self.carry_out(id, Operation::Approve).await,
            PaymentStep::PlanSeats => Ok(self.store.assign_plan_seats(id).await?),
            PaymentStep::Capture => self.carry_out(id, Operation::Capture).await,
        }
    }

    pub async fn issue_tickets(&self, id: &ReservationId) -> Result<Standing, Unfinished> {
        self.store.issue_tickets(id).await?;
        let Some(row) = self.store.reservation(id).await? else { return Ok(NOBODY) };
        if row.owes() == Owes::Tickets {
            return Err(Unfinished::NoProgress);
        }
        Ok(standing(&row))
    }
}

/// A run for a reservation that the store does not know has nothing to do.
const NOBODY: Standing = Standing { status: ReservationStatus::Expired, owes: Owes::Nothing };

fn standing(row: &Reservation) -> Standing {
    Standing { status: row.status, owes: row.owes() }
}
