//! I4, I6, I7, I8 against the gateway's own ledger, the second witness.

use super::money::{returned_outside, to_keep};
use super::undo::before;
use super::{CallRecord, Dossier, Findings, Invariant, LedgerEntry, Violation};
use crate::ids::PaymentAttemptId;
use crate::order::Order;
use crate::payment::{Answer, SETTLED_BY_STAFF};
use crate::words::{CancellationState, Operation, ReservationStatus};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn compare(dossier: &Dossier, entries: &[LedgerEntry], findings: &mut Findings<'_>) {
    let is_ours = |entry: &LedgerEntry| {
        dossier.payments.iter().any(|payment| payment.attempt.id == entry.attempt_id)
    };
    let (ours, strange): (Vec<_>, Vec<_>) = entries.iter().cloned().partition(is_ours);
    answers(dossier, &ours, findings);
    orders(dossier, &ours, findings);
    sums(dossier, &ours, findings);
    tickets_come_first(dossier, &ours, findings);
    for id in standing(&strange) {
        findings.must(false, Invariant::I4, || strange_money(id));
    }
}

/// What is of no reservation that we know, and holds money.
pub(super) fn of_nobody(entries: &[LedgerEntry]) -> Vec<Violation> {
    let violation = |id: &PaymentAttemptId| Violation {
        invariant: Invariant::I4,
        reservation_id: id.reservation(),
        detail: strange_money(id),
    };
    standing(entries).into_iter().map(violation).collect()
}

fn strange_money(id: &PaymentAttemptId) -> String {
    format!("the ledger has money of {id}, which is no attempt of ours")
}

/// Every entry was asked for, and every answer that we know is an entry.
fn answers(dossier: &Dossier, entries: &[LedgerEntry], findings: &mut Findings<'_>) {
    let mut keys = BTreeSet::new();
    for entry in entries {
        findings.must(keys.insert(&entry.key), Invariant::I8, || {
            format!("the ledger has {} twice", entry.key)
        });
        let call = dossier.calls.iter().map(|record| &record.call).find(|c| c.key == entry.key);
        let asked = call.is_some_and(|call| {
            call.attempt_id == entry.attempt_id
                && call.operation == entry.operation
                && call.body.amount == entry.amount
        });
        let found = matches!(entry.operation, Operation::Approve | Operation::Capture)
            && dossier.is_late(&entry.attempt_id);
        findings.must(asked || found, Invariant::I4, || {
            format!("the ledger has {entry:?}, which nobody asked for")
        });
    }
    for record in dossier.calls.iter().filter(|record| record.answer.is_some()) {
        let entry = entries.iter().find(|entry| entry.key == record.call.key);
        if entry.is_none() && has_lapsed(dossier, record, entries) {
            continue;
        }
        let found =
            record.call.operation == Operation::Approve && dossier.is_late(&record.call.attempt_id);
        // It was never done, says staff; then the gateway may not know it at all.
        let by_staff = Answer::Refused { code: SETTLED_BY_STAFF.to_owned() };
        let unseen = entry.is_none() && record.answer.as_ref() == Some(&by_staff);
        let same = found || unseen || entry.is_some_and(|entry| entry.done == record.is_done());
        findings.must(same, Invariant::I4, || {
            format!("{} is known as {:?}, the ledger has {entry:?}", record.call.key, record.answer)
        });
    }
}

/// What the customer authorised is voided by letting it lapse: nobody does anything for it.
fn has_lapsed(dossier: &Dossier, record: &CallRecord, entries: &[LedgerEntry]) -> bool {
    let CallRecord { call, .. } = record;
    let payment = dossier.payments.iter().find(|p| p.attempt.id == call.attempt_id);
    let captured = entries.iter().any(|entry| {
        entry.done && entry.operation == Operation::Capture && entry.attempt_id == call.attempt_id
    });
    call.operation == Operation::Void
        && record.is_done()
        && !captured
        && payment.is_some_and(|payment| dossier.is_read(payment))
}

/// I8: one capture, and no second approval beside a standing one.
fn orders(dossier: &Dossier, entries: &[LedgerEntry], findings: &mut Findings<'_>) {
    let captures = entries.iter().filter(|entry| {
        entry.done && entry.operation == Operation::Capture && !dossier.is_late(&entry.attempt_id)
    });
    let captures = captures.count();
    findings.must(captures <= 1, Invariant::I8, || format!("the ledger has {captures} captures"));
    let mut standing = standing(entries);
    // It is being returned.
    let open = |id: &PaymentAttemptId| {
        dossier.late_undo(id).is_some_and(|undo| {
            undo.state != CancellationState::Done || undo.returned_outside.is_some()
        })
    };
    standing.retain(|id| !open(id));
    findings.must(standing.len() <= 1, Invariant::I8, || {
        format!("the ledger has money of {standing:?} at once")
    });
    let ended = matches!(
        dossier.row.status,
        ReservationStatus::Reserved | ReservationStatus::Cancelled | ReservationStatus::Expired
    );
    let fee = to_keep(dossier, dossier.row.amount.get()).unwrap_or(0) > 0;
    let outside = returned_outside(dossier) > 0;
    findings.must(!ended || fee || outside || standing.is_empty(), Invariant::I7, || {
        format!("is {} and the ledger has money of {standing:?}", dossier.row.status)
    });
}

/// Attempts whose money is reserved or taken, by the ledger.
fn standing(entries: &[LedgerEntry]) -> Vec<&PaymentAttemptId> {
    let mut orders = BTreeMap::<&PaymentAttemptId, Order>::new();
    for entry in entries {
        orders.entry(&entry.attempt_id).or_default().take(entry);
    }
    orders.retain(|_, order| order.way_back().is_some());
    orders.into_keys().collect()
}

/// I4, to the won; a call without an answer may or may not have been carried out.
fn sums(dossier: &Dossier, entries: &[LedgerEntry], findings: &mut Findings<'_>) {
    if dossier.row.open_call.is_some() {
        return;
    }
    let ledger = |what| {
        let done = entries.iter().filter(move |entry| {
            entry.done && entry.operation == what && !dossier.is_late(&entry.attempt_id)
        });
        done.map(|entry| entry.amount.get()).sum::<i64>()
    };
    let (captured, refunded) = (ledger(Operation::Capture), ledger(Operation::Refund));
    let taken = dossier.payments.iter().filter(|p| p.attempt.captured_at.is_some());
    let taken: i64 = taken.map(|payment| payment.attempt.amount.get()).sum();
    // The gateway knows nothing of what was returned outside; a void moves no money.
    let outside = if taken > 0 { returned_outside(dossier) } else { 0 };
    let returned = dossier.row.refunded.get() - outside;
    findings.must((captured, refunded) == (taken, returned), Invariant::I4, || {
        format!(
            "took {taken} and returned {returned}; the ledger captured {captured} and refunded \
             {refunded}"
        )
    });
    let kept = to_keep(dossier, captured);
    let left = captured - refunded - outside;
    findings.must(kept.is_none_or(|kept| kept == left), Invariant::I4, || {
        format!("is to keep {kept:?}; the ledger captured {captured} and refunded {refunded}")
    });
}

/// I6: no money went back before the tickets were revoked.
fn tickets_come_first(dossier: &Dossier, entries: &[LedgerEntry], findings: &mut Findings<'_>) {
    let returns = entries.iter().filter(|entry| {
        let returns = matches!(entry.operation, Operation::Void | Operation::Refund);
        entry.done && returns && !dossier.is_late(&entry.attempt_id)
    });
    for entry in returns {
        let call = dossier.calls.iter().map(|record| &record.call).find(|c| c.key == entry.key);
        let undo = call.and_then(|call| call.cancellation_id.as_ref());
        for ticket in before(dossier, undo) {
            let revoked = ticket.revoked_at.is_some_and(|at| at <= entry.at);
            findings.must(revoked, Invariant::I6, || {
                format!("the ledger has {} before ticket {} was revoked", entry.key, ticket.id)
            });
        }
    }
}
