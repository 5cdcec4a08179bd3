//! One movie, eight seats in two grades, one showtime in two hours; and the database that has them,
//! made once and copied for every world.

use domain::catalogue::{Auditorium, Movie, Seat, Showtime, Theater};
use domain::ids::{AuditoriumId, MovieId, SeatId, ShowtimeId, TheaterId};
use domain::reservation::Deadlines;
use domain::time::Time;
use domain::won::Won;
use domain::words::{
    AgeRating, Audience, AuditoriumKind, CancelPolicy, Grade, MovieStatus, SeatKind, ShowtimeStatus,
};
use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicI64;
use std::time::Duration;
use store::{Clock, Store};
use tempfile::TempDir;

/// When every world begins, in milliseconds since 1970 UTC.
pub(super) const BEGINNING: Time = Time::from_millis(1_800_000_000_000);
pub(super) const STARTS_AFTER: Duration = Duration::from_secs(2 * 3_600);
pub(super) const SALES_CLOSE_BEFORE: Duration = Duration::from_secs(10 * 60);
const LASTS: Duration = Duration::from_secs(2 * 3_600);

/// Row, number, grade: five in front, three behind.
const SEATS: [(&str, u32, Grade); 8] = [
    ("A", 1, Grade::Standard),
    ("A", 2, Grade::Standard),
    ("A", 3, Grade::Standard),
    ("A", 4, Grade::Standard),
    ("A", 5, Grade::Standard),
    ("B", 1, Grade::Prime),
    ("B", 2, Grade::Prime),
    ("B", 3, Grade::Prime),
];

/// A folder for databases, in memory where the machine has such a place.
pub(super) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = match memory.is_dir() {
        true => TempDir::with_prefix_in("marquee-sim-", memory),
        false => TempDir::with_prefix("marquee-sim-"),
    };
    made.expect("a folder for databases")
}

/// The bytes of a database with the schema and the theater.
pub(super) fn template() -> &'static [u8] {
    static TEMPLATE: OnceLock<Vec<u8>> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        // Also called inside a runtime, which may not start another one.
        let made = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be started").block_on(make())
        });
        made.join().expect("the template can be made")
    })
}

async fn make() -> Vec<u8> {
    let folder = folder();
    let url = format!("sqlite://{}", folder.path().join("made.db").display());
    let clock = Clock::Manual(Arc::new(AtomicI64::new(BEGINNING.as_millis())));
    let store = Store::open(&url, clock, Deadlines::default()).await.expect("a new database");
    store.put_movies(&[movie()]).await.expect("the movie is new");
    let theater = Theater { id: theater_id(), name: "Marquee Hongdae".to_owned() };
    store.put_venues(&[theater], &[auditorium()]).await.expect("the venue is new");
    let added = store.put_showtimes(&[(showtime(), sellable())]).await;
    assert_eq!(added.expect("the showtime is new"), 1);
    // One file without a log beside it.
    let copy = folder.path().join("template.db");
    let mut conn = AnyConnection::connect(&url).await.expect("the store has opened it");
    let sql = format!("vacuum into '{}'", copy.display());
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.expect("room for a copy");
    std::fs::read(copy).expect("it was just written")
}

pub(super) fn showtime_id() -> ShowtimeId {
    ShowtimeId::parse("late-show").expect("plain")
}

pub(super) fn seats_of(grade: Grade) -> Vec<SeatId> {
    let fitting = SEATS.iter().filter(|(.., of)| *of == grade);
    fitting.map(|(row, n, _)| seat_id(row, *n)).collect()
}

fn seat_id(row: &str, n: u32) -> SeatId {
    SeatId::parse(format!("{row}{n}")).expect("plain")
}

fn movie() -> Movie {
    Movie {
        id: movie_id(),
        title: "올드보이".to_owned(),
        original_title: "Oldboy".to_owned(),
        runtime_minutes: 120,
        age_rating: AgeRating::All,
        status: MovieStatus::Showing,
    }
}

fn auditorium() -> Auditorium {
    let seat = |(row, n, grade): &(&str, u32, Grade)| Seat {
        id: seat_id(row, *n),
        row: (*row).to_owned(),
        number: format!("{row}{n}"),
        grade: *grade,
        kind: SeatKind::Normal,
        block: "middle".to_owned(),
        x: *n,
        y: if *row == "A" { 1 } else { 2 },
    };
    Auditorium {
        id: auditorium_id(),
        theater_id: theater_id(),
        name: "Hall 1".to_owned(),
        kind: AuditoriumKind::Standard,
        layout_version: 1,
        seats: SEATS.iter().map(seat).collect(),
    }
}

fn showtime() -> Showtime {
    let adult = |won| BTreeMap::from([(Audience::Adult, Won::parse(won).expect("an amount"))]);
    let starts_at = BEGINNING.plus(STARTS_AFTER);
    Showtime {
        id: showtime_id(),
        movie_id: movie_id(),
        auditorium_id: auditorium_id(),
        starts_at,
        ends_at: starts_at.plus(LASTS),
        sales_open_at: BEGINNING,
        sales_close_at: starts_at.minus(SALES_CLOSE_BEFORE),
        status: ShowtimeStatus::OnSale,
        cancel_policy: CancelPolicy::Standard,
        max_party_size: 4,
        prices: BTreeMap::from([(Grade::Standard, adult(14_000)), (Grade::Prime, adult(17_000))]),
    }
}

fn sellable() -> BTreeMap<Grade, u32> {
    BTreeMap::from([(Grade::Standard, 5), (Grade::Prime, 3)])
}

fn movie_id() -> MovieId {
    MovieId::parse("oldboy").expect("plain")
}

fn theater_id() -> TheaterId {
    TheaterId::parse("hongdae").expect("plain")
}

fn auditorium_id() -> AuditoriumId {
    AuditoriumId::parse("hongdae-1").expect("plain")
}
