//! What goes along with each call of a client and each run of an activity: its trace, and what lines
//! of the log say about it.

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use std::sync::Arc;
use temporalio_sdk::SimplePlugin;
use temporalio_sdk::interceptors::{
    ActivityInboundInterceptor, ExecuteActivityInput, ExecuteActivityOutput, Next,
};
use temporalio_sdk::opentelemetry::OpenTelemetryPlugin;
use tracing::Instrument;

/// Traces cost next to nothing while nobody collects them.
pub(crate) fn plugins() -> [SimplePlugin; 2] {
    let log: Arc<dyn ActivityInboundInterceptor> = Arc::new(LogActivities);
    // The first is around the second, which reads the trace that the first has found.
    [
        OpenTelemetryPlugin::builder().build(),
        SimplePlugin::builder("log").activity_inbound_interceptors(vec![log]).build(),
    ]
}

/// Says with each line of the log which activity wrote it.
struct LogActivities;

impl ActivityInboundInterceptor for LogActivities {
    fn execute_activity<'a>(
        &'a self,
        input: ExecuteActivityInput,
        next: Next<'a, ExecuteActivityInput, ExecuteActivityOutput<'a>>,
    ) -> ExecuteActivityOutput<'a> {
        // Looks for the trace when it is polled: only then it is within it.
        Box::pin(async move {
            let info = input.activity_info();
            let context = Context::current();
            let trace = context.span().span_context().clone();
            let span = tracing::info_span!(
                target: "marquee",
                "activity",
                workflow.id = info.workflow_id,
                run.id = info.workflow_run_id,
                activity = info.activity_type,
                attempt = info.attempt,
                trace.id = trace.is_valid().then(|| display(trace.trace_id())),
            );
            next.run(input).instrument(span).await
        })
    }
}
