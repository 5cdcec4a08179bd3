//! The two processes of Marquee as Temporal workflows. The store decides, the workflow drives: it
//! asks what is owed, has it done, and asks again. Nothing here reads a clock or keeps business
//! state; a run may start at any time, any number of times.

pub mod booking;
pub mod cancellation;
pub mod contract;
