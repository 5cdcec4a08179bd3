//! The simulation can fail: bugs are planted in the database, at the gateway and in our own tongue,
//! and few seeds are needed to find each.

use super::gateway::Honesty;
use super::storm::play;
use super::theater::folder;
use super::world::Nature;
use super::{on_a_runtime, story};

/// So many seeds find any of the bugs.
const SEEDS_MAX: u64 = 60;

struct Bug {
    name: &'static str,
    nature: Nature,
}

fn bugs() -> Vec<Bug> {
    let damaged = |name, damage| {
        let nature = Nature { damage: Some(damage), ..Nature::default() };
        Bug { name, nature }
    };
    let gateway = |name, honesty| {
        let nature = Nature { honesty, ..Nature::default() };
        Bug { name, nature }
    };
    vec![
        gateway("the gateway forgets keys", Honesty::ForgetsKeys),
        gateway("silence is taken for a yes", Honesty::SilenceIsYes),
        damaged(
            "idempotency keys are not kept",
            "create trigger t before insert on idempotency_key begin select raise(ignore); end",
        ),
        damaged(
            "an event is forgotten",
            "create trigger t before insert on timeline when new.type = 'SeatCancelled' \
             begin select raise(ignore); end",
        ),
        damaged(
            "nobody attends to payments",
            "create trigger t after update on reservation \
             when new.status = 'PAYMENT_PENDING' and new.attend_at is not null \
             begin update reservation set attend_at = null \
             where reservation_id = new.reservation_id; end",
        ),
        damaged(
            "tickets are not marked when a cancel is accepted",
            "create trigger t after update on reservation \
             when new.status = 'CANCELLING' and new.ticket_status = 'CANCEL_REQUESTED' \
             begin update reservation set ticket_status = 'CANCELLED' \
             where reservation_id = new.reservation_id; end",
        ),
        damaged(
            "a part returns what all have paid",
            "create trigger t after insert on cancellation when new.scope = 'PART' \
             begin update cancellation set amount = (select amount from reservation \
             where reservation_id = new.reservation_id) \
             where cancellation_id = new.cancellation_id; end",
        ),
        damaged(
            "freed seats stay in the pool",
            "create trigger t after update of sold on capacity_pool when new.sold < old.sold \
             begin update capacity_pool set sold = old.sold \
             where showtime_id = new.showtime_id and grade = new.grade; end",
        ),
    ]
}

#[test]
fn planted_bugs_are_found() {
    for Bug { name, nature } in bugs() {
        let folder = folder();
        let found = on_a_runtime(async {
            for seed in 0..SEEDS_MAX {
                let mut played = play(folder.path(), seed, &nature).await;
                if let Some(story) = story(seed, &mut played).await {
                    return Some((seed, story));
                }
            }
            None
        });
        let Some((seed, story)) = found else { panic!("{name}: not found in {SEEDS_MAX} seeds") };
        let what: Vec<&str> = story.lines().skip(1).take(1).collect();
        println!("{name}: seed {seed} says{}", what.concat());
    }
}
