use domain::time::Time;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the store takes its time from.
#[derive(Clone, Debug)]
pub enum Clock {
    System,
    /// Milliseconds since 1970 UTC, moved by hand.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    pub fn now(&self) -> Time {
        match self {
            Self::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Time::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Self::Manual(millis) => Time::from_millis(millis.load(Ordering::SeqCst)),
        }
    }
}
