//! Makes golden histories: walks every path of a booking on a real `marquee up`, over HTTP, and
//! writes down what Temporal has recorded of it. `tests/it/replay.rs` replays them.

mod customer;
mod paths;
mod recording;
mod system;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use paths::Path;
use recording::Recorder;
use std::net::SocketAddr;
use std::path::PathBuf;
use system::System;

/// Makes golden histories from real runs.
///
/// Starts a `marquee up` of its own with short deadlines, walks the paths one after the other
/// (about a minute), and writes FOLDER/PATH.json for the booking and FOLDER/PATH-undo.json for its
/// cancellation.
///
/// cargo build && cargo run -p history
#[derive(Parser)]
#[command(name = "history", version)]
struct Config {
    /// The program to start. Without it: the one built beside this.
    #[arg(long)]
    marquee: Option<PathBuf>,
    /// Where its API listens; the ports after it are for what it starts.
    #[arg(long, default_value = "127.0.0.1:18688")]
    listen: SocketAddr,
    /// Where the histories go. Files of the same name are replaced.
    #[arg(long, value_name = "FOLDER", default_value = concat!("tests/histories/", env!("CARGO_PKG_VERSION")))]
    into: PathBuf,
    /// Which paths; all, if none is named.
    paths: Vec<Path>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    let marquee = match config.marquee {
        Some(marquee) => marquee,
        None => std::env::current_exe()?.with_file_name("marquee"),
    };
    let paths = match &config.paths[..] {
        [] => Path::value_variants(),
        some => some,
    };
    let system = System::start(&marquee, config.listen).await?;
    let recorder = Recorder::connect(&system.temporal, config.into).await?;
    for path in paths {
        let walked = path.walk(&system.customer, &recorder).await;
        let context = || format!("{}: {}", path.name(), system.log());
        let reservation = walked.with_context(context)?;
        recorder.record(&path.name(), &reservation).await.with_context(context)?;
        println!("{}", path.name());
    }
    Ok(())
}
