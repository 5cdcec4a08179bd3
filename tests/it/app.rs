//! One door to a running system: `App` starts the real `marquee up`, `Customer` speaks its HTTP.

mod audited;
mod sights;
pub(crate) mod soon;
pub(crate) mod stream;

use audited::{InUse, audit};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) const MARQUEE: &str = env!("CARGO_BIN_EXE_marquee");

/// The Temporal CLI may have to be built first, once per machine.
const STARTS_WITHIN: Duration = Duration::from_secs(15 * 60);
/// What is waited for in tests comes within this time, also on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A running `marquee up` with a data folder of its own. It ends with this value, and with the test
/// process however that ends.
pub(crate) struct App {
    pub(crate) api: String,
    pub(crate) gateway: String,
    pub(crate) data_dir: TempDir,
    process: Child,
    /// Where it is not SQLite in the data folder.
    database_url: Option<String>,
    in_use: Option<InUse>,
}

/// The command line of an `up` in the test profile.
pub(crate) fn up_command(data_dir: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(MARQUEE);
    // Under a guard, whose stdin closes when this process ends.
    command.args(["guard", "--", MARQUEE, "up", "--data-dir"]).arg(data_dir).args(flags);
    // Not as flags, so that a test may give others.
    command.env("MARQUEE_PROFILE", "test");
    // The machine is slow, not the company: tests of the breaker say otherwise.
    command.env("MARQUEE_GATEWAY_SLOW", "5s");
    command.env("MARQUEE_LISTEN", format!("127.0.0.1:{}", free_ports()));
    command.env("MARQUEE_TOOLS_DIR", tools_dir());
    command
}

/// The first of a few ports that no other system of these tests is given: `up` takes those after
/// its own for what it starts. Two that look for free ports at the same time find the same ones.
pub(crate) fn free_ports() -> u16 {
    const EACH: u32 = 8;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    // Test processes begin at different places, below the ports of outgoing connections.
    let places = (0..).map(|_| std::process::id() * 37 + NEXT.fetch_add(1, Ordering::Relaxed));
    let mut ports =
        places.map(|place| 20_000 + u16::try_from(place % 1_500 * EACH).expect("small"));
    ports.find(free).expect("some port is free")
}

/// Where a built Temporal CLI is kept from one test run to the next.
pub(crate) fn tools_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("tools")
}

impl App {
    /// Starts one with these flags and waits until bookings are carried out.
    pub(crate) async fn start(flags: &[&str]) -> Self {
        let data_dir = tempfile::tempdir().expect("a temporary folder");
        Self::start_in(data_dir, flags).await
    }

    /// Goes on with the data of an earlier one.
    pub(crate) async fn start_in(data_dir: TempDir, flags: &[&str]) -> Self {
        let app = Self::launch(data_dir, flags).await;
        app.until_temporal("up").await;
        app
    }

    /// As [`App::start`], with these variables.
    pub(crate) async fn start_with(variables: &[(&str, String)], flags: &[&str]) -> Self {
        let data_dir = tempfile::tempdir().expect("a temporary folder");
        let app = Self::launch_with(data_dir, variables, flags).await;
        app.until_temporal("up").await;
        app
    }

    /// As [`App::start_in`], without waiting for Temporal.
    pub(crate) async fn launch(data_dir: TempDir, flags: &[&str]) -> Self {
        Self::launch_with(data_dir, &[], flags).await
    }

    async fn launch_with(data_dir: TempDir, variables: &[(&str, String)], flags: &[&str]) -> Self {
        std::fs::remove_file(data_dir.path().join("run.json")).ok();
        let log = File::create(data_dir.path().join("up.log")).expect("a log file");
        let process = up_command(data_dir.path(), flags)
            .envs(variables.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("marquee starts");
        let database_url = flags
            .windows(2)
            .find(|pair| pair[0] == "--database-url")
            .map(|pair| pair[1].to_owned());
        let mut app = Self {
            api: String::new(),
            gateway: String::new(),
            data_dir,
            process,
            database_url,
            in_use: None,
        };
        let started = Instant::now();
        let run = loop {
            if let Some(run) = app.run_file().filter(|run| run["temporal"] != "") {
                break run;
            }
            let ended = app.process.try_wait().expect("its state");
            assert!(ended.is_none(), "up ended: {}", app.log());
            assert!(started.elapsed() < STARTS_WITHIN, "up did not start: {}", app.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        app.api = run["api"].as_str().expect("api").to_owned();
        app.gateway = run["gateway"].as_str().expect("gateway").trim_end_matches('/').to_owned();
        app
    }

    pub(crate) async fn until_temporal(&self, state: &str) {
        let app = self.customer("readiness");
        let ready = async || app.get("/readyz").await.body["temporal"] == state;
        until("Temporal's state", ready).await;
    }

    pub(crate) fn run_file(&self) -> Option<Value> {
        let text = std::fs::read_to_string(self.data_dir.path().join("run.json")).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// The process id of `marquee`, `temporal` or `gateway`.
    pub(crate) fn pid(&self, name: &str) -> u64 {
        self.run_file().expect("run.json")["pids"][name].as_u64().expect("a pid")
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.data_dir.path().join("up.log")).unwrap_or_default()
    }

    /// Stops the ticket worker, or lets it run again.
    pub(crate) async fn tickets_down(&self, down: bool) {
        let fault = json!({"down": down});
        self.customer("tester").put("/admin/faults/ticket", fault).await.expect(204);
    }

    /// Ends it in an orderly way and hands its data over.
    pub(crate) async fn stop(mut self) -> TempDir {
        drop(self.process.stdin.take());
        let ended = async || self.process.try_wait().expect("its state").is_some();
        until_mut("the end of up", ended).await;
        let kept = tempfile::tempdir().expect("a temporary folder");
        std::mem::replace(&mut self.data_dir, kept)
    }

    /// Kills it in the middle of whatever it does, and hands its data over.
    pub(crate) async fn kill(self) -> TempDir {
        let pid = i32::try_from(self.pid("marquee")).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a pid"), Signal::KILL).expect("it runs");
        self.stop().await
    }

    pub(crate) fn customer(&self, name: &str) -> Customer {
        let customer = Customer::new(&self.api, &self.gateway, name);
        Customer { _in_use: self.in_use.clone(), ..customer }
    }

    /// A customer that no other test has.
    pub(crate) fn somebody(&self) -> Customer {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        self.customer(&format!("customer-{}", COUNT.fetch_add(1, Ordering::Relaxed)))
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        // The guard ends the system when its stdin closes; waiting keeps ports and files apart.
        drop(self.process.stdin.take());
        self.process.wait().ok();
        if !std::thread::panicking() {
            audit(self.data_dir.path(), self.database_url.as_deref());
        }
    }
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Fails the test when the status is another.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        self.body
    }
}

/// One customer's view of the API.
#[derive(Clone)]
pub(crate) struct Customer {
    pub(crate) api: String,
    pub(crate) gateway: String,
    pub(crate) id: String,
    /// What `X-Role` says; nothing: a customer.
    pub(crate) role: Option<&'static str>,
    pub(crate) http: reqwest::Client,
    _in_use: Option<InUse>,
}

impl Customer {
    pub(crate) fn new(api: &str, gateway: &str, name: &str) -> Self {
        Self {
            api: api.to_owned(),
            gateway: gateway.to_owned(),
            id: name.to_owned(),
            role: None,
            http: reqwest::Client::builder().no_proxy().build().expect("a client"),
            _in_use: None,
        }
    }

    /// Another customer, on the same connections.
    pub(crate) fn named(self, id: String) -> Self {
        Self { id, ..self }
    }

    /// The same, who shows this token with each request.
    pub(crate) fn with_token(self, token: &str) -> Self {
        let bearer = format!("Bearer {token}").parse().expect("a header");
        let headers = [(reqwest::header::AUTHORIZATION, bearer)].into_iter().collect();
        let http = reqwest::Client::builder().no_proxy().default_headers(headers).build();
        Self { http: http.expect("a client"), ..self }
    }

    /// The same person in another role.
    pub(crate) fn as_role(&self, role: &'static str) -> Self {
        Self { role: Some(role), ..self.clone() }
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("a body");
        if status >= 400 {
            check_problem(status, &headers, &text);
        }
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, headers, body }
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        let url = format!("{}{path}", self.api);
        let request = self.http.request(method, url).header("X-Customer-Id", &self.id);
        match self.role {
            Some(role) => request.header("X-Role", role),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request("POST", path).json(&body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(self.request("PUT", path).json(&body)).await
    }

    /// The same command under a key.
    pub(crate) async fn keyed(&self, method: &str, path: &str, body: &Value, key: &str) -> Answer {
        self.send(self.request(method, path).header("Idempotency-Key", key).json(body)).await
    }

    /// A showtime that starts in a day or more, so that no window is closed.
    pub(crate) async fn showtime(&self) -> Value {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mut later = Vec::new();
        let mut path = "/showtimes?limit=100".to_owned();
        while later.len() < 200 {
            let page = self.get(&path).await.expect(200);
            later.extend(page["items"].as_array().expect("items").clone());
            let Some(cursor) = page["nextCursor"].as_str() else { break };
            path = format!("/showtimes?limit=100&cursor={cursor}");
        }
        let fit = |show: &&Value| show["startsAt"].as_str() > Some(tomorrow().as_str());
        let fit: Vec<&Value> = later.iter().filter(fit).collect();
        let next = usize::try_from(NEXT.fetch_add(1, Ordering::Relaxed)).expect("small");
        fit[next % fit.len()].clone()
    }

    /// A reservation of this many adults in grade STANDARD that the customer carries on.
    pub(crate) async fn reserve(&self, adults: u32) -> Value {
        let showtime = self.showtime().await;
        self.reserve_at(&showtime, adults).await.expect(201)
    }

    pub(crate) async fn reserve_at(&self, showtime: &Value, adults: u32) -> Answer {
        let body = json!({
            "showtimeId": showtime["id"], "grade": "STANDARD",
            "admissions": [{"type": "ADULT", "count": adults}],
            "contact": {"name": "홍길동", "phone": "010-1234-5678"},
        });
        self.post("/reservations", body).await
    }

    pub(crate) async fn pay(&self, reservation: &Value) -> Answer {
        let body = json!({"method": "CARD", "amount": reservation["amount"]});
        self.post(&format!("/reservations/{}/payments", id(reservation)), body).await
    }

    /// Chooses the best seats of the moment.
    pub(crate) async fn choose_seats(&self, reservation: &Value) -> Answer {
        let path = format!(
            "/showtimes/{}/best-seats?partySize={}&grade={}",
            text(&reservation["showtimeId"]),
            reservation["partySize"],
            text(&reservation["grade"]),
        );
        let best = self.get(&path).await.expect(200);
        let seats = json!({"seatIds": best["items"][0]["seatIds"]});
        self.put(&format!("/reservations/{}/seats", id(reservation)), seats).await
    }

    /// Asks for these seats.
    pub(crate) async fn put_seats(&self, reservation: &Value, seats: &Value) -> Answer {
        let path = format!("/reservations/{}/seats", id(reservation));
        self.put(&path, json!({"seatIds": seats})).await
    }

    /// Reserve and pay.
    pub(crate) async fn approved(&self, adults: u32) -> Value {
        let reservation = self.reserve(adults).await;
        self.pay(&reservation).await.expect(201)
    }

    pub(crate) async fn cancel(&self, reservation: &Value) -> Answer {
        let path = format!("/reservations/{}/cancellation", id(reservation));
        self.post(&path, json!({"reason": "CUSTOMER_REQUEST"})).await
    }

    /// Reserve, pay, choose seats, wait for the tickets.
    pub(crate) async fn ticketed(&self, adults: u32) -> Value {
        self.finished(&self.reserve(adults).await).await
    }

    /// Pays, chooses and waits for the tickets.
    pub(crate) async fn finished(&self, reservation: &Value) -> Value {
        // On a busy machine the approval comes later than the answer.
        let paid = self.pay(reservation).await;
        assert!(matches!(paid.status, 201 | 202), "{:#}", paid.body);
        self.until(reservation, "PAYMENT_APPROVED").await;
        // Somebody else may take the best ones first.
        for tries in 0.. {
            let chosen = self.choose_seats(reservation).await;
            if matches!(chosen.status, 200 | 202) {
                break;
            }
            assert!(tries < 10, "{:#}", chosen.body);
        }
        self.until(reservation, "TICKETED").await
    }

    /// Scripts a fault of the gateway for one reservation only; the newest one strikes.
    pub(crate) async fn fault(&self, reservation: &Value, mut rule: Value) {
        rule["orders"] = json!(id(reservation));
        let url = format!("{}/faults/rules", self.gateway);
        self.send(self.http.post(url).json(&rule)).await.expect(201);
    }
}

/// Every error is a problem document that agrees with its status (specification, scenario 29).
fn check_problem(status: u16, headers: &reqwest::header::HeaderMap, text: &str) {
    let content_type = headers.get("content-type").and_then(|value| value.to_str().ok());
    if content_type == Some("application/json") {
        return; // the gateway's own errors
    }
    assert_eq!(content_type, Some("application/problem+json"), "{status} {text}");
    let problem: Value = serde_json::from_str(text).expect("a problem document");
    assert_eq!(problem["status"], status);
    assert_eq!(problem["type"], format!("/problems/{}", problem["code"].as_str().expect("code")));
    for member in ["title", "detail", "instance", "traceId"] {
        assert!(problem[member].is_string(), "{member} in {problem}");
    }
    if status == 409 && problem["instance"].as_str().is_some_and(|i| i.contains("/reservations/")) {
        assert!(problem["currentStatus"].is_string(), "{problem}");
        assert!(problem["allowedActions"].is_array(), "{problem}");
    }
}

/// One system for all tests that change nothing but their own reservations. Whenever its last
/// customer leaves, it is audited while it runs.
pub(crate) async fn shared() -> &'static App {
    static SHARED: OnceLock<App> = OnceLock::new();
    static STARTING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _one = STARTING.lock().await;
    match SHARED.get() {
        Some(app) => app,
        None => {
            let mut app = App::start(&[]).await;
            app.in_use = Some(InUse::of(app.data_dir.path()));
            SHARED.get_or_init(|| app)
        }
    }
}

pub(crate) fn id(reservation: &Value) -> &str {
    text(&reservation["id"])
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn tomorrow() -> String {
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
    format!("{at:.3}")
}

/// Carries all of these out at once.
pub(crate) async fn together<T: Send + 'static>(
    tasks: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    tasks.into_iter().collect::<tokio::task::JoinSet<_>>().join_all().await
}

/// Waits for a condition, not for a time.
pub(crate) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    until_mut(what, holds).await;
}

/// Whether something goes on to hold for this long.
pub(crate) async fn lasts(lasting: Duration, holds: impl AsyncFn() -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < lasting {
        if !holds().await {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    true
}

async fn until_mut(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < SOON, "waited for {what} in vain");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
