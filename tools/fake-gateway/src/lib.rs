//! The house gateway: a stand-in for a payment company's server.
//!
//! It has three faces: a tongue of its own, and those of TossPayments and PortOne V2, under their
//! own prefixes. It speaks JSON over HTTP, is slow like a payment company, fails when its fault script says so,
//! and keeps every definitive answer in a journal. One key has at most one effect, whatever
//! happens to the connection, to the client or to this process.

mod answer;
mod books;
mod delivery;
mod faces;
pub mod faults;
mod gateway;
mod hangup;
mod journal;
pub mod ledger;
mod payment;
mod routes;
mod webhooks;
mod widget;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end at the first surprise")]
mod tests;

use crate::books::Books;
use crate::faults::Faults;
use crate::gateway::{Gateway, WORKING_MAX};
use crate::hangup::{Hangup, Switchboard};
use crate::journal::Journal;
use crate::webhooks::Webhooks;
use anyhow::Context;
use std::future::{Future, IntoFuture};
use std::path::PathBuf;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

/// What the house gateway needs to run.
pub struct Options {
    /// Where clients connect.
    pub listener: TcpListener,
    /// The file with every definitive answer; made when it is missing, replayed when it is there.
    pub journal: PathBuf,
    /// The fault script to start with.
    pub faults: Faults,
    /// Who is told of changes, and how.
    pub callbacks: Option<Callbacks>,
}

/// Where webhooks go.
pub struct Callbacks {
    /// The client's root for them; `/toss/callbacks` and `/portone/callbacks` follow.
    pub root: String,
    /// What PortOne's are signed with, as `whsec_` and base64.
    pub portone_secret: String,
}

/// Serves until `shutdown` ends, then finishes the payments that are being worked on.
///
/// Fails when the journal cannot be opened, replayed or written. An answer that could not be
/// written is never given, so a gateway that failed may be started again on the same journal.
pub async fn serve(
    options: Options,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let Options { listener, journal: path, faults, callbacks } = options;
    faults.check().context("the initial fault script")?;

    let named = format!("the journal {}", path.display());
    let opened = spawn_blocking(move || Journal::open(&path)).await.context("open the journal")?;
    let (journal, entries) = opened.with_context(|| format!("open {named}"))?;
    let books = Books::replay(entries).with_context(|| format!("replay {named}"))?;
    tracing::info!(entries = books.len(), "{named} is replayed");

    // A working delivery writes once, so a queue with room for all of them is never full.
    let (pen, sheets) = mpsc::channel(WORKING_MAX);
    let webhooks = callbacks.map(Webhooks::new).transpose().context("where webhooks go")?;
    let gateway = Gateway::new(books, faults, webhooks, pen);
    let publish = gateway.publisher();
    let mut writer = spawn_blocking(move || journal.keep(sheets, publish));

    let address = listener.local_addr().context("read the address of the house gateway")?;
    tracing::info!(%address, "the house gateway listens on {address}");
    let service = routes::router(gateway).into_make_service_with_connect_info::<Hangup>();
    let server = axum::serve(Switchboard(listener), service).with_graceful_shutdown(shutdown);

    tokio::select! {
        served = server.into_future() => served.context("serve the house gateway")?,
        // The writer outlives the server unless the disk fails it.
        stopped = &mut writer => {
            stopped.context("run the journal's writer")?.with_context(|| format!("write {named}"))?;
            anyhow::bail!("the writer of {named} ended before the server");
        }
    }
    // The server is gone; the writer ends when the last delivery it left behind has been written.
    writer.await.context("run the journal's writer")?.with_context(|| format!("write {named}"))
}
