//! What a workflow may ask of the world. Each activity asks the store what is owed, does it once
//! under its key, records it, and answers with what is owed next.

pub mod bookings;
pub mod undos;

mod failure;
mod money;

use gateway::house::House;
use store::Store;

/// What activities work with.
#[derive(Clone)]
pub struct World {
    pub store: Store,
    pub gateway: House,
}
