//! Movies, theaters, auditoriums, seats, showtimes: read by everyone, written by staff (`movies.rs`,
//! `showtimes.rs`) and by seeding (`seeded.rs`).

use crate::capacity::pool;
use crate::reserve::Offer;
use crate::row::{json, number, text, time, word};
use crate::seats::seat;
use crate::{Store, StoreError};
use domain::catalogue::{Movie, Seat, Showtime, Theater};
use domain::ids::{AuditoriumId, MovieId, ShowtimeId, TheaterId};
use domain::time::Time;
use domain::words::{AuditoriumKind, MovieStatus};
use sqlx::any::AnyRow;

pub mod movies;
mod seeded;
mod showtimes;

/// A showtime as it is listed.
#[derive(Debug, Clone)]
pub struct ListedShowtime {
    pub offer: Offer,
    pub theater_id: TheaterId,
    pub auditorium_kind: AuditoriumKind,
}

/// Which showtimes are asked for; each part may be left open.
#[derive(Debug, Clone, Default)]
pub struct ShowtimeFilter {
    pub movie_id: Option<MovieId>,
    pub theater_id: Option<TheaterId>,
    pub from: Option<Time>,
    pub until: Option<Time>,
    /// Listing goes on after this start and id.
    pub after: Option<(Time, ShowtimeId)>,
}

/// An auditorium without its seats.
#[derive(Debug, Clone)]
pub struct ListedAuditorium {
    pub id: AuditoriumId,
    pub theater_id: TheaterId,
    pub name: String,
    pub kind: AuditoriumKind,
    pub layout_version: u32,
    pub seats: u32,
}

/// Showtimes chosen by a query of ids named `t.showtime_id`, a row per showtime and pool.
macro_rules! showtime_select {
    ($chosen:literal) => {
        concat!(
            "select t.showtime_id, t.movie_id, t.auditorium_id, t.starts_at, t.ends_at, \
             t.sales_open_at, t.sales_close_at, t.status, t.cancel_policy, t.max_party_size, \
             t.prices, m.title, m.age_rating, a.name as auditorium_name, \
             a.kind as auditorium_kind, h.theater_id, h.name as theater_name, \
             p.grade, p.open, p.sellable, p.held, p.sold \
             from (",
            $chosen,
            ") chosen join showtime t on t.showtime_id = chosen.showtime_id \
             join movie m on m.movie_id = t.movie_id \
             join auditorium a on a.auditorium_id = t.auditorium_id \
             join theater h on h.theater_id = a.theater_id \
             join capacity_pool p on p.showtime_id = t.showtime_id \
             order by t.starts_at, t.showtime_id, p.grade"
        )
    };
}

/// One movie, and what else is to be said of the row.
macro_rules! movie_by_id {
    ($($how:literal)?) => {
        concat!(
            "select movie_id, title, original_title, runtime_minutes, age_rating, status \
             from movie where movie_id = $1",
            $($how)?
        )
    };
}
pub(crate) use movie_by_id;

impl Store {
    /// Movies, of a title or a status where one is asked for, from after the id `after`.
    pub async fn movies(
        &self,
        title: Option<&str>,
        status: Option<MovieStatus>,
        after: Option<&MovieId>,
        limit: i64,
    ) -> Result<Vec<Movie>, StoreError> {
        sqlx::query(
            "select movie_id, title, original_title, runtime_minutes, age_rating, status \
             from movie where ($1 is null or title = $1) and ($2 is null or movie_id > $2) \
             and ($4 is null or status = $4) order by movie_id limit $3",
        )
        .bind(title.map(str::to_owned))
        .bind(after.map(|id| id.as_str().to_owned()))
        .bind(limit)
        .bind(status.map(|status| status.as_str().to_owned()))
        .fetch_all(self.readers())
        .await?
        .iter()
        .map(movie)
        .collect()
    }

    pub async fn movie(&self, id: &MovieId) -> Result<Option<Movie>, StoreError> {
        sqlx::query(movie_by_id!())
            .bind(id.as_str())
            .fetch_optional(self.readers())
            .await?
            .map(|row| movie(&row))
            .transpose()
    }

    pub async fn theaters(
        &self,
        after: Option<&TheaterId>,
        limit: i64,
    ) -> Result<Vec<Theater>, StoreError> {
        sqlx::query(
            "select theater_id, name from theater where ($1 is null or theater_id > $1) \
             order by theater_id limit $2",
        )
        .bind(after.map(|id| id.as_str().to_owned()))
        .bind(limit)
        .fetch_all(self.readers())
        .await?
        .iter()
        .map(|row| Ok(Theater { id: word(row, "theater_id")?, name: text(row, "name")? }))
        .collect()
    }

    pub async fn theater(&self, id: &TheaterId) -> Result<Option<Theater>, StoreError> {
        let found = sqlx::query("select theater_id, name from theater where theater_id = $1")
            .bind(id.as_str())
            .fetch_optional(self.readers())
            .await?;
        let Some(row) = found else { return Ok(None) };
        Ok(Some(Theater { id: word(&row, "theater_id")?, name: text(&row, "name")? }))
    }

    pub async fn auditoriums(
        &self,
        theater: &TheaterId,
        after: Option<&AuditoriumId>,
        limit: i64,
    ) -> Result<Vec<ListedAuditorium>, StoreError> {
        sqlx::query(
            "select a.auditorium_id, a.theater_id, a.name, a.kind, a.layout_version, \
             (select count(*) from seat s where s.auditorium_id = a.auditorium_id) as seats \
             from auditorium a where a.theater_id = $1 and ($2 is null or a.auditorium_id > $2) \
             order by a.auditorium_id limit $3",
        )
        .bind(theater.as_str())
        .bind(after.map(|id| id.as_str().to_owned()))
        .bind(limit)
        .fetch_all(self.readers())
        .await?
        .iter()
        .map(|row| {
            Ok(ListedAuditorium {
                id: word(row, "auditorium_id")?,
                theater_id: word(row, "theater_id")?,
                name: text(row, "name")?,
                kind: word(row, "kind")?,
                layout_version: number(row, "layout_version")?,
                seats: number(row, "seats")?,
            })
        })
        .collect()
    }

    /// Showtimes in the order of their start.
    pub async fn showtimes(
        &self,
        filter: &ShowtimeFilter,
        limit: i64,
    ) -> Result<Vec<ListedShowtime>, StoreError> {
        let (after_at, after_id) = match &filter.after {
            Some((at, id)) => (Some(at.as_millis()), Some(id.as_str().to_owned())),
            None => (None, None),
        };
        sqlx::query(showtime_select!(
            "select t.showtime_id from showtime t \
             join auditorium a on a.auditorium_id = t.auditorium_id \
             where ($1 is null or t.movie_id = $1) and ($2 is null or a.theater_id = $2) \
             and ($3 is null or t.starts_at >= $3) and ($4 is null or t.starts_at < $4) \
             and ($5 is null or (t.starts_at, t.showtime_id) > ($5, $6)) \
             order by t.starts_at, t.showtime_id limit $7"
        ))
        .bind(filter.movie_id.as_ref().map(|id| id.as_str().to_owned()))
        .bind(filter.theater_id.as_ref().map(|id| id.as_str().to_owned()))
        .bind(filter.from.map(Time::as_millis))
        .bind(filter.until.map(Time::as_millis))
        .bind(after_at)
        .bind(after_id)
        .bind(limit)
        .fetch_all(self.readers())
        .await
        .map_err(StoreError::from)
        .and_then(|rows| listed(&rows))
    }

    pub async fn showtime(&self, id: &ShowtimeId) -> Result<Option<ListedShowtime>, StoreError> {
        let rows = sqlx::query(showtime_select!(
            "select t.showtime_id from showtime t where t.showtime_id = $1"
        ))
        .bind(id.as_str())
        .fetch_all(self.readers())
        .await?;
        Ok(listed(&rows)?.pop())
    }

    /// The next showtime of a movie that starts after `after`, is on sale and has room in some
    /// grade that everybody may book: wheelchair places alone are no room for others.
    pub async fn next_showtime_with_room(
        &self,
        movie: &MovieId,
        after: Time,
    ) -> Result<Option<ListedShowtime>, StoreError> {
        let rows = sqlx::query(showtime_select!(
            "select t.showtime_id from showtime t \
             where t.movie_id = $1 and t.starts_at > $2 and t.status = 'ON_SALE' \
             and t.sales_open_at <= $3 and t.sales_close_at > $3 \
             and exists (select 1 from capacity_pool p where p.showtime_id = t.showtime_id \
             and p.open = 1 and p.grade <> 'ACCESSIBLE' and p.held + p.sold < p.sellable) \
             order by t.starts_at, t.showtime_id limit 1"
        ))
        .bind(movie.as_str())
        .bind(after.as_millis())
        .bind(self.now().as_millis())
        .fetch_all(self.readers())
        .await?;
        Ok(listed(&rows)?.pop())
    }

    /// Every seat of an auditorium.
    pub async fn seats(&self, auditorium: &AuditoriumId) -> Result<Vec<Seat>, StoreError> {
        sqlx::query(
            "select seat_id, seat_row, number, grade, kind, block, x, y from seat \
             where auditorium_id = $1 order by y, x, seat_id",
        )
        .bind(auditorium.as_str())
        .fetch_all(self.readers())
        .await?
        .iter()
        .map(seat)
        .collect()
    }
}

/// Rows of one showtime stand together, one for each of its pools.
fn listed(rows: &[AnyRow]) -> Result<Vec<ListedShowtime>, StoreError> {
    let mut listed: Vec<ListedShowtime> = Vec::new();
    for row in rows {
        let id: ShowtimeId = word(row, "showtime_id")?;
        match listed.last_mut().filter(|last| last.offer.showtime.id == id) {
            Some(last) => last.offer.pools.push(pool(row)?),
            None => listed.push(listed_showtime(row)?),
        }
    }
    Ok(listed)
}

fn listed_showtime(row: &AnyRow) -> Result<ListedShowtime, StoreError> {
    Ok(ListedShowtime {
        theater_id: word(row, "theater_id")?,
        auditorium_kind: word(row, "auditorium_kind")?,
        offer: Offer {
            showtime: showtime(row)?,
            pools: vec![pool(row)?],
            movie_title: text(row, "title")?,
            age_rating: word(row, "age_rating")?,
            theater_name: text(row, "theater_name")?,
            auditorium_name: text(row, "auditorium_name")?,
        },
    })
}

fn movie(row: &AnyRow) -> Result<Movie, StoreError> {
    Ok(Movie {
        id: word(row, "movie_id")?,
        title: text(row, "title")?,
        original_title: text(row, "original_title")?,
        runtime_minutes: number(row, "runtime_minutes")?,
        age_rating: word(row, "age_rating")?,
        status: word(row, "status")?,
    })
}

fn showtime(row: &AnyRow) -> Result<Showtime, StoreError> {
    Ok(Showtime {
        id: word(row, "showtime_id")?,
        movie_id: word(row, "movie_id")?,
        auditorium_id: word(row, "auditorium_id")?,
        starts_at: time(row, "starts_at")?,
        ends_at: time(row, "ends_at")?,
        sales_open_at: time(row, "sales_open_at")?,
        sales_close_at: time(row, "sales_close_at")?,
        status: word(row, "status")?,
        cancel_policy: word(row, "cancel_policy")?,
        max_party_size: number(row, "max_party_size")?,
        prices: json(row, "prices")?,
    })
}
