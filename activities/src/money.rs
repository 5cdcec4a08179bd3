//! One operation at the gateway: open, deliver, record; on a call that was sent before, inquire
//! first. No retry here: an unknown outcome fails the activity, and its next try comes back.

use crate::World;
use crate::failure::Unfinished;
use domain::ids::ReservationId;
use domain::words::Operation;
use gateway::Outcome;
use store::gateway_calls::Opened;

impl World {
    pub(crate) async fn carry_out(
        &self,
        reservation: &ReservationId,
        operation: Operation,
    ) -> Result<(), Unfinished> {
        let gateway = self.gateway.as_ref().ok_or(Unfinished::NoGateway)?;
        let (call, outcome) = match self.store.open_call(reservation, operation).await? {
            Opened::NotOwed => return Ok(()),
            Opened::Fresh(call) => {
                let outcome = gateway.deliver(&call).await?;
                (call, outcome)
            }
            Opened::Sent(call) => {
                let outcome = match gateway.inquire(&call).await? {
                    Outcome::NotFound => gateway.deliver(&call).await?,
                    found => found,
                };
                (call, outcome)
            }
        };
        match outcome {
            Outcome::Known(answer) => Ok(self.store.record_answer(&call.key, &answer).await?),
            Outcome::InProgress | Outcome::NotFound => Err(Unfinished::InProgress),
        }
    }
}
