//! `docker-compose.yml`, with processes for containers: the same commands and the same environment,
//! each name in it pointing to a process of this test. Temporal is the dev server here; the database
//! and the broker are real ones.

mod file;

use crate::app::{Customer, MARQUEE, free_ports, id, until};
use crate::fleet::parts::Part;
use crate::kafka::broker::Broker;
use crate::postgres::{Cluster, own_cluster};
use crate::repository::{help, root};
use crate::temporal::Temporal;
use file::{File, Service};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

const STAY: [&str; 6] =
    ["gateway", "notices", "api", "worker-booking", "worker-payment", "worker-ticket"];

/// What the names in the file stand for here.
struct Play {
    file: File,
    folder: TempDir,
    /// From, to; tried in this order.
    names: Vec<(&'static str, String)>,
}

impl Play {
    fn new(temporal: &Temporal, broker: &Broker, postgres: &Cluster) -> Self {
        let local = || format!("127.0.0.1:{}", free_ports());
        let (api, gateway, notices) = (local(), local(), local());
        let names = vec![
            ("0.0.0.0:8088", api.clone()),
            ("0.0.0.0:8089", gateway.clone()),
            ("0.0.0.0:8090", notices.clone()),
            ("api:8088", api),
            ("gateway:8089", gateway),
            ("notices:8090", notices),
            ("temporal:7233", temporal.address()),
            ("kafka:9092", broker.address()),
            ("postgres:5432", postgres.address()),
        ];
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { file: File::read(), folder, names }
    }

    fn at(&self, name: &str) -> String {
        let found = self.names.iter().find(|(from, _)| *from == name);
        format!("http://{}", found.expect("a name").1)
    }

    fn here(&self, service: &Service, text: &str) -> String {
        let mut here = text.to_owned();
        for (volume, path) in &service.volumes {
            here = here.replace(path, &self.volume(volume).display().to_string());
        }
        for (from, to) in &self.names {
            here = here.replace(from, to);
        }
        here
    }

    fn volume(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).expect("it is writable");
        folder
    }

    /// What a container would be started with.
    fn words(&self, name: &str, more: &[&str]) -> (Vec<String>, Vec<(String, String)>) {
        let service = self.file.service(name);
        let words = service.words().into_iter().map(|word| self.here(service, &word));
        let words = words.chain(more.iter().map(|&word| word.to_owned())).collect();
        let settings = service.environment.iter().map(|(setting, value)| {
            let value = match setting.as_str() {
                "MARQUEE_OPERATIONS_LISTEN" => format!("127.0.0.1:{}", free_ports()),
                _ => self.here(service, value),
            };
            (setting.clone(), value)
        });
        (words, settings.collect())
    }

    /// Runs to its end, and says what it printed.
    fn once(&self, name: &str, more: &[&str]) -> String {
        let (words, settings) = self.words(name, more);
        let output = Command::new(MARQUEE).args(words).envs(settings).output();
        let output = output.expect("marquee runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}");
        String::from_utf8(output.stdout).expect("a text").trim().to_owned()
    }

    /// Starts it and waits until its health check is content, where it has one.
    async fn start(&self, name: &str) -> Part {
        let (words, settings) = self.words(name, &[]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let settings: Vec<(&str, &str)> =
            settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let part = Part::start(self.folder.path(), &words, &settings);
        if self.file.service(name).has_probe {
            let probe = || {
                let mut probe = Command::new(MARQUEE);
                probe.arg("probe").envs(settings.iter().copied()).output().expect("marquee runs")
            };
            until(name, async || probe().status.success()).await;
        }
        part
    }
}

#[tokio::test]
async fn what_compose_starts_books_tells_and_cancels() {
    let (Some(cluster), Some(mut broker)) = (own_cluster(), Broker::prepare().await) else {
        return;
    };
    broker.start().await;
    let temporal = Temporal::start().await;
    make_namespace(&temporal);
    let play = Play::new(&temporal, &broker, &cluster);
    make_database(&cluster);
    play.once("keys", &[]);
    play.once("migrate", &[]);
    let mut parts = Vec::new();
    for name in STAY {
        parts.push(play.start(name).await);
    }

    let [api, gateway] = ["api:8088", "gateway:8089"].map(|name| play.at(name));
    let token = play.once("token", &["--subject", "hong"]);
    let customer = Customer::new(&api, &gateway, "nobody").with_token(&token);
    let show = customer.showtime().await;
    let body = json!({
        "showtimeId": show["id"], "grade": "STANDARD",
        "admissions": [{"type": "ADULT", "count": 2}],
        "plan": {"method": "CARD", "seats": "best"},
        "contact": {"phone": "010-0000-0001", "language": "en"},
    });
    let reservation = customer.post("/reservations", body).await.expect(201);
    assert_eq!(reservation["customerId"], "hong");
    customer.until(&reservation, "TICKETED").await;

    let staff = play.once("token", &["--subject", "boss", "--role", "staff"]);
    let staff = Customer::new(&api, &gateway, "nobody").with_token(&staff);
    let progress = staff.get(&format!("/reservations/{}/progress", id(&reservation))).await;
    let link = progress.expect(200)["workflowUrl"].clone();
    let link = link.as_str().expect("a link");
    assert!(link.starts_with("http://localhost:8233/namespaces/marquee/workflows/"), "{link}");
    let page = customer.http.get(&api).send().await.expect("a page");
    assert_eq!(page.status(), 200, "there are pages");

    let told = async || {
        let outbox = customer.http.get(format!("{}/outbox", play.at("notices:8090")));
        let outbox: Value = outbox.send().await.expect("it").json().await.expect("JSON");
        outbox.to_string().contains("Your tickets")
    };
    until("the message", told).await;
    customer.cancel(&reservation).await;
    customer.until(&reservation, "CANCELLED").await;
    let topic = broker.topic("reservation");
    let cancelled = |record: &crate::kafka::consumer::Record| {
        record.key == id(&reservation) && record.value["eventType"] == "Cancelled"
    };
    until("the topic", async || topic.read().await.iter().any(cancelled)).await;
    is_for_machines(&parts[2].log());
    for part in parts.into_iter().rev() {
        assert!(part.stop(), "an orderly stop");
    }
}

/// What is logged, beside the few lines that a start prints.
fn is_for_machines(log: &str) {
    let lines: Vec<&str> = log.lines().filter(|line| line.starts_with('{')).collect();
    assert!(!lines.is_empty(), "{log}");
    for line in lines {
        let line: Value = serde_json::from_str(line).expect("JSON");
        for member in ["timestamp", "level", "target", "message"] {
            assert!(line[member].is_string(), "{member} in {line}");
        }
    }
}

/// By the very script of the file.
fn make_database(postgres: &Cluster) {
    let made = Command::new("sh")
        .arg(root().join("deploy/compose/databases.sh"))
        .envs(postgres.variables())
        .envs([("DATABASE_PASSWORD", "marquee"), ("DATABASE_OWNER_PASSWORD", "owner")])
        .output()
        .expect("sh");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Likewise, with the Temporal CLI that is there.
fn make_namespace(temporal: &Temporal) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cli = PathBuf::from(temporal.cli().get_program());
    if cli.is_absolute() {
        std::os::unix::fs::symlink(cli, folder.path().join("temporal")).expect("a link");
    }
    let path = std::env::var("PATH").expect("a path");
    let made = Command::new("sh")
        .arg(root().join("deploy/compose/temporal-namespace.sh"))
        .env("PATH", format!("{}:{path}", folder.path().display()))
        .env("TEMPORAL_ADDRESS", temporal.address())
        .env("TEMPORAL_NAMESPACE", "marquee")
        .output()
        .expect("sh");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// What only Docker would find out: settings nobody reads, files that are not there.
#[test]
fn what_compose_says_is_known_here() {
    let file = File::read();
    let mut ours = 0;
    for (name, service) in &file.services {
        for source in &service.mounted {
            assert!(root().join(source).exists(), "{name} mounts {source}");
        }
        for volume in service.volumes.keys() {
            assert!(file.volumes.contains(volume), "{name} has {volume}, which nobody declared");
        }
        for (other, condition) in &service.depends_on {
            let it = file.service(other);
            match condition.as_str() {
                "service_completed_successfully" => assert!(it.ends, "{name}: {other} stays"),
                "service_healthy" => assert!(it.has_check || it.has_probe, "{name}: {other}"),
                _ => {}
            }
        }
        assert!(!service.image.ends_with(':') && !service.image.contains("latest"), "{name}");
        if !service.image.starts_with("marquee:") {
            continue;
        }
        ours += 1;
        let words = service.words();
        let help = help(&words[0]);
        for setting in service.environment.keys() {
            assert!(help.contains(setting.as_str()), "{name}: {} knows no {setting}", words[0]);
        }
        for flag in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(flag.as_str()), "{name}: {} knows no {flag}", words[0]);
        }
    }
    assert_eq!(ours, STAY.len() + 3);
}
