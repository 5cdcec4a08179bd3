//! `marquee check` and `GET /admin/invariants`: beside a running system, on a stopped one, and on
//! one that was damaged.

use crate::app::{App, MARQUEE, id, text, together};
use serde_json::json;
use sqlx::{Connection, SqliteConnection};
use std::path::Path;
use std::process::Command;

/// What `marquee check` says of a data folder, and whether it found anything.
fn check(data_dir: &Path, flags: &[&str]) -> (String, bool) {
    let mut check = Command::new(MARQUEE);
    let checked = check.arg("check").arg("--data-dir").arg(data_dir).args(flags).output();
    let checked = checked.expect("marquee starts");
    let code = checked.status.code().expect("it ends by itself");
    assert!(code == 0 || code == 1, "{}", String::from_utf8_lossy(&checked.stderr));
    (String::from_utf8(checked.stdout).expect("text"), code == 1)
}

#[tokio::test]
async fn a_whole_system_is_silent_and_a_damaged_one_is_named() {
    let app = App::start(&[]).await;
    let customer = app.somebody();
    let kept = customer.ticketed(2).await;
    let undone = customer.ticketed(1).await;
    customer.cancel(&undone).await;
    customer.until(&undone, "CANCELLED").await;
    let waiting = customer.approved(1).await;

    let report = customer.get("/admin/invariants").await.expect(200);
    assert_eq!(report, json!({"violations": [], "checked": 3}));
    let run = app.run_file().expect("run.json");
    let temporal = text(&run["temporal"]);
    let histories = ["--histories", "--temporal-address", temporal];
    let (said, broken) = check(app.data_dir.path(), &histories);
    assert!(!broken && said.contains("3 reservations judged, 0 violations"), "{said}");

    let data = app.stop().await;
    let acknowledged = data.path().join("acknowledged");
    let ids = [id(&kept), id(&undone), id(&waiting), ""].join("\n");
    std::fs::write(&acknowledged, &ids).expect("it can be written");
    let flags = ["--acknowledged", acknowledged.to_str().expect("plain")];
    let (said, broken) = check(data.path(), &flags);
    assert!(!broken, "{said}");
    std::fs::write(&acknowledged, format!("{ids}r-lost\n")).expect("it can be written");
    let (said, broken) = check(data.path(), &flags);
    assert!(broken && said.contains("LOST r-lost"), "{said}");

    forget_the_tickets_end(data.path(), id(&undone)).await;
    let (said, broken) = check(data.path(), &[]);
    assert!(broken && said.contains(&format!("I10  {}", id(&undone))), "{said}");
    assert!(said.contains("ReservationCancelled"), "its timeline is shown: {said}");
    assert!(!said.contains(id(&kept)), "{said}");

    let journal = data.path().join("gateway.jsonl");
    let entries = std::fs::read_to_string(&journal).expect("it reads");
    let without =
        entries.lines().filter(|line| !(line.contains(id(&kept)) && line.contains("CAPTURE")));
    let without: Vec<&str> = without.collect();
    std::fs::write(&journal, without.join("\n") + "\n{\"torn").expect("it can be written");
    let (said, broken) = check(data.path(), &[]);
    assert!(broken && said.contains(&format!("I4   {}", id(&kept))), "{said}");
}

/// Rows move while they are looked at, and money moves between the rows and the ledger.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_system_gives_no_false_alarm() {
    let app = App::start(&[]).await;
    let customers: Vec<_> = (0..12).map(|_| app.somebody()).collect();
    let busy = tokio::spawn(together(customers.into_iter().map(|customer| async move {
        for _ in 0..3 {
            let booking = customer.ticketed(1).await;
            customer.cancel(&booking).await;
            customer.until(&booking, "CANCELLED").await;
        }
    })));
    let (mut looks, mut moving) = (0, 0);
    while !busy.is_finished() {
        let (said, broken) = check(app.data_dir.path(), &[]);
        assert!(!broken, "{said}");
        let report = app.somebody().get("/admin/invariants").await.expect(200);
        assert_eq!(report["violations"], json!([]));
        looks += 1;
        moving += usize::from(!busy.is_finished());
    }
    busy.await.expect("all are booked and cancelled");
    assert!(moving > 0, "{looks} looks, all at rest");
}

async fn forget_the_tickets_end(data_dir: &Path, reservation: &str) {
    let url = format!("sqlite://{}", data_dir.join("marquee.db").display());
    let mut database = SqliteConnection::connect(&url).await.expect("it opens");
    let forgotten =
        sqlx::query("delete from timeline where reservation_id = $1 and type = 'TicketCancelled'")
            .bind(reservation)
            .execute(&mut database)
            .await;
    assert_eq!(forgotten.expect("it runs").rows_affected(), 1);
}
