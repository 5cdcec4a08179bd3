//! Who asked what, for echoes and traces.

use crate::trace;
use axum::extract::Request;
use opentelemetry::Context;
use uuid::Uuid;

const REQUEST_ID_CHARS_MAX: usize = 128;

/// What a problem document and the answer's headers say about the request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) request_id: String,
    pub(crate) trace_id: String,
    pub(crate) path: String,
    pub(crate) english: bool,
}

impl Asked {
    pub(crate) fn of(request: &Request, context: &Context) -> Self {
        let headers = request.headers();
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let request_id = text("x-request-id")
            .filter(|id| (1..=REQUEST_ID_CHARS_MAX).contains(&id.len()))
            .map_or_else(|| Uuid::now_v7().simple().to_string(), str::to_owned);
        let trace_id = trace::id(context).unwrap_or_else(|| Uuid::new_v4().simple().to_string());
        let english = text("accept-language").is_some_and(prefers_english);
        Self { request_id, trace_id, path: request.uri().path().to_owned(), english }
    }
}

/// Korean is the default: English only where it is wanted more, or equally and named first.
fn prefers_english(accept_language: &str) -> bool {
    let wanted = |language: &str| {
        let mut tags = accept_language.split(',').enumerate();
        tags.find_map(|(place, tag)| {
            let tag = tag.trim().to_ascii_lowercase();
            let (name, weight) = tag.split_once(";q=").unwrap_or((&tag, "1"));
            let weight: f32 = weight.trim().parse().unwrap_or(0.0);
            name.starts_with(language).then_some((weight, std::cmp::Reverse(place)))
        })
    };
    wanted("en") > wanted("ko")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn korean_unless_english_comes_first() {
        assert!(prefers_english("en-US,en;q=0.9,ko;q=0.8"));
        assert!(prefers_english("fr, en"));
        assert!(prefers_english("ko;q=0.1, en;q=0.9"));
        assert!(!prefers_english("en;q=0.1, ko;q=0.9"));
        assert!(!prefers_english("ko-KR,ko;q=0.9,en;q=0.8"));
        assert!(!prefers_english("fr"));
    }
}
