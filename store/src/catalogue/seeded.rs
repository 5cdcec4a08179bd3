//! What seeding adds to the catalogue.

use super::movies::insert_movie;
use super::showtimes::put_on;
use crate::writer::Tx;
use crate::{Store, StoreError};
use domain::catalogue::{Auditorium, Movie, Showtime, Theater};
use domain::words::{Grade, MovieStatus};
use std::collections::BTreeMap;

impl Store {
    /// Adds what is missing; what exists is left as it is. One transaction per part, so that a
    /// seeding which is cut off is completed by the next.
    pub async fn put_movies(&self, movies: &[Movie]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for movie in movies {
            insert_movie(&mut tx, movie).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Theaters with their auditoriums and seats; see [`Store::put_movies`].
    pub async fn put_venues(
        &self,
        theaters: &[Theater],
        auditoriums: &[Auditorium],
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for theater in theaters {
            sqlx::query(
                "insert into theater (theater_id, name) values ($1, $2) on conflict do nothing",
            )
            .bind(theater.id.as_str())
            .bind(theater.name.as_str())
            .execute(&mut *tx)
            .await?;
        }
        for auditorium in auditoriums {
            let inserted = sqlx::query(
                "insert into auditorium (auditorium_id, theater_id, name, kind, layout_version) \
                 values ($1, $2, $3, $4, $5) on conflict do nothing",
            )
            .bind(auditorium.id.as_str())
            .bind(auditorium.theater_id.as_str())
            .bind(auditorium.name.as_str())
            .bind(auditorium.kind.as_str())
            .bind(i64::from(auditorium.layout_version))
            .execute(&mut *tx)
            .await?;
            if inserted.rows_affected() == 1 {
                insert_seats(&mut tx, auditorium).await?;
            }
        }
        Ok(tx.commit().await?)
    }

    /// Showtimes with their pools, `sellable` places per grade; see [`Store::put_movies`]. What staff
    /// has done stays: what is on at the same time in an auditorium, a film of the same title, and
    /// the end of a run.
    pub async fn put_showtimes(
        &self,
        showtimes: &[(Showtime, BTreeMap<Grade, u32>)],
    ) -> Result<u64, StoreError> {
        let mut shown = BTreeMap::new();
        for (showtime, _) in showtimes {
            if !shown.contains_key(&showtime.movie_id) {
                let movie = self.movie(&showtime.movie_id).await?;
                if movie.is_none() {
                    tracing::warn!(movie.id = %showtime.movie_id, "its title is another film's");
                }
                let is_shown = movie.is_some_and(|movie| movie.status == MovieStatus::Showing);
                shown.insert(&showtime.movie_id, is_shown);
            }
        }
        let mut tx = self.begin().await?;
        let mut added = 0;
        for (showtime, sellable) in showtimes.iter().filter(|(it, _)| shown[&it.movie_id]) {
            if put_on(&mut tx, showtime, sellable).await?.is_none() {
                added += 1;
            }
        }
        tx.commit().await?;
        Ok(added)
    }
}

async fn insert_seats(tx: &mut Tx, auditorium: &Auditorium) -> Result<(), StoreError> {
    for seat in &auditorium.seats {
        sqlx::query(
            "insert into seat (seat_id, auditorium_id, seat_row, number, grade, kind, block, x, y) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(seat.id.as_str())
        .bind(auditorium.id.as_str())
        .bind(seat.row.as_str())
        .bind(seat.number.as_str())
        .bind(seat.grade.as_str())
        .bind(seat.kind.as_str())
        .bind(seat.block.as_str())
        .bind(i64::from(seat.x))
        .bind(i64::from(seat.y))
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}
