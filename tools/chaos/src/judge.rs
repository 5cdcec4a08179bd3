//! The audit of a run from outside: what customers were told, what they see now, and the gateway's
//! books have to agree to the won.

use crate::booking::{Booking, Turn};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One thing that must not be.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    /// Which booking of the load; none where it is nobody's.
    pub(crate) booking: Option<usize>,
    pub(crate) detail: String,
}

/// The gateway's books, by reservation and by attempt in it.
pub(crate) struct Ledger(BTreeMap<String, BTreeMap<String, Vec<Entry>>>);

#[derive(Clone, Debug)]
struct Entry {
    operation: String,
    amount: i64,
    done: bool,
}

impl Ledger {
    /// An order is a payment attempt: its reservation, a dash, its number.
    pub(crate) fn of(items: &[Value]) -> Self {
        let mut orders: BTreeMap<String, BTreeMap<String, Vec<Entry>>> = BTreeMap::new();
        for item in items {
            let order = item["orderId"].as_str().unwrap_or_default();
            let reservation = order.rsplit_once('-').map_or(order, |(reservation, _)| reservation);
            let entry = Entry {
                operation: item["operation"].as_str().unwrap_or_default().to_owned(),
                amount: item["amount"].as_i64().unwrap_or_default(),
                done: item["outcome"] == "DONE",
            };
            let attempts = orders.entry(reservation.to_owned()).or_default();
            attempts.entry(order.to_owned()).or_default().push(entry);
        }
        Self(orders)
    }

    /// As people read it.
    pub(crate) fn story(&self, reservation: &str) -> Vec<String> {
        let attempts = self.0.get(reservation).into_iter().flatten();
        let lines = attempts.flat_map(|(order, entries)| {
            entries.iter().map(move |Entry { operation, amount, done }| {
                let outcome = if *done { "DONE" } else { "REFUSED" };
                format!("{order} {operation} {amount} {outcome}")
            })
        });
        lines.collect()
    }

    fn of_reservation(&self, reservation: &str) -> impl Iterator<Item = &Vec<Entry>> {
        self.0.get(reservation).into_iter().flat_map(BTreeMap::values)
    }

    fn refused(&self, reservation: &str) -> bool {
        self.of_reservation(reservation).flatten().any(|entry| !entry.done)
    }
}

/// Judges all bookings of a run, each on its own and together.
pub(crate) fn judge(bookings: &[Booking], ledger: &Ledger) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (n, booking) in bookings.iter().enumerate() {
        let details = judge_one(booking, ledger);
        violations.extend(details.into_iter().map(|detail| Violation { booking: Some(n), detail }));
    }
    let known: BTreeSet<&str> = bookings.iter().filter_map(|b| b.id.as_deref()).collect();
    for reservation in ledger.0.keys().filter(|order| !known.contains(order.as_str())) {
        let detail = format!("the gateway was paid for {reservation}, which nobody made");
        violations.push(Violation { booking: None, detail });
    }
    violations.extend(seats_given_twice(bookings));
    violations
}

fn judge_one(booking: &Booking, ledger: &Ledger) -> Vec<String> {
    let mut wrong = booking.customer.wrong.clone();
    let Some(id) = &booking.id else {
        if booking.refused.is_none() {
            wrong.push("the create was never answered".to_owned());
        }
        return wrong;
    };
    if booking.ended_at.is_none() {
        wrong.push(format!("has not ended, is {}", booking.status()));
        return wrong;
    }
    wrong.extend(money(booking, id, ledger));
    wrong.extend(promises(booking, id, ledger));
    wrong.extend(tickets(booking));
    wrong
}

/// What the gateway may have done for a reservation that ended like this.
fn money(booking: &Booking, id: &str, ledger: &Ledger) -> Vec<String> {
    let price = booking.last["amount"]["value"].as_i64().unwrap_or_default();
    let mut wrong = Vec::new();
    let mut kept = 0;
    for attempt in ledger.of_reservation(id) {
        let done: Vec<&Entry> = attempt.iter().filter(|entry| entry.done).collect();
        let operations: Vec<&str> = done.iter().map(|entry| entry.operation.as_str()).collect();
        kept += usize::from(operations == ["APPROVE", "CAPTURE"]);
        let undone =
            matches!(operations[..], [] | ["APPROVE", "VOID"] | ["APPROVE", "CAPTURE", "REFUND"]);
        if !undone && operations != ["APPROVE", "CAPTURE"] {
            wrong.push(format!("the gateway did {operations:?}"));
        }
        if done.iter().any(|entry| entry.amount != price) {
            wrong.push(format!("the price is {price}, the gateway did {done:?}"));
        }
    }
    let pays = booking.status() == "TICKETED" || booking.is_blocked();
    if kept != usize::from(pays) {
        wrong.push(format!("ended {}, and {kept} payments were kept", booking.status()));
    }
    wrong
}

/// What was acknowledged has to stand.
fn promises(booking: &Booking, id: &str, ledger: &Ledger) -> Vec<String> {
    let status = booking.status();
    let reason = booking.last["statusReason"].as_str().unwrap_or_default();
    let mut wrong = Vec::new();
    if booking.cancelled && status != "CANCELLED" && !booking.is_blocked() {
        wrong.push(format!("the cancellation was accepted, and it ended {status}"));
    }
    let may_cancel =
        !matches!(booking.wish.turn, Turn::Never | Turn::NeverPays | Turn::NeverChooses);
    if !may_cancel && status == "CANCELLED" {
        wrong.push("nobody cancelled it".to_owned());
    }
    if booking.cancelled {
        return wrong;
    }
    let told = |wanted: &str| booking.acknowledged.iter().any(|status| status == wanted);
    if told("TICKETED") && status != "TICKETED" {
        wrong.push(format!("TICKETED was acknowledged, and it ended {status} {reason}"));
    }
    if told("SEAT_SELECTED") && status != "TICKETED" && reason != "PAYMENT_DECLINED" {
        wrong.push(format!("seats were acknowledged, and it ended {status} {reason}"));
    }
    let excused = ledger.refused(id) || reason == "SEAT_TIMEOUT";
    if booking.wish.is_carried() && status != "TICKETED" && !excused {
        wrong.push(format!("its plan was not carried out: {status} {reason}"));
    }
    wrong
}

fn tickets(booking: &Booking) -> Vec<String> {
    let tickets = booking.last["tickets"].as_array().into_iter().flatten();
    let live = tickets.filter(|ticket| ticket["status"] == "ISSUED").count();
    let expected = if booking.status() == "TICKETED" { booking.wish.party as usize } else { 0 };
    let seats = held_seats(booking).count();
    let mut wrong = Vec::new();
    if live != expected {
        wrong.push(format!("{} with {live} live tickets", booking.status()));
    }
    if seats != expected {
        wrong.push(format!("{} with {seats} seats", booking.status()));
    }
    wrong
}

fn held_seats(booking: &Booking) -> impl Iterator<Item = &str> {
    let seats = booking.last["seats"].as_array().into_iter().flatten();
    let held = seats.filter(|seat| seat["state"] == "ASSIGNED");
    held.filter_map(|seat| seat["seatId"].as_str())
}

fn seats_given_twice(bookings: &[Booking]) -> Vec<Violation> {
    let mut given: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut violations = Vec::new();
    for (n, booking) in bookings.iter().enumerate() {
        let showtime = booking.last["showtimeId"].as_str().unwrap_or_default();
        for seat in held_seats(booking) {
            if let Some(other) = given.insert((showtime, seat), n) {
                let detail = format!("{showtime} {seat} is booking {other}'s, too");
                violations.push(Violation { booking: Some(n), detail });
            }
        }
    }
    violations
}

/// Places that are sold, by showtime.
pub(crate) fn sold(bookings: &[Booking]) -> BTreeMap<&str, u64> {
    let mut sold = BTreeMap::new();
    for booking in bookings.iter().filter(|booking| booking.status() == "TICKETED") {
        let showtime = booking.last["showtimeId"].as_str().unwrap_or_default();
        *sold.entry(showtime).or_default() += u64::from(booking.wish.party);
    }
    sold
}
