//! How `marquee` talks to Temporal. A library of its own, so that what is compared with `marquee`
//! has the very same options.

pub mod connection;
pub mod temporal_options;

mod temporal_plugins;
