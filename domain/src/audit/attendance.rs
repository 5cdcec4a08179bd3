//! I11, I12: who waits has a deadline, and what owes work is looked at before long. Whether it is
//! in fact looked at, only the running process knows.

use super::{Findings, Invariant};
use crate::cancellation::Cancellation;
use crate::reservation::{ATTEND_AGAIN_MAX, Owes, PUMP_AFTER_DEADLINE, Reservation};
use crate::time::Time;
use crate::words::{CancellationState, ReservationStatus};

pub(super) fn judge(
    row: &Reservation,
    cancellations: &[Cancellation],
    now: Time,
    findings: &mut Findings<'_>,
) {
    deadline(row, findings);
    let deferred = row.status == ReservationStatus::PaymentDeferred;
    findings.must(row.estimated_at.is_some() == deferred, Invariant::I12, || {
        format!("is {} and its turn is estimated for {:?}", row.status, row.estimated_at)
    });
    let soon = now.plus(ATTEND_AGAIN_MAX);
    let by = match row.owes() {
        _ if row.waits_for_staff() => None,
        // Who is deferred stands in line until its turn should have come.
        Owes::Payment(_) | Owes::Tickets => Some(
            row.estimated_at
                .filter(|_| row.is_in_line())
                .map_or(soon, |at| at.max(now).plus(ATTEND_AGAIN_MAX)),
        ),
        Owes::Await(until) => Some(until.max(now).plus(PUMP_AFTER_DEADLINE)),
        Owes::Nothing
            if row.status == ReservationStatus::Ticketed && row.open_cancellation.is_none() =>
        {
            Some(row.over_at().max(soon))
        }
        Owes::Nothing => None,
    };
    if let Some(by) = by {
        findings.must(row.attend_at.is_some_and(|at| at <= by), Invariant::I12, || {
            format!("owes {:?} and is attended at {:?}", row.owes(), row.attend_at)
        });
    }
    for undo in cancellations {
        let fits = match undo.state {
            CancellationState::Running => undo.attend_at.is_some_and(|at| at <= soon),
            CancellationState::Blocked | CancellationState::Done => undo.attend_at.is_none(),
        };
        findings.must(fits, Invariant::I12, || {
            format!("cancellation {} is {}, attended at {:?}", undo.id, undo.state, undo.attend_at)
        });
    }
}

fn deadline(row: &Reservation, findings: &mut Findings<'_>) {
    let waits = match row.status {
        ReservationStatus::Reserved
        | ReservationStatus::PaymentPending
        | ReservationStatus::PaymentDeferred => true,
        ReservationStatus::PaymentApproved => !row.plan_has_seats(),
        ReservationStatus::SeatSelected
        | ReservationStatus::Ticketed
        | ReservationStatus::Cancelling
        | ReservationStatus::Cancelled
        | ReservationStatus::Expired
        | ReservationStatus::Completed => false,
    };
    findings.must(row.deadline_at.is_some() == waits, Invariant::I11, || {
        format!("is {} and its deadline is {:?}", row.status, row.deadline_at)
    });
}
