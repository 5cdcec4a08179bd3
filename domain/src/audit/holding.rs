//! I2, I3, I5, I7: what a reservation holds of capacity, seats and tickets fits its status.

use super::{Assignment, Dossier, Findings, Invariant};
use crate::cancellation::Cancellation;
use crate::check_in::GATE_OPENS_BEFORE_START;
use crate::payment::Payment;
use crate::ticket::Ticket;
use crate::words::{
    AttemptStatus, Capacity, ReservationStatus, SeatStatus, StatusReason, TicketStatus,
};

pub(super) fn judge(dossier: &Dossier, findings: &mut Findings<'_>) {
    capacity(dossier, findings);
    seats(dossier, findings);
    tickets(dossier, findings);
    check_ins(dossier, findings);
    ended(dossier, findings);
}

fn live_seats(dossier: &Dossier) -> impl Iterator<Item = &Assignment> {
    dossier.seats.iter().filter(|seat| seat.live)
}

fn live_tickets(dossier: &Dossier) -> impl Iterator<Item = &Ticket> {
    dossier.tickets.iter().filter(|ticket| ticket.is_live())
}

/// What a ticket is after the show (T24).
fn is_over(ticket: &Ticket) -> bool {
    matches!(ticket.status, TicketStatus::Used | TicketStatus::NoShow)
}

fn came_in_by_code(Dossier { row, .. }: &Dossier) -> bool {
    let stands =
        matches!(row.status, ReservationStatus::SeatSelected | ReservationStatus::Completed);
    stands && row.check_in.is_some()
}

fn capacity(dossier: &Dossier, findings: &mut Findings<'_>) {
    let row = &dossier.row;
    let fits = match row.status {
        ReservationStatus::Reserved
        | ReservationStatus::PaymentPending
        | ReservationStatus::PaymentDeferred
        | ReservationStatus::PaymentApproved => row.capacity == Capacity::Held,
        ReservationStatus::SeatSelected
        | ReservationStatus::Ticketed
        | ReservationStatus::Completed => row.capacity == Capacity::Sold,
        // Of those that have ended: see below.
        ReservationStatus::Cancelling
        | ReservationStatus::Cancelled
        | ReservationStatus::Expired => true,
    };
    findings.must(fits, Invariant::I2, || {
        format!("is {} and its capacity is {}", row.status, row.capacity)
    });
    let live = live_seats(dossier).count();
    findings.must((row.capacity == Capacity::Sold) == (live > 0), Invariant::I2, || {
        format!("its capacity is {} and it has {live} seats", row.capacity)
    });
}

fn seats(dossier: &Dossier, findings: &mut Findings<'_>) {
    let Dossier { row, payments, .. } = dossier;
    let live = live_seats(dossier).count();
    let size = usize::try_from(row.party.size()).expect("a party is small");
    let captured = payments.iter().any(is_captured);
    let seated = matches!(
        row.status,
        ReservationStatus::SeatSelected
            | ReservationStatus::Ticketed
            | ReservationStatus::Completed
    );
    let undone = matches!(
        row.status,
        ReservationStatus::Cancelling | ReservationStatus::Cancelled | ReservationStatus::Expired
    );
    let needed = seated || live > 0 || (captured && !undone);
    findings.must(!needed || live == size, Invariant::I3, || {
        format!("is {}, a party of {size}, and has {live} seats", row.status)
    });
    for seat in live_seats(dossier) {
        let fits = seat.showtime_id == row.showtime.showtime_id && seat.grade == row.grade;
        findings.must(fits, Invariant::I3, || format!("has {seat:?}, of another pool"));
        let told = row.seat_numbers.contains(&seat.number);
        findings.must(told, Invariant::I3, || {
            format!("has seat {}, and says {:?}", seat.number, row.seat_numbers)
        });
    }
    let meant = match (live > 0, dossier.seats.is_empty()) {
        (true, _) if row.status == ReservationStatus::Cancelling => SeatStatus::CancelRequested,
        (true, _) => SeatStatus::Assigned,
        (false, true) => SeatStatus::None,
        (false, false) => SeatStatus::Cancelled,
    };
    findings.must(row.seats == meant, Invariant::I3, || {
        format!("says its seats are {}, they are {meant}", row.seats)
    });
}

fn tickets(dossier: &Dossier, findings: &mut Findings<'_>) {
    let row = &dossier.row;
    let paid = dossier.payments.iter().any(is_captured);
    let live = live_tickets(dossier).count();
    for ticket in live_tickets(dossier) {
        let seated = live_seats(dossier).any(|seat| seat.id == ticket.assignment_id);
        findings.must(seated, Invariant::I5, || {
            format!("ticket {} is {} without its seat", ticket.id, ticket.status)
        });
        findings.must(paid, Invariant::I5, || {
            format!("ticket {} is {} without money", ticket.id, ticket.status)
        });
        let marked = ticket.status == TicketStatus::CancelRequested;
        let undo = undo_of(dossier, ticket);
        findings.must(marked == undo.is_some_and(Cancellation::is_open), Invariant::I5, || {
            format!("is {} and its ticket {} is {}", row.status, ticket.id, ticket.status)
        });
    }
    let has_one = |tickets: fn(&Ticket) -> bool| {
        let of = |seat: &Assignment| {
            let standing = dossier.tickets.iter().filter(|t| t.assignment_id == seat.id);
            let one = standing.filter(|ticket| tickets(ticket)).count() == 1;
            one || is_being_freed(dossier, seat)
        };
        live_seats(dossier).all(of)
    };
    let each = has_one(Ticket::is_live);
    let is_any_used = dossier.tickets.iter().any(|t| t.status == TicketStatus::Used);
    let used_or = |other| if is_any_used { TicketStatus::Used } else { other };
    let (fits, meant) = match row.status {
        ReservationStatus::Ticketed => (each, used_or(TicketStatus::Issued)),
        ReservationStatus::Completed if !dossier.tickets.is_empty() => {
            (has_one(is_over), used_or(TicketStatus::NoShow))
        }
        ReservationStatus::Cancelling if live > 0 => (each, TicketStatus::CancelRequested),
        _ if dossier.tickets.is_empty() && came_in_by_code(dossier) => (true, TicketStatus::Used),
        _ if dossier.tickets.is_empty() => (true, TicketStatus::None),
        // Of those that have ended: see below.
        ReservationStatus::Cancelled | ReservationStatus::Expired => {
            (true, TicketStatus::Cancelled)
        }
        _ => (live == 0, TicketStatus::Cancelled),
    };
    findings.must(fits && row.tickets == meant, Invariant::I5, || {
        format!("is {}, says its tickets are {}, and {live} live", row.status, row.tickets)
    });
}

/// I5: a ticket is USED when somebody came in with it, not before the gate opened, and who came in
/// is not undone on a wish (T19, T23).
fn check_ins(dossier: &Dossier, findings: &mut Findings<'_>) {
    let row = &dossier.row;
    for ticket in &dossier.tickets {
        let fits = match ticket.status {
            TicketStatus::Used => ticket.check_in.is_some(),
            TicketStatus::Issued | TicketStatus::NoShow => ticket.check_in.is_none(),
            TicketStatus::None | TicketStatus::CancelRequested | TicketStatus::Cancelled => true,
        };
        findings.must(fits, Invariant::I5, || {
            format!("ticket {} is {}, its check-in {:?}", ticket.id, ticket.status, ticket.check_in)
        });
    }
    let opens_at = row.showtime.starts_at.minus(GATE_OPENS_BEFORE_START);
    let undone = matches!(
        row.status,
        ReservationStatus::Cancelling | ReservationStatus::Cancelled | ReservationStatus::Expired
    );
    let wished = undone && row.reason != Some(StatusReason::ShowtimeCancelled);
    let own = dossier.tickets.iter().filter_map(|ticket| ticket.check_in.as_ref());
    for check_in in own.chain(&row.check_in) {
        findings.must(check_in.at >= opens_at, Invariant::I5, || {
            format!("came in at {:?}, before the gate opened", check_in.at)
        });
        findings.must(!wished, Invariant::I5, || {
            format!("is {} and came in at {:?}", row.status, check_in.at)
        });
    }
}

/// The ticket of this seat has been revoked by an undo that has not come to its seats yet.
fn is_being_freed(dossier: &Dossier, seat: &Assignment) -> bool {
    let revoked = |ticket: &&Ticket| {
        ticket.assignment_id == seat.id && ticket.status == TicketStatus::Cancelled
    };
    let undo = dossier.tickets.iter().find(revoked).and_then(|ticket| undo_of(dossier, ticket));
    undo.is_some_and(|undo| undo.is_open() && undo.seats_freed_at.is_none())
}

fn undo_of<'a>(dossier: &'a Dossier, ticket: &Ticket) -> Option<&'a Cancellation> {
    dossier.cancellations.iter().find(|undo| Some(&undo.id) == ticket.cancellation_id.as_ref())
}

fn is_captured(payment: &Payment) -> bool {
    matches!(payment.attempt.status, AttemptStatus::Captured | AttemptStatus::PartiallyRefunded)
}

/// I7, but for the money.
fn ended(dossier: &Dossier, findings: &mut Findings<'_>) {
    let row = &dossier.row;
    if !matches!(row.status, ReservationStatus::Cancelled | ReservationStatus::Expired) {
        return;
    }
    findings.must(row.capacity == Capacity::Released, Invariant::I7, || {
        format!("is {} and its capacity is {}", row.status, row.capacity)
    });
    let (seats, tickets) = (live_seats(dossier).count(), live_tickets(dossier).count());
    findings.must((seats, tickets) == (0, 0), Invariant::I7, || {
        format!("is {} and has {seats} seats and {tickets} tickets", row.status)
    });
}
