use super::story::may_follow;
use super::*;
use crate::words::{EventType as E, ReservationStatus as S};

#[test]
fn a_story_begins_with_its_reservation_and_only_there() {
    assert!(may_follow(None, E::Reserved, S::Reserved));
    for kind in E::EVERY {
        for status in S::EVERY {
            let begins = *kind == E::Reserved && matches!(status, S::Reserved | S::PaymentDeferred);
            assert_eq!(may_follow(None, *kind, *status), begins, "{kind} {status}");
            assert!(!may_follow(Some((*kind, *status)), E::Reserved, S::Reserved), "{kind}");
        }
    }
}

#[test]
fn nothing_follows_an_end_but_the_rest_of_its_step() {
    for end in S::EVERY.iter().filter(|status| status.is_terminal()) {
        for (last, kind) in
            E::EVERY.iter().flat_map(|last| E::EVERY.iter().map(move |k| (*last, *k)))
        {
            for to in S::EVERY {
                let same_step = matches!(
                    (last, kind, end),
                    (E::CancellationRequested, E::ReservationCancelled, S::Cancelled)
                        | (
                            E::PaymentDeclined | E::PaymentLapsed,
                            E::ReservationExpired,
                            S::Expired
                        )
                ) && to == end;
                assert_eq!(
                    may_follow(Some((last, *end)), kind, *to),
                    same_step,
                    "{last} {end}, {kind} {to}"
                );
            }
        }
    }
}

#[test]
fn steps_out_of_order_are_told() {
    for (last, from, kind, to) in [
        (E::Reserved, S::Reserved, E::PaymentApproved, S::PaymentApproved),
        (E::PaymentRequested, S::PaymentPending, E::SeatAssigned, S::SeatSelected),
        (E::PaymentRequested, S::PaymentPending, E::PaymentRequested, S::PaymentPending),
        (E::PaymentApproved, S::PaymentApproved, E::PaymentDeferred, S::PaymentDeferred),
        (E::PaymentApproved, S::PaymentApproved, E::TicketIssued, S::Ticketed),
        (E::TicketIssued, S::Ticketed, E::PaymentCaptured, S::Ticketed),
        (E::TicketIssued, S::Ticketed, E::TicketCancelled, S::Ticketed),
        (E::TicketIssued, S::Ticketed, E::ReservationExpired, S::Expired),
        (E::SeatCancelled, S::Cancelling, E::TicketIssued, S::Ticketed),
        (E::SeatCancelled, S::Cancelling, E::ShowCompleted, S::Completed),
    ] {
        assert!(!may_follow(Some((last, from)), kind, to), "{kind} after {last}");
    }
}

#[test]
fn order_ids_name_their_reservation() {
    let reservation =
        |order: &str| PaymentAttemptId::parse(order).ok().and_then(|order| order.reservation());
    let id = ReservationId::parse("r-1").expect("plain");
    assert_eq!(reservation("r-1-2"), Some(id.clone()));
    assert_eq!(PaymentAttemptId::nth(&id, 3).reservation(), Some(id));
    for other in ["r", "r-", "r-x", "-1"] {
        assert_eq!(reservation(other), None, "{other}");
    }
}
