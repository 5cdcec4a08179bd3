//! Films that staff adds and corrects. A title is that of one film.

use super::{movie, movie_by_id};
use crate::audit_entries::Deed;
use crate::idempotency::{Claim, RequestKey, claim};
use crate::row::broken;
use crate::writer::{Tx, left};
use crate::{Store, StoreError, fresh, repeated};
use domain::audit_entry::{Facts, facts};
use domain::catalogue::Movie;
use domain::ids::{MovieId, NotAnId};
use domain::person::Person;
use domain::refusal::Refusal;
use domain::words::{AgeRating, MovieStatus, ShowtimeStatus, StaffAction};
use sqlx::Any;
use sqlx::any::AnyArguments;
use sqlx::query::Query;

/// A film as staff wants it in the catalogue.
#[derive(Debug, Clone)]
pub struct NewMovie {
    pub title: String,
    pub original_title: String,
    pub runtime_minutes: u32,
    pub age_rating: AgeRating,
}

/// What is to be otherwise; the rest stays. What was sold stays as it was sold.
#[derive(Debug, Clone, Default)]
pub struct MovieChange {
    pub title: Option<String>,
    pub original_title: Option<String>,
    pub runtime_minutes: Option<u32>,
    pub age_rating: Option<AgeRating>,
    pub status: Option<MovieStatus>,
}

/// How a wish of staff for the catalogue ended.
#[derive(Debug)]
pub enum Catalogued<T> {
    Done(T),
    /// It had been asked before under this key.
    Replayed(T),
    Refused(Refusal),
}

pub(super) enum Added<Id> {
    New,
    /// What its key had made before.
    Before(Id),
    Refused(Refusal),
}

impl Store {
    /// A film that is shown from now on.
    pub async fn add_movie(
        &self,
        staff: &Person,
        new: &NewMovie,
        key: Option<&RequestKey>,
    ) -> Result<Catalogued<Movie>, StoreError> {
        let movie = Movie {
            id: MovieId::parse(fresh::id('m')).map_err(|why| broken("movie_id", why))?,
            title: new.title.clone(),
            original_title: new.original_title.clone(),
            runtime_minutes: new.runtime_minutes,
            age_rating: new.age_rating,
            status: MovieStatus::Showing,
        };
        match repeated(|| self.try_add_movie(staff, &movie, key)).await? {
            Added::New => Ok(Catalogued::Done(movie)),
            Added::Before(id) => {
                let before = self.movie(&id).await?;
                before.map(Catalogued::Replayed).ok_or_else(|| broken("resource", "no such movie"))
            }
            Added::Refused(refusal) => Ok(Catalogued::Refused(refusal)),
        }
    }

    async fn try_add_movie(
        &self,
        staff: &Person,
        movie: &Movie,
        key: Option<&RequestKey>,
    ) -> Result<Added<MovieId>, StoreError> {
        let mut tx = self.begin().await?;
        if let Some(before) = self.asked_before(&mut tx, key, movie.id.as_str()).await? {
            return left(tx, before).await;
        }
        if !insert_movie(&mut tx, movie).await? {
            let there = match self.lock_movie(&mut tx, &movie.id).await? {
                Some(_) => Added::New, // a try before had taken effect
                None => Added::Refused(Refusal::TitleTaken),
            };
            return left(tx, there).await;
        }
        let deed = Deed {
            action: StaffAction::AddMovie,
            target: format!("/movies/{}", movie.id),
            before: facts([]),
            after: told(movie),
        };
        self.audit_deed(&mut tx, staff, &deed).await?;
        tx.commit().await?;
        Ok(Added::New)
    }

    /// Corrects a film, or ends its run once it has no show to come.
    pub async fn change_movie(
        &self,
        staff: &Person,
        id: &MovieId,
        change: &MovieChange,
    ) -> Result<Catalogued<Movie>, StoreError> {
        repeated(|| self.try_change_movie(staff, id, change)).await
    }

    async fn try_change_movie(
        &self,
        staff: &Person,
        id: &MovieId,
        change: &MovieChange,
    ) -> Result<Catalogued<Movie>, StoreError> {
        let mut tx = self.begin().await?;
        let Some(before) = self.lock_movie(&mut tx, id).await? else {
            return left(tx, Catalogued::Refused(Refusal::NoSuchMovie)).await;
        };
        let after = changed(&before, change);
        if after == before {
            return left(tx, Catalogued::Done(before)).await;
        }
        let ends = before.status != after.status && after.status == MovieStatus::Ended;
        if ends && self.is_to_be_shown(&mut tx, id).await? {
            return left(tx, Catalogued::Refused(Refusal::ShowsToCome)).await;
        }
        match update_movie(&mut tx, &after).await {
            Ok(()) => {}
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                return left(tx, Catalogued::Refused(Refusal::TitleTaken)).await;
            }
            Err(error) => return Err(error.into()),
        }
        let deed = Deed {
            action: StaffAction::ChangeMovie,
            target: format!("/movies/{id}"),
            before: told(&before),
            after: told(&after),
        };
        self.audit_deed(&mut tx, staff, &deed).await?;
        tx.commit().await?;
        Ok(Catalogued::Done(after))
    }

    /// Nobody changes it before this transaction has ended, nor puts it on.
    pub(super) async fn lock_movie(
        &self,
        tx: &mut Tx,
        id: &MovieId,
    ) -> Result<Option<Movie>, StoreError> {
        // Those who only refer to it need not wait.
        let sql = self.engine.locking(movie_by_id!(), movie_by_id!(" for no key update"));
        let found = sqlx::query(sql).bind(id.as_str()).fetch_optional(&mut **tx).await?;
        found.map(|row| movie(&row)).transpose()
    }

    async fn is_to_be_shown(&self, tx: &mut Tx, id: &MovieId) -> Result<bool, StoreError> {
        let found = sqlx::query(
            "select showtime_id from showtime where movie_id = $1 and ends_at > $2 \
             and status <> $3 limit 1",
        )
        .bind(id.as_str())
        .bind(self.now().as_millis())
        .bind(ShowtimeStatus::Cancelled.as_str())
        .fetch_optional(&mut **tx)
        .await?;
        Ok(found.is_some())
    }

    /// Takes the key; what it had been used for, where it was.
    pub(super) async fn asked_before<Id>(
        &self,
        tx: &mut Tx,
        key: Option<&RequestKey>,
        resource: &str,
    ) -> Result<Option<Added<Id>>, StoreError>
    where
        Id: TryFrom<String, Error = NotAnId>,
    {
        let Some(key) = key else { return Ok(None) };
        Ok(match claim(tx, key, resource, self.now()).await? {
            Claim::First => None,
            Claim::Repeated(resource) => {
                let id = Id::try_from(resource).map_err(|why| broken("resource", why))?;
                Some(Added::Before(id))
            }
            Claim::OtherBody => Some(Added::Refused(Refusal::IdempotencyKeyReused)),
        })
    }
}

fn changed(before: &Movie, change: &MovieChange) -> Movie {
    let MovieChange { title, original_title, runtime_minutes, age_rating, status } = change.clone();
    Movie {
        id: before.id.clone(),
        title: title.unwrap_or_else(|| before.title.clone()),
        original_title: original_title.unwrap_or_else(|| before.original_title.clone()),
        runtime_minutes: runtime_minutes.unwrap_or(before.runtime_minutes),
        age_rating: age_rating.unwrap_or(before.age_rating),
        status: status.unwrap_or(before.status),
    }
}

/// What an audit entry says of a film.
fn told(movie: &Movie) -> Facts {
    facts([
        ("title", movie.title.as_str()),
        ("originalTitle", movie.original_title.as_str()),
        ("runtimeMinutes", &movie.runtime_minutes.to_string()),
        ("ageRating", movie.age_rating.as_str()),
        ("status", movie.status.as_str()),
    ])
}

async fn update_movie(tx: &mut Tx, movie: &Movie) -> sqlx::Result<()> {
    let sql = "update movie set title = $2, original_title = $3, runtime_minutes = $4, \
               age_rating = $5, status = $6 where movie_id = $1";
    with(sql, movie).execute(&mut **tx).await?;
    Ok(())
}

/// False when there is one of this id or title.
pub(super) async fn insert_movie(tx: &mut Tx, movie: &Movie) -> Result<bool, StoreError> {
    let sql = "insert into movie (movie_id, title, original_title, runtime_minutes, age_rating, \
               status) values ($1, $2, $3, $4, $5, $6) on conflict do nothing";
    Ok(with(sql, movie).execute(&mut **tx).await?.rows_affected() == 1)
}

/// A statement whose parameters are all that a film has.
fn with<'q>(sql: &'static str, movie: &'q Movie) -> Query<'q, Any, AnyArguments> {
    sqlx::query(sql)
        .bind(movie.id.as_str())
        .bind(movie.title.as_str())
        .bind(movie.original_title.as_str())
        .bind(i64::from(movie.runtime_minutes))
        .bind(movie.age_rating.as_str())
        .bind(movie.status.as_str())
}
