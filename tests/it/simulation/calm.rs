//! Without faults: everybody in turn, and time only when nobody can go on.

use super::stage::Verdict;
use super::world::World;
use domain::words::ReservationStatus;

/// More steps than any world needs to come to rest.
const TURNS_MAX: u32 = 4_000;

/// How far a world is driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// Every reservation is ticketed or over.
    Settled,
    /// The show is over, too.
    ShowOver,
}

impl World {
    /// Drives everything to rest; an error tells what still moves.
    pub(super) async fn come_to_rest(&mut self, until: Until) -> Result<(), String> {
        for _ in 0..TURNS_MAX {
            if let Some(index) = self.first_ready() {
                self.go(index, Verdict::Go).await;
                continue;
            }
            if until == Until::Settled && self.is_settled() {
                return Ok(());
            }
            match self.next_event().await {
                Some(at) => self.pass_time(at),
                None => return Ok(()),
            }
        }
        let moving: Vec<&str> = self.actors.iter().map(|actor| actor.name.as_str()).collect();
        Err(format!("not at rest after {TURNS_MAX} steps: {moving:?}"))
    }

    /// Who has waited longest.
    pub(super) fn first_ready(&mut self) -> Option<usize> {
        self.ready().into_iter().min_by_key(|index| self.actors[*index].since)
    }

    pub(super) fn is_settled(&self) -> bool {
        let settled = |status: ReservationStatus| {
            status == ReservationStatus::Ticketed || status.is_terminal()
        };
        self.actors.is_empty() && self.rows.values().all(|row| settled(row.status))
    }
}
