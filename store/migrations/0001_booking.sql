-- One text for SQLite and PostgreSQL: columns are text or bigint only. Ids are text, times are
-- milliseconds UTC, amounts are won, flags are 0 or 1, lists are JSON. What must be unique is an
-- index of its own, so that tests can take a guard away and show the race that it stops.

-- What is on offer -------------------------------------------------------------------------------

create table movie (
    movie_id        text   not null primary key,
    title           text   not null,
    original_title  text   not null,
    runtime_minutes bigint not null,
    age_rating      text   not null,
    status          text   not null
);
-- Who books by the title alone gets the one film of that title.
create unique index movie_title on movie (title);

create table theater (
    theater_id text not null primary key,
    name       text not null
);

create table auditorium (
    auditorium_id  text   not null primary key,
    theater_id     text   not null references theater (theater_id),
    name           text   not null,
    kind           text   not null,
    layout_version bigint not null
);
create index auditorium_by_theater on auditorium (theater_id);

create table seat (
    seat_id       text   not null primary key,
    auditorium_id text   not null references auditorium (auditorium_id),
    seat_row      text   not null,
    number        text   not null,
    grade         text   not null,
    kind          text   not null,
    block         text   not null,
    x             bigint not null,
    y             bigint not null
);
create index seat_by_auditorium on seat (auditorium_id, y, x);

create table showtime (
    showtime_id    text   not null primary key,
    movie_id       text   not null references movie (movie_id),
    auditorium_id  text   not null references auditorium (auditorium_id),
    starts_at      bigint not null,
    ends_at        bigint not null,
    sales_open_at  bigint not null,
    sales_close_at bigint not null,
    status         text   not null,
    cancel_policy  text   not null,
    max_party_size bigint not null,
    prices         text   not null, -- JSON: grade, then audience type, then won
    turn           bigint not null  -- counts those of its auditorium
);
-- Of two who put something on in one auditorium at once, one comes second and looks again.
create unique index showtime_turn on showtime (auditorium_id, turn);
create index showtime_by_auditorium on showtime (auditorium_id, starts_at);
create index showtime_by_movie on showtime (movie_id, starts_at);
create index showtime_by_start on showtime (starts_at);

-- A showtime that the house gave up: the pump undoes its reservations, page by page.
create table showtime_cancellation (
    showtime_id  text   not null primary key references showtime (showtime_id),
    reason       text   not null, -- in the words of staff
    cancelled_at bigint not null,
    ended_at     bigint,          -- when its last reservation was found to have ended
    attend_at    bigint,
    wakes        bigint not null
);
create index showtime_cancellation_to_attend on showtime_cancellation (attend_at)
    where attend_at is not null;

-- The right to N seats of a grade, before seats are chosen. One row per showtime and grade.
create table capacity_pool (
    showtime_id text   not null references showtime (showtime_id),
    grade       text   not null,
    open        bigint not null, -- 0 closes it: creates are refused from the next statement on
    sellable    bigint not null,
    held        bigint not null,
    sold        bigint not null,
    primary key (showtime_id, grade),
    constraint capacity_pool_never_oversold
        check (held >= 0 and sold >= 0 and held + sold <= sellable)
);

-- The reservation and all that belongs to it -----------------------------------------------------

-- Everything that a guard reads stands on this row, and every deciding transaction updates it.
create table reservation (
    reservation_id    text   not null primary key,
    code              text   not null,
    customer_id       text   not null,
    showtime_id       text   not null references showtime (showtime_id),
    movie_title       text   not null, -- the showtime as it was when it was sold
    theater_name      text   not null,
    auditorium_name   text   not null,
    starts_at         bigint not null,
    ends_at           bigint not null,
    cancel_policy     text   not null,
    grade             text   not null,
    party             text   not null, -- JSON; those who come: less with each cancelled ticket
    prices            text   not null, -- JSON: audience type, then won, as it was sold
    amount            bigint not null,
    status            text   not null,
    status_reason     text,
    capacity          text   not null,
    plan              text,            -- JSON; null: the customer pays and chooses
    attempts_left     bigint not null,
    attempt_n         bigint,          -- the newest payment attempt, as far as guards need it
    attempt_method    text,
    attempt_status    text,
    estimated_at      bigint,          -- when a deferred payment is likely to have its turn
    approval_ends_at  bigint,          -- of the newest approval
    open_call         text,            -- key of the one gateway call without an answer
    open_operation    text,
    open_settler      text,            -- who has its answer: the gateway or, after 14 days, staff
    open_cancellation text,
    refunded          bigint not null,
    seat_status       text   not null,
    seat_numbers      text   not null, -- JSON
    ticket_status     text   not null,
    check_in          text,            -- JSON; null: nobody came in by the code
    deadline_at       bigint,
    attend_at         bigint,          -- when the pump has to look; null: never
    wakes             bigint not null, -- fruitless wakes since the last change
    created_at        bigint not null,
    updated_at        bigint not null,
    version           bigint not null,
    last_seq          bigint not null, -- place of the last timeline event
    trace_parent      text,            -- W3C; of the request that made it, where traces are collected
    unpaid_place      bigint           -- which of a customer's few unpaid ones it is; null: not limited
);
create unique index reservation_code on reservation (code);
create unique index reservation_unpaid on reservation (customer_id, showtime_id, unpaid_place)
    where unpaid_place is not null
    and status in ('RESERVED', 'PAYMENT_PENDING', 'PAYMENT_DEFERRED');
create index reservation_by_customer on reservation (customer_id, reservation_id);
create index reservation_by_showtime on reservation (showtime_id, reservation_id);
create index reservation_ticketless on reservation (updated_at, reservation_id)
    where status = 'SEAT_SELECTED';
create index reservation_left_to_staff on reservation (updated_at, open_call)
    where open_settler = 'STAFF';
create index reservation_to_attend on reservation (attend_at) where attend_at is not null;
-- Who waits unsent for the gateway, since when: ten thousand are counted in a millisecond or two.
create index reservation_in_line on reservation (updated_at)
    where open_call is null and (status in ('PAYMENT_PENDING', 'PAYMENT_DEFERRED')
        or (status = 'RESERVED' and plan is not null));
-- Those of them who were deferred when they were made and have no run yet, in the order of coming.
create index reservation_outside on reservation (updated_at, reservation_id, attend_at)
    where status = 'PAYMENT_DEFERRED' and open_call is null and version = 1 and wakes = 0;

-- Personal data stands here and in refund_account, and nowhere else.
create table contact (
    reservation_id text not null primary key references reservation (reservation_id),
    name           text,
    phone          text,
    language       text not null -- that notices are written in
);
create index contact_by_name on contact (name, reservation_id) where name is not null;

create table payment_attempt (
    payment_attempt_id text   not null primary key,
    reservation_id     text   not null references reservation (reservation_id),
    customer_id        text   not null,
    n                  bigint not null,
    method             text   not null,
    amount             bigint not null,
    payer_grant        text,            -- what the gateway's widget gave the browser
    status             text   not null,
    approved_at        bigint,
    approval_ends_at   bigint,
    captured_at        bigint,
    refunded           bigint not null,
    created_at         bigint not null
);
create unique index payment_attempt_live on payment_attempt (reservation_id)
    where status in ('PENDING', 'APPROVED', 'CAPTURED', 'PARTIALLY_REFUNDED');
create index payment_attempt_by_reservation on payment_attempt (reservation_id, n);
create index payment_attempt_by_customer on payment_attempt (customer_id, payment_attempt_id);

-- Written before the call is made; a SENT row is settled by its own key and by nothing else.
create table gateway_call (
    key             text   not null primary key,
    reservation_id  text   not null references reservation (reservation_id),
    attempt_id      text   not null references payment_attempt (payment_attempt_id),
    operation       text   not null,
    cancellation_id text,
    body            text   not null, -- JSON, frozen
    state           text   not null,
    answer          text,            -- JSON, the gateway's definitive answer
    late            bigint not null default 0, -- 1: it returns a late approval
    opened_at       bigint not null,
    known_at        bigint
);
-- What returns a late approval moves no money of the deal, and waits for nobody.
create unique index gateway_call_sent on gateway_call (reservation_id)
    where state = 'SENT' and late = 0;
create index gateway_call_approval_known on gateway_call (known_at) where operation = 'APPROVE';
create index gateway_call_unanswered on gateway_call (opened_at, key) where state = 'SENT';

-- Where staff has a refund sent that was refused before: part of that call's frozen body, and kept
-- apart because it is personal data.
create table refund_account (
    key            text not null primary key, -- of the gateway call, which may not be opened yet
    reservation_id text not null references reservation (reservation_id),
    bank_code      text not null,
    account_number text not null,
    holder         text not null
);

-- The unique index decides who has the seat. The id is the fence: freeing names it.
create table seat_assignment (
    assignment_id  text   not null primary key,
    showtime_id    text   not null references showtime (showtime_id),
    seat_id        text   not null references seat (seat_id),
    reservation_id text,            -- null: blocked by the house
    live           bigint not null,
    assigned_at    bigint not null,
    freed_at       bigint
);
create unique index seat_assignment_live on seat_assignment (showtime_id, seat_id) where live = 1;
create index seat_assignment_by_reservation on seat_assignment (reservation_id);

create table ticket (
    ticket_id       text   not null primary key,
    reservation_id  text   not null references reservation (reservation_id),
    assignment_id   text   not null references seat_assignment (assignment_id),
    seat_number     text   not null,
    code            text   not null,
    audience        text   not null, -- for whom it was bought
    price           bigint not null, -- for how much; those of all tickets make up the amount
    status          text   not null,
    issued_at       bigint not null,
    revoked_at      bigint,
    cancellation_id text,            -- in whose set it is; null when given for another seat
    check_in        text             -- JSON: when, at which gate, under which number of it
);
create unique index ticket_code on ticket (code);
create unique index ticket_live on ticket (assignment_id)
    where status in ('ISSUED', 'USED', 'CANCEL_REQUESTED');
create index ticket_by_reservation on ticket (reservation_id);

create table cancellation (
    cancellation_id    text   not null primary key,
    reservation_id     text   not null references reservation (reservation_id),
    reason             text   not null,
    actor              text   not null,
    scope              text   not null, -- the tickets of a part are those that name it
    percent            bigint not null, -- frozen when accepted
    price              bigint not null, -- what was to be paid for that which is undone
    amount             bigint not null, -- frozen when accepted
    state              text   not null,
    requested_at       bigint not null,
    tickets_revoked_at bigint,
    seats_freed_at     bigint,
    money_returned_at  bigint,
    refund_try         bigint not null default 1, -- each account that staff supplies is a new try
    returned_outside   text,            -- staff's reference: the money went back another way
    delay_told_at      bigint,          -- the customer was told that it takes long
    late_attempt_id    text,            -- it returns this late approval and nothing else
    late_operation     text,
    attend_at          bigint,
    wakes              bigint not null
);
create unique index cancellation_open on cancellation (reservation_id)
    where state <> 'DONE' and late_attempt_id is null;
create unique index cancellation_late on cancellation (late_attempt_id)
    where late_attempt_id is not null;
create index cancellation_running on cancellation (requested_at, cancellation_id)
    where state = 'RUNNING';
create index cancellation_blocked on cancellation (requested_at, cancellation_id)
    where state = 'BLOCKED';
create index cancellation_by_reservation on cancellation (reservation_id, requested_at);
create index cancellation_to_attend on cancellation (attend_at) where attend_at is not null;

-- What happened and what is shown of it ----------------------------------------------------------

create table timeline (
    reservation_id text   not null references reservation (reservation_id),
    seq            bigint not null, -- gap-free per reservation
    type           text   not null,
    actor          text   not null,
    status         text   not null, -- of the reservation after the step
    detail         text   not null, -- JSON, no personal data
    at             bigint not null,
    position       bigint,          -- in the feed; the relay gives it after the commit
    primary key (reservation_id, seq)
);
create unique index timeline_feed on timeline (position) where position is not null;
create index timeline_unfed on timeline (at, reservation_id) where position is null;

-- Where the feed's events go, each sink at its own pace, sent by one process at a time.
create table sink (
    name       text   not null primary key,
    position   bigint not null, -- everything up to here has left
    holder     text   not null,
    held_until bigint not null
);

-- A message to the customer about one event, by one channel. Its words are put together when it is
-- sent: neither they nor the number stand here.
create table notice (
    notice_id      text   not null primary key, -- reservation, place in its timeline, channel, copy
    reservation_id text   not null references reservation (reservation_id),
    customer_id    text   not null,
    seq            bigint not null, -- the event
    channel        text   not null,
    copy           bigint not null, -- 0; more for each time that the customer wanted it again
    kind           text   not null, -- which template
    state          text   not null,
    reason         text,            -- why it was not sent, or has not arrived
    receipt        text,            -- under which the company knows it
    tries          bigint not null, -- of sending; after that, of asking whether it has arrived
    attend_at      bigint,          -- when the sender has to look; null: never
    created_at     bigint not null,
    updated_at     bigint not null
);
create index notice_to_attend on notice (attend_at) where attend_at is not null;
create index notice_by_reservation on notice (reservation_id, seq);
create index notice_by_customer on notice (customer_id, created_at, seq, notice_id);

-- Where a partner is told of the feed's events, each endpoint at its own pace.
create table webhook_endpoint (
    endpoint_id      text   not null primary key,
    owner_id         text   not null, -- the partner
    url              text   not null,
    event_types      text   not null, -- JSON; an empty list: all
    secret           text   not null, -- signs what is sent
    old_secret       text,            -- signs beside it, until …
    old_secret_until bigint,
    state            text   not null,
    disabled_reason  text,
    position         bigint not null, -- every event up to here has arrived, or is a delivery below
    failures         bigint not null, -- turns running in which nothing has arrived
    failing_since    bigint,
    attend_at        bigint not null, -- it is left alone until then
    turn             bigint not null, -- the fence: any change ends the turn of who sends meanwhile
    turn_until       bigint not null, -- who sends is taken for dead after this
    created_at       bigint not null,
    updated_at       bigint not null
);
create unique index webhook_endpoint_once on webhook_endpoint (owner_id, url);

-- What became of an event at an endpoint.
create table webhook_delivery (
    endpoint_id    text   not null,
    position       bigint not null, -- of the event, in the feed
    reservation_id text   not null,
    state          text   not null,
    tries          bigint not null,
    attend_at      bigint,          -- when it is tried again; null: never
    answer         bigint,          -- HTTP status of the last try; null: none came
    reason         text,            -- why there was none
    created_at     bigint not null,
    updated_at     bigint not null,
    primary key (endpoint_id, position)
);
create index webhook_delivery_to_attend on webhook_delivery (endpoint_id, attend_at)
    where attend_at is not null;
create index webhook_delivery_waiting on webhook_delivery (endpoint_id, reservation_id, position)
    where attend_at is not null;
create index webhook_delivery_by_age on webhook_delivery (updated_at) where attend_at is null;

-- The one thing mypage reads; written with the timeline, rebuildable from the reservation.
create table mypage (
    reservation_id text   not null primary key references reservation (reservation_id),
    customer_id    text   not null,
    version        bigint not null,
    updated_at     bigint not null,
    document       text   not null -- JSON
);
create index mypage_by_customer on mypage (customer_id, reservation_id);

-- What the gateway's own books say and ours do not, and we cannot undo by ourselves: for people.
create table contradiction (
    key        text   not null primary key, -- of the operation, in the gateway's books
    attempt_id text   not null, -- the order there, of a reservation of ours or not
    operation  text   not null,
    amount     bigint not null,
    found_at   bigint not null,
    settled_at bigint
);
create index contradiction_open on contradiction (found_at, key) where settled_at is null;

-- How far something has come: `feed`, the last position that the relay has given; the gateway's
-- books, compared with ours.
create table reading (
    name     text   not null primary key,
    position bigint not null
);
insert into reading (name, position) values ('feed', 0);

-- What staff did, written in the transaction that took effect. No personal data.
create table audit_entry (
    audit_entry_id text   not null primary key, -- sorts by time
    at             bigint not null,
    actor          text   not null, -- who it was
    role           text   not null,
    action         text   not null,
    target         text   not null, -- the path of the resource
    before         text   not null, -- JSON
    after          text   not null  -- JSON
);

-- Written in the command's own transaction, so a repeat finds it exactly when the first took effect.
create table idempotency_key (
    principal    text   not null,
    route        text   not null,
    key          text   not null,
    request_hash text   not null,
    resource     text   not null,
    created_at   bigint not null
);
create unique index idempotency_key_once on idempotency_key (principal, route, key);
create index idempotency_key_by_age on idempotency_key (created_at);
