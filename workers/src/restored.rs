//! `marquee backup` and `marquee restored`: a copy of the database, and what is to be done when an
//! older one has taken its place.

use crate::company::company;
use crate::config::{Backup, Restored};
use anyhow::{Context, bail};
use domain::audit::LedgerEntry;
use domain::ids::{CallKey, CustomerId, PaymentAttemptId};
use domain::order::Order;
use domain::payment::{Answer, CallBody, GatewayCall};
use domain::person::Person;
use domain::time::Time;
use domain::won::Won;
use domain::words::{CallState, Method, Operation, ReservationStatus, Role};
use gateway::{Gateway, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::process::ExitCode;
use store::{Clock, Store};

/// Writes a copy of a SQLite database, beside those who book. Once the file has its name it is whole.
pub(crate) async fn backup(options: Backup) -> anyhow::Result<ExitCode> {
    let Backup { database, into } = options;
    let url = database.url();
    if !url.starts_with("sqlite:") {
        bail!("PostgreSQL has pg_dump for this");
    }
    if into.exists() {
        bail!("--into {}: it is there already", into.display());
    }
    let store = Store::open_to_read(&url).await.context("cannot open the database")?;
    let mut half = into.clone().into_os_string();
    half.push(".half");
    let half = Path::new(&half);
    // One that was broken off.
    std::fs::remove_file(half).ok();
    store.copy_to(half).await.context("cannot copy the database")?;
    File::open(half)?.sync_all()?;
    std::fs::rename(half, &into)?;
    let folder = into.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    println!("Copied to  {}", into.display());
    Ok(ExitCode::SUCCESS)
}

/// Finds money in the gateway's books that the restored copy knows nothing of, and gives it back.
/// It may run beside everything else, and again at any time: each order has one key. Exit code 1:
/// there is more to do, or it could not be done.
pub(crate) async fn restored(options: Restored) -> anyhow::Result<ExitCode> {
    let store = options.database.open_existing().await?;
    let gateway = company(&options.gateway)?.gateway.context("--gateway-url: whose books?")?;
    let unknown = unknown_orders(&store, gateway.as_ref(), options.since).await?;
    let mut left = 0_u32;
    for (id, entries) in unknown {
        match settle(&store, gateway.as_ref(), &id, entries, options.give_back).await? {
            Settled::Nothing => continue,
            Settled::Now(won) => println!("{id} {won} won: given back"),
            Settled::NotYet(won, why) => {
                println!("{id} {won} won: {why}");
                left += 1;
            }
        }
    }
    if options.give_back {
        store.close_explained(&operator()).await?;
    }
    println!("{left} orders are left");
    Ok(if left == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What became of an order that the store does not know, and its won.
enum Settled {
    Nothing,
    Now(i64),
    NotYet(i64, String),
}

async fn settle(
    store: &Store,
    gateway: &dyn Gateway,
    id: &PaymentAttemptId,
    mut entries: Vec<LedgerEntry>,
    really: bool,
) -> anyhow::Result<Settled> {
    let Some((operation, amount)) = Order::of(&entries).way_back() else {
        if really {
            // Also one that was given back when this broke off.
            store.order_settled(&operator(), &entries).await?;
        }
        return Ok(Settled::Nothing);
    };
    let won = amount.get();
    if may_still_pay(store, id).await? {
        let why = "its reservation is open, and paying takes this money";
        return Ok(Settled::NotYet(won, why.to_owned()));
    }
    // It may have become known since the books were read; from here on it cannot any more.
    if store.known_attempts(&BTreeSet::from([id])).await?.contains(id) {
        return Ok(Settled::Nothing);
    }
    if !really {
        return Ok(Settled::NotYet(won, "to be given back".to_owned()));
    }
    let refusals = entries.iter().filter(|entry| !entry.done && entry.operation == operation);
    let key = GatewayCall::key_of_unknown(id, operation, refusals.count() + 1);
    match give_back(gateway, id, key, operation, amount).await {
        Ok(entry) => entries.push(entry),
        Err(error) => return Ok(Settled::NotYet(won, format!("not given back: {error:#}"))),
    }
    store.order_settled(&operator(), &entries).await?;
    Ok(Settled::Now(won))
}

/// Who acts here.
fn operator() -> Person {
    Person { id: CustomerId::parse("operator").expect("plain"), role: Role::Admin }
}

/// Orders of our form that began since then and that the store does not know, with their lines.
async fn unknown_orders(
    store: &Store,
    gateway: &dyn Gateway,
    since: Time,
) -> anyhow::Result<BTreeMap<PaymentAttemptId, Vec<LedgerEntry>>> {
    let mut unknown = BTreeMap::<_, Vec<LedgerEntry>>::new();
    let (mut place, mut some_are_known) = (0, false);
    loop {
        let page = gateway.ledger(place).context("this company's books cannot be read")?;
        let books = page.await.context("the gateway's books were not read")?;
        let Some(end) = books.end else { break };
        let ids = books.entries.iter().map(|entry| &entry.attempt_id).collect::<BTreeSet<_>>();
        let known = store.known_attempts(&ids).await?;
        some_are_known |= !known.is_empty();
        for entry in books.entries {
            if entry.attempt_id.has_our_form() && !known.contains(&entry.attempt_id) {
                unknown.entry(entry.attempt_id.clone()).or_default().push(entry);
            }
        }
        place = end;
    }
    if place > 0 && !some_are_known {
        bail!("this database knows no order of these books: is it the restored one?");
    }
    unknown.retain(|_, entries| entries.iter().all(|entry| entry.at >= since));
    Ok(unknown)
}

/// Then its attempt would have the same id again, and the gateway's answer of today.
async fn may_still_pay(store: &Store, id: &PaymentAttemptId) -> anyhow::Result<bool> {
    let Some(reservation) = id.reservation() else { return Ok(false) };
    let row = store.reservation(&reservation).await?;
    Ok(row.is_some_and(|row| {
        matches!(
            row.status,
            ReservationStatus::Reserved
                | ReservationStatus::PaymentPending
                | ReservationStatus::PaymentDeferred
        )
    }))
}

async fn give_back(
    gateway: &dyn Gateway,
    id: &PaymentAttemptId,
    key: CallKey,
    operation: Operation,
    amount: Won,
) -> anyhow::Result<LedgerEntry> {
    let now = Clock::System.now();
    let call = GatewayCall {
        key,
        reservation_id: id.reservation().context("no order of ours")?,
        attempt_id: id.clone(),
        operation,
        cancellation_id: None,
        body: CallBody { amount, method: Method::Card, authorization: None, account: None },
        state: CallState::Sent,
        late: true,
        opened_at: now,
    };
    let (key, attempt_id) = (call.key.clone(), call.attempt_id.clone());
    match gateway.deliver(&call).await? {
        Outcome::Known(Answer::Done { .. }) => {
            Ok(LedgerEntry { seq: 0, key, attempt_id, operation, amount, done: true, at: now })
        }
        Outcome::Known(Answer::Refused { code }) => bail!("the gateway refused: {code}"),
        Outcome::Known(Answer::Lapsed) | Outcome::InProgress | Outcome::NotFound => {
            bail!("no answer yet: run this again")
        }
    }
}
