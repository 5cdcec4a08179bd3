//! Temporal is away, and comes back with its memory or without: every command is accepted meanwhile
//! and carried out afterwards (specification 1.7).

use crate::app::{App, Customer, MARQUEE, free_ports, id, text, tools_dir, until};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

#[tokio::test]
async fn bookings_go_on_when_temporal_comes_back() {
    let mut temporal = Temporal::start().await;
    let app = App::start(&["--temporal-address", &temporal.address()]).await;
    let begun = Begun::before(&app).await;
    temporal.stop();
    let accepted = begun.while_down(&app).await;
    temporal.start_again().await;
    accepted.end_right().await;
}

#[tokio::test]
async fn bookings_go_on_when_temporal_has_lost_everything() {
    let mut temporal = Temporal::start().await;
    let app = App::start(&["--temporal-address", &temporal.address()]).await;
    let begun = Begun::before(&app).await;
    temporal.stop();
    let accepted = begun.while_down(&app).await;
    temporal.forget();
    temporal.start_again().await;
    accepted.end_right().await;
}

/// One reservation of each status in which a customer can be when the outage begins.
struct Begun {
    customer: Customer,
    to_pay: Value,
    to_seat: Value,
    reserved: Value,
    approved: Value,
    ticketed: Value,
}

/// What was accepted during the outage.
struct Accepted {
    customer: Customer,
    to_ticket: Vec<Value>,
    reserved: Value,
    /// With what the gateway is to have done.
    to_cancel: Vec<(Value, Vec<&'static str>)>,
}

impl Begun {
    async fn before(app: &App) -> Self {
        let customer = app.somebody();
        Self {
            to_pay: customer.reserve(1).await,
            to_seat: customer.approved(1).await,
            reserved: customer.reserve(1).await,
            approved: customer.approved(1).await,
            ticketed: customer.ticketed(1).await,
            customer,
        }
    }

    async fn while_down(self, app: &App) -> Accepted {
        let Self { customer, to_pay, to_seat, reserved, approved, ticketed } = self;
        // A start that fails is what tells that Temporal is away.
        let unpaid = customer.reserve(1).await;
        app.until_temporal("down").await;
        let showtime = customer.showtime().await;
        let planned = json!({
            "showtimeId": showtime["id"], "grade": "STANDARD",
            "admissions": [{"type": "ADULT", "count": 2}],
            "plan": {"method": "CARD", "seats": "best"},
        });
        let planned = customer.post("/reservations", planned).await.expect(201);
        let expect = |answer: Value, status: &str| assert_eq!(answer["status"], status);
        expect(customer.pay(&to_pay).await.expect(202), "PAYMENT_PENDING");
        expect(customer.choose_seats(&to_seat).await.expect(202), "SEAT_SELECTED");
        expect(customer.cancel(&reserved).await.expect(200), "CANCELLED");
        expect(customer.cancel(&approved).await.expect(202), "CANCELLING");
        expect(customer.cancel(&ticketed).await.expect(202), "CANCELLING");
        expect_reads(&customer, &to_seat).await;
        Accepted {
            to_cancel: vec![
                (approved, vec!["APPROVE DONE", "VOID DONE"]),
                (ticketed, vec!["APPROVE DONE", "CAPTURE DONE", "REFUND DONE"]),
            ],
            to_ticket: vec![planned, to_seat, to_pay, unpaid],
            reserved,
            customer,
        }
    }
}

async fn expect_reads(customer: &Customer, reservation: &Value) {
    let own = format!("/reservations/{}", id(reservation));
    for path in [
        "/mypage".to_owned(),
        format!("/mypage/{}", id(reservation)),
        format!("/showtimes/{}/seatmap", text(&reservation["showtimeId"])),
        format!("{own}/timeline"),
        own.clone(),
        "/showtimes".to_owned(),
        "/payments".to_owned(),
    ] {
        customer.get(&path).await.expect(200);
    }
    let progress = customer.get(&format!("{own}/progress")).await.expect(200);
    assert_eq!(progress["source"], "store");
    assert_eq!(progress["owes"], "capture");
    let ready = customer.get("/readyz").await.expect(200);
    assert_eq!(ready, json!({"status": "ready", "store": "up", "temporal": "down"}));
}

impl Accepted {
    async fn end_right(self) {
        let Self { customer, to_ticket, reserved, to_cancel } = self;
        let [_, to_seat, to_pay, unpaid] = &to_ticket[..] else { panic!("four of them") };
        customer.until(to_seat, "TICKETED").await;
        customer.until(to_pay, "PAYMENT_APPROVED").await;
        customer.choose_seats(to_pay).await;
        // Made while Temporal was down, it is paid for now that it is up.
        customer.pay(unpaid).await;
        customer.until(unpaid, "PAYMENT_APPROVED").await;
        customer.choose_seats(unpaid).await;
        for reservation in &to_ticket {
            customer.until(reservation, "TICKETED").await;
            let done = customer.ledger(reservation).await;
            assert_eq!(done, ["APPROVE DONE", "CAPTURE DONE"], "{reservation}");
        }
        for (reservation, expected) in to_cancel {
            customer.until(&reservation, "CANCELLED").await;
            assert_eq!(customer.ledger(&reservation).await, expected);
        }
        assert_eq!(customer.read(&reserved).await["status"], "CANCELLED");
        assert!(customer.ledger(&reserved).await.is_empty());
    }
}

/// A Temporal server of the test's own, under a guard.
struct Temporal {
    data_dir: TempDir,
    port: u16,
    process: Option<Child>,
}

impl Temporal {
    async fn start() -> Self {
        let data_dir = tempfile::tempdir().expect("a temporary folder");
        let mut temporal = Self { data_dir, port: free_ports(), process: None };
        temporal.start_again().await;
        temporal
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// With the data folder and the port that it had before.
    async fn start_again(&mut self) {
        let log = self.data_dir.path().join("temporal-command.log");
        let log = std::fs::File::create(log).expect("a log file");
        let mut command = Command::new(MARQUEE);
        command.args(["guard", "--", MARQUEE, "temporal", "--port", &self.port.to_string()]);
        command.arg("--data-dir").arg(self.data_dir.path());
        command.env("MARQUEE_TOOLS_DIR", tools_dir());
        command.stdin(Stdio::piped()).stdout(log.try_clone().expect("a second handle")).stderr(log);
        self.process = Some(command.spawn().expect("marquee starts"));
        let listens = async || TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok();
        until("Temporal", listens).await;
    }

    /// Kills the server, and ends what would start it again.
    fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let run = std::fs::read_to_string(self.data_dir.path().join("run.json")).ok();
        let run = run.and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let pid = run.and_then(|run| i32::try_from(run["pids"]["temporal"].as_i64()?).ok());
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
        }
        drop(process.stdin.take());
        process.wait().ok();
    }

    fn forget(&self) {
        for name in ["temporal.db", "temporal.db-wal", "temporal.db-shm"] {
            std::fs::remove_file(self.data_dir.path().join(name)).ok();
        }
    }
}

impl Drop for Temporal {
    fn drop(&mut self) {
        self.stop();
    }
}
