//! Temporal's part: the two workflows (`workflows/src/booking.rs`, `cancellation.rs`) as plain
//! loops over the real activities, each retried until it succeeds.

use super::shared::Shared;
use super::stage::Queue;
use activities::World;
use activities::failure::Unfinished;
use domain::cancellation::OwesUndo;
use domain::ids::{CancellationId, ReservationId};
use domain::reservation::Owes;
use domain::time::Time;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use workflows::contract::Standing;

const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(30);
const IN_PROGRESS_AGAIN: Duration = Duration::from_millis(500);
const WAIT_MIN: Duration = Duration::from_millis(500);

/// One run of a workflow, or what is left of one that Temporal has given up.
pub(super) struct Run {
    pub(super) shared: Rc<Shared>,
    pub(super) world: World,
    /// The signal: look again.
    pub(super) woken: Rc<Cell<bool>>,
    /// When its next try is due: a killed worker's work goes on elsewhere after its time-out.
    pub(super) begins_at: Time,
    /// Payment steps one by one, with a point between the transactions.
    pub(super) stepwise: bool,
}

impl Run {
    pub(super) async fn booking(self, id: ReservationId) {
        self.begins().await;
        let mut standing = self.look(&id).await;
        loop {
            standing = match standing.owes {
                Owes::Payment(_) => self.carry_payment(&id).await,
                Owes::Tickets => {
                    let issue = async || self.world.issue_tickets(&id).await;
                    self.retried(Queue::Ticket, "issue tickets", issue).await
                }
                Owes::Await(until) => {
                    let until = until.max(self.shared.now().plus(WAIT_MIN));
                    self.shared.wait_until(until, true).await;
                    self.look(&id).await
                }
                Owes::Nothing => break,
            };
        }
        self.shared.step(Queue::Booking, "end").await;
    }

    async fn look(&self, id: &ReservationId) -> Standing {
        self.woken.set(false);
        self.retried(Queue::Booking, "look", async || self.world.look(id).await).await
    }

    async fn carry_payment(&self, id: &ReservationId) -> Standing {
        self.woken.set(false);
        if self.stepwise {
            return self.payment_steps(id).await;
        }
        let carry = async || self.world.carry_payment(id).await;
        self.retried(Queue::Payment, "carry payment", carry).await
    }

    /// What `World::carry_payment` does, with a point between its transactions.
    async fn payment_steps(&self, id: &ReservationId) -> Standing {
        loop {
            let row = match self.world.store.reservation(id).await {
                Ok(row) => row.expect("it was created before its run"),
                Err(error) => {
                    self.shared.failed("read", &error.into());
                    self.shared.wait(RETRY_LONGEST).await;
                    continue;
                }
            };
            let Owes::Payment(step) = row.owes() else {
                return Standing { status: row.status, owes: row.owes() };
            };
            let carry = async || self.world.payment_step(id, step).await;
            self.retried(Queue::Payment, "payment step", carry).await;
        }
    }

    pub(super) async fn cancellation(self, id: CancellationId) {
        self.begins().await;
        let world = &self.world;
        let look = async || world.undo_owed(&id).await;
        let mut owes = self.retried(Queue::Booking, "look at undo", look).await;
        loop {
            owes = match owes {
                OwesUndo::Settle => {
                    let settle = async || world.settle_call(&id).await;
                    self.retried(Queue::Payment, "settle call", settle).await
                }
                OwesUndo::Tickets => {
                    let revoke = async || world.revoke_tickets(&id).await;
                    self.retried(Queue::Ticket, "revoke tickets", revoke).await
                }
                OwesUndo::Seats => {
                    let free = async || world.free_seats(&id).await;
                    self.retried(Queue::Booking, "free seats", free).await
                }
                OwesUndo::Money => {
                    let back = async || world.return_money(&id).await;
                    self.retried(Queue::Payment, "return money", back).await
                }
                OwesUndo::Close => {
                    let close = async || world.close_cancellation(&id).await;
                    self.retried(Queue::Booking, "close", close).await
                }
                OwesUndo::Nothing => break,
            };
        }
        self.shared.step(Queue::Booking, "end").await;
    }

    /// Late repeats of every local step of an undo that is long over (R16).
    pub(super) async fn repeat_undo(self, id: CancellationId) {
        self.begins().await;
        self.shared.step(Queue::Ticket, "revoke tickets again").await;
        self.again(self.world.revoke_tickets(&id).await);
        self.shared.step(Queue::Booking, "free seats again").await;
        if self.others_sit_there(&id).await {
            self.shared.reached("R16");
        }
        self.again(self.world.free_seats(&id).await);
        self.shared.step(Queue::Payment, "return money again").await;
        self.again(self.world.return_money(&id).await);
        self.shared.step(Queue::Booking, "close again").await;
        self.again(self.world.close_cancellation(&id).await);
    }

    /// Whether somebody else has got a seat that this undo has freed.
    async fn others_sit_there(&self, id: &CancellationId) -> bool {
        let store = &self.world.store;
        let Ok(Some((row, _))) = store.undo_owed(id).await else { return false };
        let Ok(had) = store.assigned_seats(&row.id).await else { return false };
        let Ok(map) = store.seat_map(&row.showtime.showtime_id).await else { return false };
        let had: Vec<_> = had.iter().filter(|seat| !seat.live).map(|seat| &seat.seat_id).collect();
        let taken = map.iter().filter(|seat| seat.customer_id.is_some());
        taken.map(|seat| &seat.seat.id).any(|seat| had.contains(&seat))
    }

    fn again(&self, ended: Result<OwesUndo, Unfinished>) {
        if let Err(why) = ended {
            self.shared.failed("again", &why);
        }
    }

    async fn begins(&self) {
        if self.begins_at > self.shared.now() {
            self.shared.wait_until(self.begins_at, false).await;
        }
    }

    /// One activity, with the pauses of `workflows/src/contract.rs`.
    async fn retried<T>(
        &self,
        queue: Queue,
        what: &'static str,
        activity: impl AsyncFn() -> Result<T, Unfinished>,
    ) -> T {
        let mut pause = RETRY_FIRST;
        loop {
            self.shared.step(queue, what).await;
            match activity().await {
                Ok(done) => return done,
                Err(why) => {
                    self.shared.failed(what, &why);
                    let in_progress = matches!(why, Unfinished::InProgress);
                    self.shared.wait(if in_progress { IN_PROGRESS_AGAIN } else { pause }).await;
                    pause = (pause * 2).min(RETRY_LONGEST);
                }
            }
        }
    }
}
