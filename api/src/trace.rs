//! The trace that a request is part of (W3C Trace Context), and its span.

use axum::extract::{MatchedPath, Request};
use axum::http::StatusCode;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use std::collections::HashMap;

const TRACE_PARENT: &str = "traceparent";

/// Goes on with the caller's trace or begins one. Where nobody collects traces it only carries the
/// caller's.
pub(crate) fn begun(request: &Request) -> Context {
    let caller = TraceContextPropagator::new().extract(&HeaderExtractor(request.headers()));
    let method = request.method().as_str().to_owned();
    let route = route(request);
    let tracer = global::tracer("marquee");
    let span = tracer
        .span_builder(format!("{method} {route}"))
        .with_kind(SpanKind::Server)
        .with_attributes([
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", route.to_owned()),
        ])
        .start_with_context(&tracer, &caller);
    caller.with_span(span)
}

/// The route that a request takes. Its path itself tells codes that let people in.
pub(crate) fn route(request: &Request) -> &str {
    request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str)
}

pub(crate) fn ended(context: &Context, status: StatusCode) {
    let code = i64::from(status.as_u16());
    context.span().set_attribute(KeyValue::new("http.response.status_code", code));
    if status.is_server_error() {
        context.span().set_status(Status::error(""));
    }
    context.span().end();
}

/// Nothing when neither the caller nor we have one.
pub(crate) fn id(context: &Context) -> Option<String> {
    let span = context.span();
    let trace = span.span_context();
    trace.is_valid().then(|| trace.trace_id().to_string())
}

/// What later work says it is part of; nothing when this request is not among those collected.
pub(crate) fn parent() -> Option<String> {
    let context = Context::current();
    if !context.span().span_context().is_sampled() {
        return None;
    }
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&context, &mut carrier);
    carrier.remove(TRACE_PARENT)
}

/// The trace of a row, for what is done about it.
pub fn of_row(trace_parent: Option<&str>) -> Context {
    let carrier = trace_parent.map(|parent| (TRACE_PARENT.to_owned(), parent.to_owned()));
    let carrier: HashMap<String, String> = carrier.into_iter().collect();
    TraceContextPropagator::new().extract(&carrier)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_traces_are_gone_on_with() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let parent = |text: &str| id(&of_row(Some(text)));
        assert_eq!(parent(&format!("00-{trace}-00f067aa0ba902b7-01")).as_deref(), Some(trace));
        assert_eq!(parent("00-00000000000000000000000000000000-00f067aa0ba902b7-01"), None);
        assert_eq!(parent("nonsense"), None);
        assert_eq!(id(&of_row(None)), None);
    }
}
