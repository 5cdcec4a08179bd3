//! The description of the API: as the repository keeps it, and whether the API answers as it says.

use crate::app::{App, id, text};
use crate::python::python;
use crate::repository::{marquee, read, root};
use crate::tokens::Issuer;
use serde_json::{Value, json};
use tokio::process::Command;

/// What `marquee` says of its API.
pub(crate) fn description() -> Value {
    let (_, said) = marquee(&["openapi"], &[]);
    serde_json::from_str(&said).expect("a description")
}

#[test]
fn the_repository_keeps_the_description() {
    let (_, said) = marquee(&["openapi"], &[]);
    let kept = read("docs/openapi.json");
    assert!(kept == said, "`marquee openapi > docs/openapi.json` brings it up to date");
}

#[tokio::test]
async fn people_read_it_without_anybody_elses_server() {
    let app = App::start(&[]).await;
    let customer = app.customer("reader");
    assert_eq!(customer.get("/openapi.json").await.expect(200), description());
    for (file, says) in [
        ("/docs/", "swagger-ui-bundle.js"),
        ("/docs/swagger-initializer.js", "/openapi.json"),
        ("/docs/swagger-ui-bundle.js", "SwaggerUIBundle"),
    ] {
        let answer = customer.request("GET", file).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{file}");
        let found = answer.text().await.expect("a text");
        assert!(found.contains(says), "{file}");
        assert!(file.ends_with("bundle.js") || !found.contains("https://"), "{file}");
    }
}

/// Thousands of requests made from the description, fit and unfit, by somebody who may do anything.
#[tokio::test]
async fn the_api_answers_as_it_is_described() {
    let issuer = Issuer::new();
    let app = App::start(&["--auth-keys", &issuer.path("issuer.json"), "--rate-limit", "0"]).await;
    let token = issuer.token("tester", "admin");
    let tester = app.customer("tester").with_token(&token);
    let booking = tester.ticketed(2).await;
    let show = tester.get(&format!("/showtimes/{}", text(&booking["showtimeId"]))).await;
    let show = show.expect(200);
    let hook = json!({"url": "https://partner.example/hook"});
    let hook = tester.post("/webhook-endpoints", hook).await.expect(201);
    let tool = python().with_file_name("schemathesis");
    let mut command = Command::new(tool);
    command
        .arg("--config-file")
        .arg(root().join("tests/openapi/schemathesis.toml"))
        .args(["run", &format!("{}/openapi.json", app.api), "--no-color"])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .current_dir(app.data_dir.path());
    for (name, value) in [
        ("RESERVATION", id(&booking)),
        ("SHOWTIME", id(&show)),
        ("TICKET", text(&booking["tickets"][0]["code"])),
        ("MOVIE", text(&show["movieId"])),
        ("THEATER", text(&show["theaterId"])),
        ("ENDPOINT", id(&hook)),
    ] {
        command.env(format!("MARQUEE_{name}"), value);
    }
    let output = command.output().await.expect("schemathesis runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    println!("{}", &said[said.find("SUMMARY").unwrap_or(0)..]);
}
