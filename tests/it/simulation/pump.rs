//! One pass of the pump (`workers/src/pump.rs`): the real store's functions, a model of Temporal
//! behind them.

use super::shared::{Order, Shared};
use super::stage::Queue;
use domain::reservation::Owes;
use std::rc::Rc;
use std::time::Duration;
use store::{Store, StoreError};

/// No deadline is carried out this long after a start or while Temporal is away.
pub(super) const GRACE: Duration = Duration::from_secs(10);
const GIVEN_BACK_FOR: Duration = Duration::from_secs(1);
const STARTS_MAX: i64 = 80;
/// So few that some have to wait for it.
const INSIDE_MAX: u64 = 2;

/// Takes all that is due. Ends when nothing is, or when Temporal does not answer.
pub(super) async fn pass(shared: Rc<Shared>) {
    let store = shared.store();
    if let Err(error) = drain(&shared, &store).await {
        shared.broken.borrow_mut().push(format!("pump: {error:?}"));
    }
}

async fn drain(shared: &Shared, store: &Store) -> Result<(), StoreError> {
    store.pump_passes(GRACE);
    while answers(shared, store) {
        for due in store.take_due_showtimes(STARTS_MAX).await? {
            shared.step(Queue::Booking, "give up reservations").await;
            store.give_up_reservations(&due).await?;
        }
        store.let_into_line(INSIDE_MAX).await?;
        let undos = store.take_due_cancellations(STARTS_MAX).await?;
        let bookings = store.take_due_reservations(STARTS_MAX).await?;
        if undos.is_empty() && bookings.is_empty() {
            return Ok(());
        }
        for due in undos {
            shared.step(Queue::Booking, "start undo").await;
            if answers(shared, store) {
                shared.order(Order::Undo { id: due.id, wakes: due.wakes });
            } else {
                store.give_back_cancellation(&due, GIVEN_BACK_FOR).await?;
            }
        }
        for due in bookings {
            shared.step(Queue::Booking, "attend").await;
            if store.attend_time(&due.row).await? {
                continue;
            }
            let waits_long = due.row.waits_long(store.now());
            if waits_long && store.defer(&due.row.id).await? && due.wakes > 0 {
                continue;
            }
            if !answers(shared, store) {
                store.give_back_reservation(&due, GIVEN_BACK_FOR).await?;
                continue;
            }
            let id = due.row.id.clone();
            if waits_long {
                shared.order(Order::InLine(id));
                continue;
            }
            shared.order(match due.row.owes() {
                Owes::Nothing => Order::Wake(id),
                Owes::Payment(_) | Owes::Tickets | Owes::Await(_) => {
                    Order::Booking { id, wakes: due.wakes }
                }
            });
        }
    }
    Ok(())
}

fn answers(shared: &Shared, store: &Store) -> bool {
    let answers = shared.temporal_answers();
    if !answers {
        store.spare_deadlines_until(shared.now().plus(GRACE));
    }
    answers
}
