//! Traces, from the request through the workflow and its activities to the payment company, by
//! OpenTelemetry's own variables.

use crate::config::{service_is_named, traces_wanted};
use anyhow::Context;
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use temporalio_sdk::opentelemetry::WorkflowIdGenerator;

/// Sends what is traced to a collector, as long as it is kept.
pub(crate) struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Without a collector nothing is traced. To be called outside of an async runtime: the exporter
    /// has a thread of its own.
    pub(crate) fn begin() -> anyhow::Result<Self> {
        if !traces_wanted()? {
            return Ok(Self(None));
        }
        let exporter =
            SpanExporter::builder().with_http().build().context("OTEL_EXPORTER_OTLP_…")?;
        let provider = SdkTracerProvider::builder()
            .with_id_generator(WorkflowIdGenerator::default())
            .with_resource(resource())
            .with_batch_exporter(exporter)
            .build();
        global::set_tracer_provider(provider.clone());
        Ok(Self(Some(provider)))
    }
}

impl Drop for Traces {
    /// Sends the rest.
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.as_ref().map(SdkTracerProvider::shutdown) {
            tracing::warn!(%error, "the last traces are not sent");
        }
    }
}

/// Who we are, unless the environment says it.
fn resource() -> Resource {
    let resource = Resource::builder();
    match service_is_named() {
        true => resource.build(),
        false => resource.with_attribute(KeyValue::new("service.name", "marquee")).build(),
    }
}
