//! The one test binary. Behaviour is tested through HTTP against the real `marquee up` with the
//! real Temporal server; the store's rules on both engines against the store itself. Stand-ins are
//! for other companies' servers only.

mod app;
mod authorizing;
mod booking;
mod cancelling;
mod chaos;
mod checking;
mod choosing;
mod compose;
mod contract;
mod crowds;
mod deadlines;
mod engines;
mod feed;
mod fence;
mod fleet;
mod gate;
mod kafka;
mod kubernetes;
mod line;
mod monitoring;
mod notices;
mod outage;
mod parting;
mod paying;
mod personal;
mod postgres;
mod python;
mod replay;
mod repository;
mod requests;
mod schemas;
mod showtimes;
mod simulation;
mod staff;
mod store;
mod structure;
mod temporal;
mod ticketing;
mod tls;
mod tokens;
mod up;
mod webhooks;
mod windows;
mod wire;
