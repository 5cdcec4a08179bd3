//! Check-in at the gate (T23): with a ticket, or by the reservation code when ticketing is down.

use crate::refusal::Refusal;
use crate::reservation::Reservation;
use crate::ticket::Ticket;
use crate::time::Time;
use crate::timeline::Event;
use crate::words::{Actor, EventType, ReservationStatus, TicketStatus};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Tickets are read from this long before the start on. It ends with the show (T24).
pub const GATE_OPENS_BEFORE_START: Duration = Duration::from_secs(30 * 60);

/// Somebody came in: when, where, and under which number of that gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckIn {
    pub at: Time,
    pub gate: String,
    /// Given by the gate, so that a scan whose answer it missed is not a second one.
    pub nonce: String,
}

/// What follows from a check-in that is not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckedIn {
    Now(Vec<Event>),
    /// This same check-in was made before.
    Before,
}

impl CheckIn {
    fn same_as(&self, other: &Self) -> bool {
        (&self.gate, &self.nonce) == (&other.gate, &other.nonce)
    }
}

impl Reservation {
    /// T23. The ticket decides (R14): what a cancel has asked back lets nobody in.
    pub fn check_in(
        &mut self,
        ticket: &mut Ticket,
        check_in: CheckIn,
    ) -> Result<CheckedIn, Refusal> {
        match ticket.status {
            TicketStatus::Issued => {}
            TicketStatus::Used => return again(ticket.check_in.as_ref(), &check_in),
            TicketStatus::CancelRequested | TicketStatus::Cancelled => {
                return Err(Refusal::TicketCancelled);
            }
            TicketStatus::None | TicketStatus::NoShow => return Err(Refusal::WrongState),
        }
        let opens_at = self.showtime.starts_at.minus(GATE_OPENS_BEFORE_START);
        let used = Event::new(EventType::TicketUsed, Actor::Staff)
            .ticket(ticket.id.clone(), ticket.seat_number.clone());
        let event = self.come_in(used, &check_in, opens_at)?;
        ticket.status = TicketStatus::Used;
        ticket.check_in = Some(check_in);
        Ok(CheckedIn::Now(vec![event]))
    }

    /// The whole party comes in by its code, because no tickets could be issued by the start
    /// (specification 1.3, "issue"). Tickets that come later are used ones.
    pub fn check_in_by_code(&mut self, check_in: CheckIn) -> Result<CheckedIn, Refusal> {
        if self.check_in.is_some() {
            return again(self.check_in.as_ref(), &check_in);
        }
        if self.status != ReservationStatus::SeatSelected || !self.is_captured() {
            return Err(Refusal::WrongState);
        }
        let used = Event::new(EventType::TicketUsed, Actor::Staff).seats(&self.seat_numbers);
        let event = self.come_in(used, &check_in, self.showtime.starts_at)?;
        self.check_in = Some(check_in);
        Ok(CheckedIn::Now(vec![event]))
    }

    /// From here no wish of the customer cancels the reservation (T19).
    fn come_in(
        &mut self,
        mut event: Event,
        check_in: &CheckIn,
        opens_at: Time,
    ) -> Result<Event, Refusal> {
        if check_in.at < opens_at {
            return Err(Refusal::TooEarly { opens_at });
        }
        self.tickets = TicketStatus::Used;
        event.detail.gate = Some(check_in.gate.clone());
        Ok(event)
    }
}

/// Only the gate that let them in may have missed its answer.
fn again(before: Option<&CheckIn>, check_in: &CheckIn) -> Result<CheckedIn, Refusal> {
    match before {
        Some(before) if before.same_as(check_in) => Ok(CheckedIn::Before),
        _ => Err(Refusal::AlreadyUsed { at: before.map(|before| before.at) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancellation::asking::Ask;
    use crate::ids::{AssignmentId, CancellationId, ReservationId, TicketId};
    use crate::reservation::tests::{NOW, STARTS_SECS, at, brought_to, kinds, tickets};
    use crate::reservation::{Action, CLOSE_AFTER_END, Owes};
    use crate::won::Won;
    use crate::words::Audience;

    fn ticket(status: TicketStatus) -> Ticket {
        Ticket {
            id: TicketId::parse("t1").unwrap(),
            reservation_id: ReservationId::parse("r1").unwrap(),
            assignment_id: AssignmentId::parse("a1").unwrap(),
            seat_number: "A1".to_owned(),
            code: "CODE".to_owned(),
            status,
            issued_at: NOW,
            revoked_at: None,
            check_in: None,
            audience: Audience::Adult,
            price: Won::ZERO,
            cancellation_id: None,
        }
    }

    fn scan(secs: u64, nonce: &str) -> CheckIn {
        CheckIn { at: at(secs), gate: "gate-1".to_owned(), nonce: nonce.to_owned() }
    }

    /// A seated party that has paid and has no tickets.
    fn without_tickets() -> Reservation {
        let mut row = brought_to(ReservationStatus::SeatSelected, None);
        row.capture();
        row
    }

    #[test]
    fn a_ticket_lets_in_once_and_its_gate_may_ask_again() {
        let mut row = brought_to(ReservationStatus::Ticketed, None);
        let mut ticket = ticket(TicketStatus::Issued);
        let first = row.check_in(&mut ticket, scan(STARTS_SECS, "n1")).unwrap();
        let CheckedIn::Now(events) = first else { panic!("{first:?}") };
        assert_eq!(kinds(&events), [EventType::TicketUsed]);
        assert_eq!(events[0].detail.gate.as_deref(), Some("gate-1"));
        assert_eq!((row.tickets, ticket.status), (TicketStatus::Used, TicketStatus::Used));
        assert_eq!(row.status, ReservationStatus::Ticketed);
        let (used, came_in) = (ticket.clone(), row.clone());
        assert_eq!(row.check_in(&mut ticket, scan(STARTS_SECS + 9, "n1")), Ok(CheckedIn::Before));
        let refused = Err(Refusal::AlreadyUsed { at: Some(at(STARTS_SECS)) });
        assert_eq!(row.check_in(&mut ticket, scan(STARTS_SECS + 9, "n2")), refused);
        let elsewhere = CheckIn { gate: "gate-2".to_owned(), ..scan(STARTS_SECS + 9, "n1") };
        assert_eq!(row.check_in(&mut ticket, elsewhere), refused);
        assert_eq!((row, ticket.check_in), (came_in, used.check_in));
    }

    #[test]
    fn the_gate_opens_half_an_hour_before_the_start() {
        let opens = STARTS_SECS - 30 * 60;
        for (secs, lets_in) in [(0, false), (opens - 1, false), (opens, true), (3 * opens, true)] {
            let mut row = brought_to(ReservationStatus::Ticketed, None);
            let entry = row.check_in(&mut ticket(TicketStatus::Issued), scan(secs, "n1"));
            assert_eq!(entry.is_ok(), lets_in, "after {secs} s");
            if !lets_in {
                assert_eq!(entry, Err(Refusal::TooEarly { opens_at: at(opens) }));
                assert_eq!(row, brought_to(ReservationStatus::Ticketed, None));
            }
        }
    }

    #[test]
    fn what_was_cancelled_or_is_over_lets_nobody_in() {
        for (status, refusal) in [
            (TicketStatus::CancelRequested, Refusal::TicketCancelled),
            (TicketStatus::Cancelled, Refusal::TicketCancelled),
            (TicketStatus::NoShow, Refusal::WrongState),
        ] {
            let mut row = brought_to(ReservationStatus::Ticketed, None);
            let entry = row.check_in(&mut ticket(status), scan(STARTS_SECS, "n1"));
            assert_eq!(entry, Err(refusal), "{status}");
        }
    }

    #[test]
    fn who_came_in_cannot_cancel() {
        let mut ticketed = brought_to(ReservationStatus::Ticketed, None);
        ticketed.check_in(&mut ticket(TicketStatus::Issued), scan(STARTS_SECS, "n1")).unwrap();
        let mut by_code = without_tickets();
        by_code.check_in_by_code(scan(STARTS_SECS, "n1")).unwrap();
        for row in [ticketed, by_code] {
            assert!(!row.allowed_actions(NOW).contains(&Action::Cancel));
            for actor in [Actor::Customer, Actor::Staff] {
                let id = CancellationId::parse("c1").unwrap();
                let all = Ask { actor, tickets: None };
                let cancelled = row.clone().cancel(NOW, id, all, &[]);
                assert_eq!(cancelled, Err(Refusal::TicketUsed));
            }
        }
    }

    #[test]
    fn without_tickets_the_code_lets_the_party_in_from_the_start_on() {
        let mut row = without_tickets();
        let early = row.check_in_by_code(scan(STARTS_SECS - 1, "n1"));
        assert_eq!(early, Err(Refusal::TooEarly { opens_at: at(STARTS_SECS) }));
        let first = row.check_in_by_code(scan(STARTS_SECS, "n1")).unwrap();
        let CheckedIn::Now(events) = first else { panic!("{first:?}") };
        assert_eq!(kinds(&events), [EventType::TicketUsed]);
        assert_eq!(events[0].detail.seat_numbers, row.seat_numbers);
        assert_eq!(row.check_in_by_code(scan(STARTS_SECS + 1, "n1")), Ok(CheckedIn::Before));
        let twice = row.check_in_by_code(scan(STARTS_SECS + 1, "n2"));
        assert_eq!(twice, Err(Refusal::AlreadyUsed { at: Some(at(STARTS_SECS)) }));
        assert_eq!(row.owes(), Owes::Tickets, "and they come out used");
        row.issue_tickets(tickets());
        assert_eq!(row.tickets, TicketStatus::Used);
        let twice = row.check_in_by_code(scan(STARTS_SECS + 1, "n2"));
        assert_eq!(twice, Err(Refusal::AlreadyUsed { at: Some(at(STARTS_SECS)) }));
    }

    #[test]
    fn the_code_is_for_those_who_paid_and_have_no_tickets() {
        for status in ReservationStatus::EVERY {
            let mut row = brought_to(*status, None);
            let entry = row.check_in_by_code(scan(STARTS_SECS, "n1"));
            assert_eq!(entry, Err(Refusal::WrongState), "{status}");
        }
    }

    #[test]
    fn after_the_show_a_ticket_was_used_or_nobody_came() {
        let over = brought_to(ReservationStatus::Ticketed, None).over_at();
        assert_eq!(over, at(2 * STARTS_SECS).plus(CLOSE_AFTER_END));
        let mut missed = brought_to(ReservationStatus::Ticketed, None);
        missed.complete(over);
        assert_eq!(missed.tickets, TicketStatus::NoShow);
        let mut seen = brought_to(ReservationStatus::Ticketed, None);
        seen.check_in(&mut ticket(TicketStatus::Issued), scan(STARTS_SECS, "n1")).unwrap();
        seen.complete(over);
        assert_eq!(seen.tickets, TicketStatus::Used);
        let mut unticketed = without_tickets();
        unticketed.complete(over);
        assert_eq!(unticketed.status, ReservationStatus::Completed);
        assert_eq!(unticketed.tickets, TicketStatus::None);
    }
}
