//! OpenTelemetry's own variables, as far as they decide whether there are traces. All others of
//! them are read by its SDK.

use anyhow::bail;
use std::env::var;

const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];

/// Whether a collector is named that we can speak to.
pub(crate) fn traces_wanted() -> anyhow::Result<bool> {
    let is = |name, value: &str| var(name).is_ok_and(|set| set.eq_ignore_ascii_case(value));
    let has_collector = ENDPOINTS.iter().any(|name| var(name).is_ok_and(|at| !at.is_empty()));
    if !has_collector || is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
        return Ok(false);
    }
    if let Some(name) = PROTOCOLS.into_iter().find(|name| var(name).is_ok())
        && !is(name, "http/protobuf")
    {
        bail!("{name}: traces are sent as http/protobuf, to nothing else");
    }
    Ok(true)
}

/// Whether somebody says what the service is called.
pub(crate) fn service_is_named() -> bool {
    var("OTEL_SERVICE_NAME").is_ok()
        || var("OTEL_RESOURCE_ATTRIBUTES").is_ok_and(|text| text.contains("service.name"))
}
