//! Personal data: it stands in its own tables and in the messages, nowhere else, and goes when it is
//! asked to. Names that occur nowhere else are sent through a whole run and then looked for.

use crate::app::soon::open_store;
use crate::app::{App, Customer, id, text, until};
use crate::staff::{audit_of, blocked};
use crate::webhooks::Fickle;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use std::path::{Path, PathBuf};

const NAME: &str = "Kanarienvogel";
const PHONE: &str = "010-9182-7364";
const DIGITS: &str = "01091827364";
const HOLDER: &str = "Wellensittich";
const ACCOUNT: &str = "918273645546";
/// How any of it may look.
const TRACES: [&str; 6] = [NAME, PHONE, DIGITS, "821091827364", HOLDER, ACCOUNT];

async fn reserve(customer: &Customer) -> Value {
    let showtime = customer.own_showtime().await;
    let body = json!({
        "showtimeId": showtime["id"], "grade": "STANDARD",
        "admissions": [{"type": "ADULT", "count": 1}],
        "contact": {"name": NAME, "phone": PHONE, "language": "en"},
    });
    customer.post("/reservations", body).await.expect(201)
}

/// A booking, a cancelled one, and one whose refund went to an account.
async fn live(app: &App) -> [Value; 3] {
    let (customer, staff) = (app.customer("bird"), app.somebody().as_role("staff"));
    let mut made = Vec::new();
    for _ in 0..2 {
        let reservation = reserve(&customer).await;
        customer.pay(&reservation).await.expect(201);
        customer.choose_seats(&reservation).await.expect(200);
        made.push(customer.until(&reservation, "TICKETED").await);
    }
    customer.cancel(&made[1]).await.expect(200);
    let (refunded, undo) = blocked(&customer).await;
    let account = json!({"bankCode": "088", "accountNumber": ACCOUNT, "holder": HOLDER});
    staff.post(&format!("/admin/cancellations/{undo}/refund-account"), account).await;
    customer.until(&refunded, "CANCELLED").await;
    made.push(refunded);
    made.try_into().expect("three")
}

fn traces_in(text: &str) -> Vec<&'static str> {
    TRACES.into_iter().filter(|trace| text.contains(trace)).collect()
}

/// Every file below, with how it is called there.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), std::fs::read(path).expect("it is readable")));
        }
    }
    found
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// The payment company has to know the account that it pays to, and notes that.
fn traces_of(file: &str, bytes: &[u8]) -> Vec<&'static str> {
    let traces = TRACES.into_iter().filter(|trace| holds(bytes, trace));
    traces.filter(|trace| file != "gateway.jsonl" || ![HOLDER, ACCOUNT].contains(trace)).collect()
}

/// The tables with a trace in any column.
async fn tables_with_traces(data_dir: &Path) -> Vec<String> {
    let mut store = open_store(data_dir).await;
    let tables = "select name from sqlite_master where type = 'table' order by name";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut store).await.expect("some");
    let mut found = Vec::new();
    for table in tables {
        let columns = "select name from pragma_table_info($1)";
        let columns: Vec<String> =
            sqlx::query_scalar(columns).bind(&table).fetch_all(&mut store).await.expect("some");
        let texts: Vec<_> = columns
            .iter()
            .map(|it| format!("iif(typeof({it}) = 'blob', hex({it}), coalesce({it}, ''))"))
            .collect();
        let sql = format!("select {} from {table}", texts.join(" || ' ' || "));
        let rows: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut store).await.expect("rows");
        if rows.iter().any(|row| !traces_in(row).is_empty()) {
            found.push(table);
        }
    }
    found
}

#[tokio::test]
async fn names_and_numbers_are_nowhere_but_in_their_tables_and_go_on_demand() {
    let app = App::start(&["--webhooks-anywhere"]).await;
    let (customer, partner) = (app.customer("bird"), app.somebody().as_role("partner"));
    let (endpoint, url) = Fickle::start().await;
    partner.post("/webhook-endpoints", json!({ "url": url })).await.expect(201);
    let [stays, ..] = live(&app).await;
    let told = async || {
        let notices = customer.get("/notifications").await.expect(200)["items"].clone();
        let delivered = |notice: &&Value| notice["state"] == "DELIVERED";
        notices.as_array().expect("items").iter().filter(delivered).count() >= 3
    };
    until("the messages", told).await;
    let events = async || partner.get("/events?limit=1000").await.expect(200)["items"].clone();
    let count = async || events().await.as_array().expect("items").len();
    until("the endpoint", async || count().await == endpoint.count()).await;

    assert_eq!(traces_in(&events().await.to_string()), [""; 0], "in the feed");
    assert_eq!(traces_in(&endpoint.all()), [""; 0], "in webhooks");
    let folder = app.data_dir.path();
    assert_eq!(tables_with_traces(folder).await, ["contact", "refund_account"]);
    let mut with_ids = Vec::new();
    for (path, bytes) in files(folder) {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if holds(&bytes, id(&stays)) {
            with_ids.push(name.clone());
        }
        // The store was looked at above.
        if !name.starts_with("marquee.db") {
            assert_eq!(traces_of(&name, &bytes), [""; 0], "in {name}");
        }
    }
    assert!(with_ids.iter().any(|name| name.starts_with("temporal.db")), "{with_ids:?}");

    erased(app, &stays).await;
}

/// Erases the customer, and looks for the least trace of it, also in what SQLite has freed.
async fn erased(app: App, stays: &Value) {
    let (customer, staff) = (app.customer("bird"), app.somebody().as_role("staff"));
    let path = "/admin/customers/bird/erasure";
    let gone = staff.post(path, json!({})).await.expect(200);
    let all =
        json!({"customerId": "bird", "contacts": 3, "refundAccounts": 1, "accountsNeeded": 0});
    assert_eq!(gone, all);
    assert_eq!(staff.post(path, json!({})).await.expect(200)["contacts"], 0);
    let entries = audit_of(&staff, "/customers/bird").await;
    assert_eq!((entries.len(), text(&entries[0]["action"])), (2, "ERASE_CUSTOMER"));
    let now = customer.read(stays).await;
    assert_eq!(now["status"], "TICKETED", "what happened stays");
    assert_eq!(traces_in(&now.to_string()), [""; 0]);
    // The ticket is still good, and its customer may still have the money back.
    customer.cancel(stays).await.expect(200);
    let folder = app.stop().await;
    let mut store = open_store(folder.path()).await;
    let settle = sqlx::raw_sql("pragma wal_checkpoint(truncate)");
    settle.execute(&mut store).await.expect("nobody else has it");
    for (path, bytes) in files(folder.path()) {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        assert_eq!(traces_of(&name, &bytes), [""; 0], "in {name}");
    }
}
