//! One operation at the gateway: leave to call, open, deliver, record; on a call that was sent
//! before, inquire first. No retry here: an unknown outcome fails the activity, and its next try
//! comes back.

use crate::World;
use crate::failure::Unfinished;
use domain::ids::{CancellationId, ReservationId};
use domain::payment::{Answer, GatewayCall};
use domain::words::Operation;
use gateway::limiter::Permit;
use gateway::{Outcome, Unknown};
use metrics::histogram;
use opentelemetry::context::FutureExt;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, global};
use std::time::Instant;
use store::StoreError;
use store::gateway_calls::Opened;

impl World {
    pub(crate) async fn carry_out(
        &self,
        reservation: &ReservationId,
        operation: Operation,
    ) -> Result<(), Unfinished> {
        let gateway = self.gateway.as_ref().ok_or(Unfinished::NoGateway)?;
        let permit = self.limiter.permit().await?;
        if operation == Operation::Approve && !gateway.charges_later() {
            return self.read_authorization(reservation, &permit).await;
        }
        self.carry(permit, self.store.open_call(reservation, operation)).await
    }

    /// As [`World::carry_out`], for money that is no part of the deal.
    pub(crate) async fn return_late_approval(&self, id: &CancellationId) -> Result<(), Unfinished> {
        let permit = self.limiter.permit().await?;
        self.carry(permit, self.store.open_late_call(id)).await
    }

    /// Without a gateway nothing is opened.
    async fn carry(
        &self,
        permit: Permit,
        opening: impl Future<Output = Result<Opened, StoreError>>,
    ) -> Result<(), Unfinished> {
        let gateway = self.gateway.as_ref().ok_or(Unfinished::NoGateway)?;
        let (call, outcome) = match opening.await? {
            Opened::NotOwed => return Ok(()),
            Opened::Fresh(call) => {
                let outcome = traced("deliver", &call, permit.call(gateway.deliver(&call))).await?;
                (call, outcome)
            }
            Opened::Sent(call) => {
                let outcome =
                    match traced("inquire", &call, permit.call(gateway.inquire(&call))).await? {
                        Outcome::NotFound => {
                            traced("deliver", &call, permit.call(gateway.deliver(&call))).await?
                        }
                        found => found,
                    };
                (call, outcome)
            }
        };
        drop(permit);
        match outcome {
            Outcome::Known(answer) => Ok(self.store.record_answer(&call.key, &answer).await?),
            // An authorisation lapses by itself, in minutes.
            Outcome::InProgress if call.operation == Operation::Void => Err(Unfinished::NotYet),
            Outcome::InProgress | Outcome::NotFound => Err(Unfinished::InProgress),
        }
    }

    /// Approves by reading what the customer authorised. There is no call then, and nothing to
    /// settle: while the company is silent, the deadline goes on.
    async fn read_authorization(
        &self,
        reservation: &ReservationId,
        permit: &Permit,
    ) -> Result<(), Unfinished> {
        let gateway = self.gateway.as_ref().ok_or(Unfinished::NoGateway)?;
        let Some(attempt) = self.store.owed_approval(reservation).await? else { return Ok(()) };
        match permit.call(gateway.read_authorization(&attempt)).await? {
            Outcome::Known(answer) => {
                Ok(self.store.record_authorization(&attempt.id, &answer).await?)
            }
            Outcome::InProgress | Outcome::NotFound => Err(Unfinished::NotYet),
        }
    }
}

/// A call at the payment company: timed, and a span of its own.
async fn traced(
    verb: &str,
    call: &GatewayCall,
    asked: impl Future<Output = Result<Outcome, Unknown>>,
) -> Result<Outcome, Unknown> {
    let operation = call.operation.as_str();
    let tracer = global::tracer("marquee");
    let span = tracer
        .span_builder(format!("{verb} {operation}"))
        .with_kind(SpanKind::Client)
        .with_attributes([KeyValue::new("gateway.key", call.key.to_string())])
        .start(&tracer);
    let context = Context::current_with_span(span);
    let began = Instant::now();
    let answered = asked.with_context(context.clone()).await;
    let outcome = match &answered {
        Ok(Outcome::Known(Answer::Done { .. })) => "done",
        Ok(Outcome::Known(Answer::Refused { .. })) => "refused",
        Ok(Outcome::Known(Answer::Lapsed)) => "lapsed",
        Ok(Outcome::InProgress) => "in progress",
        Ok(Outcome::NotFound) => "not found",
        Err(_) => "unknown",
    };
    histogram!("marquee_gateway_call_seconds", "operation" => operation, "outcome" => outcome)
        .record(began.elapsed());
    let span = context.span();
    span.set_attribute(KeyValue::new("gateway.outcome", outcome));
    if let Err(unknown) = &answered {
        span.set_status(Status::error(unknown.to_string()));
    }
    span.end();
    answered
}
