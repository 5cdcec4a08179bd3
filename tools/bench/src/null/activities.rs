//! The activities of a booking, each answering at once what the booking of a plan would be told.

#![allow(dead_code, reason = "the macro makes a constant of each, for workflows that call it")]

use super::ended;
use domain::reservation::{Owes, PaymentStep};
use domain::words::ReservationStatus;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use workflows::contract::{self, ReservationRef, Standing};

pub(super) struct NullActivities;

#[activities]
impl NullActivities {
    #[activity(definition = contract::Look)]
    async fn look(_: ActivityContext, _: ReservationRef) -> Result<Standing, ActivityError> {
        let owes = Owes::Payment(PaymentStep::Request);
        Ok(Standing { status: ReservationStatus::Reserved, owes })
    }

    #[activity(definition = contract::CarryPayment)]
    async fn carry_payment(
        _: ActivityContext,
        _: ReservationRef,
    ) -> Result<Standing, ActivityError> {
        Ok(Standing { status: ReservationStatus::SeatSelected, owes: Owes::Tickets })
    }

    #[activity(definition = contract::IssueTickets)]
    async fn issue_tickets(
        _: ActivityContext,
        input: ReservationRef,
    ) -> Result<Standing, ActivityError> {
        ended(&input.reservation_id);
        Ok(Standing { status: ReservationStatus::Ticketed, owes: Owes::Nothing })
    }
}
