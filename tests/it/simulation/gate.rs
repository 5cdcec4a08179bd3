//! Who comes to the show: tickets are read one after the other, or the code where there are none.

use super::customers::{Cancels, Command, Customer, GivesBack};
use super::theater::{BEGINNING, STARTS_AFTER};
use domain::words::{ReservationStatus, TicketStatus};
use fastrand::Rng;
use std::time::Duration;

/// When somebody stands at the gate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Comes {
    /// Since the beginning of the world.
    after: Duration,
    /// Every scan is made twice, the second under a number of its own.
    twice: bool,
    /// Cancels in the same moment.
    regrets: bool,
}

impl Comes {
    /// Before the gate opens, while a cancel is still possible, at the start, or too late.
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        let start = STARTS_AFTER;
        let after = match rng.u32(0..8) {
            0 => start.saturating_sub(minutes(60)),
            1..=3 => start.saturating_sub(minutes(rng.u64(21..29))),
            4 | 5 => start + minutes(rng.u64(1..60)),
            6 => start + minutes(240),
            _ => start.saturating_sub(minutes(10)),
        };
        Self { after, twice: rng.bool(), regrets: rng.bool() }
    }

    pub(super) fn regrets(self) -> bool {
        self.regrets
    }
}

impl Customer {
    pub(super) async fn comes(mut self, how: Comes) {
        self.shared.wait_until(BEGINNING.plus(how.after), false).await;
        let Some(id) = self.known() else { return };
        let Some(row) = self.row(&id).await else { return };
        let scans = match row.tickets {
            TicketStatus::None => vec![Command::CheckInByCode(row.code)],
            _ => {
                let tickets = self.shared.store().tickets(&id).await.expect("the store answers");
                tickets.into_iter().map(|ticket| Command::CheckIn(ticket.code)).collect()
            }
        };
        for scan in scans {
            self.command(&scan).await;
            if how.twice {
                self.command(&scan).await;
            }
        }
    }

    /// Cancels at the very moment when somebody of the party comes in.
    pub(super) async fn regrets(self, how: Comes) {
        self.shared.wait_until(BEGINNING.plus(how.after), false).await;
        let from = ReservationStatus::Reserved;
        let gives_back = GivesBack::All;
        self.cancels(Cancels { from, hesitates: 0, twice: false, gives_back }).await;
    }
}
