//! At the end of a world all that happened has left: in one order without gaps, each reservation's
//! events in their own, and each as its schema promises.

use super::judge::Wrong;
use super::world::World;
use crate::schemas::misfits;
use std::collections::BTreeMap;

/// More events than any world has.
const ALL: i64 = 10_000;

impl World {
    pub(super) async fn leaves(&self) -> Vec<Wrong> {
        let store = self.shared.store();
        while !store.relay().await.expect("the store answers").is_empty() {}
        let feed = store.feed(0, ALL).await.expect("the store answers");
        let mut wrong = Vec::new();
        let mut seen = BTreeMap::<_, i64>::new();
        for (position, entry) in (1..).zip(&feed) {
            let about = Some(entry.reservation_id.to_string());
            let seq = seen.entry(&entry.reservation_id).or_default();
            *seq += 1;
            if (entry.position, entry.event.seq) != (position, *seq) {
                let what = format!("event {} left as {}", entry.event.seq, entry.position);
                wrong.push(Wrong { about: about.clone(), what });
            }
            wrong.extend(
                misfits(entry).into_iter().map(|what| Wrong { about: about.clone(), what }),
            );
        }
        wrong
    }
}
