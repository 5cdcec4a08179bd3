//! What people read for each problem code, in Korean and English.

use domain::words::Language;

/// Every code that this API answers with, with its titles.
const TITLES: &[(&str, &str, &str)] = &[
    ("accessible-seat-only", "휠체어석은 해당 관객만 선택할 수 있습니다", "Accessible seats only"),
    ("age-restricted", "관람 등급에 맞지 않습니다", "Age restricted"),
    ("already-used", "이미 입장 처리된 티켓입니다", "Already used"),
    ("amount-mismatch", "결제 금액이 다릅니다", "Amount mismatch"),
    ("auditorium-taken", "그 시간에 다른 상영이 있습니다", "Auditorium taken"),
    ("bad-signature", "서명이 올바르지 않습니다", "Bad signature"),
    ("cancel-window-closed", "취소 가능 시간이 지났습니다", "Too late to cancel"),
    ("cancellation-in-progress", "다른 취소를 처리하고 있습니다", "Cancellation in progress"),
    ("deadline-passed", "기한이 지났습니다", "Deadline passed"),
    ("forbidden", "허용되지 않은 요청입니다", "Forbidden"),
    ("idempotency-key-missing", "Idempotency-Key가 필요합니다", "Idempotency-Key missing"),
    ("idempotency-key-reused", "이미 다른 요청에 쓰인 키입니다", "Idempotency-Key reused"),
    ("internal", "일시적인 오류가 발생했습니다", "Something broke"),
    ("limit-exceeded", "허용된 횟수를 모두 사용했습니다", "Limit exceeded"),
    ("malformed", "요청 형식이 올바르지 않습니다", "Malformed request"),
    ("method-not-allowed", "지원하지 않는 메서드입니다", "Method not allowed"),
    ("movie-ended", "상영이 종료된 영화입니다", "The run has ended"),
    ("not-found", "찾을 수 없습니다", "Not found"),
    ("party-size", "인원 수가 올바르지 않습니다", "Party size"),
    ("payment-declined", "결제가 거절되었습니다", "Payment declined"),
    ("payment-in-progress", "결제가 진행 중입니다", "Payment in progress"),
    ("sales-closed", "판매 중인 회차가 아닙니다", "Sales closed"),
    ("seat-count", "좌석 수가 인원과 다릅니다", "Wrong number of seats"),
    ("seats-unavailable", "이미 선택된 좌석입니다", "Seats unavailable"),
    ("shows-to-come", "상영할 회차가 남아 있습니다. 먼저 취소해 주세요", "Shows to come"),
    ("single-seat-gap", "한 자리만 남는 선택입니다", "A single seat would be left"),
    ("sold-out", "매진되었습니다", "Sold out"),
    ("ticket-cancelled", "취소된 티켓입니다", "Ticket cancelled"),
    ("ticket-used", "이미 입장한 예매는 취소할 수 없습니다", "Ticket used"),
    ("title-taken", "같은 제목의 영화가 있습니다", "Title taken"),
    ("too-early", "아직 입장 시간이 아닙니다", "Too early"),
    ("too-large", "요청이 너무 큽니다", "Request too large"),
    ("unavailable", "잠시 후 다시 시도해 주세요", "Temporarily unavailable"),
    ("unfit-showtime", "이대로는 상영할 수 없습니다", "Unfit showtime"),
    ("unsupported-media-type", "JSON 요청만 받습니다", "JSON only"),
    ("wrong-grade", "선택한 등급의 좌석이 아닙니다", "Wrong grade"),
    ("wrong-state", "지금은 할 수 없는 요청입니다", "Wrong state"),
];

pub(crate) fn title(code: &str, language: Language) -> &'static str {
    let found = TITLES.iter().find(|(known, _, _)| *known == code);
    match found {
        Some((_, _, title)) if language == Language::English => title,
        Some((_, title, _)) => title,
        None => "오류",
    }
}
