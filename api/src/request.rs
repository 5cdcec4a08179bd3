//! Who asked what, for echoes and traces.

use crate::trace;
use axum::extract::Request;
use domain::words::Language;
use opentelemetry::Context;
use uuid::Uuid;

const REQUEST_ID_CHARS_MAX: usize = 128;

/// What a problem document and the answer's headers say about the request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) request_id: String,
    pub(crate) trace_id: String,
    pub(crate) path: String,
    pub(crate) language: Language,
}

impl Asked {
    pub(crate) fn of(request: &Request, context: &Context) -> Self {
        let headers = request.headers();
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let request_id = text("x-request-id")
            .filter(|id| (1..=REQUEST_ID_CHARS_MAX).contains(&id.len()))
            .map_or_else(|| Uuid::now_v7().simple().to_string(), str::to_owned);
        let trace_id = trace::id(context).unwrap_or_else(|| Uuid::new_v4().simple().to_string());
        let language = text("accept-language").map(Language::wanted).unwrap_or_default();
        Self { request_id, trace_id, path: request.uri().path().to_owned(), language }
    }
}
