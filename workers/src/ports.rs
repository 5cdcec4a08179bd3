//! Ports for children. A port that was found free is anybody's until its child listens, so the
//! systems of one machine search one after the other.

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
/// A search takes as long as a child takes to listen.
const SEARCH_WITHIN: Duration = Duration::from_secs(60);

/// While it lives, no other `marquee` on this machine searches.
pub(crate) struct Search {
    _lock: Option<File>,
}

impl Search {
    /// Waits for its turn. Where the lock file is another user's, it goes without.
    pub(crate) async fn begin() -> Self {
        let Ok(file) = File::create(std::env::temp_dir().join("marquee-ports.lock")) else {
            return Self { _lock: None };
        };
        let locked = async {
            while file.try_lock().is_err() {
                sleep(LOOK_EVERY).await;
            }
        };
        timeout(SEARCH_WITHIN, locked).await.ok();
        Self { _lock: Some(file) }
    }

    /// The first free loopback port from `from` on.
    pub(crate) fn free_port(&self, from: u16) -> anyhow::Result<u16> {
        (from..=PORT_MAX)
            .chain(PORT_WRAP..=PORT_MAX)
            .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
            .with_context(|| format!("no free port from {from} to {PORT_MAX}"))
    }

    /// Ends the search as soon as the child listens on the port it was given.
    pub(crate) async fn taken(self, port: u16, within: Duration) -> anyhow::Result<()> {
        let listening = async {
            while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
                sleep(LOOK_EVERY).await;
            }
        };
        timeout(within, listening)
            .await
            .with_context(|| format!("nothing listens on port {port} after {} s", within.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_passed_over_and_the_search_wraps() {
        let search = Search::begin().await;
        let first = search.free_port(21_000).unwrap();
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).unwrap();
        assert!(search.free_port(first).unwrap() > first);
        assert!((PORT_WRAP..=PORT_MAX).contains(&search.free_port(60_000).unwrap()));
        let none = search.taken(first + 1, Duration::from_millis(1)).await;
        assert!(none.is_err() || TcpListener::bind((Ipv4Addr::LOCALHOST, first + 1)).is_err());
    }
}
