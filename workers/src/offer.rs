//! What is on offer: a catalogue written to the store, and topped up as days go by.

use crate::catalogue::{self, Catalogue};
use crate::config::CatalogueKind;
use anyhow::Context;
use domain::catalogue::Showtime;
use std::collections::BTreeMap;
use std::time::Duration;
use store::Store;
use tokio::task::JoinHandle;

/// What is on offer is topped up this often, beside at each start.
const TOP_UP_EVERY: Duration = Duration::from_secs(3600);

/// Returns once it is written for the first time. Several processes may do this at once: what is
/// there already stays as it is.
pub(crate) async fn keep_topped_up(
    store: Store,
    kind: CatalogueKind,
) -> anyhow::Result<JoinHandle<()>> {
    top_up(&store, kind).await.context("cannot write the catalogue")?;
    Ok(tokio::spawn(async move {
        loop {
            tokio::time::sleep(TOP_UP_EVERY).await;
            if let Err(error) = top_up(&store, kind).await {
                tracing::warn!(?error, "catalogue not topped up");
            }
        }
    }))
}

async fn top_up(store: &Store, kind: CatalogueKind) -> Result<(), store::StoreError> {
    let Catalogue { movies, theaters, auditoriums, showtimes } = match kind {
        CatalogueKind::Demo => catalogue::demo(store.now()),
        CatalogueKind::Rush => catalogue::rush(store.now()),
        CatalogueKind::None => return Ok(()),
    };
    store.put_movies(&movies).await?;
    store.put_venues(&theaters, &auditoriums).await?;
    let sellable: BTreeMap<_, _> =
        auditoriums.iter().map(|room| (room.id.clone(), catalogue::sellable(room))).collect();
    let places =
        |showtime: &Showtime| sellable.get(&showtime.auditorium_id).cloned().unwrap_or_default();
    let with_places: Vec<_> = showtimes
        .into_iter()
        .map(|showtime| {
            let places = places(&showtime);
            (showtime, places)
        })
        .collect();
    let added = store.put_showtimes(&with_places).await?;
    tracing::info!(added, "showtimes on offer topped up");
    Ok(())
}
