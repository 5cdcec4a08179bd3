//! The bugs: what somebody could get wrong, planted as triggers in the store's own database, or in
//! what stands around the store.

use super::journeys::Wrong;
use domain::audit::Invariant;

pub(super) struct Bug {
    pub(super) name: &'static str,
    pub(super) breaks: Invariant,
    pub(super) plant: Plant,
}

pub(super) enum Plant {
    /// Statements run before the journeys.
    Store(&'static [&'static str]),
    /// The driver or the gateway.
    Around(Wrong),
}

const fn store(name: &'static str, breaks: Invariant, statements: &'static [&'static str]) -> Bug {
    Bug { name, breaks, plant: Plant::Store(statements) }
}

const fn around(name: &'static str, breaks: Invariant, wrong: Wrong) -> Bug {
    Bug { name, breaks, plant: Plant::Around(wrong) }
}

pub(super) const BUGS: &[Bug] = &[
    store(
        "a seat is given to two",
        Invariant::I1,
        &[
            "drop index seat_assignment_live",
            "create trigger bug after insert on seat_assignment when new.seat_id = 'E1' begin \
             insert into seat_assignment (assignment_id, showtime_id, seat_id, reservation_id, \
             live, assigned_at) select 'x' || new.assignment_id, new.showtime_id, new.seat_id, \
             min(reservation_id), 1, new.assigned_at from reservation where capacity = 'SOLD'; end",
        ],
    ),
    store(
        "an ended reservation's places are not released",
        Invariant::I2,
        &["create trigger bug after update on capacity_pool \
           when new.held < old.held and new.sold = old.sold begin \
           update capacity_pool set held = old.held \
           where showtime_id = new.showtime_id and grade = new.grade; end"],
    ),
    store(
        "sold places are released twice",
        Invariant::I2,
        &["create trigger bug after update on capacity_pool when new.sold < old.sold begin \
           update capacity_pool set sold = new.sold - 1 \
           where showtime_id = new.showtime_id and grade = new.grade; end"],
    ),
    store(
        "a reservation does not know that it holds places",
        Invariant::I2,
        &["create trigger bug after insert on reservation begin \
           update reservation set capacity = 'RELEASED' \
           where reservation_id = new.reservation_id; end"],
    ),
    store(
        "one of two seats is not written",
        Invariant::I3,
        &["create trigger bug after insert on seat_assignment when new.seat_id = 'B2' begin \
           delete from seat_assignment where assignment_id = new.assignment_id; end"],
    ),
    store(
        "a ticketed party loses a seat",
        Invariant::I3,
        &["create trigger bug after update on reservation \
           when new.status = 'TICKETED' and old.status <> 'TICKETED' begin \
           update seat_assignment set live = 0 where assignment_id = \
           (select min(assignment_id) from seat_assignment \
           where reservation_id = new.reservation_id); end"],
    ),
    around("the gateway takes more than was asked", Invariant::I4, Wrong::CapturesMore),
    around("the gateway has lost what it answered", Invariant::I4, Wrong::ForgetsCaptures),
    around("a refusal is recorded as done", Invariant::I4, Wrong::TakesRefusedForDone),
    around("money is taken for nobody", Invariant::I4, Wrong::TakesMoneyOfNobody),
    store(
        "the key of a capture is dropped",
        Invariant::I4,
        &["create trigger bug after update on gateway_call \
           when new.state = 'KNOWN' and new.operation = 'CAPTURE' begin \
           delete from gateway_call where key = new.key; end"],
    ),
    store(
        "a call is written with another amount",
        Invariant::I4,
        &["create trigger bug after insert on gateway_call when new.operation = 'CAPTURE' begin \
           update gateway_call set body = json_set(body, '$.amount', 1) \
           where key = new.key; end"],
    ),
    store(
        "a cancellation returns too little",
        Invariant::I4,
        &["create trigger bug after insert on cancellation begin \
           update cancellation set amount = amount - 1000 \
           where cancellation_id = new.cancellation_id; end"],
    ),
    store(
        "a void is answered and the attempt stays APPROVED",
        Invariant::I4,
        &["create trigger bug before update on payment_attempt when new.status = 'VOIDED' begin \
           select raise(ignore); end"],
    ),
    store(
        "a refund is not counted",
        Invariant::I4,
        &["create trigger bug after update on payment_attempt when new.status = 'REFUNDED' begin \
           update payment_attempt set refunded = 0 \
           where payment_attempt_id = new.payment_attempt_id; end"],
    ),
    store(
        "a part returns what all have paid",
        Invariant::I4,
        &["create trigger bug after insert on cancellation when new.scope = 'PART' begin \
           update cancellation set amount = (select amount from reservation \
           where reservation_id = new.reservation_id) \
           where cancellation_id = new.cancellation_id; end"],
    ),
    store(
        "a part costs more than its ticket did",
        Invariant::I4,
        &["create trigger bug after insert on cancellation when new.scope = 'PART' begin \
           update cancellation set price = price + 1000, amount = amount + 1000 \
           where cancellation_id = new.cancellation_id; end"],
    ),
    store(
        "a fee is kept that nobody agreed to",
        Invariant::I4,
        &["create trigger bug after insert on cancellation when new.scope = 'PART' begin \
           update cancellation set percent = 50, amount = price / 2 \
           where cancellation_id = new.cancellation_id; end"],
    ),
    store(
        "a part frees a seat that is kept",
        Invariant::I3,
        &["create trigger bug after update on seat_assignment \
           when new.live = 0 and old.live = 1 and new.seat_id = 'B6' begin \
           update seat_assignment set live = 0 where seat_id = 'B7' and live = 1; end"],
    ),
    store(
        "a part keeps its seat",
        Invariant::I3,
        &["create trigger bug before update on seat_assignment \
           when new.live = 0 and new.seat_id = 'B6' begin select raise(ignore); end"],
    ),
    store(
        "who gave a ticket back is still of the party",
        Invariant::I3,
        &["create trigger bug after update on reservation when new.party <> old.party begin \
           update reservation set party = old.party \
           where reservation_id = new.reservation_id; end"],
    ),
    store(
        "the ticket of a seat that was left still opens the gate",
        Invariant::I5,
        &["create trigger bug after update on ticket \
           when new.status = 'CANCELLED' and new.cancellation_id is null begin \
           update ticket set status = 'ISSUED' where ticket_id = new.ticket_id; end"],
    ),
    store(
        "a part is refunded before its ticket is revoked",
        Invariant::I6,
        &["create trigger bug after insert on cancellation when new.scope = 'PART' begin \
           update cancellation set tickets_revoked_at = requested_at \
           where cancellation_id = new.cancellation_id; end"],
    ),
    store(
        "a change of seats is not told",
        Invariant::I10,
        &["create trigger bug before insert on timeline when new.type = 'SeatChanged' begin \
           select raise(ignore); end"],
    ),
    store(
        "a ticket stands on a seat that was freed",
        Invariant::I5,
        &["create trigger bug after insert on ticket when new.seat_number = 'B1' \
           and exists (select 1 from seat_assignment where live = 0) begin \
           update ticket set assignment_id = \
           (select assignment_id from seat_assignment where live = 0 and seat_id = 'B2') \
           where ticket_id = new.ticket_id; end"],
    ),
    store(
        "tickets are issued before the money is captured",
        Invariant::I5,
        &["create trigger bug after update on reservation \
           when new.status = 'SEAT_SELECTED' and old.status = 'PAYMENT_APPROVED' begin \
           update reservation set attempt_status = 'CAPTURED' \
           where reservation_id = new.reservation_id; end"],
    ),
    store(
        "a ticket stays as it was when somebody comes in",
        Invariant::I5,
        &["create trigger bug after update on ticket when new.status = 'USED' begin \
           update ticket set status = 'ISSUED' where ticket_id = new.ticket_id; end"],
    ),
    store(
        "who has come in is undone at the end",
        Invariant::I5,
        &["create trigger bug before update on reservation \
           when new.status = 'COMPLETED' and new.ticket_status = 'USED' begin \
           update ticket set status = 'NO_SHOW' \
           where reservation_id = new.reservation_id; end"],
    ),
    store(
        "unused tickets outlive the show",
        Invariant::I5,
        &["create trigger bug before update on ticket when new.status = 'NO_SHOW' begin \
           select raise(ignore); end"],
    ),
    store(
        "an entry by code is forgotten",
        Invariant::I5,
        &["create trigger bug after update on reservation when new.check_in is not null begin \
           update reservation set check_in = null \
           where reservation_id = new.reservation_id; end"],
    ),
    store(
        "seats are freed as soon as a cancel is accepted",
        Invariant::I5,
        &["create trigger bug after insert on cancellation begin \
           update seat_assignment set live = 0, freed_at = new.requested_at \
           where reservation_id = new.reservation_id; end"],
    ),
    store(
        "money is returned before the tickets are revoked",
        Invariant::I6,
        &["create trigger bug after update on reservation \
           when new.status = 'CANCELLING' and old.status = 'TICKETED' begin \
           update reservation set ticket_status = 'CANCELLED' \
           where reservation_id = new.reservation_id; end"],
    ),
    around("a refund is sent past the store's guard", Invariant::I6, Wrong::RefundsAtOnce),
    store(
        "an undo is told in the wrong order",
        Invariant::I6,
        &["create trigger bug after insert on timeline when new.type = 'PaymentCancelled' \
           and exists (select 1 from timeline where reservation_id = new.reservation_id \
           and type = 'TicketCancelled') begin update timeline set type = case type \
           when 'PaymentCancelled' then 'TicketCancelled' else 'PaymentCancelled' end \
           where reservation_id = new.reservation_id and (seq = new.seq or seq = \
           (select max(seq) from timeline where reservation_id = new.reservation_id \
           and type = 'TicketCancelled')); end"],
    ),
    store(
        "a showtime that was given up forgets its reservations",
        Invariant::I7,
        &["create trigger bug after insert on showtime_cancellation begin \
           update showtime_cancellation set ended_at = cancelled_at, attend_at = null \
           where showtime_id = new.showtime_id; end"],
    ),
    store(
        "a showtime that was given up is still sold",
        Invariant::I2,
        &["create trigger bug before update on capacity_pool when new.open = 0 begin \
           select raise(ignore); end"],
    ),
    store(
        "an attempt stays PENDING after the end",
        Invariant::I7,
        &["create trigger bug before update on payment_attempt \
           when new.status = 'ABANDONED' begin select raise(ignore); end"],
    ),
    store(
        "a ticket outlives the cancellation",
        Invariant::I7,
        &["create trigger bug before update on ticket when new.status = 'CANCELLED' begin \
           select raise(ignore); end"],
    ),
    store(
        "an expired reservation goes on holding places",
        Invariant::I7,
        &["create trigger bug after update on reservation \
           when new.status = 'EXPIRED' and old.status = 'RESERVED' begin \
           update reservation set capacity = 'HELD' \
           where reservation_id = new.reservation_id; end"],
    ),
    store(
        "a cancellation is closed without its refund",
        Invariant::I7,
        &["create trigger bug after update on reservation when new.status = 'CANCELLING' \
           and new.capacity = 'RELEASED' and new.attempt_status = 'CAPTURED' begin \
           update reservation set attempt_status = 'REFUNDED' \
           where reservation_id = new.reservation_id; end"],
    ),
    around("a capture is sent under two keys", Invariant::I8, Wrong::CapturesTwice),
    store(
        "a cancellation stays open after its end",
        Invariant::I8,
        &["create trigger bug after update on cancellation when new.state = 'DONE' begin \
           update cancellation set state = 'RUNNING', attend_at = new.requested_at \
           where cancellation_id = new.cancellation_id; end"],
    ),
    store(
        "an answered call stays open on the row",
        Invariant::I8,
        &["create trigger bug after update on reservation \
           when old.open_call is not null and new.open_call is null begin \
           update reservation set open_call = old.open_call, open_operation = old.open_operation \
           where reservation_id = new.reservation_id; end"],
    ),
    store(
        "a click makes two attempts",
        Invariant::I8,
        &[
            "drop index payment_attempt_live",
            "create trigger bug after insert on payment_attempt begin \
             insert into payment_attempt (payment_attempt_id, reservation_id, customer_id, n, \
             method, amount, status, refunded, created_at) values (new.payment_attempt_id || 'x', \
             new.reservation_id, new.customer_id, new.n, new.method, new.amount, new.status, 0, \
             new.created_at); end",
        ],
    ),
    store(
        "a key belongs to what was never made",
        Invariant::I9,
        &["create trigger bug after insert on idempotency_key begin \
           update idempotency_key set resource = 'r-never' where principal = new.principal \
           and route = new.route and key = new.key; end"],
    ),
    store(
        "a key makes two things",
        Invariant::I9,
        &[
            "drop index idempotency_key_once",
            "create trigger bug after insert on idempotency_key begin \
             insert into idempotency_key (principal, route, key, request_hash, resource, \
             created_at) select new.principal, new.route, new.key, new.request_hash, \
             min(reservation_id), new.created_at from reservation having count(*) > 0; end",
        ],
    ),
    store(
        "an event is forgotten",
        Invariant::I10,
        &["create trigger bug before insert on timeline when new.type = 'SeatCancelled' begin \
           select raise(ignore); end"],
    ),
    store(
        "an event is told twice",
        Invariant::I10,
        &["create trigger bug after insert on timeline when new.type = 'PaymentCaptured' begin \
           insert into timeline (reservation_id, seq, type, actor, status, detail, at) \
           select reservation_id, seq + 100, type, actor, status, detail, at \
           from timeline where reservation_id = new.reservation_id and seq = new.seq; end"],
    ),
    store(
        "an event is told under another name",
        Invariant::I10,
        &["create trigger bug after insert on timeline when new.type = 'PaymentApproved' begin \
           update timeline set type = 'PlanSeatsTaken' \
           where reservation_id = new.reservation_id and seq = new.seq; end"],
    ),
    store(
        "a status jumps without an event",
        Invariant::I10,
        &["create trigger bug after update on reservation \
           when new.status = 'PAYMENT_APPROVED' and old.status = 'PAYMENT_PENDING' begin \
           update reservation set status = 'RESERVED' \
           where reservation_id = new.reservation_id; end"],
    ),
    store(
        "mypage goes stale",
        Invariant::I10,
        &["create trigger bug before update on mypage \
           when new.document like '%\"status\":\"CANCELLED\"%' begin select raise(ignore); end"],
    ),
    store(
        "mypage has no document",
        Invariant::I10,
        &["create trigger bug before insert on mypage begin select raise(ignore); end"],
    ),
    store(
        "the feed skips an event",
        Invariant::I10,
        &["create trigger bug after update of position on timeline when new.position = 7 begin \
           update timeline set position = null \
           where reservation_id = new.reservation_id and seq = new.seq; end"],
    ),
    store(
        "the feed turns the order of two events round",
        Invariant::I10,
        &[
            "drop index timeline_feed",
            "create trigger bug after update on reading when new.name = 'feed' begin \
             update timeline set position = 3 - position where position in (1, 2); end",
        ],
    ),
    store(
        "a deadline is lost",
        Invariant::I11,
        &["create trigger bug after update on reservation \
           when new.status = 'PAYMENT_APPROVED' and new.deadline_at is not null begin \
           update reservation set deadline_at = null \
           where reservation_id = new.reservation_id; end"],
    ),
    store(
        "a row that owes work is attended by nobody",
        Invariant::I12,
        &["create trigger bug after update on reservation \
           when new.status = 'PAYMENT_PENDING' and new.attend_at is not null begin \
           update reservation set attend_at = null \
           where reservation_id = new.reservation_id; end"],
    ),
    store(
        "a cancellation is attended in a day",
        Invariant::I12,
        &["create trigger bug after insert on cancellation begin \
           update cancellation set attend_at = new.attend_at + 172800000 \
           where cancellation_id = new.cancellation_id; end"],
    ),
    store(
        "a late approval is closed without its money",
        Invariant::I7,
        &["create trigger bug after insert on cancellation when new.late_attempt_id is not null \
           begin update cancellation set state = 'DONE', attend_at = null \
           where cancellation_id = new.cancellation_id; end"],
    ),
    store(
        "a late approval changes the deal",
        Invariant::I10,
        &["create trigger bug after update on reservation \
           when new.status = 'CANCELLED' and exists (select 1 from cancellation \
           where reservation_id = new.reservation_id and late_attempt_id is not null) begin \
           update reservation set status = 'PAYMENT_APPROVED' \
           where reservation_id = new.reservation_id; end"],
    ),
    store(
        "nobody knows that money went back outside",
        Invariant::I4,
        &["create trigger bug after update on cancellation \
           when new.returned_outside is not null begin \
           update cancellation set returned_outside = null \
           where cancellation_id = new.cancellation_id; end"],
    ),
    store(
        "a second try to refund is forgotten",
        Invariant::I8,
        &["create trigger bug after update on cancellation \
           when new.refund_try > 1 and new.state = 'DONE' begin \
           update cancellation set refund_try = 1 \
           where cancellation_id = new.cancellation_id; end"],
    ),
    around("a booking is acknowledged and not kept", Invariant::Lost, Wrong::AcknowledgesTooEarly),
];
