//! Who waits for a reservation, for what is a customer's or a showtime's, or for the feed, hears of
//! a change after the commit: in this process at once, in others over PostgreSQL's NOTIFY. Only those
//! are woken whom it is about. Words get lost; whoever waits for one looks anyway.

use domain::ids::{CustomerId, ReservationId, ShowtimeId};
use domain::reservation::Reservation;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, broadcast, mpsc, watch};

/// How many changes a slow watcher of all may lag behind; then it looks anyway.
const LAG_MAX: usize = 1_024;

#[derive(Clone)]
pub struct Changes {
    here: Here,
    /// Where this process's changes are passed on to others; None on SQLite.
    outside: Option<mpsc::Sender<Change>>,
}

/// Those who wait in this process.
#[derive(Clone)]
pub(crate) struct Here {
    changed: broadcast::Sender<(ReservationId, i64)>,
    followed: Followed,
    owed: Arc<Notify>,
    fed: watch::Sender<()>,
}

/// What somebody follows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    Reservation(ReservationId),
    /// All reservations of a customer.
    Customer(CustomerId),
    /// All seats of a showtime.
    Showtime(ShowtimeId),
}

/// What is followed here.
#[derive(Clone, Default)]
struct Followed(Arc<Mutex<HashMap<Topic, Told>>>);

/// The last version that was told, and how many follow.
struct Told {
    version: watch::Sender<i64>,
    followers: usize,
}

/// Hears of changes of one topic, from when it was made on.
pub struct Follower {
    topic: Topic,
    followed: Followed,
    told: watch::Receiver<i64>,
}

/// What changed, in the words of NOTIFY.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Change {
    Reservation {
        id: ReservationId,
        version: i64,
        customer: CustomerId,
        showtime: ShowtimeId,
        /// Whether the pump has something to do.
        owed: bool,
    },
    /// Seats, and no reservation.
    Seats { showtime: ShowtimeId },
    /// The feed has new events.
    Fed,
}

impl Changes {
    pub(crate) fn new(outside: Option<mpsc::Sender<Change>>) -> Self {
        let here = Here {
            changed: broadcast::channel(LAG_MAX).0,
            followed: Followed::default(),
            owed: Arc::default(),
            fed: watch::channel(()).0,
        };
        Self { here, outside }
    }

    /// Ids and versions of all reservations, as they change.
    pub fn watch(&self) -> broadcast::Receiver<(ReservationId, i64)> {
        self.here.changed.subscribe()
    }

    /// What changes of this alone.
    pub fn follow(&self, topic: Topic) -> Follower {
        self.here.followed.follow(topic)
    }

    /// Returns when some row has become due; may return without.
    pub async fn owed(&self) {
        self.here.owed.notified().await;
    }

    /// Changes whenever the feed has new events.
    pub fn fed(&self) -> watch::Receiver<()> {
        self.here.fed.subscribe()
    }

    pub(crate) fn here(&self) -> &Here {
        &self.here
    }

    pub(crate) fn tell(&self, row: &Reservation) {
        let due = row.attend_at.is_some_and(|at| at <= row.updated_at);
        let owed = due || row.open_cancellation.is_some();
        self.tell_everywhere(Change::Reservation {
            id: row.id.clone(),
            version: row.version,
            customer: row.customer_id.clone(),
            showtime: row.showtime.showtime_id.clone(),
            owed,
        });
    }

    pub(crate) fn tell_fed(&self) {
        self.tell_everywhere(Change::Fed);
    }

    pub(crate) fn tell_seats(&self, showtime: ShowtimeId) {
        self.tell_everywhere(Change::Seats { showtime });
    }

    fn tell_everywhere(&self, change: Change) {
        if let Some(outside) = &self.outside {
            // Full: the others look by themselves, a little later.
            outside.try_send(change.clone()).ok();
        }
        self.here.tell(change);
    }
}

impl Here {
    pub(crate) fn tell(&self, change: Change) {
        match change {
            Change::Reservation { id, version, customer, showtime, owed } => {
                // An error only says that nobody watches.
                self.changed.send((id.clone(), version)).ok();
                self.followed.tell(&[
                    (Topic::Reservation(id), version),
                    (Topic::Customer(customer), version),
                    (Topic::Showtime(showtime), version),
                ]);
                if owed {
                    self.tell_owed();
                }
            }
            Change::Seats { showtime } => self.followed.tell(&[(Topic::Showtime(showtime), 0)]),
            Change::Fed => {
                self.fed.send_replace(());
            }
        }
    }

    pub(crate) fn tell_owed(&self) {
        self.owed.notify_one();
    }
}

impl Followed {
    fn all(&self) -> MutexGuard<'_, HashMap<Topic, Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(&self, topic: Topic) -> Follower {
        let mut all = self.all();
        let none = || Told { version: watch::channel(0).0, followers: 0 };
        let told = all.entry(topic.clone()).or_insert_with(none);
        told.followers += 1;
        Follower { topic, followed: self.clone(), told: told.version.subscribe() }
    }

    fn tell(&self, changed: &[(Topic, i64)]) {
        let all = self.all();
        for (topic, version) in changed {
            if let Some(told) = all.get(topic) {
                told.version.send_replace(*version);
            }
        }
    }
}

impl Follower {
    /// Returns at the next word; at once where there was one since the last call.
    pub async fn changed(&mut self) {
        if self.told.changed().await.is_err() {
            // Nobody is left who could say anything.
            std::future::pending::<()>().await;
        }
    }

    /// Returns when a reservation has got beyond this version.
    pub async fn beyond(&mut self, version: i64) {
        while *self.told.borrow_and_update() <= version {
            self.changed().await;
        }
    }
}

impl Drop for Follower {
    /// What nobody follows any more is forgotten.
    fn drop(&mut self) {
        let mut all = self.followed.all();
        let Some(told) = all.get_mut(&self.topic) else { return };
        told.followers -= 1;
        if told.followers == 0 {
            all.remove(&self.topic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    const SOON: Duration = Duration::from_secs(5);
    /// What is told is there at once.
    const NOT: Duration = Duration::ZERO;

    fn change(id: &str, version: i64) -> Change {
        Change::Reservation {
            id: ReservationId::parse(id).unwrap(),
            version,
            customer: CustomerId::parse("ann").unwrap(),
            showtime: ShowtimeId::parse("s1").unwrap(),
            owed: false,
        }
    }

    #[tokio::test]
    async fn only_those_hear_whom_it_is_about() {
        let changes = Changes::new(None);
        let of = |id| changes.follow(Topic::Reservation(ReservationId::parse(id).unwrap()));
        let (mut r1, mut r2) = (of("r1"), of("r2"));
        let mut seats = changes.follow(Topic::Showtime(ShowtimeId::parse("s1").unwrap()));
        changes.tell_everywhere(change("r1", 3));
        timeout(SOON, r1.beyond(2)).await.expect("it has changed");
        timeout(SOON, seats.changed()).await.expect("so have its seats");
        timeout(NOT, r2.changed()).await.expect_err("another one has not");
        timeout(NOT, r1.beyond(3)).await.expect_err("it is at 3");
        changes.tell_seats(ShowtimeId::parse("s1").unwrap());
        timeout(SOON, seats.changed()).await.expect("a seat was blocked");
    }

    #[tokio::test]
    async fn what_nobody_follows_is_forgotten() {
        let changes = Changes::new(None);
        let topic = Topic::Customer(CustomerId::parse("ann").unwrap());
        let (first, second) = (changes.follow(topic.clone()), changes.follow(topic));
        drop(first);
        assert_eq!(changes.here.followed.all().len(), 1);
        drop(second);
        assert_eq!(changes.here.followed.all().len(), 0);
    }
}
