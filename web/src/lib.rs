//! The pages for customers, rendered here from what the API answers. A page asks the API within this
//! process as anybody else asks it from outside: what is allowed, and how a refusal is put, is
//! decided there alone. Without scripts every page works; with them it moves by itself.

mod assets;
mod booking;
mod bookings;
mod client;
mod films;
mod hall;
mod page;
mod session;
mod show;
mod staff;
mod times;
mod words;

use axum::{Router, middleware};
use client::Site;

pub use session::Sessions;

/// All pages, and behind them the API.
pub fn before(api: Router, served: Router, sessions: Sessions) -> Router {
    let site = Site { api, sessions: sessions.into() };
    let pages = Router::new()
        .merge(films::routes())
        .merge(show::routes())
        .merge(hall::routes())
        .merge(booking::routes())
        .merge(bookings::routes())
        .merge(staff::routes())
        .layer(middleware::from_fn_with_state(site.clone(), session::visit))
        .merge(assets::routes())
        .layer(middleware::from_fn(page::secure))
        .with_state(site);
    pages.fallback_service(served)
}
