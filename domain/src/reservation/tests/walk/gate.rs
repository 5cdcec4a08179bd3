//! The gate, as the store has it: the first of the party's tickets is read, or the code is.

use super::*;
use crate::check_in::{CheckIn, CheckedIn};

impl Walk {
    /// `Store::check_in`.
    pub(super) fn check_in(&mut self, nonce: u32) {
        let Some(at) = self.tickets.iter().position(|ticket| ticket.is_live()) else { return };
        let check_in = self.scan(nonce);
        if let Ok(CheckedIn::Now(events)) = self.row.check_in(&mut self.tickets[at], check_in) {
            assert_eq!(self.row.status, S::Ticketed, "R14");
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

    /// Who has come in keeps the deal, and comes in once.
    pub(super) fn check_gate(&self) {
        let row = &self.row;
        let own =
            self.tickets.iter().filter(|t| t.check_in.is_some() && t.check_in != row.check_in);
        let scans = own.count() + usize::from(row.check_in.is_some());
        let came_in = scans > 0;
        assert_eq!(row.tickets == TicketStatus::Used, came_in);
        if came_in {
            assert!(matches!(row.status, S::SeatSelected | S::Ticketed | S::Completed));
        }
        let told = self.timeline.iter().filter(|event| event.kind == EventType::TicketUsed).count();
        assert_eq!(told, scans);
        if row.status == S::Completed {
            assert_ne!(row.tickets, TicketStatus::Issued, "T24");
        }
    }
}
