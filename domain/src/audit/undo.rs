//! I6, I7, I8: cancellations, one open at most, in the order of specification 1.5, and closed only
//! when all is returned.

use super::{Dossier, Findings, Invariant};
use crate::cancellation::Cancellation;
use crate::cancellation::window::{Window, window_at};
use crate::ids::CancellationId;
use crate::ticket::Ticket;
use crate::won::Percent;
use crate::words::{
    AttemptStatus, CancellationState, EventType, Operation, ReservationStatus, Scope, StatusReason,
    TicketStatus,
};

pub(super) fn judge(dossier: &Dossier, findings: &mut Findings<'_>) {
    one_open(dossier, findings);
    for undo in dossier.undos() {
        share(dossier, undo, findings);
        if undo.state == CancellationState::Done {
            complete(dossier, undo, findings);
        }
    }
    for undo in dossier.cancellations.iter().filter(|undo| undo.late.is_some()) {
        let closed = undo.state == CancellationState::Done;
        findings.must(!closed || undo.money_returned_at.is_some(), Invariant::I7, || {
            format!("cancellation {} was closed without its money", undo.id)
        });
    }
    told_in_order(dossier, findings);
    tickets_come_first(dossier, findings);
}

fn one_open(dossier: &Dossier, findings: &mut Findings<'_>) {
    let row = &dossier.row;
    let open = dossier.undos().filter(|undo| undo.state != CancellationState::Done);
    let open: Vec<_> = open.map(|undo| &undo.id).collect();
    let said: Vec<_> = row.open_cancellation.iter().collect();
    findings.must(open == said, Invariant::I8, || {
        format!("open cancellations are {open:?}, the row says {said:?}")
    });
    let scopes = dossier.undos().filter(|undo| undo.state != CancellationState::Done);
    let scopes: Vec<Scope> = scopes.map(|undo| undo.scope).collect();
    let fits = match row.status {
        ReservationStatus::Cancelling => scopes == [Scope::Whole],
        ReservationStatus::Ticketed => !scopes.contains(&Scope::Whole),
        ReservationStatus::Reserved
        | ReservationStatus::PaymentPending
        | ReservationStatus::PaymentDeferred
        | ReservationStatus::PaymentApproved
        | ReservationStatus::SeatSelected
        | ReservationStatus::Cancelled
        | ReservationStatus::Expired
        | ReservationStatus::Completed => scopes.is_empty(),
    };
    findings.must(fits, Invariant::I8, || {
        format!("is {}, its open cancellations are {scopes:?}", row.status)
    });
}

/// The tickets of an undo.
pub(super) fn set_of<'a>(
    dossier: &'a Dossier,
    undo: &'a Cancellation,
) -> impl Iterator<Item = &'a Ticket> {
    let in_set = |ticket: &&Ticket| ticket.cancellation_id.as_ref() == Some(&undo.id);
    dossier.tickets.iter().filter(in_set)
}

/// I4: what is given back is the agreed share of what its tickets cost; of a whole, all that was
/// left.
fn share(dossier: &Dossier, undo: &Cancellation, findings: &mut Findings<'_>) {
    let Dossier { row, cancellations, .. } = dossier;
    let amount = undo.price.percent_rounded_up(undo.percent);
    findings.must(undo.amount == amount, Invariant::I4, || {
        format!("cancellation {} returns {:?}, not {amount:?}", undo.id, undo.amount)
    });
    let parts = cancellations.iter().filter(|part| part.scope == Scope::Part);
    let parts: i64 = parts.map(|part| part.price.get()).sum();
    let price = match undo.scope {
        Scope::Whole => row.amount.get() - parts - returned_before(dossier, undo),
        Scope::Part => set_of(dossier, undo).map(|ticket| ticket.price.get()).sum(),
    };
    findings.must(undo.price.get() == price, Invariant::I4, || {
        format!("cancellation {} is of {:?}, its set cost {price}", undo.id, undo.price)
    });
    let wished = matches!(undo.reason, StatusReason::CustomerRequest | StatusReason::StaffRequest);
    let agreed = match window_at(&row.showtime, undo.actor, undo.requested_at) {
        Window::Open { percent, .. } if wished => percent,
        Window::Open { .. } | Window::Closed { .. } => Percent::ALL,
    };
    let fits = undo.percent == Percent::ALL || undo.percent == agreed;
    findings.must(fits, Invariant::I4, || {
        format!("cancellation {} gives back {:?}, agreed was {agreed:?}", undo.id, undo.percent)
    });
}

/// What an undo of the whole gave back, when its rest follows (T22).
fn returned_before(dossier: &Dossier, undo: &Cancellation) -> i64 {
    let before = dossier.undos().take_while(|before| before.id != undo.id);
    before.filter(|before| before.scope == Scope::Whole).map(|before| before.amount.get()).sum()
}

/// I7: nothing is left when it is closed.
fn complete(dossier: &Dossier, undo: &Cancellation, findings: &mut Findings<'_>) {
    let steps = [
        ("tickets", set_of(dossier, undo).count() == 0 || undo.tickets_revoked_at.is_some()),
        ("seats", undo.seats_freed_at.is_some()),
        ("money", !money_was_taken(dossier) || undo.money_returned_at.is_some()),
    ];
    for (step, is_done) in steps {
        findings.must(is_done, Invariant::I7, || {
            format!("cancellation {} was closed without its {step}", undo.id)
        });
    }
}

fn money_was_taken(dossier: &Dossier) -> bool {
    let payments = dossier.payments.iter().filter(|payment| !dossier.is_late(&payment.attempt.id));
    payments.map(|payment| payment.attempt.status).any(|status| match status {
        AttemptStatus::Approved
        | AttemptStatus::Captured
        | AttemptStatus::Voided
        | AttemptStatus::Refunded
        | AttemptStatus::PartiallyRefunded => true,
        AttemptStatus::Pending
        | AttemptStatus::Declined
        | AttemptStatus::Abandoned
        | AttemptStatus::Lapsed => false,
    })
}

/// I6: after the first `SeatCancelled` no `TicketCancelled`, after the first `PaymentCancelled`
/// neither; no money is told to be returned that was not asked to be.
fn told_in_order(dossier: &Dossier, findings: &mut Findings<'_>) {
    let mut furthest = 0;
    let mut asked = false;
    let mut of = None;
    for event in dossier.events.iter().filter(|event| !dossier.tells_of_late(event)) {
        let place = match event.kind {
            EventType::CancellationRequested => {
                let id = event.detail.cancellation_id.as_ref();
                // Told again, it is the same undo: its showtime was given up (T22).
                if id.is_none() || id != of {
                    (furthest, asked, of) = (0, false, id);
                }
                continue;
            }
            EventType::PaymentCancellationRequested => {
                asked = true;
                continue;
            }
            EventType::TicketCancelled => 1,
            EventType::SeatCancelled => 2,
            EventType::PaymentCancelled => 3,
            _ => continue,
        };
        findings.must(place >= furthest, Invariant::I6, || {
            format!("{} at {} comes too late", event.kind, event.seq)
        });
        findings.must(asked || place < 3, Invariant::I6, || {
            format!("{} at {} without being asked for", event.kind, event.seq)
        });
        furthest = furthest.max(place);
    }
}

/// The tickets that have to be revoked before this undo's money goes back: its set, or every one.
pub(super) fn before<'a>(
    dossier: &'a Dossier,
    id: Option<&CancellationId>,
) -> impl Iterator<Item = &'a Ticket> {
    let undo = dossier.cancellations.iter().find(|undo| Some(&undo.id) == id);
    let part = undo.filter(|undo| undo.scope == Scope::Part).map(|undo| &undo.id);
    let of_it = move |ticket: &&Ticket| part.is_none() || ticket.cancellation_id.as_ref() == part;
    dossier.tickets.iter().filter(of_it)
}

/// I6: no seat is freed and no void or refund is opened while a ticket lives.
fn tickets_come_first(dossier: &Dossier, findings: &mut Findings<'_>) {
    for record in &dossier.calls {
        let call = &record.call;
        let returns = matches!(call.operation, Operation::Void | Operation::Refund);
        if !returns || dossier.is_late(&call.attempt_id) {
            continue;
        }
        for ticket in before(dossier, call.cancellation_id.as_ref()) {
            let revoked = ticket.revoked_at.is_some_and(|at| at <= call.opened_at);
            findings.must(revoked, Invariant::I6, || {
                format!("{} was opened before ticket {} was revoked", call.key, ticket.id)
            });
        }
    }
    for ticket in dossier.tickets.iter().filter(|t| t.status == TicketStatus::Cancelled) {
        let seat = dossier.seats.iter().find(|seat| seat.id == ticket.assignment_id);
        let freed_at = seat.and_then(|seat| seat.freed_at);
        let in_order = freed_at.is_none_or(|freed| ticket.revoked_at.is_some_and(|r| r <= freed));
        findings.must(in_order, Invariant::I6, || {
            format!("the seat of ticket {} was freed before it was revoked", ticket.id)
        });
    }
}
