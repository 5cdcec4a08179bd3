//! The gate, as the store has it: the first of the party's tickets is read, or the code is.

use super::*;
use crate::check_in::{CheckIn, CheckedIn};
use crate::ids::AssignmentId;
use crate::ticket::Ticket;

impl Walk {
    /// `Store::check_in`.
    pub(super) fn check_in(&mut self, nonce: u32) {
        let mut ticket = self.first_ticket();
        let check_in = self.scan(nonce);
        if let Ok(CheckedIn::Now(events)) = self.row.check_in(&mut ticket, check_in) {
            assert_eq!(self.row.status, S::Ticketed, "R14");
            self.scanned = ticket.check_in;
            self.record(events);
        }
    }

    /// `Store::check_in_by_code`.
    pub(super) fn check_in_by_code(&mut self, nonce: u32) {
        let check_in = self.scan(nonce);
        if let Ok(CheckedIn::Now(events)) = self.row.check_in_by_code(check_in) {
            assert_eq!(self.row.owes(), Owes::Tickets);
            self.record(events);
        }
    }

    fn scan(&self, nonce: u32) -> CheckIn {
        CheckIn { at: self.now, gate: "gate-1".to_owned(), nonce: nonce.to_string() }
    }

    fn first_ticket(&self) -> Ticket {
        let (id, seat_number) = tickets().swap_remove(0);
        let issued = !matches!(self.row.status, S::SeatSelected);
        Ticket {
            id,
            reservation_id: self.row.id.clone(),
            assignment_id: AssignmentId::parse("a1").unwrap(),
            seat_number,
            code: "CODE".to_owned(),
            status: if issued { self.row.tickets } else { TicketStatus::None },
            issued_at: self.now,
            revoked_at: None,
            check_in: self.scanned.clone().or(self.row.check_in.clone()),
        }
    }

    /// Who has come in keeps the deal, and comes in once.
    pub(super) fn check_gate(&self) {
        let row = &self.row;
        let came_in = self.scanned.is_some() || row.check_in.is_some();
        assert_eq!(row.tickets == TicketStatus::Used, came_in);
        if came_in {
            assert!(matches!(row.status, S::SeatSelected | S::Ticketed | S::Completed));
        }
        let told = self.timeline.iter().filter(|event| event.kind == EventType::TicketUsed).count();
        assert_eq!(told, usize::from(came_in));
        if row.status == S::Completed {
            assert_ne!(row.tickets, TicketStatus::Issued, "T24");
        }
    }
}
