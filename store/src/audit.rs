//! The auditor: reads everything, page by page, and lets `domain::audit` judge it (specification
//! 1.6). Each page is one snapshot, so a system that is running gives no false alarm.

mod dossiers;
mod house;
mod overdue;

use crate::reservations::{reservation, reservation_columns};
use crate::{Store, StoreError};
use domain::audit::{Invariant, LedgerEntry, Violation, compare, judge, of_nobody};
use domain::ids::ReservationId;
use domain::reservation::Reservation;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reservations that are read in one snapshot.
const PAGE: i64 = 500;
/// Reservations whose ledger entries are in memory at one time.
const WINDOW: i64 = 20_000;
/// Violations that are told; the others are counted.
pub const VIOLATIONS_MAX: usize = 1_000;
/// A reservation that moved while its ledger was read is looked at again, this often.
const LOOKS_MAX: u32 = 5;

/// What the auditor found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// At most [`VIOLATIONS_MAX`].
    pub violations: Vec<Violation>,
    /// How many more there were.
    pub untold: u64,
    /// Reservations that were judged.
    pub checked: u64,
}

impl Report {
    pub fn is_silent(&self) -> bool {
        self.violations.is_empty()
    }

    pub fn extend(&mut self, found: impl IntoIterator<Item = Violation>) {
        for violation in found {
            if self.violations.len() < VIOLATIONS_MAX {
                self.violations.push(violation);
            } else {
                self.untold += 1;
            }
        }
    }
}

/// Reservations in the order of their ids: those after `after`, up to and including `upto`.
#[derive(Debug, Clone, Default)]
pub struct Window {
    pub after: Option<ReservationId>,
    pub upto: Option<ReservationId>,
}

impl Window {
    /// What belongs to no reservation is in the first window.
    pub fn contains(&self, id: Option<&ReservationId>) -> bool {
        let Some(id) = id else { return self.after.is_none() };
        self.after.as_ref().is_none_or(|after| id > after)
            && self.upto.as_ref().is_none_or(|upto| id <= upto)
    }
}

type Reading = dyn Fn(&Window) -> std::io::Result<Vec<LedgerEntry>> + Send + Sync;

/// Where the gateway's ledger is read: a function that gives the entries of a window, each time as
/// they are then.
#[derive(Clone)]
pub struct Ledger(Arc<Reading>);

impl Ledger {
    pub fn new(
        read: impl Fn(&Window) -> std::io::Result<Vec<LedgerEntry>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(read))
    }

    /// A ledger that is at hand.
    pub fn of(entries: Vec<LedgerEntry>) -> Self {
        Self::new(move |window| {
            let within =
                |entry: &&LedgerEntry| window.contains(entry.attempt_id.reservation().as_ref());
            Ok(entries.iter().filter(within).cloned().collect())
        })
    }

    /// The entries of a window by reservation; those of none are of nobody.
    async fn read(&self, window: &Window) -> Result<Entries, StoreError> {
        let (ledger, window) = (self.clone(), window.clone());
        let read = tokio::task::spawn_blocking(move || (ledger.0)(&window)).await;
        let entries = read.map_err(std::io::Error::other).and_then(|entries| entries);
        let mut by_reservation = Entries::new();
        for entry in entries.map_err(StoreError::Ledger)? {
            by_reservation.entry(entry.attempt_id.reservation()).or_default().push(entry);
        }
        Ok(by_reservation)
    }
}

type Entries = BTreeMap<Option<ReservationId>, Vec<LedgerEntry>>;

impl Store {
    /// Judges all that is stored, and the gateway's ledger where there is one, in bounded memory.
    pub async fn audit(&self, ledger: Option<&Ledger>) -> Result<Report, StoreError> {
        let mut report = Report::default();
        let mut window = Window::default();
        loop {
            window.upto = self.last_of_window(window.after.as_ref()).await?;
            self.audit_window(&window, ledger, &mut report).await?;
            if window.upto.is_none() {
                break;
            }
            window.after = window.upto.take();
        }
        report.extend(self.audit_house().await?);
        Ok(report)
    }

    /// Acknowledged reservations that are not there.
    pub async fn lost(&self, acknowledged: &[ReservationId]) -> Result<Vec<Violation>, StoreError> {
        let mut lost = Vec::new();
        for id in acknowledged {
            if self.reservation(id).await?.is_none() {
                lost.push(Violation {
                    invariant: Invariant::Lost,
                    reservation_id: Some(id.clone()),
                    detail: "was acknowledged and is not there".to_owned(),
                });
            }
        }
        Ok(lost)
    }

    /// Reservations that have not ended, in the order of their ids.
    pub async fn under_way(
        &self,
        after: Option<&ReservationId>,
        limit: i64,
    ) -> Result<Vec<Reservation>, StoreError> {
        sqlx::query(concat!(
            "select ",
            reservation_columns!(),
            " from reservation where reservation_id > $1 \
             and status not in ('CANCELLED', 'EXPIRED', 'COMPLETED') \
             order by reservation_id limit $2"
        ))
        .bind(after.map_or(String::new(), ToString::to_string))
        .bind(limit)
        .fetch_all(self.readers())
        .await?
        .iter()
        .map(reservation)
        .collect()
    }

    async fn last_of_window(
        &self,
        after: Option<&ReservationId>,
    ) -> Result<Option<ReservationId>, StoreError> {
        let found: Option<String> = sqlx::query_scalar(
            "select reservation_id from reservation where reservation_id > $1 \
             order by reservation_id limit 1 offset $2",
        )
        .bind(after.map_or(String::new(), ToString::to_string))
        .bind(WINDOW - 1)
        .fetch_optional(self.readers())
        .await?;
        found
            .map(ReservationId::parse)
            .transpose()
            .map_err(|why| crate::row::broken("reservation_id", why))
    }

    async fn audit_window(
        &self,
        window: &Window,
        ledger: Option<&Ledger>,
        report: &mut Report,
    ) -> Result<(), StoreError> {
        let mut entries = match ledger {
            Some(ledger) => ledger.read(window).await?,
            None => Entries::new(),
        };
        let mut suspects = Vec::new();
        let mut after = window.after.clone();
        loop {
            let page = self.dossiers(after.as_ref(), window.upto.as_ref(), PAGE).await?;
            let now = self.now();
            report.checked += page.rows;
            report.extend(page.broken);
            for dossier in &page.dossiers {
                report.extend(judge(dossier, now));
                let id = &dossier.row.id;
                let entries = entries.remove(&Some(id.clone())).unwrap_or_default();
                if ledger.is_some() && !compare(dossier, &entries).is_empty() {
                    suspects.push(id.clone());
                }
            }
            match page.last {
                Some(last) => after = Some(last),
                None => break,
            }
        }
        let Some(ledger) = ledger else { return Ok(()) };
        for (id, entries) in entries {
            match id {
                Some(id) => suspects.push(id),
                None => report.extend(of_nobody(&entries)),
            }
        }
        self.look_again(window, ledger, suspects, report).await
    }

    /// A row may have moved between its own reading and the ledger's. So those that do not agree
    /// are read again, the ledger in between, until they stand still.
    async fn look_again(
        &self,
        window: &Window,
        ledger: &Ledger,
        mut suspects: Vec<ReservationId>,
        report: &mut Report,
    ) -> Result<(), StoreError> {
        for _ in 0..LOOKS_MAX {
            if suspects.is_empty() {
                break;
            }
            suspects.truncate(VIOLATIONS_MAX);
            let mut before = Vec::new();
            for id in suspects.drain(..) {
                let dossier = self.dossier(&id).await?;
                before.push((id, dossier));
            }
            let mut entries = ledger.read(window).await?;
            for (id, dossier) in before {
                let now = self.reservation(&id).await?.map(|row| row.version);
                if now != dossier.as_ref().map(|dossier| dossier.row.version) {
                    suspects.push(id);
                    continue;
                }
                let entries = entries.remove(&Some(id)).unwrap_or_default();
                report.extend(match dossier {
                    Some(dossier) => compare(&dossier, &entries),
                    None => of_nobody(&entries),
                });
            }
        }
        Ok(())
    }
}
