//! The wire to PostgreSQL, which can be cut: all connections at once, or each after its next
//! COMMIT went through, whose answer then nobody hears.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Carries connections from a port of its own to the server's.
pub(crate) struct Wire {
    shears: Arc<Shears>,
    listening: JoinHandle<()>,
}

struct Shears {
    /// Changes when all connections are cut.
    all: watch::Sender<u64>,
    /// How many commits are still to be cut off.
    commits: AtomicU64,
    /// How many connections were cut.
    cut: AtomicU64,
}

impl Wire {
    pub(crate) async fn lay(from: u16, to: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, from)).await?;
        let (all, commits, cut) = (watch::channel(0).0, AtomicU64::new(0), AtomicU64::new(0));
        let shears = Arc::new(Shears { all, commits, cut });
        let listening = tokio::spawn(carry_all(listener, to, shears.clone()));
        Ok(Self { shears, listening })
    }

    /// Cuts all connections and says how many there were.
    pub(crate) fn cut(&self) -> u64 {
        let carried = self.shears.all.receiver_count() as u64;
        self.shears.all.send_modify(|times| *times += 1);
        carried
    }

    /// From now on so many connections are cut, each when it has sent COMMIT.
    pub(crate) fn cut_commits(&self, count: u64) {
        self.shears.commits.store(count, Ordering::Relaxed);
    }

    /// How many connections were cut at a COMMIT so far.
    pub(crate) fn commits_cut(&self) -> u64 {
        self.shears.cut.load(Ordering::Relaxed)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn carry_all(listener: TcpListener, to: u16, shears: Arc<Shears>) {
    while let Ok((client, _)) = listener.accept().await {
        let shears = shears.clone();
        tokio::spawn(async move {
            let at = SocketAddr::from((Ipv4Addr::LOCALHOST, to));
            let Ok(server) = TcpStream::connect(at).await else { return };
            client.set_nodelay(true).ok();
            server.set_nodelay(true).ok();
            let mut all = shears.all.subscribe();
            let (from_client, mut to_client) = client.into_split();
            let (mut from_server, to_server) = server.into_split();
            // What is not carried on is dropped, and so closed.
            tokio::select! {
                () = forth(from_client, to_server, &shears) => {}
                _ = copy(&mut from_server, &mut to_client) => {}
                _ = all.changed() => {}
            }
        });
    }
}

/// From the client to the server, until a COMMIT is to be cut.
async fn forth(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shears: &Shears) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
        if commits(&bytes[..count]) && shears.take_commit() {
            return;
        }
    }
}

impl Shears {
    fn take_commit(&self) -> bool {
        let less = |left: u64| left.checked_sub(1);
        let taken = self.commits.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok();
        self.cut.fetch_add(u64::from(taken), Ordering::Relaxed);
        taken
    }
}

/// A simple query `COMMIT`, as drivers send it.
fn commits(bytes: &[u8]) -> bool {
    bytes.windows(7).any(|window| window.eq_ignore_ascii_case(b"commit\0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_server_gets_the_commit_and_the_client_no_answer() -> anyhow::Result<()> {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?.port();
        let wire = Wire::lay(free, server.local_addr()?.port()).await?;
        wire.cut_commits(1);
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, free)).await?;
        let (mut served, _) = server.accept().await?;
        let query = b"Q\0\0\0\x0bCOMMIT\0";
        client.write_all(query).await?;
        let mut heard = Vec::new();
        served.read_to_end(&mut heard).await?;
        assert_eq!(heard, query);
        served.write_all(b"C\0\0\0\x0bCOMMIT\0").await.ok();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.ok();
        assert!(answer.is_empty(), "{answer:?}");
        assert_eq!(wire.commits_cut(), 1);
        Ok(())
    }
}
