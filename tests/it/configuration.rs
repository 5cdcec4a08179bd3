//! Settings: all of them on one page, what holds printed without secrets, mistakes refused.

use crate::repository::{marquee, read};

#[test]
fn the_page_has_every_setting() {
    let (_, table) = marquee(&["settings"], &[]);
    let page = read("docs/CONFIGURATION.md");
    assert!(
        page.ends_with(&table),
        "what stands below the last heading is what `marquee settings` prints"
    );
    for secret in ["MARQUEE_GATEWAY_SECRET", "MARQUEE_NOTICES_SMS_SECRET", "MARQUEE_KAFKA_TOPIC"] {
        assert!(page.contains(secret), "{secret}");
    }
}

#[test]
fn what_holds_is_printed_and_secrets_are_not() {
    let (done, said) = marquee(
        &["worker", "--print-config", "--kafka-topic", "seats"],
        &[
            ("MARQUEE_DATABASE_URL", "postgres://app:s3cretWord@db/marquee?sslmode=verify-full"),
            ("MARQUEE_GATEWAY_SECRET", "s3cretWord"),
            ("MARQUEE_KAFKA_SETTINGS", "sasl.password=s3cretWord,sasl.username=app"),
            ("MARQUEE_GRACE", "3m"),
            ("TEMPORAL_ADDRESS", "temporal:7233"),
            ("TEMPORAL_API_KEY", "s3cretWord"),
            ("TEMPORAL_TLS_CLIENT_KEY_PATH", "/keys/client.pem"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=s3cretWord"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://us:s3cretWord@collector:4318"),
            ("TEMPORAL_GRPC_META_AUTHORIZATION", "Bearer s3cretWord"),
            ("TEMPORAL_CODEC_AUTH", "s3cretWord"),
        ],
    );
    assert!(done && !said.contains("s3cretWord"), "{said}");
    let lines: Vec<(&str, &str)> = said.lines().filter_map(|line| line.split_once(" #")).collect();
    for (setting, source) in [
        ("MARQUEE_DATABASE_URL=postgres://app:***@db/marquee?sslmode=verify-full", "environment"),
        ("MARQUEE_GATEWAY_SECRET=***", "environment"),
        ("MARQUEE_KAFKA_SETTINGS=sasl.password=***,sasl.username=***", "environment"),
        ("MARQUEE_KAFKA_TOPIC=seats", "flag"),
        ("MARQUEE_GRACE=3m", "environment"),
        ("MARQUEE_PAY_WITHIN=10m", "default"),
        ("TEMPORAL_ADDRESS=temporal:7233", "environment"),
        ("TEMPORAL_API_KEY=***", "environment"),
        ("TEMPORAL_TLS_CLIENT_KEY_PATH=/keys/client.pem", "environment"),
        ("OTEL_EXPORTER_OTLP_HEADERS=***", "environment"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT=http://us:***@collector:4318/", "environment"),
        ("TEMPORAL_GRPC_META_AUTHORIZATION=***", "environment"),
    ] {
        let held =
            lines.iter().filter(|(line, from)| line.trim_end() == setting && from.trim() == source);
        assert_eq!(held.count(), 1, "{setting} by {source} in {said}");
    }
}

#[test]
fn a_password_in_a_query_is_not_printed() {
    for url in [
        "postgres://db/marquee?user=app&password=s3cretWord",
        "s3cretWord",
        "app:s3cretWord@db/marquee?sslmode=require",
        "postgres://app:12#s3cretWord@db/marquee",
    ] {
        let (_, said) = marquee(&["up", "--print-config", "--database-url", url], &[]);
        assert!(
            said.contains("MARQUEE_DATABASE_URL=***") && !said.contains("s3cretWord"),
            "{said}"
        );
    }
}

#[test]
fn a_variable_that_nobody_reads_is_refused() {
    for name in ["MARQUEE_DATABSE_URL", "MARQUEE_PAY_WITHN", "MARQUEE_"] {
        for arguments in [&["check"][..], &["up", "--print-config"]] {
            let (done, said) = marquee(arguments, &[(name, "1")]);
            assert!(!done && said.contains(&format!("{name} is no setting of ours")), "{said}");
        }
    }
}
