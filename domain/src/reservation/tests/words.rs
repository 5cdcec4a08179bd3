//! The words on the wire: pinned, since tables, topics and histories keep them for years.

use super::*;
use crate::attention::Worry;
use crate::payment::Answer;
use crate::seats::SeatRefusal;
use crate::words::*;
use serde::de::DeserializeOwned;
use std::fmt::{Debug, Display};

/// Every kind of word with its wire names. A change here is a change of tables and topics: names
/// may be added, never renamed.
const PINNED: &str = "\
ReservationStatus RESERVED PAYMENT_PENDING PAYMENT_DEFERRED PAYMENT_APPROVED SEAT_SELECTED \
TICKETED CANCELLING CANCELLED EXPIRED COMPLETED
StatusReason CUSTOMER_REQUEST STAFF_REQUEST PAYMENT_TIMEOUT SEAT_TIMEOUT PAYMENT_DECLINED \
SHOWTIME_CANCELLED LATE_APPROVAL
Capacity HELD SOLD RELEASED
AttemptStatus PENDING APPROVED CAPTURED DECLINED ABANDONED LAPSED VOIDED REFUNDED \
PARTIALLY_REFUNDED
PaymentStatus NONE PENDING DEFERRED APPROVED CAPTURED DECLINED CANCEL_REQUESTED CANCELLED \
PARTIALLY_REFUNDED
SeatStatus NONE ASSIGNED CANCEL_REQUESTED CANCELLED
TicketStatus NONE ISSUED USED CANCEL_REQUESTED CANCELLED NO_SHOW
Operation APPROVE CAPTURE VOID REFUND
CallState SENT KNOWN
CancellationState RUNNING BLOCKED DONE
Scope WHOLE PART
Grade ECONOMY STANDARD PRIME ACCESSIBLE
SeatKind NORMAL WHEELCHAIR COMPANION
Audience ADULT TEEN SENIOR WHEELCHAIR COMPANION
AgeRating ALL 12 15 19
MovieStatus SHOWING ENDED
AuditoriumKind STANDARD IMAX FOURDX PREMIUM
ShowtimeStatus SCHEDULED ON_SALE CLOSED CANCELLED
CancelPolicy STANDARD KFTC EVENT
Method CARD KAKAO_PAY NAVER_PAY TOSS_PAY
Role guest customer gate staff admin partner
StaffAction CANCEL_RESERVATION CANCEL_SHOWTIME BLOCK_SEATS FREE_SEATS ADD_MOVIE CHANGE_MOVIE ADD_SHOWTIME NUDGE SETTLE_CALL REFUND_TO_ACCOUNT RETURN_OUTSIDE \
ERASE_CUSTOMER SETTLE_UNKNOWN_ORDER
Settler GATEWAY STAFF
Worry REFUND_BLOCKED CALL_LEFT_TO_STAFF CONTRADICTION CALL_UNANSWERED UNDO_SLOW TICKETS_OWED \
NOT_ATTENDED
Actor customer staff system gateway
EventType Reserved PaymentRequested PaymentDeferred PaymentApproved PaymentDeclined \
PaymentLapsed PaymentCaptured SeatAssigned SeatChanged PlanSeatsTaken TicketIssued TicketUsed \
CancellationRequested \
PaymentCancellationRequested SeatCancellationRequested TicketCancellationRequested \
TicketCancelled SeatCancelled PaymentCancelled RefundDelayed ReservationCancelled \
ReservationExpired ShowCompleted
Channel ALIMTALK SMS
NoticeKind RESERVED PAYMENT_PENDING PAYMENT_DEFERRED PAYMENT_DECLINED PAYMENT_APPROVED \
SEAT_SELECTED TICKETED CANCELLING REFUND_DELAYED CANCELLED EXPIRED COMPLETED
NoticeState PENDING SENDING SENT DELIVERED FAILED UNKNOWN SKIPPED
Language ko en
EndpointState ENABLED DISABLED
DisabledReason OWNER GONE UNREACHABLE
DeliveryState PENDING DELIVERED FAILED
";

/// One kind of word, as the macro of `words.rs` makes it.
struct Kind<W: 'static> {
    name: &'static str,
    every: &'static [W],
    as_str: fn(W) -> &'static str,
    parse: fn(&str) -> Result<W, UnknownWord>,
}

impl<W> Kind<W>
where
    W: Copy + Debug + Display + PartialEq + serde::Serialize + DeserializeOwned,
    W: TryFrom<String, Error = UnknownWord>,
{
    /// Checks that each word comes back by every door and that nothing else does; its pinned line.
    fn line(&self) -> String {
        let mut line = self.name.to_owned();
        for &word in self.every {
            let wire = (self.as_str)(word);
            let json = serde_json::to_string(&word).unwrap();
            assert_eq!(word.to_string(), wire);
            assert_eq!(json, format!("\"{wire}\""));
            assert_eq!((self.parse)(wire), Ok(word));
            assert_eq!(W::try_from(wire.to_owned()), Ok(word));
            assert_eq!(serde_json::from_str::<W>(&json).unwrap(), word);
            self.refuses(&format!(" {wire}"));
            self.refuses(&format!("{wire} "));
            self.refuses(&format!("{wire}S"));
            line = line + " " + wire;
        }
        self.refuses("");
        self.refuses("reserved");
        self.refuses("CUSTOMER");
        line + "\n"
    }

    fn refuses(&self, word: &str) {
        let unknown = UnknownWord { kind: self.name, word: word.to_owned() };
        assert_eq!(unknown.to_string(), format!("{word} is not a {}", self.name));
        assert_eq!((self.parse)(word), Err(unknown.clone()));
        assert_eq!(W::try_from(word.to_owned()), Err(unknown));
        assert!(serde_json::from_value::<W>(word.into()).is_err(), "{} {word}", self.name);
    }
}

macro_rules! lines {
    ($($name:ident)+) => {
        [$(
            Kind {
                name: stringify!($name),
                every: $name::EVERY,
                as_str: $name::as_str,
                parse: $name::parse,
            }
            .line()
        ),+]
    };
}

#[test]
fn every_word_comes_back_and_none_was_renamed() {
    let lines = lines! {
        ReservationStatus StatusReason Capacity AttemptStatus PaymentStatus SeatStatus
        TicketStatus Operation CallState CancellationState Scope Grade SeatKind Audience AgeRating
        MovieStatus AuditoriumKind ShowtimeStatus CancelPolicy Method Role StaffAction Settler
        Worry Actor EventType Channel NoticeKind NoticeState Language EndpointState DisabledReason
        DeliveryState
    };
    assert_eq!(lines.concat(), PINNED);
    let kinds = include_str!("../../words.rs").matches("\nwords!(").count();
    // One stands beside what it is about.
    assert_eq!(lines.len(), kinds + 1, "a kind of word is missing here");
}

#[test]
fn what_customers_read_of_each_status() {
    let check = |status: ReservationStatus, label, is_terminal| {
        assert_eq!(status.label(), label);
        assert_eq!(status.is_terminal(), is_terminal, "{status}");
    };
    check(ReservationStatus::Reserved, "예매완료(결제대기)", false);
    check(ReservationStatus::PaymentPending, "결제확인중", false);
    check(ReservationStatus::PaymentDeferred, "결제대기(혼잡)", false);
    check(ReservationStatus::PaymentApproved, "결제완료(좌석선택대기)", false);
    check(ReservationStatus::SeatSelected, "좌석선택완료(발권중)", false);
    check(ReservationStatus::Ticketed, "발권완료", false);
    check(ReservationStatus::Cancelling, "취소처리중", false);
    check(ReservationStatus::Cancelled, "취소완료", true);
    check(ReservationStatus::Expired, "기한만료", true);
    check(ReservationStatus::Completed, "관람완료", true);
}

#[test]
fn refusals_have_published_codes() {
    let check = |refusal: Refusal, code| assert_eq!(refusal.code(), code);
    let seats = || vec![SeatId::parse("A1").unwrap()];
    check(Refusal::SoldOut, "sold-out");
    check(Refusal::SalesClosed, "sales-closed");
    check(Refusal::AgeRestricted, "age-restricted");
    check(Refusal::PartySize { max: 8 }, "party-size");
    check(Refusal::NotOffered, "wrong-grade");
    check(Refusal::AccessibleSeatOnly { seats: seats() }, "accessible-seat-only");
    check(Refusal::AmountMismatch { expected: Won::ZERO }, "amount-mismatch");
    check(Refusal::PaymentInProgress, "payment-in-progress");
    check(Refusal::WrongState, "wrong-state");
    check(Refusal::DeadlinePassed, "deadline-passed");
    check(Refusal::UnknownSeats { seats: seats() }, "not-found");
    check(Refusal::SeatCount { wanted: 2, given: 1 }, "seat-count");
    check(Refusal::WrongGrade { seats: seats() }, "wrong-grade");
    check(Refusal::SeatsUnavailable { seats: seats() }, "seats-unavailable");
    let gap = Refusal::SingleSeatGap { stranded: seats(), alternatives: vec![seats()] };
    check(gap, "single-seat-gap");
    check(Refusal::CancelWindowClosed { closed_at: NOW }, "cancel-window-closed");
    check(Refusal::CancellationInProgress, "cancellation-in-progress");
    check(Refusal::TicketUsed, "ticket-used");
    check(Refusal::AlreadyUsed { at: None }, "already-used");
    check(Refusal::TicketCancelled, "ticket-cancelled");
    check(Refusal::TooEarly { opens_at: NOW }, "too-early");
    check(Refusal::UnknownTickets { tickets: Vec::new() }, "not-found");
    check(Refusal::TicketsCancelled { tickets: Vec::new() }, "ticket-cancelled");
    check(Refusal::IdempotencyKeyReused, "idempotency-key-reused");
}

#[test]
fn what_the_seat_rules_refuse_is_refused() {
    let check = |refusal: SeatRefusal, expected| assert_eq!(Refusal::from(refusal), expected);
    let seats = || vec![SeatId::parse("A1").unwrap()];
    let count = Refusal::SeatCount { wanted: 2, given: 1 };
    check(SeatRefusal::SeatCount { wanted: 2, given: 1 }, count);
    check(SeatRefusal::UnknownSeat(seats()), Refusal::UnknownSeats { seats: seats() });
    check(SeatRefusal::WrongGrade(seats()), Refusal::WrongGrade { seats: seats() });
    check(SeatRefusal::SeatsTaken(seats()), Refusal::SeatsUnavailable { seats: seats() });
    let accessible = Refusal::AccessibleSeatOnly { seats: seats() };
    check(SeatRefusal::AccessibleSeatOnly(seats()), accessible);
    let (stranded, alternatives) = (seats(), vec![seats()]);
    let gap = Refusal::SingleSeatGap { stranded: seats(), alternatives: vec![seats()] };
    check(SeatRefusal::SingleSeatGap { stranded, alternatives }, gap);
}

/// What stands in tables and workflow histories beside the words.
#[test]
fn shapes_that_are_kept_are_pinned() {
    fn check<T: serde::Serialize + DeserializeOwned + PartialEq + Debug>(value: T, json: &str) {
        assert_eq!(serde_json::to_string(&value).unwrap(), json);
        assert_eq!(serde_json::from_str::<T>(json).unwrap(), value);
    }
    use crate::cancellation::OwesUndo;
    let until = Time::from_millis(1_795_000_000_000);
    check(Owes::Payment(PaymentStep::Request), r#"{"Payment":"Request"}"#);
    check(Owes::Payment(PaymentStep::Approve), r#"{"Payment":"Approve"}"#);
    check(Owes::Payment(PaymentStep::PlanSeats), r#"{"Payment":"PlanSeats"}"#);
    check(Owes::Payment(PaymentStep::Capture), r#"{"Payment":"Capture"}"#);
    check(Owes::Tickets, r#""Tickets""#);
    check(Owes::Await(until), r#"{"Await":1795000000000}"#);
    check(Owes::Nothing, r#""Nothing""#);
    check(OwesUndo::Settle, r#""Settle""#);
    check(OwesUndo::Tickets, r#""Tickets""#);
    check(OwesUndo::Seats, r#""Seats""#);
    check(OwesUndo::Money, r#""Money""#);
    check(OwesUndo::Close, r#""Close""#);
    check(OwesUndo::Nothing, r#""Nothing""#);
    check(Action::Pay, r#""pay""#);
    check(Action::SelectSeats, r#""selectSeats""#);
    check(Action::ChangeSeats, r#""changeSeats""#);
    check(Action::Cancel, r#""cancel""#);
    check(Action::CancelTickets, r#""cancelTickets""#);
    let plan = |seats| Plan { method: Method::KakaoPay, seats };
    check(plan(PlanSeats::Best), r#"{"method":"KAKAO_PAY","seats":"best"}"#);
    check(plan(seats_by_id()), r#"{"method":"KAKAO_PAY","seats":{"ids":["A1","A2"]}}"#);
    check(plan(PlanSeats::Dropped), r#"{"method":"KAKAO_PAY","seats":"dropped"}"#);
    let approval_ends_at = Some(until);
    let done = r#"{"outcome":"DONE","approvalEndsAt":1795000000000}"#;
    check(Answer::Done { approval_ends_at }, done);
    let refused = r#"{"outcome":"REFUSED","code":"LIMIT"}"#;
    check(Answer::Refused { code: "LIMIT".to_owned() }, refused);
}
