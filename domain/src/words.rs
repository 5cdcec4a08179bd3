//! Every status and kind as an enum with its pinned wire name (specification 1.2). The wire name is
//! what stands in tables, JSON and histories; the Rust name may change freely.

/// A text that is none of an enum's wire names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word} is not a {kind}")]
pub struct UnknownWord {
    pub kind: &'static str,
    pub word: String,
}

/// One of these texts, as those who call the API read it.
#[cfg(feature = "openapi")]
pub(crate) fn schema<const N: usize>(
    words: [&str; N],
) -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
    let text = utoipa::openapi::schema::Type::String;
    let schema = utoipa::openapi::ObjectBuilder::new().schema_type(text);
    schema.enum_values(Some(words)).into()
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $wire:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash,
                 serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $wire)] $variant),+ }

        impl $name {
            pub const EVERY: &'static [$name] = &[$($name::$variant),+];

            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $wire),+ }
            }

            pub fn parse(word: &str) -> Result<Self, $crate::words::UnknownWord> {
                match word {
                    $($wire => Ok($name::$variant),)+
                    _ => Err($crate::words::UnknownWord { kind: stringify!($name), word: word.to_owned() }),
                }
            }
        }
        impl TryFrom<String> for $name {
            type Error = $crate::words::UnknownWord;
            fn try_from(word: String) -> Result<Self, Self::Error> {
                Self::parse(&word)
            }
        }
        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $crate::words::schema([$($wire),+])
            }
        }
        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $name {}
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words!(ReservationStatus {
    Reserved = "RESERVED",
    PaymentPending = "PAYMENT_PENDING",
    PaymentDeferred = "PAYMENT_DEFERRED",
    PaymentApproved = "PAYMENT_APPROVED",
    SeatSelected = "SEAT_SELECTED",
    Ticketed = "TICKETED",
    Cancelling = "CANCELLING",
    Cancelled = "CANCELLED",
    Expired = "EXPIRED",
    Completed = "COMPLETED",
});

impl ReservationStatus {
    /// What customers read.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Reserved => "예매완료(결제대기)",
            Self::PaymentPending => "결제확인중",
            Self::PaymentDeferred => "결제대기(혼잡)",
            Self::PaymentApproved => "결제완료(좌석선택대기)",
            Self::SeatSelected => "좌석선택완료(발권중)",
            Self::Ticketed => "발권완료",
            Self::Cancelling => "취소처리중",
            Self::Cancelled => "취소완료",
            Self::Expired => "기한만료",
            Self::Completed => "관람완료",
        }
    }

    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Cancelled | Self::Expired | Self::Completed => true,
            Self::Reserved
            | Self::PaymentPending
            | Self::PaymentDeferred
            | Self::PaymentApproved
            | Self::SeatSelected
            | Self::Ticketed
            | Self::Cancelling => false,
        }
    }
}

words!(
    /// Why a reservation ended or is being undone.
    StatusReason {
        CustomerRequest = "CUSTOMER_REQUEST",
        StaffRequest = "STAFF_REQUEST",
        PaymentTimeout = "PAYMENT_TIMEOUT",
        SeatTimeout = "SEAT_TIMEOUT",
        PaymentDeclined = "PAYMENT_DECLINED",
        ShowtimeCancelled = "SHOWTIME_CANCELLED",
        LateApproval = "LATE_APPROVAL",
    }
);

words!(
    /// What a reservation holds of its showtime's capacity.
    Capacity { Held = "HELD", Sold = "SOLD", Released = "RELEASED" }
);

words!(
    /// The state of one payment attempt.
    AttemptStatus {
        Pending = "PENDING",
        Approved = "APPROVED",
        Captured = "CAPTURED",
        Declined = "DECLINED",
        Abandoned = "ABANDONED",
        Lapsed = "LAPSED",
        Voided = "VOIDED",
        Refunded = "REFUNDED",
        PartiallyRefunded = "PARTIALLY_REFUNDED",
    }
);

words!(
    /// What the customer reads about the money of a reservation.
    PaymentStatus {
        None = "NONE",
        Pending = "PENDING",
        Deferred = "DEFERRED",
        Approved = "APPROVED",
        Captured = "CAPTURED",
        Declined = "DECLINED",
        CancelRequested = "CANCEL_REQUESTED",
        Cancelled = "CANCELLED",
        PartiallyRefunded = "PARTIALLY_REFUNDED",
    }
);

words!(SeatStatus {
    None = "NONE",
    Assigned = "ASSIGNED",
    CancelRequested = "CANCEL_REQUESTED",
    Cancelled = "CANCELLED",
});

words!(TicketStatus {
    None = "NONE",
    Issued = "ISSUED",
    Used = "USED",
    CancelRequested = "CANCEL_REQUESTED",
    Cancelled = "CANCELLED",
    NoShow = "NO_SHOW",
});

words!(
    /// What is asked of the gateway.
    Operation { Approve = "APPROVE", Capture = "CAPTURE", Void = "VOID", Refund = "REFUND" }
);

words!(
    /// Who has the answer to a call that was sent.
    Settler {
        Gateway = "GATEWAY",
        /// The gateway has forgotten the key by now.
        Staff = "STAFF",
    }
);

words!(
    /// How a notice reaches its customer.
    Channel {
        /// KakaoTalk's messages of companies.
        AlimTalk = "ALIMTALK",
        /// When that fails.
        Sms = "SMS",
    }
);

words!(
    /// What a notice tells: that a status was reached, or one of two things that change none.
    NoticeKind {
        Reserved = "RESERVED",
        PaymentPending = "PAYMENT_PENDING",
        PaymentDeferred = "PAYMENT_DEFERRED",
        PaymentDeclined = "PAYMENT_DECLINED",
        PaymentApproved = "PAYMENT_APPROVED",
        SeatSelected = "SEAT_SELECTED",
        Ticketed = "TICKETED",
        Cancelling = "CANCELLING",
        RefundDelayed = "REFUND_DELAYED",
        Cancelled = "CANCELLED",
        Expired = "EXPIRED",
        Completed = "COMPLETED",
    }
);

words!(NoticeState {
    Pending = "PENDING",
    /// Handed to the company, which has not answered.
    Sending = "SENDING",
    /// Taken by the company.
    Sent = "SENT",
    Delivered = "DELIVERED",
    Failed = "FAILED",
    /// Perhaps sent: the company gave no answer, and would send it twice if it was asked again.
    Unknown = "UNKNOWN",
    /// Not to be sent.
    Skipped = "SKIPPED",
});

words!(
    /// What notices are written in.
    #[derive(Default)]
    Language {
        #[default]
        Korean = "ko",
        English = "en",
    }
);

impl Language {
    /// What a reader wants most, by their `Accept-Language` (RFC 9110). Korean is the default:
    /// English only where it is wanted more, or equally and named first.
    pub fn wanted(accept_language: &str) -> Self {
        let wanted = |language: &str| {
            let mut tags = accept_language.split(',').enumerate();
            tags.find_map(|(place, tag)| {
                let tag = tag.trim().to_ascii_lowercase();
                let (name, weight) = tag.split_once(";q=").unwrap_or((&tag, "1"));
                let weight: f32 = weight.trim().parse().unwrap_or(0.0);
                name.starts_with(language).then_some((weight, std::cmp::Reverse(place)))
            })
        };
        if wanted("en") > wanted("ko") { Self::English } else { Self::Korean }
    }
}

words!(EndpointState { Enabled = "ENABLED", Disabled = "DISABLED" });

words!(
    /// Why a partner's endpoint is called no more.
    DisabledReason {
        Owner = "OWNER",
        /// It has answered that it is gone for good.
        Gone = "GONE",
        Unreachable = "UNREACHABLE",
    }
);

words!(DeliveryState { Pending = "PENDING", Delivered = "DELIVERED", Failed = "FAILED" });

words!(CallState { Sent = "SENT", Known = "KNOWN" });

words!(CancellationState { Running = "RUNNING", Blocked = "BLOCKED", Done = "DONE" });

words!(
    /// How much of its reservation a cancellation undoes.
    Scope {
        /// All that is left of it: it ends.
        Whole = "WHOLE",
        /// Some of its tickets: the others stay as they are.
        Part = "PART",
    }
);

words!(Grade {
    Economy = "ECONOMY",
    Standard = "STANDARD",
    Prime = "PRIME",
    /// Wheelchair places with their companions: a pool of their own.
    Accessible = "ACCESSIBLE",
});

words!(SeatKind { Normal = "NORMAL", Wheelchair = "WHEELCHAIR", Companion = "COMPANION" });

words!(
    /// The audience type of one admission.
    Audience {
        Adult = "ADULT",
        Teen = "TEEN",
        Senior = "SENIOR",
        Wheelchair = "WHEELCHAIR",
        Companion = "COMPANION",
    }
);

words!(AgeRating { All = "ALL", Twelve = "12", Fifteen = "15", Nineteen = "19" });

words!(MovieStatus { Showing = "SHOWING", Ended = "ENDED" });

words!(AuditoriumKind {
    Standard = "STANDARD",
    Imax = "IMAX",
    FourDx = "FOURDX",
    Premium = "PREMIUM",
});

words!(ShowtimeStatus {
    Scheduled = "SCHEDULED",
    OnSale = "ON_SALE",
    Closed = "CLOSED",
    Cancelled = "CANCELLED",
});

words!(
    /// What is given back for a seated reservation, and until when.
    CancelPolicy {
        /// All, until shortly before the start; at the box office until the start.
        Standard = "STANDARD",
        /// The Korean Fair Trade Commission's standard terms for cinemas.
        Kftc = "KFTC",
        /// All, but not on the day: previews with guests on stage.
        Event = "EVENT",
    }
);

words!(
    /// How the customer pays.
    Method { Card = "CARD", KakaoPay = "KAKAO_PAY", NaverPay = "NAVER_PAY", TossPay = "TOSS_PAY" }
);

words!(
    /// Who caused a timeline event.
    Actor { Customer = "customer", Staff = "staff", System = "system", Gateway = "gateway" }
);

words!(
    /// In which role somebody calls.
    Role {
        /// Whoever bears the token of one reservation.
        Guest = "guest",
        Customer = "customer",
        Gate = "gate",
        Staff = "staff",
        Admin = "admin",
        Partner = "partner",
    }
);

impl Role {
    /// Who may do what: the one table.
    pub const fn may_act_as(self, needed: Role) -> bool {
        match needed {
            Self::Guest => true,
            Self::Customer => !matches!(self, Self::Guest),
            Self::Gate => matches!(self, Self::Gate | Self::Staff | Self::Admin),
            Self::Staff => matches!(self, Self::Staff | Self::Admin),
            Self::Admin => matches!(self, Self::Admin),
            Self::Partner => matches!(self, Self::Partner | Self::Admin),
        }
    }
}

words!(
    /// What staff did, as the audit names it.
    StaffAction {
        CancelReservation = "CANCEL_RESERVATION",
        CancelShowtime = "CANCEL_SHOWTIME",
        /// Kept back from sale.
        BlockSeats = "BLOCK_SEATS",
        FreeSeats = "FREE_SEATS",
        AddMovie = "ADD_MOVIE",
        ChangeMovie = "CHANGE_MOVIE",
        AddShowtime = "ADD_SHOWTIME",
        /// Attend it now.
        Nudge = "NUDGE",
        /// What became of a call whose answer never came.
        SettleCall = "SETTLE_CALL",
        /// Another account for a refund that was refused.
        RefundToAccount = "REFUND_TO_ACCOUNT",
        /// A refund that was refused was paid outside of the gateway.
        ReturnOutside = "RETURN_OUTSIDE",
        /// Names, phones and accounts.
        EraseCustomer = "ERASE_CUSTOMER",
        /// An order that a restored copy does not know holds no money any more.
        SettleUnknownOrder = "SETTLE_UNKNOWN_ORDER",
    }
);

words!(
    /// Timeline event types (specification 1.2).
    EventType {
        Reserved = "Reserved",
        PaymentRequested = "PaymentRequested",
        PaymentDeferred = "PaymentDeferred",
        PaymentApproved = "PaymentApproved",
        PaymentDeclined = "PaymentDeclined",
        PaymentLapsed = "PaymentLapsed",
        PaymentCaptured = "PaymentCaptured",
        SeatAssigned = "SeatAssigned",
        SeatChanged = "SeatChanged",
        PlanSeatsTaken = "PlanSeatsTaken",
        TicketIssued = "TicketIssued",
        TicketUsed = "TicketUsed",
        CancellationRequested = "CancellationRequested",
        PaymentCancellationRequested = "PaymentCancellationRequested",
        SeatCancellationRequested = "SeatCancellationRequested",
        TicketCancellationRequested = "TicketCancellationRequested",
        TicketCancelled = "TicketCancelled",
        SeatCancelled = "SeatCancelled",
        PaymentCancelled = "PaymentCancelled",
        RefundDelayed = "RefundDelayed",
        ReservationCancelled = "ReservationCancelled",
        ReservationExpired = "ReservationExpired",
        ShowCompleted = "ShowCompleted",
    }
);

impl EventType {
    /// What consumers of the report's topic know it by (specification 1.2); its own name where the
    /// report has none.
    pub const fn report_name(self) -> &'static str {
        match self {
            Self::PaymentApproved => "Approved",
            Self::TicketIssued => "TicketReserved",
            Self::PaymentCancelled => "PayCancelled",
            Self::ReservationCancelled => "Cancelled",
            other => other.as_str(),
        }
    }
}

pub(crate) use words;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn korean_unless_english_comes_first() {
        for (accepted, expected) in [
            ("en-US,en;q=0.9,ko;q=0.8", Language::English),
            ("fr, en", Language::English),
            ("ko;q=0.1, en;q=0.9", Language::English),
            ("en;q=0.1, ko;q=0.9", Language::Korean),
            ("ko-KR,ko;q=0.9,en;q=0.8", Language::Korean),
            ("fr", Language::Korean),
        ] {
            assert_eq!(Language::wanted(accepted), expected, "{accepted}");
        }
    }
}
