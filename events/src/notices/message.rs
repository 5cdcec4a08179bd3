//! What a customer reads: a template with its variables filled in. AlimTalk wants both: Kakao has
//! approved the template, and the text must be it.

use domain::notice::mobile;
use domain::time::Time;
use domain::won::{Won, written};
use domain::words::{Language, NoticeKind};
use jiff::tz::Offset;
use std::collections::BTreeMap;
use store::notices::{DueNotice, Facts};

/// A message to one customer. Personal data: never logged.
pub struct Message {
    /// Digits only.
    pub to: String,
    pub template: Template,
    /// Those that the template has.
    pub variables: BTreeMap<&'static str, String>,
    /// The template with its variables filled in.
    pub text: String,
}

/// Which text, in which language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template {
    pub kind: NoticeKind,
    pub language: Language,
}

/// All that a template may have, as `#{name}`.
const VARIABLES: [&str; 9] =
    ["amount", "code", "movie", "name", "refund", "seats", "theater", "time", "until"];

macro_rules! texts {
    ($template:expr, $($kind:ident = $file:literal),+ $(,)?) => {
        match ($template.kind, $template.language) {
            $((NoticeKind::$kind, Language::Korean) => {
                include_str!(concat!("../../templates/ko/", $file, ".txt"))
            }
            (NoticeKind::$kind, Language::English) => {
                include_str!(concat!("../../templates/en/", $file, ".txt"))
            })+
        }
    };
}

impl Template {
    pub fn all() -> impl Iterator<Item = Self> {
        let of = |&kind| Language::EVERY.iter().map(move |&language| Self { kind, language });
        NoticeKind::EVERY.iter().flat_map(of)
    }

    /// Under which a company knows it, where none was given: at most 20 characters (NHN's limit).
    pub fn name(self) -> String {
        let kind = self.kind.as_str().to_ascii_lowercase().replace('_', "-");
        format!("{kind}-{}", self.language)
    }

    /// As it is to be approved.
    pub fn text(self) -> &'static str {
        let text = texts!(
            self,
            Reserved = "reserved",
            PaymentPending = "payment-pending",
            PaymentDeferred = "payment-deferred",
            PaymentDeclined = "payment-declined",
            PaymentApproved = "payment-approved",
            SeatSelected = "seat-selected",
            Ticketed = "ticketed",
            Cancelling = "cancelling",
            RefundDelayed = "refund-delayed",
            Cancelled = "cancelled",
            Expired = "expired",
            Completed = "completed",
        );
        text.trim_end()
    }

    /// The first line, without its brand.
    pub fn title(self) -> &'static str {
        let first = self.text().lines().next().unwrap_or_default();
        first.split_once("] ").map_or(first, |(_, title)| title)
    }

    fn variables(self) -> impl Iterator<Item = &'static str> {
        let text = self.text();
        VARIABLES.into_iter().filter(move |name| text.contains(&placeholder(name)))
    }
}

fn placeholder(name: &str) -> String {
    format!("#{{{name}}}")
}

impl Message {
    /// Nothing when there is no number that it could go to.
    pub fn of(due: &DueNotice) -> Option<Self> {
        let facts = &due.facts;
        let to = mobile(facts.phone.as_deref()?)?;
        let template = Template { kind: due.notice.kind, language: facts.language };
        let variables: BTreeMap<_, _> =
            template.variables().map(|name| (name, value(name, facts))).collect();
        let text = variables.iter().fold(template.text().to_owned(), |text, (name, value)| {
            text.replace(&placeholder(name), value)
        });
        Some(Self { to, template, variables, text })
    }
}

fn value(name: &str, facts: &Facts) -> String {
    let korean = facts.language == Language::Korean;
    let won = |won: Won| written(won.get(), facts.language);
    let guest = if korean { "고객" } else { "guest" };
    match name {
        "amount" => won(facts.amount),
        "code" => facts.code.clone(),
        "movie" => facts.movie_title.clone(),
        "name" => facts.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(guest).to_owned(),
        "refund" => won(facts.refunded),
        "seats" => facts.seat_numbers.join(", "),
        "theater" => format!("{} {}", facts.theater_name, facts.auditorium_name),
        "time" => moment(facts.starts_at, facts.language),
        "until" => moment(facts.deadline_at.unwrap_or(facts.starts_at), facts.language),
        _ => String::new(),
    }
}

/// In Korea's time, which is where the show is.
fn moment(at: Time, language: Language) -> String {
    let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
    let at = Offset::constant(9).to_datetime(at);
    match language {
        Language::Korean => {
            let day = ["월", "화", "수", "목", "금", "토", "일"];
            let day = day[usize::from(at.weekday().to_monday_zero_offset().unsigned_abs())];
            format!("{}월 {}일({day}) {}", at.month(), at.day(), at.strftime("%H:%M"))
        }
        Language::English => at.strftime("%a %-d %b, %H:%M").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AlimTalk takes no more characters.
    const TEXT_CHARS_MAX: usize = 1_000;

    #[test]
    fn templates_keep_to_what_companies_take() {
        for template in Template::all() {
            let (name, text) = (template.name(), template.text());
            assert!(name.len() <= 20, "{name}");
            assert!(text.chars().count() < TEXT_CHARS_MAX / 2, "{name}: room for names is needed");
            let known = template.variables().count();
            assert_eq!(text.matches("#{").count(), known, "{name}: each once, and all known");
            assert!(text.contains("#{code}"), "{name}");
            assert!(!template.title().is_empty(), "{name}");
        }
    }

    #[test]
    fn both_languages_say_the_same() {
        for &kind in NoticeKind::EVERY {
            let of = |language| Template { kind, language }.variables().collect::<Vec<_>>();
            assert_eq!(of(Language::Korean), of(Language::English), "{kind}");
        }
    }

    #[test]
    fn times_are_written_as_people_do() {
        let at = Time::from_millis(1_795_685_400_000); // 2026-11-26T09:30:00Z
        assert_eq!(moment(at, Language::Korean), "11월 26일(목) 18:30");
        assert_eq!(moment(at, Language::English), "Thu 26 Nov, 18:30");
    }
}
