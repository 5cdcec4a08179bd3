//! Notices to customers: a sink that writes one for each status that a reservation reaches, and who
//! sends them. A message that cannot be sent slows down nothing else, and no booking at all.

pub mod company;
pub mod message;
pub mod nhn;
pub mod solapi;

use crate::sink::{SendError, Sink};
use company::Company;
use domain::feed::Entry;
use domain::words::NoticeState;
use futures::future::join_all;
use message::Message;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use store::notices::{DueNotice, Sending};
use tokio::sync::watch;
use tokio::time::sleep;

/// Notices that fell due without a word are found this late at most.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Messages on their way to the company at the same time.
const AT_ONCE: i64 = 32;

/// Writes the notices of events. They are sent by [`send_due`].
pub struct NoticeSink(pub Store);

impl Sink for NoticeSink {
    const NAME: &'static str = "notices";

    async fn send(&mut self, entries: &[Entry]) -> Result<(), SendError> {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(()) };
        let written = self.0.write_notices(first.position, last.position).await;
        written.map_err(|error| SendError(error.to_string()))
    }
}

/// Sends what is due until it is told to quit. Any number may run.
pub async fn send_due(store: Store, company: Arc<dyn Company>, mut quit: watch::Receiver<bool>) {
    loop {
        let pause = match attend(&store, &*company).await {
            Ok(0) => LOOK_EVERY,
            Ok(_) => Duration::ZERO,
            Err(error) => {
                tracing::warn!(?error, "notices wait");
                LOOK_EVERY
            }
        };
        tokio::select! {
            () = sleep(pause) => {}
            _ = quit.changed() => return,
        }
    }
}

/// Attends some notices that are due, and says how many.
pub async fn attend(store: &Store, company: &dyn Company) -> Result<usize, store::StoreError> {
    let due = store.take_due_notices(AT_ONCE).await?;
    let attended = due.iter().map(async |due| {
        let sending = try_one(store, company, due).await;
        if let Err(error) = store.notice_sent(due, &sending).await {
            // It is due again by itself.
            tracing::warn!(?error, notice.id = %due.notice.id, "what became of a notice is not kept");
        }
    });
    join_all(attended).await;
    Ok(due.len())
}

async fn try_one(store: &Store, company: &dyn Company, due: &DueNotice) -> Sending {
    let notice = &due.notice;
    if let (NoticeState::Sent, Some(receipt)) = (notice.state, &due.receipt) {
        return company.inquire(notice.channel, receipt).await;
    }
    let Some(message) = Message::of(due) else { return Sending::Unwanted };
    let first_tried = if due.tries == 0 { store.now() } else { notice.created_at };
    let repeats = company.removes_duplicates(notice.channel, store.now().since(first_tried));
    // Whoever took it was not heard of again.
    if notice.state == NoticeState::Sending && !repeats {
        return Sending::Unknown;
    }
    match company.send(notice, &message).await {
        Sending::Unknown if repeats => {
            Sending::Refused { why: "NO_ANSWER".to_owned(), pause: Duration::ZERO }
        }
        sending => sending,
    }
}
