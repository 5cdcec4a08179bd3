//! The four pause points of the money protocol: a sender stands still for 15 s at one of them while
//! another run undoes what it was about; then it goes on, without a second effect (R28).

use super::aftermath::{other_account, paid_outside};
use super::calm::Until;
use super::customers::{Cancels, GivesBack, Intent};
use super::on_a_runtime;
use super::stage::{Asking, Point, Queue, Verdict};
use super::theater::{folder, seats_of};
use super::world::{Nature, Who, World};
use domain::reservation::{PlanSeats, Reservation};
use domain::words::{Grade, Operation, ReservationStatus as S};
use fastrand::Rng;
use std::time::Duration;

const PAUSE: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    BeforeOpen,
    BeforeDelivery,
    BeforeRecord,
    AfterRecord,
}

const PAUSES: [Pause; 4] =
    [Pause::BeforeOpen, Pause::BeforeDelivery, Pause::BeforeRecord, Pause::AfterRecord];
const OPERATIONS: [Operation; 4] =
    [Operation::Approve, Operation::Capture, Operation::Void, Operation::Refund];

#[test]
fn a_paused_sender_has_no_second_effect() {
    let folder = folder();
    for operation in OPERATIONS {
        for pause in PAUSES {
            on_a_runtime(async {
                let nature = Nature { stepwise: true, ..Nature::default() };
                let mut world = World::open(folder.path(), nature).await;
                pause_at(&mut world, operation, pause).await;
            });
        }
    }
}

async fn pause_at(world: &mut World, operation: Operation, pause: Pause) {
    let offer = world.offer().await;
    let returns = matches!(operation, Operation::Void | Operation::Refund);
    let cancels_from = if operation == Operation::Void { S::PaymentApproved } else { S::Ticketed };
    let intent = Intent {
        arrives_after: Duration::ZERO,
        adults: 2,
        grade: Grade::Standard,
        plan: (operation != Operation::Void).then_some(PlanSeats::Best),
        pays_after: Some(Duration::ZERO),
        pays_twice: false,
        changes_card: false,
        chooses_after: None,
        insists: false,
        moves: false,
        cancels: returns.then_some(Cancels {
            from: cancels_from,
            hesitates: 0,
            twice: false,
            gives_back: GivesBack::All,
        }),
        comes: None,
    };
    world.customer_comes(1, &offer, intent.clone(), &Rng::with_seed(1));
    let index = reach(world, operation, pause).await;
    let paused_until = world.now().plus(PAUSE);
    world.freeze(index, PAUSE);
    if !returns {
        let how =
            Cancels { from: S::Reserved, hesitates: 0, twice: false, gives_back: GivesBack::All };
        world.customer_cancels(1, &offer, intent, how);
    }
    // Another run undoes while the sender stands still.
    while let Some(next) = match world.first_ready() {
        Some(index) => {
            world.go(index, Verdict::Go).await;
            Some(world.now())
        }
        None => world.next_event().await.filter(|at| *at < paused_until),
    } {
        if next > world.now() {
            world.pass_time(next);
        }
    }
    let told = |world: &World| format!("{operation} {pause:?}\n{}", world.trace.text());
    let undone = world.rows.values().next().expect("a reservation").clone();
    assert_eq!(undone.status, S::Cancelled, "{}", told(world));
    let effects = world.shared.gateway.ledger().len();
    assert_eq!(world.actors.len(), 1, "only the sender is left\n{}", told(world));
    assert_eq!(world.come_to_rest(Until::Settled).await, Ok(()), "{}", told(world));
    assert_eq!(world.shared.gateway.ledger().len(), effects, "{}", told(world));
    let store = world.shared.store();
    let after = store.reservation(&undone.id).await.expect("it reads").expect("it exists");
    // Only the pump may have been there.
    let unattended = |row| Reservation { attend_at: None, ..row };
    assert_eq!(unattended(after), unattended(undone), "{}", told(world));
    let wrong = world.judge().await;
    assert!(wrong.is_empty(), "{wrong:#?}\n{}", told(world));
}

/// Drives the journey to the point; who stands there.
async fn reach(world: &mut World, operation: Operation, pause: Pause) -> usize {
    let mut recorded = false;
    for _ in 0..300 {
        let Some(index) = world.first_ready() else {
            let at = world.next_event().await.expect("the point comes");
            world.pass_time(at);
            continue;
        };
        let actor = &world.actors[index];
        if matches!(actor.who, Who::Run(_)) {
            let here = match (pause, &actor.at) {
                (Pause::BeforeOpen, Point::Step(Queue::Payment, _)) => owed(world, operation),
                (Pause::BeforeDelivery, Point::Send(Asking::Deliver, call))
                | (Pause::BeforeRecord, Point::Reply(Asking::Deliver, call)) => {
                    call.operation == operation
                }
                (Pause::AfterRecord, _) => recorded,
                _ => false,
            };
            if here {
                return index;
            }
            recorded |= matches!(&actor.at, Point::Reply(_, call) if call.operation == operation);
        }
        world.go(index, Verdict::Go).await;
    }
    panic!("{operation} {pause:?} is never reached\n{}", world.trace.text());
}

fn owed(world: &World, operation: Operation) -> bool {
    world.rows.values().any(|row| row.may_open(operation))
}

/// A refund that is refused is held up until staff finds a way out, and then ends as any other.
#[test]
fn a_refused_refund_waits_for_staff() {
    let folder = folder();
    for (way, case) in [other_account(), paid_outside()] {
        on_a_runtime(async {
            let mut world = World::open(folder.path(), Nature::default()).await;
            let offer = world.offer().await;
            let intent = Intent {
                arrives_after: Duration::ZERO,
                adults: 2,
                grade: Grade::Standard,
                plan: Some(PlanSeats::Best),
                pays_after: None,
                pays_twice: false,
                changes_card: false,
                chooses_after: None,
                insists: false,
                moves: false,
                cancels: Some(Cancels {
                    from: S::Ticketed,
                    hesitates: 0,
                    twice: false,
                    gives_back: GivesBack::All,
                }),
                comes: None,
            };
            world.customer_comes(1, &offer, intent, &Rng::with_seed(1));
            let index = reach(&mut world, Operation::Refund, Pause::BeforeDelivery).await;
            world.go(index, Verdict::Refuse).await;
            assert_eq!(world.come_to_rest(Until::ShowOver).await, Ok(()));
            let blocked = world.rows.values().next().expect("a reservation").clone();
            assert_eq!(blocked.status, S::Cancelling, "{}", world.trace.text());
            let undo = blocked.open_cancellation.expect("it is blocked");
            assert!(world.unblocks(&undo, &way, case).await, "{}", world.trace.text());
            assert_eq!(world.come_to_rest(Until::ShowOver).await, Ok(()));
            let wrong = world.judge().await;
            assert!(wrong.is_empty(), "{wrong:#?}\n{}", world.trace.text());
            let ended: Vec<S> = world.rows.values().map(|row| row.status).collect();
            assert_eq!(ended, [S::Cancelled], "{}", world.trace.text());
            let refunds = world.shared.gateway.ledger();
            let refunds = refunds.iter().filter(|entry| entry.call.operation == Operation::Refund);
            let tries = if case == other_account().1 { 2 } else { 1 };
            assert_eq!(refunds.count(), tries, "{}", world.trace.text());
        });
    }
}

/// R16: an undo's steps are done again when its seats have a new owner.
#[test]
fn a_late_repeat_of_an_undo_frees_no_later_owner() {
    let folder = folder();
    on_a_runtime(async {
        let mut world = World::open(folder.path(), Nature::default()).await;
        let offer = world.offer().await;
        let mut seats = seats_of(Grade::Standard);
        seats.truncate(2);
        let first = Intent {
            arrives_after: Duration::ZERO,
            adults: 2,
            grade: Grade::Standard,
            plan: Some(PlanSeats::Ids(seats)),
            pays_after: None,
            pays_twice: false,
            changes_card: false,
            chooses_after: None,
            insists: false,
            moves: false,
            cancels: Some(Cancels {
                from: S::Ticketed,
                hesitates: 0,
                twice: false,
                gives_back: GivesBack::All,
            }),
            comes: None,
        };
        let later = Duration::from_secs(60);
        let second = Intent { arrives_after: later, cancels: None, ..first.clone() };
        world.customer_comes(1, &offer, first, &Rng::with_seed(1));
        world.customer_comes(2, &offer, second, &Rng::with_seed(2));
        let index = reach(&mut world, Operation::Refund, Pause::BeforeOpen).await;
        world.repeat_undo(index, later * 10);
        assert_eq!(world.come_to_rest(Until::Settled).await, Ok(()));
        let wrong = world.judge().await;
        assert!(wrong.is_empty(), "{wrong:#?}\n{}", world.trace.text());
        let ended: Vec<S> = world.rows.values().map(|row| row.status).collect();
        assert_eq!(ended, [S::Cancelled, S::Ticketed], "{}", world.trace.text());
        assert!(world.reach.has("R16"), "{}", world.trace.text());
    });
}
