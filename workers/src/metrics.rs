//! The numbers of a process, as Prometheus reads them: of its requests, of its bookings, and those of
//! the Temporal SDK.

use axum::Router;
use axum_prometheus::{EndpointLabel, PrometheusMetricLayerBuilder};
use domain::words::ReservationStatus;
use metrics::gauge;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use store::{Store, StoreError};
use temporalio_common::telemetry::metrics::CoreMeter;
use temporalio_common::telemetry::{
    PrometheusExporterOptions, TelemetryOptions, start_prometheus_metric_exporter,
};
use temporalio_sdk::runtime::RuntimeOptions;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Upper bounds in seconds: an answer from the store takes a few milliseconds, a payment company's may
/// take ten seconds.
const BUCKETS: [f64; 12] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// The store is asked for numbers this often at most, however many ask us.
const ASKED_EVERY: Duration = Duration::from_secs(5);
const SDK_WITHIN: Duration = Duration::from_secs(2);

/// All of them; there is one in a process.
#[derive(Clone)]
pub(crate) struct Metrics {
    ours: PrometheusHandle,
    sdk: Sdk,
    /// When the store was last asked.
    asked_at: Arc<Mutex<Option<Instant>>>,
}

/// The SDK serves its numbers on a port of its own, so that is asked on this machine.
#[derive(Clone)]
struct Sdk {
    meter: Arc<dyn CoreMeter>,
    at: SocketAddr,
    http: reqwest::Client,
}

impl Metrics {
    /// From now on everything is counted.
    pub(crate) fn begin() -> anyhow::Result<Self> {
        let ours = PrometheusBuilder::new().set_buckets(&BUCKETS)?.install_recorder()?;
        let options = PrometheusExporterOptions::builder()
            .socket_addr((Ipv4Addr::LOCALHOST, 0).into())
            .counters_total_suffix(true)
            .unit_suffix(true)
            .use_seconds_for_durations(true)
            .build();
        let exporter = start_prometheus_metric_exporter(options)?;
        let http = reqwest::Client::builder().timeout(SDK_WITHIN).no_proxy().build()?;
        let sdk = Sdk { meter: exporter.meter, at: exporter.bound_addr, http };
        Ok(Self { ours, sdk, asked_at: Arc::default() })
    }

    /// What lets the SDK count.
    pub(crate) fn sdk_options(&self) -> anyhow::Result<RuntimeOptions> {
        let telemetry = TelemetryOptions::builder().metrics(self.sdk.meter.clone()).build();
        RuntimeOptions::builder().telemetry_options(telemetry).build().map_err(anyhow::Error::msg)
    }

    /// The page that Prometheus reads. What cannot be had now is left out.
    pub(crate) async fn page(&self, store: &Store) -> String {
        if let Err(error) = self.ask(store).await {
            tracing::warn!(?error, "no numbers from the store");
        }
        self.ours.run_upkeep();
        let mut page = self.ours.render();
        match self.sdk.page().await {
            Ok(text) => page.push_str(&text),
            Err(error) => tracing::warn!(%error, "no numbers from the SDK"),
        }
        page
    }

    async fn ask(&self, store: &Store) -> Result<(), StoreError> {
        let mut asked_at = self.asked_at.lock().await;
        if asked_at.is_some_and(|at| at.elapsed() < ASKED_EVERY) {
            return Ok(());
        }
        let backlog = store.backlog().await?;
        for &status in ReservationStatus::EVERY.iter().filter(|status| !status.is_terminal()) {
            let number = backlog.open.get(&status).copied().unwrap_or_default();
            gauge!("marquee_open_reservations", "status" => status.as_str()).set(number as f64);
        }
        for (worry, age) in backlog.oldest {
            gauge!("marquee_oldest_seconds", "worry" => worry.as_str()).set(age);
        }
        gauge!("marquee_payments_waiting").set(backlog.waiting as f64);
        gauge!("marquee_feed_lag_seconds").set(backlog.unfed);
        for (sink, number) in backlog.unsent {
            gauge!("marquee_sink_lag_events", "sink" => sink).set(number as f64);
        }
        gauge!("marquee_notices_lag_seconds").set(backlog.notice);
        gauge!("marquee_webhooks_failing_seconds").set(backlog.webhook);
        *asked_at = Some(Instant::now());
        Ok(())
    }
}

impl Sdk {
    async fn page(&self) -> reqwest::Result<String> {
        let url = format!("http://{}/metrics", self.at);
        self.http.get(url).send().await?.error_for_status()?.text().await
    }
}

/// Counts and times requests by their route, where somebody reads the numbers.
pub(crate) fn of_requests(router: Router) -> Router {
    // A path that nobody serves is anybody's text, and there is no end of them.
    let by_route = EndpointLabel::MatchedPathWithFallbackFn(|_| "none".to_owned());
    let layer = PrometheusMetricLayerBuilder::new()
        .with_prefix("marquee")
        .with_endpoint_label_type(by_route)
        .build();
    router.layer(layer)
}
