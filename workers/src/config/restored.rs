//! Copies of the database, and what is to be done when an older one takes its place.

use super::GatewayFlags;
use super::settings::without_password;
use anyhow::Context;
use clap::Args;
use domain::reservation::Deadlines;
use domain::time::Time;
use std::path::{Path, PathBuf};
use store::{Clock, Store};

/// A database, wherever it is.
#[derive(Args)]
pub(crate) struct AnyDatabase {
    /// Where `up` keeps everything.
    #[arg(long, env = "MARQUEE_DATA_DIR", default_value = "data")]
    pub(crate) data_dir: PathBuf,
    /// `sqlite://FILE` or `postgres://…`. Without it: SQLite in the data folder.
    #[arg(long, env = "MARQUEE_DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,
}

impl AnyDatabase {
    pub(crate) fn url(&self) -> String {
        self.database_url.clone().unwrap_or_else(|| database_in(&self.data_dir))
    }

    /// To work with it; none is made where there is none.
    pub(crate) async fn open_existing(&self) -> anyhow::Result<Store> {
        let url = self.url();
        // The URL may hold a password: it is not repeated.
        let opened = Store::open_to_read(&url).await.context("cannot open the database")?;
        opened.ping().await.context("cannot open the database")?;
        println!("Database   {}", without_password(&url));
        let store = Store::open(&url, Clock::System, Deadlines::default()).await;
        store.context("cannot open the database")
    }
}

/// The database that `up` keeps in its data folder.
pub(crate) fn database_in(data_dir: &Path) -> String {
    format!("sqlite://{}", data_dir.join("marquee.db").display())
}

#[derive(Args)]
pub(crate) struct Backup {
    #[command(flatten)]
    pub(crate) database: AnyDatabase,
    /// The file to write; it must not exist.
    #[arg(long, value_name = "FILE")]
    pub(crate) into: PathBuf,
}

#[derive(Args)]
pub(crate) struct Restored {
    #[command(flatten)]
    pub(crate) database: AnyDatabase,
    #[command(flatten)]
    pub(crate) gateway: GatewayFlags,
    /// When the copy was made, for example `2026-12-24T03:00:00Z`: what is older and unknown is
    /// somebody else's. No other Marquee may use the payment company's account.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub(crate) since: Time,
    /// Give the money back. Without it, it is only said whose there is.
    #[arg(long)]
    pub(crate) give_back: bool,
}

fn instant(text: &str) -> Result<Time, String> {
    let at: jiff::Timestamp = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    Ok(Time::from_millis(at.as_millisecond()))
}
