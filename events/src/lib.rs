//! Everything that leaves: the relay that gives committed events their position in the feed, and
//! the sinks that follow it, each at its own pace. None of this is on the way of a booking.

pub mod cloud_event;
pub mod kafka;
pub mod notices;
pub mod relay;
pub mod sink;
pub mod webhooks;

mod retry_after;
