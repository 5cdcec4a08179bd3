//! The paths of specification 1.4, as a customer walks them.

use crate::customer::{Customer, until};
use crate::recording::Recorder;
use anyhow::ensure;
use clap::ValueEnum;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A worker that was stopped finishes what it has begun.
const STOPS_WITHIN: Duration = Duration::from_millis(500);
const BOOKINGS_UNTIL_STOPPED_MAX: u32 = 20;

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Path {
    /// Carried through to the tickets without a click.
    Plan,
    /// Reserve, pay, choose seats, one after the other.
    Stepwise,
    /// A declined card, then a good one.
    Declined,
    ThreeDeclines,
    /// T11.
    NeverPaid,
    /// T15.
    SeatsNeverChosen,
    /// T13; then the customer chooses.
    PlanSeatsTaken,
    /// T14.
    CaptureRefused,
    /// T18, before anything was sent.
    CancelledUnpaid,
    /// T18, after the approval: void.
    CancelledApproved,
    /// T19: refund.
    CancelledTicketed,
    /// The approval has no answer yet: it is settled first.
    CancelledWhileSent,
    /// The approval comes after the deadline, and counts.
    LateApproval,
    /// The gateway's answers are lost, and found again.
    AnswerLost,
    TicketWorkerDown,
    /// A wake comes while an activity is under way.
    WokenAtWork,
    /// A run that was terminated while it waited for the customer.
    Terminated,
    /// The run that follows a terminated one.
    StartedAnew,
    /// A refund refused for good waits for staff.
    RefundBlocked,
}

impl Path {
    pub(crate) fn name(self) -> String {
        self.to_possible_value().expect("no path is hidden").get_name().to_owned()
    }

    /// Walks it to its end and answers with the reservation as it is then.
    pub(crate) async fn walk(self, by: &Customer, at: &Recorder) -> anyhow::Result<Value> {
        match self {
            Self::Plan => {
                let booked = by.reserve(json!({"method": "CARD", "seats": "best"})).await?;
                by.until(&booked, "TICKETED").await
            }
            Self::Stepwise => ticketed(by, Value::Null).await,
            Self::Declined => {
                let booked = reserved(by, json!({"fault": "DECLINE", "for": {"calls": 1}})).await?;
                by.pay(&booked).await?;
                pay_and_finish(by, &booked).await
            }
            Self::ThreeDeclines => {
                let booked = reserved(by, json!({"fault": "DECLINE"})).await?;
                for _ in 0..3 {
                    by.pay(&booked).await?;
                }
                by.until(&booked, "EXPIRED").await
            }
            Self::NeverPaid => by.until(&reserved(by, Value::Null).await?, "EXPIRED").await,
            Self::SeatsNeverChosen => by.until(&approved(by, Value::Null).await?, "EXPIRED").await,
            Self::PlanSeatsTaken => plan_seats_taken(by).await,
            Self::CaptureRefused => {
                let booked =
                    approved(by, json!({"fault": "DECLINE", "operation": "CAPTURE"})).await?;
                by.choose_seats(&booked).await?;
                by.until(&booked, "EXPIRED").await
            }
            Self::CancelledUnpaid => cancelled(by, &reserved(by, Value::Null).await?).await,
            Self::CancelledApproved => cancelled(by, &approved(by, Value::Null).await?).await,
            Self::CancelledTicketed => cancelled(by, &ticketed(by, Value::Null).await?).await,
            Self::CancelledWhileSent => {
                let booked = reserved(by, slow(2500)).await?;
                let (_, cancelled) = tokio::try_join!(by.pay(&booked), async {
                    by.until_sent(&booked).await?;
                    cancelled(by, &booked).await
                })?;
                Ok(cancelled)
            }
            Self::LateApproval => {
                let booked = reserved(by, slow(5500)).await?;
                pay_and_finish(by, &booked).await
            }
            Self::AnswerLost => {
                ticketed(by, json!({"fault": "LOSE_ANSWER", "for": {"calls": 2}})).await
            }
            Self::TicketWorkerDown => ticket_worker_down(by).await,
            Self::WokenAtWork => {
                let booked = reserved(by, slow(1000)).await?;
                tokio::try_join!(by.pay(&booked), async {
                    by.until_sent(&booked).await?;
                    at.wake(&booked).await
                })?;
                finish(by, &booked).await
            }
            Self::Terminated => terminated(by, at).await,
            Self::StartedAnew => pay_and_finish(by, &terminated(by, at).await?).await,
            Self::RefundBlocked => {
                let booked =
                    ticketed(by, json!({"fault": "DECLINE", "operation": "REFUND"})).await?;
                by.cancel(&booked).await?;
                until("the refusal", async || {
                    let now = by.read(&booked).await?;
                    Ok((now["cancellation"]["state"] == "BLOCKED").then_some(now))
                })
                .await
            }
        }
    }
}

/// An approval takes this long.
fn slow(millis: u64) -> Value {
    json!({"fault": "SLOW", "operation": "APPROVE", "millis": [millis, millis]})
}

/// A reservation with this fault of the gateway, whose booking waits for the customer.
async fn reserved(by: &Customer, fault: Value) -> anyhow::Result<Value> {
    let booked = by.reserve(Value::Null).await?;
    if fault != Value::Null {
        by.fault(&booked, fault).await?;
    }
    let progress = format!("/reservations/{}/progress", crate::customer::id(&booked));
    until("the booking's start", async || {
        let now = by.get(&progress).await?;
        Ok((now["source"] == "workflow" && now["owes"] == "customer").then_some(()))
    })
    .await?;
    Ok(booked)
}

async fn approved(by: &Customer, fault: Value) -> anyhow::Result<Value> {
    let booked = reserved(by, fault).await?;
    by.pay(&booked).await?;
    by.until(&booked, "PAYMENT_APPROVED").await
}

async fn ticketed(by: &Customer, fault: Value) -> anyhow::Result<Value> {
    finish(by, &reserved_and_paid(by, fault).await?).await
}

async fn reserved_and_paid(by: &Customer, fault: Value) -> anyhow::Result<Value> {
    let booked = reserved(by, fault).await?;
    by.pay(&booked).await?;
    Ok(booked)
}

async fn pay_and_finish(by: &Customer, booked: &Value) -> anyhow::Result<Value> {
    by.pay(booked).await?;
    finish(by, booked).await
}

/// Seats, then tickets.
async fn finish(by: &Customer, booked: &Value) -> anyhow::Result<Value> {
    by.until(booked, "PAYMENT_APPROVED").await?;
    by.choose_seats(booked).await?;
    by.until(booked, "TICKETED").await
}

async fn cancelled(by: &Customer, booked: &Value) -> anyhow::Result<Value> {
    by.cancel(booked).await?;
    by.until(booked, "CANCELLED").await
}

async fn plan_seats_taken(by: &Customer) -> anyhow::Result<Value> {
    let seats = by.best_seats().await?;
    let rival = ticketed(by, Value::Null).await?;
    ensure!(rival["seats"][0]["seatId"] == seats[0], "the rival has other seats: {rival}");
    let booked = by.reserve(json!({"method": "CARD", "seats": seats})).await?;
    finish(by, &booked).await
}

async fn ticket_worker_down(by: &Customer) -> anyhow::Result<Value> {
    by.tickets_down(true).await?;
    for _ in 0..BOOKINGS_UNTIL_STOPPED_MAX {
        let booked = approved(by, Value::Null).await?;
        by.choose_seats(&booked).await?;
        let began = Instant::now();
        while by.read(&booked).await?["status"] == "SEAT_SELECTED" {
            if began.elapsed() > STOPS_WITHIN {
                by.tickets_down(false).await?;
                return by.until(&booked, "TICKETED").await;
            }
        }
    }
    anyhow::bail!("the ticket worker does not stop")
}

async fn terminated(by: &Customer, at: &Recorder) -> anyhow::Result<Value> {
    let booked = reserved(by, Value::Null).await?;
    at.terminate(&booked).await?;
    Ok(booked)
}
