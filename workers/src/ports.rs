//! Ports for children. A port that was found free is anybody's until its child listens, and again
//! while the child is down; so each is locked for as long as it may be needed.

use anyhow::Context;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Above are the ports of outgoing connections.
const PORT_MAX: u16 = 32_767;
const PORT_WRAP: u16 = 20_000;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// While it lives, no other `marquee` on this machine takes this port.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) number: u16,
    _lock: File,
}

impl Port {
    /// The first free loopback port from `from` on.
    pub(crate) fn free(from: u16) -> anyhow::Result<Self> {
        (from..=PORT_MAX)
            .chain(PORT_WRAP..=PORT_MAX)
            .find_map(Self::if_free)
            .with_context(|| format!("no free port from {from} to {PORT_MAX}"))
    }

    /// None also where the lock file is another user's.
    fn if_free(number: u16) -> Option<Self> {
        let lock = std::env::temp_dir().join(format!("marquee-port-{number}.lock"));
        let lock = File::create(lock).ok()?;
        lock.try_lock().ok()?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Self { number, _lock: lock })
    }

    /// Waits until somebody listens on it.
    pub(crate) async fn listens(&self, within: Duration) -> anyhow::Result<()> {
        let listening = async {
            while TcpStream::connect((Ipv4Addr::LOCALHOST, self.number)).await.is_err() {
                sleep(LOOK_EVERY).await;
            }
        };
        let silent = || format!("nothing on port {} after {} s", self.number, within.as_secs());
        timeout(within, listening).await.with_context(silent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_passed_over_and_the_search_wraps() {
        let taken = Port::free(21_000).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, taken.number)).unwrap();
        assert!(Port::free(taken.number).unwrap().number > taken.number);
        assert!((PORT_WRAP..=PORT_MAX).contains(&Port::free(60_000).unwrap().number));
        taken.listens(Duration::from_secs(5)).await.unwrap();
        drop(listener);
        assert!(taken.listens(Duration::from_millis(1)).await.is_err());
        // Nobody listens, and still it is ours.
        assert!(Port::if_free(taken.number).is_none());
        let number = taken.number;
        drop(taken);
        assert!(Port::if_free(number).is_some());
    }
}
