//! Films and showtimes that staff adds: one film of a title, one thing at a time in an auditorium.

use super::fixture::catalogue::EVENING;
use super::fixture::steps::key;
use super::fixture::{Ending, Fixture, on_postgres, together};
use domain::catalogue::{Movie, NewShowtime, Showtime, UnfitShowtime};
use domain::ids::{AuditoriumId, CustomerId, MovieId, ShowtimeId};
use domain::person::Person;
use domain::refusal::Refusal;
use domain::time::Time;
use domain::words::{AgeRating, Audience, Grade, MovieStatus, Role, StaffAction};
use std::collections::BTreeMap;
use std::time::Duration;
use store::catalogue::ListedShowtime;
use store::catalogue::movies::{Catalogued, MovieChange, NewMovie};

on_both!(
    a_showtime_sells_every_seat_of_its_auditorium,
    an_auditorium_shows_one_thing_at_a_time,
    of_eight_at_once_one_gets_the_auditorium,
    eight_at_once_at_other_times_all_get_it,
    a_title_is_given_once,
    a_repeat_adds_nothing,
    what_does_not_fit_is_refused,
    what_is_seeded_leaves_what_staff_put_on,
    a_film_is_corrected,
    a_run_ends_after_its_last_show,
    a_run_ends_or_goes_on,
);

const HOUR: Duration = Duration::from_secs(3_600);

fn staff() -> Person {
    Person { id: CustomerId::parse("boss").expect("plain"), role: Role::Staff }
}

fn parasite_2() -> NewMovie {
    NewMovie {
        title: "기생충 2".to_owned(),
        original_title: "Parasite 2".to_owned(),
        runtime_minutes: 110,
        age_rating: AgeRating::Fifteen,
    }
}

impl Fixture {
    /// Like that of the evening, two hours and 22 minutes from this time on.
    async fn like_evening(&self, starts_at: Time) -> NewShowtime {
        let evening = ShowtimeId::parse(EVENING).expect("plain");
        let evening = self.store.showtime(&evening).await.expect("it reads").expect("it is there");
        let like = evening.offer.showtime;
        NewShowtime {
            movie_id: like.movie_id,
            auditorium_id: like.auditorium_id,
            starts_at,
            sales_open_at: None,
            sales_close_at: None,
            cancel_policy: like.cancel_policy,
            max_party_size: 8,
            prices: like.prices,
        }
    }

    async fn put_on(&self, new: &NewShowtime) -> Catalogued<ListedShowtime> {
        self.store.add_showtime(&staff(), new, None).await.expect("the database answers")
    }

    async fn add(&self, new: &NewMovie) -> Catalogued<Movie> {
        self.store.add_movie(&staff(), new, None).await.expect("the database answers")
    }

    async fn change(&self, id: &MovieId, change: &MovieChange) -> Catalogued<Movie> {
        self.store.change_movie(&staff(), id, change).await.expect("the database answers")
    }

    /// At the same time in the same place; additions of one film wait for each other anyway.
    async fn eight_films(&self) -> Vec<NewShowtime> {
        let mut all = Vec::new();
        for n in 0..8 {
            let film = NewMovie { title: format!("{n}"), ..parasite_2() };
            let movie_id = done(self.add(&film).await).id;
            all.push(NewShowtime { movie_id, ..self.like_evening(self.tomorrow()).await });
        }
        all
    }

    fn tomorrow(&self) -> Time {
        self.store.now().plus(HOUR * 48)
    }

    /// Puts all of them on at once, none of which is done before all have begun.
    async fn at_once(&self, all: Vec<NewShowtime>) -> Vec<Catalogued<ListedShowtime>> {
        let held = self.hold("capacity_pool").await;
        let count = all.len();
        let running: Vec<_> = all
            .into_iter()
            .map(|new| {
                let store = self.store.clone();
                tokio::spawn(async move { store.add_showtime(&staff(), &new, None).await })
            })
            .collect();
        held.until_blocked(count).await;
        held.release().await;
        let mut answers = Vec::new();
        for task in running {
            answers.push(task.await.expect("it does not panic").expect("the database answers"));
        }
        answers
    }
}

#[track_caller]
fn done<T>(addition: Catalogued<T>) -> T {
    match addition {
        Catalogued::Done(added) => added,
        Catalogued::Replayed(_) => panic!("a repeat"),
        Catalogued::Refused(refusal) => panic!("{refusal:?}"),
    }
}

#[track_caller]
fn refusal<T>(addition: Catalogued<T>) -> Refusal {
    match addition {
        Catalogued::Refused(refusal) => refusal,
        Catalogued::Done(_) | Catalogued::Replayed(_) => panic!("it was added"),
    }
}

async fn a_showtime_sells_every_seat_of_its_auditorium(f: &Fixture) {
    let starts_at = f.tomorrow();
    let added = done(f.put_on(&f.like_evening(starts_at).await).await);
    let showtime = &added.offer.showtime;
    let length = Duration::from_secs(60 * (132 + 10));
    assert_eq!((showtime.starts_at, showtime.ends_at), (starts_at, starts_at.plus(length)));
    assert_eq!((showtime.sales_open_at, showtime.sales_close_at), (f.store.now(), starts_at));
    let pools: Vec<_> =
        added.offer.pools.iter().map(|it| (it.grade, it.sellable, it.held, it.sold)).collect();
    assert_eq!(pools, [(Grade::Accessible, 2, 0, 0), (Grade::Standard, 60, 0, 0)]);
    f.seated(showtime.id.as_str(), &["A1"]).await;
    let entries = f.store.audit_entries(None, 10).await.expect("it reads");
    assert_eq!(entries[0].action, StaffAction::AddShowtime);
    assert_eq!(entries[0].target, format!("/showtimes/{}", showtime.id));
}

async fn an_auditorium_shows_one_thing_at_a_time(f: &Fixture) {
    let starts_at = f.tomorrow();
    let first = done(f.put_on(&f.like_evening(starts_at).await).await).offer.showtime;
    let minute = Duration::from_secs(60);
    let length = first.ends_at.since(starts_at);
    for overlapping in
        [starts_at, starts_at.plus(length).minus(minute), starts_at.minus(length).plus(minute)]
    {
        let refused = refusal(f.put_on(&f.like_evening(overlapping).await).await);
        assert_eq!(refused, Refusal::AuditoriumTaken { by: first.id.clone() });
    }
    for beside in [starts_at.plus(length), starts_at.minus(length)] {
        done(f.put_on(&f.like_evening(beside).await).await);
    }
    // What was given up leaves the auditorium free.
    f.store.cancel_showtime(&staff(), &first.id, "the projector").await.expect("it is given up");
    let again = done(f.put_on(&f.like_evening(starts_at).await).await).offer.showtime;
    assert_ne!(again.id, first.id);
}

async fn of_eight_at_once_one_gets_the_auditorium(f: &Fixture) {
    let answers = f.at_once(f.eight_films().await).await;
    let (added, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| matches!(answer, Catalogued::Done(_)));
    let [winner] = <[_; 1]>::try_from(added).expect("one of them");
    let by = done(winner).offer.showtime.id;
    for answer in refused {
        assert_eq!(refusal(answer), Refusal::AuditoriumTaken { by: by.clone() });
    }
}

async fn eight_at_once_at_other_times_all_get_it(f: &Fixture) {
    let mut all = Vec::new();
    for n in 0..8 {
        all.push(f.tomorrow().plus(3 * n * HOUR));
    }
    let films = f.eight_films().await.into_iter().zip(all);
    let all = films.map(|(new, starts_at)| NewShowtime { starts_at, ..new }).collect();
    for answer in f.at_once(all).await {
        done(answer);
    }
}

/// With the index see [`of_eight_at_once_one_gets_the_auditorium`]. On SQLite nobody looks while
/// another writes: there the look alone is enough.
#[test]
fn an_auditorium_shows_many_things_without_the_index() {
    on_postgres(Ending::damaged(), without_its_index_an_auditorium_shows_many_things);
}

async fn without_its_index_an_auditorium_shows_many_things(f: &Fixture) {
    f.run("drop index showtime_turn").await;
    let answers = f.at_once(f.eight_films().await).await;
    let added = answers.iter().filter(|answer| matches!(answer, Catalogued::Done(_))).count();
    assert_eq!(added, 8);
}

async fn a_title_is_given_once(f: &Fixture) {
    let answers = together((0..8).map(|_| {
        let store = f.store.clone();
        async move { store.add_movie(&staff(), &parasite_2(), None).await.expect("it answers") }
    }))
    .await;
    let added = answers.iter().filter(|answer| matches!(answer, Catalogued::Done(_))).count();
    assert_eq!(added, 1);
    for answer in answers.into_iter().filter(|answer| !matches!(answer, Catalogued::Done(_))) {
        assert_eq!(refusal(answer), Refusal::TitleTaken);
    }
    f.run("drop index movie_title").await;
    done(f.store.add_movie(&staff(), &parasite_2(), None).await.expect("it answers"));
}

async fn a_repeat_adds_nothing(f: &Fixture) {
    let key = key(&staff().id, "k", "body");
    let first = f.store.add_movie(&staff(), &parasite_2(), Some(&key)).await.expect("it answers");
    let first = done(first);
    let again = f.store.add_movie(&staff(), &parasite_2(), Some(&key)).await.expect("it answers");
    let Catalogued::Replayed(again) = again else { panic!("it was a repeat: {again:?}") };
    assert_eq!(again, first);
    let elsewhere = store::idempotency::RequestKey { route: "POST /elsewhere", ..key };
    let new = f.like_evening(f.tomorrow()).await;
    let add = async || f.store.add_showtime(&staff(), &new, Some(&elsewhere)).await;
    let first = done(add().await.expect("it answers"));
    // Also when the same would be refused today.
    f.set_time(f.tomorrow());
    let Catalogued::Replayed(again) = add().await.expect("it answers") else { panic!("no repeat") };
    assert_eq!(again.offer.showtime, first.offer.showtime);
    assert_eq!(f.store.audit_entries(None, 10).await.expect("it reads").len(), 2);
}

async fn what_does_not_fit_is_refused(f: &Fixture) {
    let new = f.like_evening(f.tomorrow()).await;
    let nobody = MovieId::parse("nobody").expect("plain");
    let unknown = NewShowtime { movie_id: nobody, ..new.clone() };
    assert_eq!(refusal(f.put_on(&unknown).await), Refusal::NoSuchMovie);
    let nowhere = AuditoriumId::parse("nowhere").expect("plain");
    let unknown = NewShowtime { auditorium_id: nowhere, ..new.clone() };
    assert_eq!(refusal(f.put_on(&unknown).await), Refusal::NoSuchAuditorium);
    let mut free = new.clone();
    free.prices.entry(Grade::Standard).or_default().remove(&Audience::Teen);
    let unfit = UnfitShowtime::Audiences(Grade::Standard);
    assert_eq!(refusal(f.put_on(&free).await), Refusal::Unfit(unfit));
    assert_eq!(f.number("select count(*) from showtime").await, 3);
}

async fn what_is_seeded_leaves_what_staff_put_on(f: &Fixture) {
    let added = done(f.put_on(&f.like_evening(f.tomorrow()).await).await).offer.showtime;
    let places = BTreeMap::from([(Grade::Standard, 60)]);
    let seeded = |id: &str, movie_id: &MovieId, starts_at: Time| {
        let id = ShowtimeId::parse(id).expect("plain");
        let (movie_id, ends_at) = (movie_id.clone(), starts_at.plus(HOUR));
        let showtime = Showtime { id, movie_id, starts_at, ends_at, ..added.clone() };
        (showtime, places.clone())
    };
    let film = done(f.add(&parasite_2()).await);
    let namesake = Movie { id: MovieId::parse("seeded").expect("plain"), ..film };
    f.store.put_movies(std::slice::from_ref(&namesake)).await.expect("it writes");
    let showtimes = [
        seeded("same-time", &added.movie_id, added.starts_at),
        seeded("namesake", &namesake.id, added.starts_at.plus(24 * HOUR)),
        seeded("other-time", &added.movie_id, added.starts_at.plus(24 * HOUR)),
    ];
    assert_eq!(f.store.put_showtimes(&showtimes).await.expect("it writes"), 1);
    let other = NewMovie { title: "기생충 3".to_owned(), ..parasite_2() };
    let over = done(f.add(&other).await).id;
    done(f.change(&over, &ended()).await);
    let again = [seeded("over", &over, added.starts_at.plus(48 * HOUR))];
    assert_eq!(f.store.put_showtimes(&again).await.expect("it writes"), 0);
}

async fn a_film_is_corrected(f: &Fixture) {
    let film = done(f.add(&parasite_2()).await);
    let change = MovieChange {
        title: Some("기생충 둘".to_owned()),
        age_rating: Some(AgeRating::Nineteen),
        ..MovieChange::default()
    };
    let corrected = done(f.change(&film.id, &change).await);
    let expected =
        Movie {
            title: "기생충 둘".to_owned(), age_rating: AgeRating::Nineteen, ..film.clone()
        };
    assert_eq!(corrected, expected);
    assert_eq!(f.store.movie(&film.id).await.expect("it reads"), Some(expected));
    // The same again is no second deed.
    done(f.change(&film.id, &change).await);
    let entries = f.store.audit_entries(None, 10).await.expect("it reads");
    let deeds: Vec<_> = entries.iter().map(|entry| entry.action).collect();
    assert_eq!(deeds, [StaffAction::ChangeMovie, StaffAction::AddMovie]);
    assert_eq!(entries[0].before["ageRating"], "15");
    let other = MovieChange { title: Some("기생충".to_owned()), ..MovieChange::default() };
    assert_eq!(refusal(f.change(&film.id, &other).await), Refusal::TitleTaken);
    let nobody = MovieId::parse("nobody").expect("plain");
    assert_eq!(refusal(f.change(&nobody, &change).await), Refusal::NoSuchMovie);
}

fn ended() -> MovieChange {
    MovieChange { status: Some(MovieStatus::Ended), ..MovieChange::default() }
}

async fn a_run_ends_after_its_last_show(f: &Fixture) {
    let film = done(f.add(&parasite_2()).await).id;
    let new = NewShowtime { movie_id: film.clone(), ..f.like_evening(f.tomorrow()).await };
    let show = done(f.put_on(&new).await).offer.showtime;
    assert_eq!(refusal(f.change(&film, &ended()).await), Refusal::ShowsToCome);
    f.set_time(show.ends_at);
    assert_eq!(done(f.change(&film, &ended()).await).status, MovieStatus::Ended);
    let again = NewShowtime { starts_at: f.tomorrow(), ..new };
    assert_eq!(refusal(f.put_on(&again).await), Refusal::MovieEnded);
}

async fn a_run_ends_or_goes_on(f: &Fixture) {
    for day in 0..10 {
        let wanted = NewMovie { title: format!("{day}"), ..parasite_2() };
        let film = done(f.add(&wanted).await).id;
        let starts_at = f.tomorrow().plus(24 * day * HOUR);
        let new = NewShowtime { movie_id: film.clone(), ..f.like_evening(starts_at).await };
        let ended = ended();
        let (shown, over) = tokio::join!(f.put_on(&new), f.change(&film, &ended));
        match (shown, over) {
            (Catalogued::Done(_), over) => assert_eq!(refusal(over), Refusal::ShowsToCome),
            (shown, over) => {
                assert_eq!(refusal(shown), Refusal::MovieEnded);
                done(over);
            }
        }
    }
}
