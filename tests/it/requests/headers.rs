//! Headers, methods and routes that are refused, and headers that are answered.

use super::refused;
use crate::app::shared;
use serde_json::json;

#[tokio::test]
async fn an_unfit_header_is_refused() {
    let customer = shared().await.somebody();
    let body = json!({"movieName": "없는 영화"});
    let long = "k".repeat(256);
    for key in ["", "two words", "é", &long] {
        let key = reqwest::header::HeaderValue::from_bytes(key.as_bytes()).unwrap();
        let request = customer.request("POST", "/reservations").json(&body);
        let answer = customer.send(request.header("Idempotency-Key", key.clone())).await;
        refused(answer, 400, "malformed", &format!("Idempotency-Key {key:?}"));
    }
    let longest = "k".repeat(255);
    let answer = customer.keyed("POST", "/reservations", &body, &longest).await;
    refused(answer, 404, "not-found", "a key of 255 characters");

    let long = "c".repeat(129);
    for name in ["", "two words", "홍길동", "a/b", "';--", &long] {
        let name = reqwest::header::HeaderValue::from_bytes(name.as_bytes()).unwrap();
        let url = format!("{}/reservations", customer.api);
        let answer = customer.send(customer.http.get(url).header("X-Customer-Id", &name)).await;
        refused(answer, 400, "malformed", &format!("X-Customer-Id {name:?}"));
    }
}

/// A page of elsewhere may reach loopback under its own name.
#[tokio::test]
async fn another_hosts_name_is_forbidden() {
    let customer = shared().await.somebody();
    let port = customer.api.rsplit_once(':').unwrap().1.to_owned();
    for host in ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "192.168.0.7:8088"] {
        for (method, path) in [("GET", "/movies"), ("POST", "/reservations"), ("GET", "/nothing")] {
            let request = customer.request(method, path).header("Host", host);
            refused(customer.send(request).await, 403, "forbidden", host);
        }
    }
    // The pages ask on behalf of whoever asks them.
    for (host, status) in [("evil.example", 403), ("localhost", 200)] {
        let page = customer.request("GET", "/").header("Host", host).send().await;
        assert_eq!(page.expect("an answer").status(), status, "{host}");
    }
    for host in [format!("localhost:{port}"), "127.0.0.1".to_owned(), format!("[::1]:{port}")] {
        customer.send(customer.request("GET", "/movies").header("Host", host)).await.expect(200);
    }
}

#[tokio::test]
async fn a_method_or_route_that_does_not_exist_is_refused() {
    let customer = shared().await.somebody();
    for (method, path) in [
        ("POST", "/movies"),
        ("DELETE", "/showtimes/x"),
        ("PATCH", "/reservations"),
        ("DELETE", "/reservations/x"),
        ("DELETE", "/reservations/x/cancellation"),
        ("POST", "/reservations/x/seats"),
        ("PUT", "/reservations/x/payments"),
        ("POST", "/tickets/x"),
        ("PUT", "/mypage"),
        ("POST", "/livez"),
    ] {
        let answer = customer.send(customer.request(method, path)).await;
        assert_ne!(answer.header("allow"), "", "{method} {path} does not say what is allowed");
        refused(answer, 405, "method-not-allowed", &format!("{method} {path}"));
    }
    for path in ["/nothing", "/reservations/", "/reservations/x/nothing", "//", "/admin"] {
        refused(customer.get(path).await, 404, "not-found", path);
    }
}

#[tokio::test]
async fn request_and_trace_ids_are_given_back() {
    let customer = shared().await.somebody();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    for path in ["/movies", "/nothing"] {
        let request = customer
            .request("GET", path)
            .header("X-Request-Id", "asked-7")
            .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
        let answer = customer.send(request).await;
        assert_eq!(answer.header("x-request-id"), "asked-7", "{path}");
        if path == "/nothing" {
            assert_eq!(answer.body["traceId"], trace);
            assert_eq!(answer.body["instance"], path);
        }
    }
    let (first, second) = (customer.get("/nothing").await, customer.get("/nothing").await);
    assert_ne!(first.header("x-request-id"), "");
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    assert_ne!(first.body["traceId"], second.body["traceId"]);
    let request = customer.request("GET", "/nothing").header("traceparent", "nonsense");
    let own = customer.send(request).await.expect(404);
    assert_eq!(own["traceId"].as_str().map(str::len), Some(32), "{own}");
}

#[tokio::test]
async fn titles_are_in_the_language_asked_for() {
    let customer = shared().await.somebody();
    for (language, title) in [
        ("", "찾을 수 없습니다"),
        ("ko-KR,ko;q=0.9,en;q=0.8", "찾을 수 없습니다"),
        ("fr", "찾을 수 없습니다"),
        ("en", "Not found"),
        ("en-US,en;q=0.9,ko;q=0.8", "Not found"),
        ("ko;q=0.1, en;q=0.9", "Not found"),
    ] {
        let request = customer.request("GET", "/nothing").header("Accept-Language", language);
        let problem = customer.send(request).await.expect(404);
        assert_eq!(problem["title"], title, "{language}");
    }
}
