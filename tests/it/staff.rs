//! What staff may do, over HTTP: who is let in, and what is written down of it.

use crate::app::{Customer, id, shared, text};
use serde_json::{Value, json};

const ROLES: [&str; 5] = ["customer", "gate", "staff", "admin", "partner"];

#[tokio::test]
async fn each_admin_route_lets_in_its_roles_and_nobody_else() {
    let person = shared().await.somebody();
    // Method, path, and who gets past the door.
    let staff: &[&str] = &["staff", "admin"];
    let matrix: &[(&str, &str, &[&str])] = &[
        ("GET", "/admin/audit", staff),
        ("POST", "/admin/reservations/none/nudge", staff),
        ("POST", "/tickets/none/check-ins", &["gate", "staff", "admin"]),
        ("POST", "/check-ins", &["gate", "staff", "admin"]),
        ("POST", "/admin/showtimes/none/cancellation", staff),
        ("GET", "/admin/showtimes/none/cancellation", staff),
    ];
    for (method, path, allowed) in matrix {
        for role in ROLES {
            let someone = person.as_role(role);
            let answer = someone.send(someone.request(method, path).json(&json!({}))).await;
            let refused = answer.status == 403;
            assert_eq!(refused, !allowed.contains(&role), "{role} {method} {path}");
            if refused {
                assert_eq!(answer.body["code"], "forbidden");
            }
        }
    }
    person.get("/admin/audit").await.expect(403);
}

#[tokio::test]
async fn an_unknown_role_is_a_mistake_anywhere() {
    let person = shared().await.somebody().as_role("king");
    for path in ["/reservations", "/mypage", "/admin/audit"] {
        assert_eq!(person.get(path).await.expect(400)["code"], "malformed", "{path}");
    }
}

#[tokio::test]
async fn staff_reads_and_cancels_anybodys_reservation() {
    let app = shared().await;
    let owner = app.somebody();
    let staff = app.somebody().as_role("staff");
    let ticketed = owner.ticketed(1).await;
    let own = format!("/reservations/{}", id(&ticketed));
    for path in [
        own.clone(),
        format!("{own}/payments"),
        format!("{own}/progress"),
        format!("{own}/tickets"),
        format!("{own}/timeline"),
        format!("/payments/{}", text(&ticketed["payment"]["id"])),
        format!("/payments?reservationId={}", id(&ticketed)),
        format!("/tickets/{}", text(&ticketed["tickets"][0]["code"])),
    ] {
        let seen = staff.get(&path).await.expect(200);
        let empty = seen["items"].as_array().is_some_and(Vec::is_empty);
        assert!(!empty, "{path} {seen}");
    }
    // Their own stays theirs.
    staff.pay(&ticketed).await.expect(404);
    for role in ["gate", "partner"] {
        owner.clone().named("other".to_owned()).as_role(role).get(&own).await.expect(404);
    }
    staff.cancel(&ticketed).await;
    let cancelled = owner.until(&ticketed, "CANCELLED").await;
    assert_eq!(cancelled["statusReason"], "STAFF_REQUEST");
    staff.get(&format!("{own}/cancellation")).await.expect(200);
    // Asked again, it is the same cancellation and no second deed.
    staff.cancel(&ticketed).await.expect(200);
    let entries = audit_of(&staff, &own).await;
    assert_eq!(entries.len(), 1, "{entries:?}");
    let entry = &entries[0];
    assert_eq!(entry["actor"], staff.id.as_str());
    assert_eq!(entry["role"], "staff");
    assert_eq!(entry["action"], "CANCEL_RESERVATION");
    assert_eq!(entry["before"], json!({"status": "TICKETED"}));
    assert_eq!(entry["after"], json!({"status": "CANCELLING"}));
}

#[tokio::test]
async fn what_a_customer_does_is_no_deed_of_staff() {
    let app = shared().await;
    let owner = app.somebody();
    let reserved = owner.reserve(1).await;
    owner.cancel(&reserved).await.expect(200);
    let staff = app.somebody().as_role("admin");
    let entries = audit_of(&staff, &format!("/reservations/{}", id(&reserved))).await;
    assert_eq!(entries, Vec::<Value>::new());
}

#[tokio::test]
async fn a_nudge_is_written_down() {
    let app = shared().await;
    let reserved = app.somebody().reserve(1).await;
    let staff = app.somebody().as_role("staff");
    let path = format!("/admin/reservations/{}/nudge", id(&reserved));
    assert_eq!(staff.post(&path, json!({})).await.expect(200)["id"], reserved["id"]);
    staff.post("/admin/reservations/none/nudge", json!({})).await.expect(404);
    let entries = audit_of(&staff, &format!("/reservations/{}", id(&reserved))).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["action"], "NUDGE");
}

/// Newest first, of one target.
pub(crate) async fn audit_of(staff: &Customer, target: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut path = "/admin/audit?limit=100".to_owned();
    loop {
        let page = staff.get(&path).await.expect(200);
        let items = page["items"].as_array().expect("items").iter();
        found.extend(items.filter(|entry| entry["target"] == target).cloned());
        let Some(cursor) = page["nextCursor"].as_str() else { return found };
        path = format!("/admin/audit?limit=100&cursor={cursor}");
    }
}
