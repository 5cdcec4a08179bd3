//! I4, I7, I8: attempts, calls and the row tell one story of the money.

use super::{CallRecord, Dossier, Findings, Invariant};
use crate::cancellation::Cancellation;
use crate::ids::PaymentAttemptId;
use crate::payment::{GatewayCall, Payment};
use crate::won::Won;
use crate::words::{AttemptStatus, CallState, Operation, ReservationStatus, Scope, TicketStatus};

pub(super) fn judge(dossier: &Dossier, findings: &mut Findings<'_>) {
    one_of_each(dossier, findings);
    for payment in &dossier.payments {
        attempt(dossier, payment, findings);
    }
    for record in &dossier.calls {
        call(dossier, record, findings);
    }
    prices(dossier, findings);
    kept(dossier, findings);
}

/// I8.
fn one_of_each(dossier: &Dossier, findings: &mut Findings<'_>) {
    let Dossier { row, payments, calls, .. } = dossier;
    for (n, payment) in (1..).zip(payments) {
        let id = PaymentAttemptId::nth(&row.id, n);
        findings.must(payment.attempt.id == id && payment.attempt.n == n, Invariant::I8, || {
            format!("attempt {} is not {id}", payment.attempt.id)
        });
    }
    let live = payments.iter().filter(|payment| is_live(payment)).count();
    findings.must(live <= 1, Invariant::I8, || format!("has {live} live attempts"));
    let captured = payments.iter().filter(|p| p.attempt.captured_at.is_some()).count();
    findings.must(captured <= 1, Invariant::I8, || format!("was captured {captured} times"));
    let newest = payments.last().map(|p| (p.attempt.n, p.attempt.method, p.attempt.status));
    let said = row.attempt.map(|attempt| (attempt.n, attempt.method, attempt.status));
    findings.must(newest == said, Invariant::I8, || {
        format!("its newest attempt is {newest:?}, the row says {said:?}")
    });
    let sent = calls.iter().filter(|record| {
        record.call.state == CallState::Sent && !dossier.is_late(&record.call.attempt_id)
    });
    let sent: Vec<_> = sent.map(|record| (&record.call.key, record.call.operation)).collect();
    let open: Vec<_> = row.open_call.iter().map(|open| (&open.key, open.operation)).collect();
    findings
        .must(sent == open, Invariant::I8, || format!("SENT are {sent:?}, the row says {open:?}"));
}

pub(super) fn is_live(payment: &Payment) -> bool {
    matches!(
        payment.attempt.status,
        AttemptStatus::Pending
            | AttemptStatus::Approved
            | AttemptStatus::Captured
            | AttemptStatus::PartiallyRefunded
    )
}

/// I4: an attempt is what its calls have made of it.
fn attempt(dossier: &Dossier, payment: &Payment, findings: &mut Findings<'_>) {
    let (Dossier { row, calls, .. }, attempt) = (dossier, &payment.attempt);
    findings.must(attempt.amount == row.amount, Invariant::I4, || {
        format!("costs {:?}, attempt {} asks {:?}", row.amount, attempt.id, attempt.amount)
    });
    if let Some(undo) = dossier.late_undo(&attempt.id) {
        let returned = matches!(attempt.status, AttemptStatus::Voided | AttemptStatus::Refunded);
        findings.must(returned == undo.money_returned_at.is_some(), Invariant::I4, || {
            format!("attempt {} is {}, found by {}", attempt.id, attempt.status, undo.id)
        });
        return;
    }
    let mine = || calls.iter().filter(|record| record.call.attempt_id == attempt.id);
    let done = |what| mine().any(|record| record.call.operation == what && record.is_done());
    let refused = mine().any(|r| r.call.operation == Operation::Approve && r.is_refused());
    // What the customer authorised is read, without a call.
    let read = dossier.is_read(payment);
    let outside = returned_outside(dossier);
    let fits = match attempt.status {
        AttemptStatus::Refunded | AttemptStatus::PartiallyRefunded => {
            done(Operation::Capture) && (done(Operation::Refund) || outside > 0)
        }
        AttemptStatus::Voided => {
            (done(Operation::Void) || outside > 0) && !done(Operation::Capture)
        }
        AttemptStatus::Captured => done(Operation::Capture) && !done(Operation::Refund),
        AttemptStatus::Approved => {
            (done(Operation::Approve) || read)
                && !done(Operation::Capture)
                && !done(Operation::Void)
        }
        AttemptStatus::Declined => refused || read,
        AttemptStatus::Lapsed => !done(Operation::Capture),
        AttemptStatus::Pending | AttemptStatus::Abandoned => !refused && !done(Operation::Approve),
    };
    findings.must(fits, Invariant::I4, || {
        let calls: Vec<_> = mine().map(told).collect();
        format!("attempt {} is {}, its calls are {calls:?}", attempt.id, attempt.status)
    });
    let captured = done(Operation::Capture);
    findings.must(attempt.captured_at.is_some() == captured, Invariant::I4, || {
        format!("attempt {} was captured at {:?}", attempt.id, attempt.captured_at)
    });
    let all_returned =
        attempt.status != AttemptStatus::Refunded || attempt.refunded == attempt.amount;
    findings.must(all_returned, Invariant::I4, || {
        format!("attempt {} is REFUNDED, but for {:?}", attempt.id, attempt.refunded)
    });
    let returned = mine().filter(|r| r.call.operation == Operation::Refund && r.is_done());
    let mut returned: i64 = returned.map(|record| record.call.body.amount.get()).sum();
    if attempt.captured_at.is_some() {
        returned += outside;
    }
    findings.must(attempt.refunded.get() == returned, Invariant::I4, || {
        format!("attempt {} says {:?} refunded, not {returned}", attempt.id, attempt.refunded)
    });
}

/// What staff returned outside of the gateway, in won.
pub(super) fn returned_outside(dossier: &Dossier) -> i64 {
    let undos = dossier.undos().filter(|undo| undo.returned_outside.is_some());
    undos.map(|undo| undo.amount.get()).sum()
}

fn told(record: &CallRecord) -> String {
    let outcome = match (record.is_done(), record.is_refused()) {
        (true, _) => "DONE",
        (_, true) => "REFUSED",
        _ => "SENT",
    };
    format!("{} {outcome}", record.call.operation)
}

/// One key, one effect (I8), of the right amount (I4).
fn call(dossier: &Dossier, record: &CallRecord, findings: &mut Findings<'_>) {
    let call = &record.call;
    let undo = call.cancellation_id.as_ref();
    let of_an_attempt = dossier.payments.iter().find(|p| p.attempt.id == call.attempt_id);
    findings.must(has_its_key(dossier, call) && of_an_attempt.is_some(), Invariant::I8, || {
        format!("{} of {} has the key {}", call.operation, call.attempt_id, call.key)
    });
    let known = call.state == CallState::Known;
    findings.must(known == record.answer.is_some(), Invariant::I8, || {
        format!("{} is {} and its answer is {:?}", call.key, call.state, record.answer)
    });
    let undo = dossier.cancellations.iter().find(|c| Some(&c.id) == undo);
    let amount = match call.operation {
        // A fee is kept only from captured money, so a void is of all.
        Operation::Void if dossier.is_late(&call.attempt_id) => undo.map(|undo| undo.amount),
        Operation::Approve | Operation::Capture | Operation::Void => Some(dossier.row.amount),
        Operation::Refund => undo.map(|undo| undo.amount),
    };
    findings.must(Some(call.body.amount) == amount, Invariant::I4, || {
        format!("{} asks {:?}, not {amount:?}", call.key, call.body.amount)
    });
}

/// Each try to return money has a key of its own.
fn has_its_key(dossier: &Dossier, call: &GatewayCall) -> bool {
    let (attempt, operation) = (&call.attempt_id, call.operation);
    let Some(id) = &call.cancellation_id else {
        return call.key == GatewayCall::key_of(attempt, operation, None);
    };
    let undo = dossier.cancellations.iter().find(|undo| undo.id == *id);
    let tries = undo.map_or(1, |undo| undo.refund_try);
    (1..=tries).any(|n| call.key == GatewayCall::key_of_try(attempt, operation, id, n))
}

/// I4, at rest: what was captured and not refunded is the price of the tickets, or a fee. I7: an
/// ended reservation has no money under way.
fn kept(dossier: &Dossier, findings: &mut Findings<'_>) {
    let Dossier { row, payments, .. } = dossier;
    let sum = |part: fn(&Payment) -> i64| {
        let payments = payments.iter().filter(|payment| !dossier.is_late(&payment.attempt.id));
        payments.map(part).sum::<i64>()
    };
    let refunded = sum(|payment| payment.attempt.refunded.get());
    findings.must(row.refunded.get() == refunded, Invariant::I4, || {
        format!("says {:?} refunded, its attempts say {refunded}", row.refunded)
    });
    let price =
        |p: &Payment| if p.attempt.captured_at.is_some() { p.attempt.amount.get() } else { 0 };
    let captured = sum(price);
    let Some(kept) = to_keep(dossier, captured) else { return };
    findings.must(captured - refunded == kept, Invariant::I4, || {
        format!("is {}, captured {captured}, refunded {refunded}, to keep {kept}", row.status)
    });
    if matches!(row.status, ReservationStatus::Cancelled | ReservationStatus::Expired) {
        let left =
            |p: &&Payment| is_live(p) && p.attempt.status != AttemptStatus::PartiallyRefunded;
        for payment in payments.iter().filter(left) {
            let attempt = &payment.attempt;
            findings.add(Invariant::I7, format!("attempt {} is {}", attempt.id, attempt.status));
        }
    }
}

/// What of captured money is to be kept, in won; nothing while that is not settled.
pub(super) fn to_keep(dossier: &Dossier, captured: i64) -> Option<i64> {
    let undone = |part: fn(&Cancellation) -> Won| {
        let done = dossier.undos().filter(|undo| undo.money_returned_at.is_some());
        done.map(|undo| part(undo).get()).sum::<i64>()
    };
    match dossier.row.status {
        // The price of what is had, and the fees of parts; a part that is under way is not settled.
        ReservationStatus::Ticketed | ReservationStatus::Completed => {
            let settled = dossier.undos().all(|undo| undo.money_returned_at.is_some());
            let fees = undone(|undo| undo.price) - undone(|undo| undo.amount);
            settled.then(|| worth(dossier) + fees)
        }
        // A fee is kept only from captured money.
        ReservationStatus::Cancelled | ReservationStatus::Expired => {
            Some(if captured > 0 { captured - undone(|undo| undo.amount) } else { 0 })
        }
        ReservationStatus::Reserved
        | ReservationStatus::PaymentPending
        | ReservationStatus::PaymentDeferred
        | ReservationStatus::PaymentApproved
        | ReservationStatus::SeatSelected
        | ReservationStatus::Cancelling => None,
    }
}

/// What those who have live seats were to pay: by their tickets, or by the party without them.
fn worth(Dossier { row, tickets, .. }: &Dossier) -> i64 {
    if tickets.is_empty() {
        return row.party.price_by(&row.prices).map_or(0, Won::get);
    }
    let gone = |status| matches!(status, TicketStatus::None | TicketStatus::Cancelled);
    tickets.iter().filter(|ticket| !gone(ticket.status)).map(|ticket| ticket.price.get()).sum()
}

/// I4: what is left was sold at its prices, and what was cancelled in parts cost the rest.
fn prices(dossier: &Dossier, findings: &mut Findings<'_>) {
    let Dossier { row, cancellations, .. } = dossier;
    let freed = cancellations
        .iter()
        .filter(|undo| undo.scope == Scope::Part && undo.seats_freed_at.is_some());
    let freed: i64 = freed.map(|undo| undo.price.get()).sum();
    let left = row.party.price_by(&row.prices).map(Won::get);
    findings.must(left.is_some_and(|left| left + freed == row.amount.get()), Invariant::I4, || {
        format!("cost {:?}, {left:?} is left and {freed} was cancelled", row.amount)
    });
}
