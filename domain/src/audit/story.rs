//! I10: the timeline is gap-free, each event may follow the one before (specification 1.4), what
//! happened stands in it as often as it happened, and row and mypage say what it says.

use super::{CallRecord, Dossier, Findings, Invariant};
use crate::mypage::MyPage;
use crate::timeline::Recorded;
use crate::words::{
    AttemptStatus, EventType, Operation, ReservationStatus, Scope, SeatStatus, TicketStatus,
};
use std::collections::BTreeSet;

pub(super) fn judge(dossier: &Dossier, findings: &mut Findings<'_>) {
    places(dossier, findings);
    steps(dossier, findings);
    facts(dossier, findings);
    requests(dossier, findings);
    page(dossier, findings);
}

fn places(Dossier { row, events, .. }: &Dossier, findings: &mut Findings<'_>) {
    let gap_free = events.iter().map(|event| event.seq).eq(1..=row.last_seq);
    findings.must(gap_free, Invariant::I10, || {
        let places: Vec<i64> = events.iter().map(|event| event.seq).collect();
        format!("counts {} events, has {places:?}", row.last_seq)
    });
    let last = events.last().map(|event| event.status);
    findings.must(last == Some(row.status), Invariant::I10, || {
        format!("is {}, its last event says {last:?}", row.status)
    });
}

fn steps(dossier: &Dossier, findings: &mut Findings<'_>) {
    let mut before: Option<&Recorded> = None;
    for event in &dossier.events {
        if dossier.tells_of_late(event) {
            let stays = before.is_some_and(|before| before.status == event.status);
            findings.must(stays, Invariant::I10, || {
                format!("{} at {} changes the status to {}", event.kind, event.seq, event.status)
            });
            continue;
        }
        let from = before.map(|before| (before.kind, before.status));
        findings.must(may_follow(from, event.kind, event.status), Invariant::I10, || {
            let from =
                from.map_or("nothing".to_owned(), |(kind, status)| format!("{kind} {status}"));
            format!("{} {} at {} cannot follow {from}", event.kind, event.status, event.seq)
        });
        before = Some(event);
    }
}

/// Whether an event may come after the event `before` and leave the reservation in status `to`.
/// Events of one step all carry the status after the step.
pub fn may_follow(
    before: Option<(EventType, ReservationStatus)>,
    event: EventType,
    to: ReservationStatus,
) -> bool {
    use EventType as E;
    use ReservationStatus as S;
    let Some((last, from)) = before else {
        return event == E::Reserved && matches!(to, S::Reserved | S::PaymentDeferred);
    };
    let awaits_answer = matches!(from, S::PaymentPending | S::PaymentDeferred);
    let may_pay = matches!(from, S::Reserved | S::PaymentDeferred);
    let undone = (from, to) == (S::Cancelling, S::Cancelling);
    // Of some tickets, while the others stay (T20).
    let undone_in_part = (from, to) == (S::Ticketed, S::Ticketed);
    match event {
        E::Reserved => false,
        // While deferred also with another card (R27).
        E::PaymentRequested => may_pay && to == S::PaymentPending,
        E::PaymentDeferred => (from == S::Reserved || awaits_answer) && to == S::PaymentDeferred,
        // Also in vain, and too late: the same step opens the undo.
        E::PaymentApproved => {
            (awaits_answer && matches!(to, S::PaymentApproved | S::Cancelling)) || undone
        }
        E::PaymentDeclined => {
            (awaits_answer && matches!(to, S::Reserved | S::Expired))
                || (from, to) == (S::SeatSelected, S::Cancelling)
                || undone
        }
        E::PaymentLapsed => (awaits_answer && matches!(to, S::Reserved | S::Expired)) || undone,
        E::PaymentCaptured => (from, to) == (S::SeatSelected, S::SeatSelected) || undone,
        E::SeatAssigned => (from, to) == (S::PaymentApproved, S::SeatSelected),
        E::SeatChanged => (from, to) == (S::Ticketed, S::Ticketed),
        E::PlanSeatsTaken => (from, to) == (S::PaymentApproved, S::PaymentApproved),
        E::TicketUsed => from == to && matches!(from, S::Ticketed | S::SeatSelected),
        E::TicketIssued => matches!(from, S::SeatSelected | S::Ticketed) && to == S::Ticketed,
        E::CancellationRequested => match to {
            // Also of one that is being undone: its showtime is given up meanwhile (T22).
            S::Cancelling => !from.is_terminal(),
            S::Cancelled => from == S::Reserved || from == S::PaymentApproved || awaits_answer,
            S::Ticketed => from == S::Ticketed,
            _ => false,
        },
        E::PaymentCancellationRequested => {
            (undone || undone_in_part) && last == E::CancellationRequested
        }
        E::SeatCancellationRequested => {
            (undone && matches!(last, E::PaymentCancellationRequested | E::CancellationRequested))
                || (undone_in_part && last == E::PaymentCancellationRequested)
        }
        E::TicketCancellationRequested => {
            (undone || undone_in_part) && last == E::SeatCancellationRequested
        }
        E::TicketCancelled | E::SeatCancelled | E::PaymentCancelled | E::RefundDelayed => {
            undone || (undone_in_part && !matches!(last, E::TicketIssued | E::SeatChanged))
        }
        E::ReservationCancelled => {
            to == S::Cancelled
                && (from == S::Cancelling || (last, from) == (E::CancellationRequested, to))
        }
        E::ReservationExpired => {
            to == S::Expired
                && (from == S::Reserved
                    || awaits_answer
                    || from == S::Cancelling
                    || (matches!(last, E::PaymentDeclined | E::PaymentLapsed) && from == to))
        }
        E::ShowCompleted => matches!(from, S::Ticketed | S::SeatSelected) && to == S::Completed,
    }
}

/// Every fact has its event, and no event is without its fact.
fn facts(dossier: &Dossier, findings: &mut Findings<'_>) {
    let Dossier { row, events, payments, calls, seats, tickets, cancellations, .. } = dossier;
    let answers = |operations: &[Operation], fits: fn(&CallRecord) -> bool| {
        calls.iter().filter(|c| operations.contains(&c.call.operation) && fits(c)).count()
    };
    use Operation::{Approve, Capture, Refund, Void};
    let exchanged = tickets.iter().filter(|ticket| ticket.was_exchanged()).count();
    let revoked = tickets.iter().filter(|t| t.status == TicketStatus::Cancelled).count();
    let parts = || cancellations.iter().filter(|undo| undo.scope == Scope::Part);
    let parts_freed = parts().filter(|undo| undo.seats_freed_at.is_some()).count();
    let ended_at_once =
        row.status == ReservationStatus::Cancelled && dossier.undos().next().is_none();
    let raised = raised(events);
    let is = |status| usize::from(row.status == status);
    let seats_asked = matches!(row.seats, SeatStatus::CancelRequested | SeatStatus::Cancelled);
    let tickets_asked =
        matches!(row.tickets, TicketStatus::CancelRequested | TicketStatus::Cancelled);
    let read = dossier.read_authorizations();
    let lapsed = payments.iter().filter(|p| p.attempt.status == AttemptStatus::Lapsed).count();
    let outside = cancellations.iter().filter(|undo| undo.returned_outside.is_some()).count();
    let delays = cancellations.iter().filter(|undo| undo.delay_told_at.is_some()).count();
    let facts = [
        (EventType::Reserved, 1),
        (EventType::PaymentApproved, answers(&[Approve], CallRecord::is_done) + read.approved),
        (
            EventType::PaymentDeclined,
            answers(&[Approve, Capture], CallRecord::is_refused) + read.declined,
        ),
        (EventType::PaymentLapsed, lapsed),
        (EventType::PaymentCaptured, answers(&[Capture], CallRecord::is_done)),
        (EventType::SeatAssigned, usize::from(!seats.is_empty())),
        // One who changes seats is given a ticket for a ticket, and that is told by the change.
        (EventType::TicketIssued, tickets.len() - exchanged),
        (
            EventType::CancellationRequested,
            cancellations.len() + raised + usize::from(ended_at_once),
        ),
        (EventType::SeatCancellationRequested, parts().count() + usize::from(seats_asked)),
        (EventType::TicketCancellationRequested, parts().count() + usize::from(tickets_asked)),
        (EventType::TicketUsed, check_ins(dossier)),
        (EventType::TicketCancelled, revoked - exchanged),
        (EventType::SeatCancelled, parts_freed + usize::from(row.seats == SeatStatus::Cancelled)),
        (EventType::PaymentCancelled, answers(&[Void, Refund], CallRecord::is_done) + outside),
        (EventType::RefundDelayed, answers(&[Void, Refund], CallRecord::is_refused) + delays),
        (EventType::ReservationCancelled, is(ReservationStatus::Cancelled)),
        (EventType::ReservationExpired, is(ReservationStatus::Expired)),
        (EventType::ShowCompleted, is(ReservationStatus::Completed)),
    ];
    for (kind, times) in facts {
        let told = events.iter().filter(|event| event.kind == kind).count();
        findings.must(told == times, Invariant::I10, || {
            format!("{kind} is told {told} times and happened {times} times")
        });
    }
    changes(dossier, findings);
}

/// Tickets are given for others when seats are changed, and only then.
fn changes(Dossier { events, tickets, .. }: &Dossier, findings: &mut Findings<'_>) {
    let told = || events.iter().filter(|event| event.kind == EventType::SeatChanged);
    let left: Vec<_> = told().flat_map(|event| &event.detail.old_seat_numbers).collect();
    let exchanged: Vec<_> = tickets.iter().filter(|ticket| ticket.was_exchanged()).collect();
    let each = exchanged.iter().all(|ticket| left.contains(&&ticket.seat_number));
    findings.must(each && told().count() <= exchanged.len(), Invariant::I10, || {
        format!("{} tickets were given for others, and {left:?} was left", exchanged.len())
    });
}

/// Undos that were told again, because their showtime was given up (T22).
fn raised(events: &[Recorded]) -> usize {
    let asked = events.iter().filter(|event| event.kind == EventType::CancellationRequested);
    let ids: Vec<_> = asked.filter_map(|event| event.detail.cancellation_id.as_ref()).collect();
    ids.iter().enumerate().filter(|&(place, id)| ids[..place].contains(id)).count()
}

/// A party that came in by its code did so once, whatever tickets it has got since.
fn check_ins(Dossier { row, tickets, .. }: &Dossier) -> usize {
    let own = tickets.iter().filter(|t| t.check_in.is_some() && t.check_in != row.check_in);
    own.count() + usize::from(row.check_in.is_some())
}

/// Every attempt was told of when it was made, as requested or as deferred, and each at most once.
fn requests(Dossier { events, payments, .. }: &Dossier, findings: &mut Findings<'_>) {
    let told = |kind: EventType| -> Vec<_> {
        let told = events.iter().filter(|event| event.kind == kind);
        told.filter_map(|event| event.detail.payment_id.as_ref()).collect()
    };
    let (requested, deferred) =
        (told(EventType::PaymentRequested), told(EventType::PaymentDeferred));
    let made: BTreeSet<_> = payments.iter().map(|payment| &payment.attempt.id).collect();
    let known: BTreeSet<_> = requested.iter().chain(&deferred).copied().collect();
    let once = |told: &[_]| told.iter().collect::<BTreeSet<_>>().len() == told.len();
    let fits = made == known && once(&requested) && once(&deferred);
    findings.must(fits, Invariant::I10, || {
        format!("made {made:?}, told as requested {requested:?}, as deferred {deferred:?}")
    });
}

/// The document is the row. A step without an event shows nothing new, so it may say an older
/// version.
fn page(Dossier { row, shown, .. }: &Dossier, findings: &mut Findings<'_>) {
    let Some(shown) = shown else {
        findings.add(Invariant::I10, "is not on mypage".to_owned());
        return;
    };
    let (version, updated_at) = (shown.version, shown.updated_at);
    let meant = MyPage { version, updated_at, ..MyPage::from(row) };
    findings.must(*shown == meant && version <= row.version, Invariant::I10, || {
        format!("mypage shows {shown:?}, not {meant:?}")
    });
}
