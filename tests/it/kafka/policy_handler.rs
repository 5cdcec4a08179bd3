//! The report's policy handler, in Python with a Redis of its own: it is killed in the middle, and
//! in the end shows what mypage shows.

use super::broker::Broker;
use crate::app::{App, Customer, MARQUEE, SOON, free_ports, id};
use crate::python::examples;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpStream};
use std::process::Stdio;
use std::time::Instant;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

pub(super) async fn keeps_its_own_mypage(app: &App, broker: &Broker, customer: &Customer) {
    let redis = Redis::start();
    let mut handler = Handler::start(broker, &redis);
    for _ in 0..20 {
        handler.line().await;
    }
    // In the middle; what it had not committed comes again, and counts once.
    handler.process.kill().await.expect("it runs");
    let mut handler = Handler::start(broker, &redis);
    let ticketed = customer.ticketed(2).await;
    let partner = app.customer("partner").as_role("partner");
    let page = partner.get("/events?limit=1000").await.expect(200);
    let last = page["items"].as_array().and_then(|items| items.last()).expect("events");
    assert_eq!(last["event"]["subject"], ticketed["id"]);
    let last = format!("{} {} ", id(&ticketed), last["event"]["data"]["seq"]);
    while !handler.line().await.starts_with(&last) {}

    let shown = show(broker, &redis, customer).await;
    let mypage = customer.get("/mypage?limit=100").await.expect(200);
    let mypage = mypage["items"].as_array().expect("items");
    assert_eq!(shown.len(), mypage.len());
    for entry in mypage {
        let shown = &shown[entry["reservationId"].as_str().expect("an id")];
        assert_eq!(shown["status"], entry["statusLabel"]);
        assert_eq!(shown["paymentId"], entry["paymentId"]);
        assert_eq!(shown["movieName"], entry["movieTitle"]);
    }
    assert_eq!(shown[id(&ticketed)]["seatQty"], "2");
}

fn example(broker: &Broker, redis: &Redis) -> Command {
    let mut command = Command::new(broker.python());
    command
        .arg(examples().join("policy-handler/policy_handler.py"))
        .args(["--kafka", &broker.address()]);
    command.args(["--redis", &format!("redis://127.0.0.1:{}/0", redis.port)]);
    command.kill_on_drop(true);
    command
}

async fn show(broker: &Broker, redis: &Redis, customer: &Customer) -> BTreeMap<String, Value> {
    let output = example(broker, redis).args(["--show", &customer.id]).output().await;
    let printed = String::from_utf8(output.expect("python runs").stdout).expect("JSON is UTF-8");
    let lines = printed.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    lines.map(|line: Value| (line["reservationId"].to_string().replace('"', ""), line)).collect()
}

struct Handler {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Handler {
    fn start(broker: &Broker, redis: &Redis) -> Self {
        let mut process =
            example(broker, redis).stdout(Stdio::piped()).spawn().expect("python runs");
        let stdout = process.stdout.take().expect("it is piped");
        Self { process, lines: BufReader::new(stdout).lines() }
    }

    /// The next event that it tells of.
    async fn line(&mut self) -> String {
        let line = timeout(2 * SOON, self.lines.next_line()).await.expect("it goes on");
        line.expect("it can be read").expect("it goes on")
    }
}

/// It ends with this value.
struct Redis {
    process: std::process::Child,
    port: u16,
    _folder: TempDir,
}

impl Redis {
    fn start() -> Self {
        let (port, folder) = (free_ports(), TempDir::with_prefix("marquee-redis-"));
        let folder = folder.expect("the temp folder is writable");
        let mut guarded = std::process::Command::new(MARQUEE);
        guarded.args(["guard", "--", "redis-server", "--save", "", "--port", &port.to_string()]);
        guarded.arg("--dir").arg(folder.path()).stdin(Stdio::piped()).stdout(Stdio::null());
        let process = guarded.spawn().expect("it was found");
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(began.elapsed() < SOON, "redis-server does not start");
            std::thread::yield_now();
        }
        Self { process, port, _folder: folder }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().ok();
    }
}
