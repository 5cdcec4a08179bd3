//! Webhooks: what an endpoint is sent in a turn, what waits behind what, and when one is given up.

use super::fixture::catalogue::EVENING;
use super::fixture::steps::approval;
use super::fixture::{Fixture, together};
use domain::ids::{CustomerId, EndpointId};
use domain::secret::Secret;
use domain::webhook::{ENDPOINTS_MAX, GIVE_UP_AFTER, LOG_FOR, OLD_SECRET_FOR};
use domain::words::{DeliveryState, DisabledReason, EndpointState, EventType, Operation};
use std::time::Duration;
use store::deliveries::{Arrival, Delivery, TURN_WITHIN, Turn};
use store::webhooks::{Endpoint, Kept, Wanted};

on_both!(
    an_event_waits_behind_an_earlier_one_of_its_reservation,
    a_dead_endpoint_is_asked_with_few_events,
    one_event_that_is_never_taken_holds_up_nobody_else,
    many_that_are_never_taken_hold_up_nobody_else,
    an_endpoint_that_takes_nothing_for_days_is_switched_off,
    one_that_is_gone_is_called_no_more,
    of_eight_senders_one_has_the_turn,
    who_dies_in_a_turn_leaves_it_to_others,
    a_change_ends_the_turn_under_way,
    all_is_sent_again_from_where_the_partner_says,
    only_chosen_events_are_sent,
    an_old_secret_signs_for_a_day,
    endpoints_are_few_and_ones_own,
    what_became_of_them_is_forgotten_in_time,
);

const OK: Arrival = Arrival::Arrived { answer: 204 };
const NO: Arrival = Arrival::Failed { answer: Some(500), why: "REFUSED", pause: None };
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn partner(name: &str) -> CustomerId {
    CustomerId::parse(name).expect("an id")
}

fn wanted(path: &str, event_types: &[EventType]) -> Wanted {
    Wanted {
        url: format!("https://partner.example/{path}"),
        event_types: event_types.to_vec(),
        state: EndpointState::Enabled,
    }
}

impl Fixture {
    async fn add_endpoint(&self, owner: &CustomerId, wanted: &Wanted) -> Kept {
        let secret = Secret::from(SECRET.to_owned());
        self.store.add_endpoint(owner, wanted, &secret).await.expect("it answers")
    }

    /// Of the partner "p".
    async fn endpoint(&self, event_types: &[EventType]) -> EndpointId {
        match self.add_endpoint(&partner("p"), &wanted("hook", event_types)).await {
            Kept::Done(endpoint) => endpoint.id,
            other => panic!("{other:?}"),
        }
    }

    async fn read(&self, id: &EndpointId) -> Endpoint {
        let found = self.store.endpoint(&partner("p"), id).await;
        found.expect("it answers").expect("there is one")
    }

    async fn turns(&self) -> Vec<Turn> {
        while !self.store.relay().await.expect("it answers").is_empty() {}
        self.store.take_turns(10).await.expect("it answers")
    }

    async fn turn(&self) -> Turn {
        let mut turns = self.turns().await;
        assert_eq!(turns.len(), 1);
        turns.remove(0)
    }

    async fn ended(&self, turn: &Turn, arrivals: &[Arrival]) {
        assert_eq!(turn.events.len(), arrivals.len());
        assert!(self.store.end_turn(turn, arrivals).await.expect("it answers"));
    }

    /// A turn in which everything becomes of its events what this says.
    async fn every(&self, arrival: Arrival) -> usize {
        let turn = self.turn().await;
        let arrivals = vec![arrival; turn.events.len()];
        self.ended(&turn, &arrivals).await;
        turn.events.len()
    }

    /// The oldest first.
    async fn log(&self, id: &EndpointId) -> Vec<Delivery> {
        let mut all =
            self.store.deliveries(&partner("p"), id, None, None, 1_000).await.expect("it answers");
        all.reverse();
        all
    }

    async fn count(&self, id: &EndpointId, state: DeliveryState) -> usize {
        self.log(id).await.iter().filter(|delivery| delivery.state == state).count()
    }
}

fn positions(turn: &Turn) -> Vec<i64> {
    turn.events.iter().map(|sent| sent.entry.position).collect()
}

async fn an_event_waits_behind_an_earlier_one_of_its_reservation(f: &Fixture) {
    let id = f.endpoint(&[]).await;
    let (one, two) = (f.reserved(EVENING, 1).await, f.reserved(EVENING, 1).await);
    let turn = f.turn().await;
    assert_eq!(positions(&turn), [1, 2]);
    let of_one = turn.events.iter().position(|sent| sent.entry.reservation_id == one.id);
    let mut arrivals = vec![OK, OK];
    arrivals[of_one.expect("it was told")] = NO;
    f.ended(&turn, &arrivals).await;
    f.paid(&one).await;
    f.paid(&two).await;
    let turn = f.turn().await;
    let behind: Vec<bool> = turn.events.iter().map(|sent| sent.behind).collect();
    let expected = turn.events.iter().map(|sent| sent.entry.reservation_id == one.id);
    assert_eq!(behind, expected.collect::<Vec<_>>(), "only those of the first wait");
    let arrivals: Vec<_> =
        behind.iter().map(|behind| if *behind { Arrival::Waits } else { OK }).collect();
    let later = behind.iter().filter(|behind| **behind).count();
    f.ended(&turn, &arrivals).await;
    assert_eq!(f.count(&id, DeliveryState::Pending).await, later + 1);
    assert!(f.turns().await.is_empty(), "the first is not due, and the others wait for it");
    f.advance(Duration::from_secs(5));
    let mut sent = Vec::new();
    for _ in 0..=later {
        let turn = f.turn().await;
        assert_eq!(turn.events.len(), 1, "one after another");
        sent.push(turn.events[0].entry.event.seq);
        f.ended(&turn, &[OK]).await;
    }
    assert!(sent.is_sorted() && sent[0] == 1, "{sent:?}");
    assert!(f.turns().await.is_empty());
    assert_eq!(f.count(&id, DeliveryState::Pending).await, 0);
    assert_eq!(f.log(&id).await.len(), f.read(&id).await.position as usize, "all have arrived");
}

async fn a_dead_endpoint_is_asked_with_few_events(f: &Fixture) {
    let id = f.endpoint(&[]).await;
    for _ in 0..4 {
        f.reserved(EVENING, 1).await;
    }
    assert_eq!(f.every(NO).await, 4);
    assert_eq!(f.read(&id).await.failing_since, Some(f.store.now()));
    for _ in 0..4 {
        f.reserved(EVENING, 1).await;
    }
    // The next one is due; then those that failed come first.
    for pause in [1, 2, 4, 8] {
        f.advance(Duration::from_millis(pause * 1_000 - 1));
        assert!(f.turns().await.is_empty(), "it is left alone");
        f.advance(Duration::from_millis(1));
        assert!(f.every(NO).await <= 2, "one that failed, and a new one");
    }
    f.advance(Duration::from_secs(16));
    assert!(f.every(OK).await <= 2);
    assert_eq!(f.read(&id).await.failing_since, None);
    // It is back: nothing waits any longer.
    while !f.turns_all_well().await {}
    assert_eq!(f.count(&id, DeliveryState::Delivered).await, 8);
}

impl Fixture {
    /// Ends the turns that are due well; says whether there was none.
    async fn turns_all_well(&self) -> bool {
        let turns = self.turns().await;
        for turn in &turns {
            self.ended(turn, &vec![OK; turn.events.len()]).await;
        }
        turns.is_empty()
    }
}

async fn one_event_that_is_never_taken_holds_up_nobody_else(f: &Fixture) {
    let id = f.endpoint(&[]).await;
    f.run(
        "update showtime set starts_at = starts_at + 864000000, ends_at = ends_at + 864000000, \
         sales_close_at = sales_close_at + 864000000",
    )
    .await;
    f.reserved(EVENING, 1).await;
    f.every(NO).await;
    let began = f.store.now();
    let mut others = 0;
    while f.store.now().since(began) < GIVE_UP_AFTER + Duration::from_secs(24 * 3_600) {
        f.reserved(EVENING, 1).await;
        others += 1;
        for _ in 0..3 {
            f.advance(Duration::from_secs(2));
            for turn in f.turns().await {
                let first = |position: &i64| if *position == 1 { NO } else { OK };
                let arrivals: Vec<_> = positions(&turn).iter().map(first).collect();
                f.ended(&turn, &arrivals).await;
            }
        }
        f.advance(Duration::from_secs(4 * 3_600));
    }
    let log = f.log(&id).await;
    assert_eq!((log[0].state, log[0].answer), (DeliveryState::Failed, Some(500)));
    assert!((10..25).contains(&log[0].tries), "{}", log[0].tries);
    assert!(log[1..].iter().all(|delivery| delivery.state == DeliveryState::Delivered));
    assert_eq!(log.len(), others + 1);
    assert_eq!(f.read(&id).await.state, EndpointState::Enabled);
}

async fn an_endpoint_that_takes_nothing_for_days_is_switched_off(f: &Fixture) {
    let id = f.endpoint(&[]).await;
    f.reserved(EVENING, 1).await;
    f.reserved(EVENING, 1).await;
    f.every(NO).await;
    f.advance(GIVE_UP_AFTER);
    let fails = async || f.store.backlog().await.expect("it answers").webhook;
    assert_eq!(fails().await, GIVE_UP_AFTER, "as those who operate it see");
    assert!(f.every(NO).await > 0);
    assert_eq!(fails().await, Duration::ZERO, "what is switched off fails no more");
    let off = f.read(&id).await;
    assert_eq!(off.state, EndpointState::Disabled);
    assert_eq!(off.disabled_reason, Some(DisabledReason::Unreachable));
    f.advance(GIVE_UP_AFTER);
    assert!(f.turns().await.is_empty());
    // Switched on, it goes on from where it was.
    let on = f.store.change_endpoint(&partner("p"), &id, &wanted("new", &[])).await;
    let Ok(Kept::Done(on)) = on else { panic!("{on:?}") };
    assert_eq!((on.state, on.disabled_reason), (EndpointState::Enabled, None));
    assert_eq!(positions(&f.turn().await), [1, 2], "nothing was given up with it");
}

async fn one_that_is_gone_is_called_no_more(f: &Fixture) {
    let id = f.endpoint(&[]).await;
    f.reserved(EVENING, 1).await;
    f.reserved(EVENING, 1).await;
    let turn = f.turn().await;
    f.ended(&turn, &[OK, Arrival::Gone]).await;
    assert_eq!(f.read(&id).await.disabled_reason, Some(DisabledReason::Gone));
    assert!(f.turns().await.is_empty());
    f.store.change_endpoint(&partner("p"), &id, &wanted("new", &[])).await.expect("it answers");
    let turn = f.turn().await;
    assert_eq!(positions(&turn), [2], "what it did not take is still meant for it");
    assert_eq!(turn.url, "https://partner.example/new");
}

async fn many_that_are_never_taken_hold_up_nobody_else(f: &Fixture) {
    let id = f.endpoint(&[]).await;
    for _ in 0..16 {
        f.reserved(EVENING, 1).await;
    }
    f.every(NO).await;
    let mut others = 0;
    for _ in 0..40 {
        if others < 16 {
            f.reserved(EVENING, 1).await;
            others += 1;
        }
        f.advance(Duration::from_secs(2));
        for turn in f.turns().await {
            let refused = |position: &i64| if *position <= 16 { NO } else { OK };
            let arrivals: Vec<_> = positions(&turn).iter().map(refused).collect();
            f.ended(&turn, &arrivals).await;
        }
    }
    assert_eq!(f.count(&id, DeliveryState::Delivered).await, others);
}

async fn of_eight_senders_one_has_the_turn(f: &Fixture) {
    f.endpoint(&[]).await;
    for _ in 0..5 {
        f.reserved(EVENING, 1).await;
        while !f.store.relay().await.expect("it answers").is_empty() {}
        let turns = together((0..8).map(|_| {
            let store = f.store.clone();
            async move { store.take_turns(10).await.expect("it answers") }
        }))
        .await;
        let turns: Vec<_> = turns.into_iter().flatten().collect();
        assert_eq!(turns.len(), 1);
        f.ended(&turns[0], &[OK]).await;
    }
}

async fn who_dies_in_a_turn_leaves_it_to_others(f: &Fixture) {
    f.endpoint(&[]).await;
    f.reserved(EVENING, 1).await;
    let lost = f.turn().await;
    assert!(f.turns().await.is_empty());
    f.advance(TURN_WITHIN);
    let turn = f.turn().await;
    assert_eq!(positions(&turn), positions(&lost));
    let ended = f.store.end_turn(&lost, &[NO]).await.expect("it answers");
    assert!(!ended, "it is somebody else's by now");
    f.ended(&turn, &[OK]).await;
}

async fn a_change_ends_the_turn_under_way(f: &Fixture) {
    let id = f.endpoint(&[]).await;
    f.reserved(EVENING, 1).await;
    let turn = f.turn().await;
    f.store.change_endpoint(&partner("p"), &id, &wanted("new", &[])).await.expect("it answers");
    assert!(!f.store.end_turn(&turn, &[OK]).await.expect("it answers"));
    assert_eq!(f.log(&id).await.len(), 0, "the new address has not been told");
    let turn = f.turn().await;
    assert_eq!((turn.url.as_str(), positions(&turn)), ("https://partner.example/new", vec![1]));
}

async fn all_is_sent_again_from_where_the_partner_says(f: &Fixture) {
    let id = f.endpoint(&[]).await;
    for _ in 0..3 {
        f.reserved(EVENING, 1).await;
    }
    let turn = f.turn().await;
    f.ended(&turn, &[OK, NO, OK]).await;
    let replay =
        async |after| f.store.send_again(&partner("p"), &id, after).await.expect("it answers");
    assert!(!replay(4).await, "there is nothing there");
    assert!(!replay(-1).await);
    assert!(replay(1).await);
    assert_eq!(positions(&f.turn().await), [2, 3]);
    let other = f.store.send_again(&partner("q"), &id, 0).await.expect("it answers");
    assert!(!other, "it is somebody else's");
}

async fn only_chosen_events_are_sent(f: &Fixture) {
    let id = f.endpoint(&[EventType::PaymentApproved]).await;
    let row = f.reserved(EVENING, 1).await;
    let turn = f.turn().await;
    assert!(turn.events.is_empty());
    f.ended(&turn, &[]).await;
    let row = f.paid(&row).await;
    f.answered(&row, Operation::Approve, &approval()).await;
    let turn = f.turn().await;
    let kinds: Vec<_> = turn.events.iter().map(|sent| sent.entry.event.kind).collect();
    assert_eq!(kinds, [EventType::PaymentApproved]);
    f.ended(&turn, &[OK]).await;
    assert_eq!(f.read(&id).await.position, f.store.feed_end().await.expect("it answers"));
}

async fn an_old_secret_signs_for_a_day(f: &Fixture) {
    let id = f.endpoint(&[]).await;
    f.reserved(EVENING, 1).await;
    let new = Secret::from("whsec_AAAA".to_owned());
    let until = f.store.rotate_secret(&partner("p"), &id, &new).await.expect("it answers");
    let rotated = Some((new.clone(), f.store.now().plus(OLD_SECRET_FOR)));
    assert_eq!(until, rotated);
    let lost = Secret::from("whsec_BBBB".to_owned());
    let again = f.store.rotate_secret(&partner("p"), &id, &lost).await.expect("it answers");
    assert_eq!(again, rotated, "the first answer may be lost");
    let old = Secret::from(SECRET.to_owned());
    let turn = f.turn().await;
    assert_eq!(turn.secrets, [new.clone(), old]);
    f.advance(OLD_SECRET_FOR);
    assert_eq!(f.turn().await.secrets, [new]);
}

async fn endpoints_are_few_and_ones_own(f: &Fixture) {
    let id = f.endpoint(&[]).await;
    let again = f.add_endpoint(&partner("p"), &wanted("hook", &[])).await;
    assert!(matches!(again, Kept::Taken), "{again:?}");
    for n in 1..ENDPOINTS_MAX {
        let added = f.add_endpoint(&partner("p"), &wanted(&n.to_string(), &[])).await;
        assert!(matches!(added, Kept::Done(_)), "{added:?}");
    }
    let more = f.add_endpoint(&partner("p"), &wanted("more", &[])).await;
    assert!(matches!(more, Kept::TooMany), "{more:?}");
    let moved = f.store.change_endpoint(&partner("p"), &id, &wanted("1", &[])).await;
    assert!(matches!(moved, Ok(Kept::Taken)), "{moved:?}");
    let q = partner("q");
    assert!(f.store.endpoint(&q, &id).await.expect("it answers").is_none());
    assert!(f.store.endpoints(&q).await.expect("it answers").is_empty());
    let changed = f.store.change_endpoint(&q, &id, &wanted("x", &[])).await;
    assert!(matches!(changed, Ok(Kept::NotFound)), "{changed:?}");
    assert!(!f.store.remove_endpoint(&q, &id).await.expect("it answers"));
    assert!(f.store.remove_endpoint(&partner("p"), &id).await.expect("it answers"));
    assert!(f.store.endpoint(&partner("p"), &id).await.expect("it answers").is_none());
}

async fn what_became_of_them_is_forgotten_in_time(f: &Fixture) {
    let id = f.endpoint(&[]).await;
    f.reserved(EVENING, 1).await;
    f.every(OK).await;
    assert_eq!(f.store.forget_deliveries().await.expect("it answers"), 0);
    f.advance(LOG_FOR);
    assert_eq!(f.store.forget_deliveries().await.expect("it answers"), 1);
    assert!(f.log(&id).await.is_empty());
}
