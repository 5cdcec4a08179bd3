//! What a workflow may ask of the world. Each activity asks the store what is owed, does it once
//! under its key, records it, and answers with what is owed next.

pub mod bookings;
pub mod failure;
pub mod undos;

mod money;

use gateway::Gateway;
use gateway::limiter::Limiter;
use std::sync::Arc;
use store::Store;

/// What activities work with.
#[derive(Clone)]
pub struct World {
    pub store: Store,
    /// None in a process that does not work on the queue `payment`.
    pub gateway: Option<Arc<dyn Gateway>>,
    /// Says when that gateway may be called.
    pub limiter: Limiter,
}
