//! The schema belongs to its owner: all other processes read and write rows. And it is ahead of a
//! release that is about to be replaced, or that comes back.

use crate::app::{App, MARQUEE};
use crate::postgres::{Cluster, cluster};
use std::process::Command;

/// A database with its owner's URL and that of the role of all processes.
fn owned(cluster: &Cluster, owner: &str, role: &str) -> (String, String) {
    let url = cluster.database();
    let name = url.rsplit('/').next().expect("a name");
    let sql = format!(
        "create role {owner} login; create role {role} login; \
         alter database {name} owner to {owner}; revoke all on database {name} from public; \
         grant connect on database {name} to {role}"
    );
    cluster.psql(&url, &sql).expect("it is ours");
    let of = |who: &str| url.replacen("postgres@", &format!("{who}@"), 1);
    (of(owner), of(role))
}

fn migrate(url: &str, grant_to: &str) -> Result<(), String> {
    let mut migrate = Command::new(MARQUEE);
    let ended = migrate.args(["migrate", "--database-url", url, "--grant-to", grant_to]).output();
    let ended = ended.expect("marquee runs");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    if ended.status.success() { Ok(()) } else { Err(said) }
}

#[tokio::test]
async fn whoever_books_changes_no_schema() {
    let Some(cluster) = cluster() else { return };
    let (owner, role) = owned(cluster, "schema_owner", "schema_role");
    let mut early = Command::new(MARQUEE);
    let early = early.args(["migrate", "--database-url", &role]).output().expect("marquee runs");
    let said = String::from_utf8_lossy(&early.stderr);
    assert!(!early.status.success() && said.contains("as the owner"), "{said}");
    assert!(migrate(&owner, "nobody; drop table x").is_err_and(|why| why.contains("a-z")));
    assert!(migrate(&owner, "missing_role").is_err_and(|why| why.contains("--grant-to")));
    migrate(&owner, "schema_role").expect("it may");
    migrate(&owner, "schema_role").expect("again");

    let app = App::start(&["--database-url", &role]).await;
    let customer = app.somebody();
    let ticketed = customer.ticketed(2).await;
    customer.cancel(&ticketed).await;
    customer.until(&ticketed, "CANCELLED").await;
    for forbidden in [
        "create table popcorn (id text)",
        "alter table ticket add column popcorn text",
        "drop table contact",
        "truncate contact",
        "update audit_entry set actor = 'nobody'",
        "delete from audit_entry",
        "delete from _sqlx_migrations",
    ] {
        let said = cluster.psql(&role, forbidden);
        let refused = said
            .as_ref()
            .is_err_and(|why| why.contains("permission denied") || why.contains("must be owner"));
        assert!(refused, "{forbidden}: {said:?}");
    }
}

/// The next release has added what it needs, and this one is started once more.
#[tokio::test]
async fn a_release_works_on_the_schema_of_the_next() {
    let Some(cluster) = cluster() else { return };
    let (owner, role) = owned(cluster, "next_owner", "next_role");
    migrate(&owner, "next_role").expect("it may");
    let app = App::start(&["--database-url", &role]).await;
    let customer = app.somebody();
    let open = customer.approved(1).await;
    cluster
        .psql(
            &owner,
            "alter table reservation add column popcorn text; \
             create table popcorn (popcorn_id text not null primary key); \
             insert into _sqlx_migrations \
             select 9999, 'popcorn', now(), true, checksum, 0 from _sqlx_migrations limit 1",
        )
        .expect("it may");
    customer.ticketed(1).await;

    let app = App::start_in(app.stop().await, &["--database-url", &role]).await;
    let customer = app.customer(&customer.id);
    customer.choose_seats(&open).await.expect(200);
    customer.until(&open, "TICKETED").await;
    migrate(&owner, "next_role").expect("nothing is to be done");
}
