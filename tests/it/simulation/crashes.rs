//! Enumerated, not drawn: every journey, disturbed once at every point that it has. It ends as if
//! nothing had happened, and the gateway's ledger is the same.

use super::calm::Until;
use super::customers::{Cancels, GivesBack, Intent};
use super::on_a_runtime;
use super::stage::{Point, Verdict};
use super::theater::{BEGINNING, SALES_CLOSE_BEFORE, STARTS_AFTER, folder};
use super::world::{Nature, Who, World};
use domain::payment::Answer;
use domain::reservation::PlanSeats;
use domain::time::Time;
use domain::words::{EventType, Grade, Operation, ReservationStatus as S};
use fastrand::Rng;
use std::path::Path;
use std::time::Duration;

/// A way through a booking's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Journey {
    Plan,
    StepByStep,
    CancelledBeforePayment,
    CancelledApproved,
    CancelledTicketed,
    SeatTimeOut,
    CaptureRefused,
    LateApproval,
}

const JOURNEYS: [Journey; 8] = [
    Journey::Plan,
    Journey::StepByStep,
    Journey::CancelledBeforePayment,
    Journey::CancelledApproved,
    Journey::CancelledTicketed,
    Journey::SeatTimeOut,
    Journey::CaptureRefused,
    Journey::LateApproval,
];

/// What happens once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disturbance {
    /// The worker, or the pump, that stands at this point dies.
    WorkerKilled,
    /// The whole process dies: API, pump and workers.
    ProcessKilled,
    /// The worker stands still for this many seconds, a second one does its work, and then it goes
    /// on: the step is done twice.
    StandsStill(u64),
    /// The gateway is told twice.
    DeliveredTwice,
    /// The worker dies in the middle of what follows, after so many looks at the database.
    TornAfter(u32),
}

/// The same customer comes and nothing else differs.
fn intent(journey: Journey) -> Intent {
    let cancels =
        |from| Some(Cancels { from, hesitates: 0, twice: false, gives_back: GivesBack::All });
    let plan = matches!(journey, Journey::Plan | Journey::CaptureRefused);
    let late = journey == Journey::LateApproval;
    let sales_close = STARTS_AFTER - SALES_CLOSE_BEFORE;
    let pays = journey != Journey::CancelledBeforePayment;
    let pays_after = Duration::from_secs(if late { 9 * 60 } else { 2 });
    Intent {
        arrives_after: if late { sales_close - Duration::from_secs(20) } else { Duration::ZERO },
        adults: 2,
        grade: Grade::Standard,
        plan: plan.then_some(PlanSeats::Best),
        pays_after: pays.then_some(pays_after),
        pays_twice: false,
        changes_card: false,
        chooses_after: Some(Duration::from_secs(2))
            .filter(|_| !matches!(journey, Journey::CancelledApproved | Journey::SeatTimeOut)),
        insists: false,
        moves: false,
        cancels: match journey {
            Journey::CancelledBeforePayment => cancels(S::Reserved),
            Journey::CancelledApproved => cancels(S::PaymentApproved),
            Journey::CancelledTicketed => cancels(S::Ticketed),
            Journey::Plan
            | Journey::StepByStep
            | Journey::SeatTimeOut
            | Journey::CaptureRefused
            | Journey::LateApproval => None,
        },
        comes: None,
    }
}

/// What the journey itself demands of the gateway.
fn verdict(journey: Journey, now: Time, at: &Point) -> Verdict {
    match (journey, at) {
        (Journey::CaptureRefused, Point::Send(_, call)) if call.operation == Operation::Capture => {
            Verdict::Refuse
        }
        (Journey::LateApproval, Point::Send(_, call))
            if call.operation == Operation::Approve && now < BEGINNING.plus(STARTS_AFTER) =>
        {
            Verdict::Unavailable
        }
        _ => Verdict::Go,
    }
}

/// How a journey ended: all that does not depend on when.
#[derive(Debug, PartialEq, Eq)]
struct Ending {
    reservation: Vec<String>,
    ledger: Vec<String>,
}

/// Drives a journey to rest, disturbed at its n-th point that fits; how many such points it had.
async fn drive(
    folder: &Path,
    journey: Journey,
    disturbed: Option<(Disturbance, u32)>,
) -> (Ending, u32, World) {
    let nature = Nature { stepwise: true, ..Nature::default() };
    let mut world = World::open(folder, nature).await;
    let offer = world.offer().await;
    world.customer_comes(1, &offer, intent(journey), &Rng::with_seed(1));
    let mut points = 0;
    for _ in 0..600 {
        let Some(index) = world.first_ready() else {
            world.look_up().await;
            if world.is_settled() {
                break;
            }
            let Some(at) = world.next_event().await else { break };
            world.pass_time(at);
            continue;
        };
        let now = disturbed.filter(|(what, _)| fits(*what, &world, index));
        let strikes = now.is_some_and(|(_, at)| at == points);
        points += u32::from(now.is_some());
        let verdict = verdict(journey, world.now(), &world.actors[index].at);
        match now.filter(|_| strikes) {
            Some((what, _)) => strike(&mut world, index, what, verdict).await,
            None => world.go(index, verdict).await,
        }
    }
    let rest = world.come_to_rest(Until::Settled).await;
    assert_eq!(rest, Ok(()), "{journey:?} {disturbed:?}\n{}", world.trace.text());
    let wrong = world.judge().await;
    assert!(wrong.is_empty(), "{journey:?} {disturbed:?}: {wrong:#?}\n{}", world.trace.text());
    let ending = ending(&world).await;
    (ending, points, world)
}

fn fits(what: Disturbance, world: &World, index: usize) -> bool {
    let actor = &world.actors[index];
    let worker = matches!(actor.who, Who::Run(_));
    match what {
        Disturbance::WorkerKilled => worker || actor.who == Who::Pump,
        Disturbance::ProcessKilled => true,
        Disturbance::StandsStill(_) => worker,
        Disturbance::DeliveredTwice => {
            worker && matches!(actor.at, Point::Send(..) | Point::Reply(..))
        }
        Disturbance::TornAfter(_) => worker || actor.who == Who::Pump,
    }
}

async fn strike(world: &mut World, index: usize, what: Disturbance, verdict: Verdict) {
    match what {
        Disturbance::WorkerKilled => world.kill(index),
        Disturbance::ProcessKilled => world.restart().await,
        Disturbance::StandsStill(secs) => world.freeze(index, Duration::from_secs(secs)),
        Disturbance::DeliveredTwice => {
            if let Point::Send(_, call) | Point::Reply(_, call) = &world.actors[index].at {
                let call = call.clone();
                world.deliver_again(call, Duration::from_secs(3));
            }
        }
        Disturbance::TornAfter(polls) => world.tear(index, verdict, polls).await,
    }
}

async fn ending(world: &World) -> Ending {
    let store = world.shared.store();
    let mut reservation = Vec::new();
    for row in world.rows.values() {
        let row = store.reservation(&row.id).await.expect("it reads").expect("it exists");
        reservation.push(format!(
            "{} {:?} {:?} {} {} {} {}",
            row.status,
            row.reason,
            row.attempt,
            row.seats,
            row.tickets,
            row.capacity,
            row.refunded.get(),
        ));
        reservation.extend(row.seat_numbers);
        for event in store.timeline(&row.id, 0, 100).await.expect("it reads") {
            let told = told(event.kind, event.status);
            if event.kind != EventType::PaymentDeferred || reservation.last() != Some(&told) {
                reservation.push(told);
            }
        }
    }
    let ledger = world.shared.gateway.ledger().into_iter().map(|entry| {
        let done = matches!(entry.answer, Answer::Done { .. });
        format!("{} {} {done}", entry.call.operation, entry.call.body.amount.get())
    });
    Ending { reservation, ledger: ledger.collect() }
}

/// Whether somebody was told to wait depends on when: a payment that was deferred was requested.
fn told(kind: EventType, status: S) -> String {
    let kind = if kind == EventType::PaymentDeferred { EventType::PaymentRequested } else { kind };
    let status = if status == S::PaymentDeferred { S::PaymentPending } else { status };
    format!("{kind} {status}")
}

/// Every disturbance at every point that it fits; how many worlds that were.
fn disturb_everywhere(disturbances: &[Disturbance]) -> u32 {
    let folder = folder();
    on_a_runtime(async {
        let mut worlds = 0;
        for journey in JOURNEYS {
            let (undisturbed, ..) = drive(folder.path(), journey, None).await;
            for what in disturbances {
                let mut at = 0;
                loop {
                    let (ended, points, world) =
                        drive(folder.path(), journey, Some((*what, at))).await;
                    if at >= points {
                        break; // the one before was the last
                    }
                    let told = || format!("{journey:?} {what:?} at {at}\n{}", world.trace.text());
                    assert_eq!(ended, undisturbed, "{}", told());
                    worlds += 1;
                    at += 1;
                }
            }
        }
        worlds
    })
}

#[test]
fn every_step_survives_a_crash() {
    let worlds = disturb_everywhere(&[Disturbance::WorkerKilled, Disturbance::ProcessKilled]);
    println!("{worlds} crashes survived");
    assert!(worlds > 200, "{worlds}");
}

#[test]
fn every_step_may_be_done_twice() {
    let worlds = disturb_everywhere(&[
        Disturbance::StandsStill(0),
        Disturbance::StandsStill(15),
        Disturbance::DeliveredTwice,
    ]);
    println!("{worlds} steps done twice");
    assert!(worlds > 150, "{worlds}");
}

/// The outcome of the torn transaction itself is open; the ending is not.
#[test]
fn every_transaction_may_be_torn() {
    let worlds = disturb_everywhere(&[Disturbance::TornAfter(5), Disturbance::TornAfter(13)]);
    println!("{worlds} transactions torn");
    assert!(worlds > 150, "{worlds}");
}
