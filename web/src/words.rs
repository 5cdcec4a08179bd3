//! What the pages say, in both languages. A text with `{}` takes a number or a name.

mod staff;

pub(crate) use staff::{StaffWords, worry};

use domain::words::{Audience, EventType, Grade, Language, Method, ReservationStatus};

/// The texts of a language.
pub(crate) struct Words {
    pub(crate) lang: &'static str,
    pub(crate) other_lang: &'static str,
    pub(crate) other_language: &'static str,
    pub(crate) skip: &'static str,
    pub(crate) films: &'static str,
    pub(crate) my_bookings: &'static str,
    pub(crate) showing: &'static str,
    pub(crate) no_shows: &'static str,
    pub(crate) minutes: &'static str,
    pub(crate) seats_left: &'static str,
    pub(crate) sold_out: &'static str,
    pub(crate) who_comes: &'static str,
    pub(crate) which_seats: &'static str,
    pub(crate) contact: &'static str,
    pub(crate) contact_hint: &'static str,
    pub(crate) name: &'static str,
    pub(crate) phone: &'static str,
    pub(crate) total: &'static str,
    pub(crate) reserve: &'static str,
    pub(crate) party_rule: &'static str,
    pub(crate) unpaid_rule: &'static str,
    pub(crate) adults_only: &'static str,
    pub(crate) code: &'static str,
    pub(crate) pay_title: &'static str,
    pub(crate) pay_until: &'static str,
    pub(crate) pay: &'static str,
    pub(crate) waiting_title: &'static str,
    pub(crate) waiting_text: &'static str,
    pub(crate) deferred_title: &'static str,
    pub(crate) deferred_text: &'static str,
    pub(crate) around: &'static str,
    pub(crate) choose_title: &'static str,
    pub(crate) choose_text: &'static str,
    pub(crate) gap_rule: &'static str,
    pub(crate) instead: &'static str,
    pub(crate) choose: &'static str,
    pub(crate) best: &'static str,
    pub(crate) screen_here: &'static str,
    pub(crate) free: &'static str,
    pub(crate) taken: &'static str,
    pub(crate) yours: &'static str,
    pub(crate) wheelchair: &'static str,
    pub(crate) tickets: &'static str,
    pub(crate) tickets_soon: &'static str,
    pub(crate) seat: &'static str,
    pub(crate) cancel: &'static str,
    pub(crate) cancel_title: &'static str,
    pub(crate) cancel_refund: &'static str,
    pub(crate) cancel_later: &'static str,
    pub(crate) cancelling: &'static str,
    pub(crate) steps: [(&'static str, &'static str); 3],
    pub(crate) history: &'static str,
    pub(crate) none_yet: &'static str,
    pub(crate) find_film: &'static str,
    pub(crate) left: &'static str,
    pub(crate) not_found: &'static str,
    pub(crate) offline: &'static str,
}

impl Words {
    pub(crate) fn of(language: Language) -> &'static Self {
        match language {
            Language::Korean => &KOREAN,
            Language::English => &ENGLISH,
        }
    }
}

static KOREAN: Words = Words {
    lang: "ko",
    other_lang: "en",
    other_language: "English",
    skip: "본문으로 건너뛰기",
    films: "영화",
    my_bookings: "내 예매",
    showing: "상영 중인 영화",
    no_shows: "이 날에는 남은 상영이 없습니다.",
    minutes: "분",
    seats_left: "{}석",
    sold_out: "매진",
    who_comes: "누가 보러 오시나요?",
    which_seats: "좌석 등급",
    contact: "연락처",
    contact_hint: "휴대전화 번호를 남기면 알림톡으로 알려 드립니다. 비워 두셔도 됩니다.",
    name: "이름",
    phone: "휴대전화",
    total: "합계",
    reserve: "예매하기",
    party_rule: "한 번에 최대 {}명까지 예매할 수 있습니다.",
    unpaid_rule: "결제하지 않은 예매는 한 회차에 {}건까지 둘 수 있습니다.",
    adults_only: "청소년 관람불가 영화입니다. 입장할 때 신분증을 확인합니다.",
    code: "예매번호",
    pay_title: "결제",
    pay_until: "시간 안에 결제하지 않으면 예매가 취소됩니다.",
    pay: "{} 결제하기",
    waiting_title: "결제를 확인하고 있습니다",
    waiting_text: "이 화면을 닫으셔도 결제는 계속됩니다. 두 번 결제되지 않습니다.",
    deferred_title: "결제가 예약되었습니다",
    deferred_text: "지금은 결제 회사가 바쁩니다. 자리는 그대로 잡아 두었고, 차례가 되면 자동으로 결제됩니다. 기다리지 않으셔도 됩니다.",
    around: "예상 시각",
    choose_title: "좌석 선택",
    choose_text: "{}석을 골라 주세요.",
    gap_rule: "옆에 한 자리만 남는 선택은 할 수 없습니다.",
    instead: "이 자리는 어떠세요?",
    choose: "좌석 확정",
    best: "추천 좌석",
    screen_here: "스크린",
    free: "선택 가능",
    taken: "선택 불가",
    yours: "내 좌석",
    wheelchair: "휠체어석",
    tickets: "티켓",
    tickets_soon: "티켓을 발권하고 있습니다. 늦어지더라도 예매번호로 입장하실 수 있습니다.",
    seat: "좌석",
    cancel: "예매 취소",
    cancel_title: "예매를 취소하시겠습니까?",
    cancel_refund: "지금 취소하면 {} 환불됩니다.",
    cancel_later: "{}부터는 환불 금액이 달라집니다.",
    cancelling: "취소하고 있습니다",
    steps: [("tickets", "티켓 취소"), ("seats", "좌석 반납"), ("money", "환불")],
    history: "진행 내역",
    none_yet: "아직 예매가 없습니다.",
    find_film: "영화 보러 가기",
    left: "남은 시간",
    not_found: "찾으시는 페이지가 없습니다.",
    offline: "연결이 끊겼습니다. 다시 연결하고 있습니다 …",
};

static ENGLISH: Words = Words {
    lang: "en",
    other_lang: "ko",
    other_language: "한국어",
    skip: "Skip to content",
    films: "Films",
    my_bookings: "My bookings",
    showing: "Now showing",
    no_shows: "No more shows on this day.",
    minutes: "min",
    seats_left: "{} left",
    sold_out: "Sold out",
    who_comes: "Who is coming?",
    which_seats: "Seats",
    contact: "How to reach you",
    contact_hint: "With a phone number you are told by message. You may leave it out.",
    name: "Name",
    phone: "Phone",
    total: "Total",
    reserve: "Reserve",
    party_rule: "At most {} people at a time.",
    unpaid_rule: "You may hold up to {} unpaid bookings of one show.",
    adults_only: "For adults only: please bring something that shows your age.",
    code: "Booking code",
    pay_title: "Payment",
    pay_until: "Unpaid bookings lapse when the time is up.",
    pay: "Pay {}",
    waiting_title: "Checking your payment",
    waiting_text: "You may close this page: the payment goes on, and nobody is charged twice.",
    deferred_title: "Your payment is scheduled",
    deferred_text: "The payment company is busy. Your places are kept, and the payment happens by itself when it is your turn. There is no need to wait here.",
    around: "Expected around",
    choose_title: "Choose your seats",
    choose_text: "Please choose {}.",
    gap_rule: "Please leave no seat alone between others.",
    instead: "How about these?",
    choose: "Take these seats",
    best: "Suggest seats",
    screen_here: "Screen",
    free: "Free",
    taken: "Taken",
    yours: "Yours",
    wheelchair: "Wheelchair",
    tickets: "Tickets",
    tickets_soon: "Your tickets are on their way. If they are late, your booking code lets you in.",
    seat: "Seat",
    cancel: "Cancel booking",
    cancel_title: "Cancel this booking?",
    cancel_refund: "If you cancel now, {} goes back to you.",
    cancel_later: "The refund changes at {}.",
    cancelling: "Cancelling",
    steps: [
        ("tickets", "Tickets revoked"),
        ("seats", "Seats given back"),
        ("money", "Money returned"),
    ],
    history: "What happened",
    none_yet: "No bookings yet.",
    find_film: "Find a film",
    left: "Time left",
    not_found: "There is no such page.",
    offline: "Connection lost. Trying again …",
};

/// Puts what it takes into a text.
pub(crate) fn with(text: &str, what: impl std::fmt::Display) -> String {
    text.replacen("{}", &what.to_string(), 1)
}

pub(crate) fn people(number: u32, language: Language) -> String {
    match (language, number) {
        (Language::Korean, number) => format!("{number}명"),
        (Language::English, 1) => "1 person".to_owned(),
        (Language::English, number) => format!("{number} people"),
    }
}

/// The one of two texts in the reader's language.
fn either(language: Language, (korean, english): (&'static str, &'static str)) -> &'static str {
    if language == Language::Korean { korean } else { english }
}

pub(crate) fn grade(grade: Grade, language: Language) -> &'static str {
    let words = match grade {
        Grade::Economy => ("이코노미석", "Economy"),
        Grade::Standard => ("스탠다드석", "Standard"),
        Grade::Prime => ("프라임석", "Prime"),
        Grade::Accessible => ("장애인석", "Accessible"),
    };
    either(language, words)
}

pub(crate) fn audience(audience: Audience, language: Language) -> &'static str {
    let words = match audience {
        Audience::Adult => ("성인", "Adult"),
        Audience::Teen => ("청소년", "Teen"),
        Audience::Senior => ("경로", "Senior"),
        Audience::Wheelchair => ("휠체어 이용", "Wheelchair user"),
        Audience::Companion => ("동반인", "Companion"),
    };
    either(language, words)
}

/// Ways to pay, each with its word.
pub(crate) fn methods(language: Language) -> Vec<(&'static str, &'static str)> {
    Method::EVERY.iter().map(|it| (it.as_str(), method(*it, language))).collect()
}

fn method(method: Method, language: Language) -> &'static str {
    let words = match method {
        Method::Card => ("신용카드", "Card"),
        Method::KakaoPay => ("카카오페이", "KakaoPay"),
        Method::NaverPay => ("네이버페이", "Naver Pay"),
        Method::TossPay => ("토스페이", "Toss Pay"),
    };
    either(language, words)
}

/// A status as its customer reads it.
pub(crate) fn status(status: ReservationStatus, language: Language) -> &'static str {
    let english = match status {
        ReservationStatus::Reserved => "Reserved, to be paid",
        ReservationStatus::PaymentPending => "Checking the payment",
        ReservationStatus::PaymentDeferred => "Payment scheduled",
        ReservationStatus::PaymentApproved => "Paid, choose your seats",
        ReservationStatus::SeatSelected => "Seats taken",
        ReservationStatus::Ticketed => "Ticketed",
        ReservationStatus::Cancelling => "Cancelling",
        ReservationStatus::Cancelled => "Cancelled",
        ReservationStatus::Expired => "Lapsed",
        ReservationStatus::Completed => "Seen",
    };
    either(language, (status.label(), english))
}

/// A timeline event in human words.
pub(crate) fn event(kind: EventType, language: Language) -> &'static str {
    let words = match kind {
        EventType::Reserved => ("예매했습니다", "Reserved"),
        EventType::PaymentRequested => ("결제를 요청했습니다", "Payment requested"),
        EventType::PaymentDeferred => ("결제 차례를 기다립니다", "Payment waits for its turn"),
        EventType::PaymentApproved => ("결제가 승인되었습니다", "Payment approved"),
        EventType::PaymentDeclined => ("결제가 거절되었습니다", "Payment declined"),
        EventType::PaymentLapsed => ("결제 승인이 만료되었습니다", "Payment lapsed"),
        EventType::PaymentCaptured => ("결제가 완료되었습니다", "Payment completed"),
        EventType::SeatAssigned | EventType::PlanSeatsTaken => ("좌석을 잡았습니다", "Seats taken"),
        EventType::SeatChanged => ("좌석을 바꿨습니다", "Seats changed"),
        EventType::TicketIssued => ("티켓이 발권되었습니다", "Ticket issued"),
        EventType::TicketUsed => ("입장했습니다", "Came in"),
        EventType::CancellationRequested => ("취소를 요청했습니다", "Cancellation requested"),
        EventType::PaymentCancellationRequested => ("환불을 시작했습니다", "Refund begun"),
        EventType::SeatCancellationRequested => {
            ("좌석 반납을 시작했습니다", "Giving back the seats")
        }
        EventType::TicketCancellationRequested => {
            ("티켓 취소를 시작했습니다", "Revoking the tickets")
        }
        EventType::TicketCancelled => ("티켓이 취소되었습니다", "Ticket revoked"),
        EventType::SeatCancelled => ("좌석을 반납했습니다", "Seats given back"),
        EventType::PaymentCancelled => ("환불되었습니다", "Money returned"),
        EventType::RefundDelayed => ("환불이 늦어지고 있습니다", "The refund takes longer"),
        EventType::ReservationCancelled => ("예매가 취소되었습니다", "Booking cancelled"),
        EventType::ReservationExpired => {
            ("시간이 지나 예매가 취소되었습니다", "The booking has lapsed")
        }
        EventType::ShowCompleted => ("상영이 끝났습니다", "The show is over"),
    };
    either(language, words)
}
