//! The schema belongs to its owner: all other processes read and write rows. And it is ahead of a
//! release that is about to be replaced, or that comes back.

use crate::app::App;
use crate::postgres::{Cluster, cluster};
use crate::repository::marquee;

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

fn migrate(url: &str, grant_to: &str) -> (bool, String) {
    marquee(&["migrate", "--database-url", url, "--grant-to", grant_to], &[])
}

#[tokio::test]
async fn whoever_books_changes_no_schema() {
    let Some(cluster) = cluster() else { return };
    let (owner, role) = owned(cluster, "schema_owner", "schema_role");
    let (early, said) = marquee(&["migrate", "--database-url", &role], &[]);
    assert!(!early && said.contains("as the owner"), "{said}");
    for (nobody, why) in [("nobody; drop table x", "a-z"), ("missing_role", "--grant-to")] {
        let (granted, said) = migrate(&owner, nobody);
        assert!(!granted && said.contains(why), "{said}");
    }
    for _ in 0..2 {
        let (done, said) = migrate(&owner, "schema_role");
        assert!(done, "{said}");
    }

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
    let (done, said) = migrate(&owner, "next_role");
    assert!(done, "{said}");
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
    let (done, said) = migrate(&owner, "next_role");
    assert!(done, "nothing is to be done: {said}");
}
