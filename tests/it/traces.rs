//! One trace goes from a request through the workflow and its activities to the payment company.

use crate::app::{App, free_ports, id, text, until, up_command};
use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// The trace that a caller comes with.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A collector as the OpenTelemetry protocol describes it.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Bytes>>>);

impl Collector {
    /// Returns what names it to those who send.
    async fn listen(&self) -> String {
        let kept = self.clone();
        let keep = move |body: Bytes| async move {
            kept.0.lock().expect("not poisoned").push(body);
            (StatusCode::OK, ExportTraceServiceResponse::default().encode_to_vec())
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("an address");
        let router = Router::new().route("/v1/traces", post(keep));
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{at}")
    }

    fn spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        for body in self.0.lock().expect("not poisoned").iter() {
            let request = ExportTraceServiceRequest::decode(body.clone()).expect("its format");
            let of_services = request.resource_spans.into_iter();
            let of_scopes = of_services.flat_map(|service| service.scope_spans);
            spans.extend(of_scopes.flat_map(|scope| scope.spans));
        }
        spans
    }

    fn holds(&self, text: &str) -> bool {
        let bodies = self.0.lock().expect("not poisoned");
        bodies.iter().any(|body| String::from_utf8_lossy(body).contains(text))
    }

    /// The spans of the caller's trace, each below what it is part of.
    fn tree(&self) -> Vec<String> {
        let mut spans = self.spans();
        spans.retain(|span| hex(&span.trace_id) == TRACE);
        spans.sort_by_key(|span| span.start_time_unix_nano);
        let mut lines = Vec::new();
        below(&spans, CALLER, "", &mut lines);
        lines
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn below(spans: &[Span], parent: &str, indent: &str, lines: &mut Vec<String>) {
    for span in spans.iter().filter(|span| hex(&span.parent_span_id) == parent) {
        lines.push(format!("{indent}{}", span.name));
        below(spans, &hex(&span.span_id), &format!("{indent}  "), lines);
    }
}

/// What a booking of the report's form and its cancellation are, beside looks and wakes.
const BOOKED_AND_CANCELLED: [&str; 18] = [
    "POST /reservations",
    "  StartWorkflow:booking",
    "    RunWorkflow:booking",
    "      StartActivity:carry_payment",
    "        RunActivity:carry_payment",
    "          deliver APPROVE",
    "          deliver CAPTURE",
    "      StartActivity:issue_tickets",
    "        RunActivity:issue_tickets",
    "  StartWorkflow:cancellation",
    "    RunWorkflow:cancellation",
    "      StartActivity:revoke_tickets",
    "        RunActivity:revoke_tickets",
    "      StartActivity:free_seats",
    "        RunActivity:free_seats",
    "      StartActivity:return_money",
    "        RunActivity:return_money",
    "          deliver REFUND",
];

#[tokio::test]
async fn a_booking_is_one_trace_from_the_request_to_the_payment_company() {
    let collector = Collector::default();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.listen().await),
        ("OTEL_BSP_SCHEDULE_DELAY", "50".to_owned()),
    ];
    // Statements are logged wherever they are made: by requests and by activities.
    let log = "marquee=info,api=info,sqlx::query=debug";
    let app = App::start_with(&variables, &["--log-format", "json", "--log", log]).await;
    let customer = app.somebody();
    let body = json!({
        "showtimeId": customer.own_showtime().await["id"], "grade": "STANDARD",
        "admissions": [{"type": "ADULT", "count": 1}],
        "contact": {"name": "홍길동", "phone": "01012345678"},
        "plan": {"method": "CARD", "seats": "best"},
    });
    let in_trace =
        |request: RequestBuilder| request.header("traceparent", format!("00-{TRACE}-{CALLER}-01"));
    let request = customer.request("POST", "/reservations").json(&body);
    let booking = customer.send(in_trace(request)).await.expect(201);
    let ticketed = customer.until(&booking, "TICKETED").await;
    customer.cancel(&booking).await;
    customer.until(&booking, "CANCELLED").await;

    until("the whole trace", async || {
        let mut tree = collector.tree().into_iter();
        BOOKED_AND_CANCELLED.iter().all(|line| tree.any(|found| found == *line))
    })
    .await;
    // Whoever has the code comes in.
    let code = text(&ticketed["tickets"][0]["code"]);
    customer.get(&format!("/tickets/{code}")).await.expect(410);
    let read = async || collector.holds("GET /tickets/{code}");
    until("the span of a ticket", read).await;
    assert!(!app.log().contains(code), "a ticket's code is in the log");
    for personal in ["홍길동", "01012345678", &customer.id, code] {
        assert!(!collector.holds(personal), "{personal} is in a trace");
    }
    let refused = customer.send(in_trace(customer.request("GET", "/reservations/nothing"))).await;
    assert_eq!(refused.expect(404)["traceId"], TRACE);

    let spans = spans_of_log(&app.log());
    let workflow = format!("booking/{}", id(&booking));
    let of_trace = |span: &&Value| span["trace.id"] == TRACE;
    let written_by = |name: &str| spans.iter().filter(of_trace).find(|span| span["name"] == name);
    let request = written_by("request").expect("a line of the request's");
    assert_eq!(request["route"], "/reservations");
    assert!(request["request.id"].is_string(), "{request}");
    let activity = written_by("activity").expect("a line of an activity's");
    assert_eq!(activity["workflow.id"], workflow, "{activity}");
}

#[tokio::test]
async fn whatever_the_collector_does_bookings_go_on() {
    let nobody = format!("http://127.0.0.1:{}", free_ports());
    let app = App::start_with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", nobody)], &[]).await;
    app.somebody().ticketed(1).await;
}

#[test]
fn a_protocol_that_is_not_spoken_is_refused() {
    let data_dir = tempfile::tempdir().expect("a temporary folder");
    let output = up_command(data_dir.path(), &[])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        .stdin(Stdio::piped())
        .output()
        .expect("marquee runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("OTEL_EXPORTER_OTLP_PROTOCOL"), "{text}");
}

/// What the lines of the log were written within.
fn spans_of_log(log: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.map(|line| line["span"].clone()).filter(Value::is_object).collect()
}
