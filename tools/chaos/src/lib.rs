//! Chaos: a real system under load, a seeded schedule of faults, and an audit when all has healed.
//!
//! Nothing of the system is replaced: `marquee` is the built binary, a kill is a SIGKILL, and the
//! audit compares what customers were told with the store and with the gateway's own books.

pub mod config;
pub mod kind;
pub mod mix;
pub mod report;
pub mod seed;
pub mod steady;

mod booking;
mod customer;
mod guarded;
mod judge;
mod listeners;
mod postgres;
mod runs;
mod script;
mod strike;
mod system;
mod wire;
