//! At the gate, over HTTP: each ticket lets in once, the code does where ticketing is down, and
//! after the show it is known who came (T23, T24, R14).

use crate::app::{Answer, App, Customer, SOON, id, shared, text, until};
use crate::cancelling::without_tickets;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions};

#[tokio::test]
async fn a_ticket_lets_in_once() {
    let app = shared().await;
    let (customer, gate) = (app.somebody(), app.somebody().as_role("gate"));
    let ticketed = soon_ticketed(app, &customer).await;
    let code = text(&ticketed["tickets"][0]["code"]);
    let path = format!("/tickets/{code}/check-ins");
    let scan = json!({"nonce": "n1", "gate": "1관-A"});
    assert_eq!(customer.post(&path, scan.clone()).await.expect(403)["code"], "forbidden");

    let came = gate.post(&path, scan.clone()).await.expect(201);
    assert_eq!(came["reservationId"], ticketed["id"]);
    assert_eq!(came["seatNumbers"], json!([ticketed["tickets"][0]["seatNumber"]]));
    assert_eq!(came["gate"], "1관-A");
    assert_eq!(gate.post(&path, scan).await.expect(200), came, "its answer was lost");
    let second = json!({"nonce": "n2", "gate": "1관-A"});
    let refused = gate.post(&path, second).await.expect(409);
    assert_eq!(refused["code"], "already-used");
    assert_eq!(refused["usedAt"], came["usedAt"]);
    assert_eq!(refused["currentStatus"], "TICKETED");

    let now = customer.read(&ticketed).await;
    assert_eq!(now["tickets"][0]["status"], "USED");
    assert_eq!(now["tickets"][1]["status"], "ISSUED");
    assert_eq!(now["allowedActions"], json!([]));
    assert_eq!(customer.timeline(&ticketed).await.last().expect("events"), "TicketUsed");
    let page = customer.get(&format!("/mypage/{}", id(&ticketed))).await.expect(200);
    assert_eq!(page["ticketStatus"], "USED");
    let ticket = customer.get(&format!("/tickets/{code}")).await.expect(200);
    assert_eq!(ticket["usedAt"], came["usedAt"]);
    let problem = customer.cancel(&ticketed).await.expect(409);
    assert_eq!(problem["code"], "ticket-used");
}

#[tokio::test]
async fn what_the_gate_refuses() {
    let app = shared().await;
    let (customer, gate) = (app.somebody(), app.somebody().as_role("gate"));
    let far = customer.ticketed(1).await;
    let early = scan_ticket(&gate, &far, "n1").await.expect(425);
    assert_eq!(early["code"], "too-early");
    let opens_at: Timestamp = text(&early["opensAt"]).parse().expect("an instant");
    let starts_at: Timestamp = text(&far["startsAt"]).parse().expect("an instant");
    assert_eq!(starts_at.duration_since(opens_at), SignedDuration::from_mins(30));
    customer.cancel(&far).await;
    assert_eq!(scan_ticket(&gate, &far, "n1").await.expect(410)["code"], "ticket-cancelled");
    let scan = json!({"nonce": "n1", "gate": "g"});
    assert_eq!(gate.post("/tickets/NONE/check-ins", scan).await.expect(404)["code"], "not-found");
    for (nonce, gate_name, pointer) in
        [("", "g", "/nonce"), ("n", "", "/gate"), ("\n", "g", "/nonce")]
    {
        let scan = json!({"nonce": nonce, "gate": gate_name});
        let problem = gate.post("/tickets/NONE/check-ins", scan).await.expect(400);
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    let ticketed = soon_ticketed(app, &customer).await;
    assert_eq!(scan_code(&gate, &ticketed, "n1").await.expect(409)["code"], "wrong-state");
    let nobody = json!({"reservationCode": "AAAAAAAA", "nonce": "n1", "gate": "g"});
    assert_eq!(gate.post("/check-ins", nobody).await.expect(404)["code"], "not-found");
}

#[tokio::test]
async fn after_the_show_who_did_not_come_is_a_no_show() {
    let app = shared().await;
    let (customer, gate) = (app.somebody(), app.somebody().as_role("gate"));
    let (came, missed) = (soon_ticketed(app, &customer).await, soon_ticketed(app, &customer).await);
    scan_ticket(&gate, &came, "n1").await.expect(201);
    for (reservation, shown, each) in
        [(&came, "USED", ["USED", "NO_SHOW"]), (&missed, "NO_SHOW", ["NO_SHOW", "NO_SHOW"])]
    {
        let over = Timestamp::now() - SignedDuration::from_hours(1);
        move_show(app, reservation, ("ends_at", over), "attend_at = 0").await;
        let ended = customer.until(reservation, "COMPLETED").await;
        let tickets = ended["tickets"].as_array().expect("a list").iter();
        assert_eq!(tickets.map(|ticket| text(&ticket["status"])).collect::<Vec<_>>(), each);
        let page = customer.get(&format!("/mypage/{}", id(reservation))).await.expect(200);
        assert_eq!((text(&page["ticketStatus"]), text(&page["statusLabel"])), (shown, "관람완료"));
    }
    assert_eq!(scan_ticket(&gate, &missed, "n1").await.expect(409)["code"], "wrong-state");
}

#[tokio::test]
async fn with_ticketing_down_the_party_comes_in_by_its_code() {
    let app = App::start(&[]).await;
    let (customer, gate) = (app.somebody(), app.somebody().as_role("gate"));
    app.tickets_down(true).await;
    assert_eq!(customer.get("/admin/faults").await.expect(200)["ticket"]["down"], true);
    let seated = without_tickets(&customer).await;
    assert_eq!(scan_code(&gate, &seated, "n1").await.expect(425)["code"], "too-early");
    let began = Timestamp::now() - SignedDuration::from_mins(1);
    move_show(&app, &seated, ("starts_at", began), "version = version").await;

    let came = scan_code(&gate, &seated, "n1").await.expect(201);
    assert_eq!((&came["reservationId"], &came["ticketCode"]), (&seated["id"], &Value::Null));
    assert_eq!(scan_code(&gate, &seated, "n1").await.expect(200), came);
    assert_eq!(scan_code(&gate, &seated, "n2").await.expect(409)["code"], "already-used");
    assert_eq!(customer.cancel(&seated).await.expect(409)["code"], "ticket-used");
    assert_eq!(customer.ledger(&seated).await, ["APPROVE DONE", "CAPTURE DONE"]);

    app.tickets_down(false).await;
    let ticketed = customer.until(&seated, "TICKETED").await;
    assert_eq!(ticketed["tickets"][0]["status"], "USED");
    assert_eq!(scan_ticket(&gate, &ticketed, "n3").await.expect(409)["code"], "already-used");
}

/// Two tickets for a show whose gate is open.
async fn soon_ticketed(app: &App, customer: &Customer) -> Value {
    let soon = SignedDuration::from_mins(10)..SignedDuration::from_hours(2);
    let soon = app.showtime_in(soon, "STANDARD").await;
    let reservation = customer.reserve_at(&soon, 2).await.expect(201);
    customer.pay(&reservation).await.expect(201);
    customer.choose_seats(&reservation).await.expect(200);
    customer.until(&reservation, "TICKETED").await
}

async fn scan_ticket(gate: &Customer, ticketed: &Value, nonce: &str) -> Answer {
    let path = format!("/tickets/{}/check-ins", text(&ticketed["tickets"][0]["code"]));
    gate.post(&path, json!({"nonce": nonce, "gate": "gate-1"})).await
}

async fn scan_code(gate: &Customer, seated: &Value, nonce: &str) -> Answer {
    // As it is typed.
    let code = text(&seated["code"]).to_lowercase();
    let body = json!({"reservationCode": code, "nonce": nonce, "gate": "gate-1"});
    gate.post("/check-ins", body).await
}

/// Moves a show in time for one reservation: the catalogue has none that begins or ends just now,
/// so it is written into the store.
async fn move_show(app: &App, of: &Value, (what, at): (&str, Timestamp), also: &str) {
    let (id, at) = (id(of), at.as_millisecond());
    let sql = format!("update reservation set {what} = {at}, {also} where reservation_id = '{id}'");
    let file = app.data_dir.path().join("marquee.db");
    let moved = async || {
        // A refused command leaves the writer's turn open until the next command, which this is.
        app.somebody().reserve(1).await;
        let options = SqliteConnectOptions::new().filename(&file).busy_timeout(SOON);
        let mut store = options.connect().await.expect("the store's file");
        sqlx::raw_sql(AssertSqlSafe(sql.as_str())).execute(&mut store).await.is_ok()
    };
    until("the show's new time", moved).await;
}
