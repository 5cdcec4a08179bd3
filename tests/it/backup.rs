//! An older copy of the database takes the place of a newer one: what it knows goes on, whatever
//! Temporal and the payment company have seen since, and money that it knows nothing of goes back.

use crate::app::{App, Customer, id, text, until};
use crate::postgres::cluster;
use crate::repository::marquee;
use serde_json::Value;
use std::path::Path;

/// What was under way when the copy was made, and went on after it.
struct Before {
    ticketed: Value,
    /// Paid and ticketed after the copy, and paid once more when that is forgotten.
    reserved: Value,
    /// Its seats were chosen after the copy, and once more when that is forgotten.
    approved: Value,
    /// Paid after the copy, and given up when that is forgotten.
    left: Value,
}

impl Before {
    async fn the_copy(customer: &Customer) -> Self {
        Self {
            ticketed: customer.ticketed(2).await,
            reserved: customer.reserve(1).await,
            approved: customer.approved(1).await,
            left: customer.reserve(1).await,
        }
    }

    /// Everything goes on; returns a booking that is newer than the copy.
    async fn goes_on(&self, customer: &Customer) -> Value {
        customer.pay(&self.reserved).await.expect(201);
        customer.choose_seats(&self.reserved).await.expect(200);
        customer.choose_seats(&self.approved).await.expect(200);
        customer.pay(&self.left).await.expect(201);
        customer.until(&self.reserved, "TICKETED").await;
        customer.until(&self.approved, "TICKETED").await;
        customer.ticketed(1).await
    }
}

/// Runs `marquee restored` with a database in this folder, or at this URL, and this system's books.
fn restored(
    app: &App,
    data_dir: &Path,
    database_url: Option<&str>,
    flags: &[&str],
) -> (bool, String) {
    let (gateway, data_dir) = (format!("{}/", app.gateway), data_dir.display().to_string());
    let at = database_url.map_or(["--data-dir", &data_dir], |url| ["--database-url", url]);
    marquee(&[&["restored", "--gateway-url", &gateway], &at[..], flags].concat(), &[])
}

fn backup(data_dir: &Path, into: &Path) -> (bool, String) {
    let [data_dir, into] = [data_dir, into].map(|path| path.display().to_string());
    marquee(&["backup", "--data-dir", &data_dir, "--into", &into], &[])
}

/// Everything that an operator and the customers do once the older copy is in place.
async fn comes_right(
    app: &App,
    name: &str,
    before: &Before,
    newer: &Value,
    database: Option<&str>,
) {
    let (customer, here) = (app.customer(name), app.data_dir.path());
    customer.get(&format!("/reservations/{}", id(newer))).await.expect(404);
    assert_eq!(customer.read(&before.ticketed).await["tickets"], before.ticketed["tickets"]);
    let paid = ["APPROVE DONE", "CAPTURE DONE"];

    // The same keys: the payment company gives its answers again.
    customer.pay(&before.reserved).await.expect(201);
    for booking in [&before.reserved, &before.approved] {
        customer.choose_seats(booking).await.expect(200);
        customer.until(booking, "TICKETED").await;
        assert_eq!(customer.ledger(booking).await, paid);
    }

    let staff = app.customer("boss").as_role("staff");
    let worries = async || {
        let page = staff.get("/admin/attention?limit=100").await.expect(200);
        let items = page["items"].as_array().expect("items").iter();
        items.filter(|worry| worry["worry"] == "CONTRADICTION").count()
    };
    until("people are told of the strange orders", async || worries().await >= 2).await;

    let (since, never) = ("2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z");
    let (done, told) = restored(app, here, database, &["--since", never, "--give-back"]);
    assert!(done && told.ends_with("\n0 orders are left\n") && !told.contains("won:"), "{told}");
    let (done, told) = restored(app, here, database, &["--since", since, "--give-back"]);
    assert!(!done && told.contains("paying takes this money"), "{told}");
    assert!(told.contains(&format!("{}-1", id(newer))) && told.contains("given back"), "{told}");
    assert_eq!(customer.ledger(newer).await, [paid[0], paid[1], "REFUND DONE"]);
    assert_eq!(customer.ledger(&before.left).await, [paid[0]], "it may still be paid with");

    customer.cancel(&before.left).await;
    customer.until(&before.left, "CANCELLED").await;
    let (done, told) = restored(app, here, database, &["--since", since]);
    assert!(!done && told.contains("to be given back"), "{told}");
    assert_eq!(customer.ledger(&before.left).await, [paid[0]], "it was only asked");
    for said in ["given back\n0 orders are left\n", "0 orders are left\n"] {
        let (done, told) = restored(app, here, database, &["--since", since, "--give-back"]);
        assert!(done && told.ends_with(said), "{told}");
        assert_eq!(customer.ledger(&before.left).await, [paid[0], "VOID DONE"]);
    }
    until("nothing needs people any more", async || worries().await == 0).await;
    let admin = app.customer("boss").as_role("admin");
    let entries = admin.get("/admin/audit").await.expect(200);
    let deeds =
        entries["items"].as_array().expect("items").iter().map(|entry| text(&entry["action"]));
    let settled = deeds.filter(|deed| *deed == "SETTLE_UNKNOWN_ORDER").count();
    assert_eq!(settled, 2, "once for each order, however often it was asked: {entries}");
    customer.ticketed(1).await;
}

/// Temporal's own data are lost as well.
#[tokio::test]
async fn an_older_copy_of_sqlite_takes_its_place() {
    let app = App::start(&[]).await;
    let customer = app.somebody();
    let before = Before::the_copy(&customer).await;
    let copies = tempfile::tempdir().expect("a temporary folder");
    let copy = copies.path().join("copy.db");
    let (made, told) = backup(app.data_dir.path(), &copy);
    assert!(made, "{told}");
    let (again, told) = backup(app.data_dir.path(), &copy);
    assert!(!again && told.contains("it is there already"), "{told}");
    let newer = before.goes_on(&customer).await;

    let data_dir = app.kill().await;
    for file in std::fs::read_dir(data_dir.path()).expect("a folder") {
        let file = file.expect("a file").path();
        let name = file.file_name().expect("its name").to_string_lossy().into_owned();
        if name.starts_with("marquee.db") || name.starts_with("temporal.db") {
            std::fs::remove_file(file).expect("it is ours");
        }
    }
    std::fs::copy(&copy, data_dir.path().join("marquee.db")).expect("it is writable");
    let app = App::start_in(data_dir, &[]).await;
    comes_right(&app, &customer.id, &before, &newer, None).await;
}

/// Temporal knows more than the store.
#[tokio::test]
async fn an_older_copy_of_postgres_takes_its_place() {
    let Some(cluster) = cluster() else { return };
    let newest = cluster.database();
    let app = App::start(&["--database-url", &newest]).await;
    let customer = app.somebody();
    let before = Before::the_copy(&customer).await;
    let copy = cluster.dump(&newest);
    let newer = before.goes_on(&customer).await;

    let data_dir = app.kill().await;
    let older = cluster.database();
    cluster.restore(&copy, &older);
    let app = App::start_in(data_dir, &["--database-url", &older]).await;
    comes_right(&app, &customer.id, &before, &newer, Some(&older)).await;
}

/// Another database knows nothing, and everything would go back.
#[tokio::test]
async fn a_database_that_knows_no_order_of_the_books_is_refused() {
    let app = App::start(&[]).await;
    let ticketed = app.somebody().ticketed(1).await;
    let another = tempfile::tempdir().expect("a temporary folder");
    let since = ["--since", "2020-01-01T00:00:00Z", "--give-back"];
    let (done, told) = restored(&app, another.path(), None, &since);
    assert!(!done && told.contains("cannot open the database"), "{told}");
    assert!(!another.path().join("marquee.db").exists(), "it was not asked for");

    let empty = App::start(&[]).await.stop().await;
    let (done, told) = restored(&app, empty.path(), None, &since);
    assert!(!done && told.contains("knows no order of these books"), "{told}");
    assert_eq!(app.customer("x").ledger(&ticketed).await, ["APPROVE DONE", "CAPTURE DONE"]);
}

#[test]
fn a_copy_is_asked_for_where_it_cannot_be_made() {
    let empty = tempfile::tempdir().expect("a temporary folder");
    let (made, told) = backup(empty.path(), &empty.path().join("copy.db"));
    assert!(!made && told.contains("cannot open the database"), "{told}");
    let elsewhere = ["backup", "--into", "copy.db", "--database-url", "postgres://somewhere/db"];
    let (made, told) = marquee(&elsewhere, &[]);
    assert!(!made && told.contains("pg_dump"), "{told}");
}
