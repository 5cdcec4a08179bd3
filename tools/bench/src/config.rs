//! Every setting, as a flag.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Measures what Marquee does in a second, beside what its parts could do.
///
/// Starts and ends `marquee up` by itself. Build both with `cargo build --release -p workers -p
/// bench` first.
#[derive(Parser)]
#[command(name = "bench", version)]
pub(crate) struct Config {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Writes the tables there, as Markdown.
    #[arg(long, global = true)]
    pub(crate) markdown: Option<PathBuf>,
    /// Writes the tables there, as JSON.
    #[arg(long, global = true)]
    pub(crate) json: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What is measured, and where it keeps its files.
#[derive(Args, Clone)]
pub(crate) struct Place {
    /// The program that is measured. Without it: the one beside this one.
    #[arg(long, global = true)]
    pub(crate) marquee: Option<PathBuf>,
    /// Everything is kept in a folder of its own in here, new for each measurement.
    #[arg(long, global = true, default_value = "data/bench")]
    pub(crate) data_dir: PathBuf,
    /// Keeps what has to be built once: the Temporal server 1.32.0.
    #[arg(long, global = true, default_value = "target/bench-tools")]
    pub(crate) tools_dir: PathBuf,
    /// The stores and the Temporal server below Marquee.
    #[arg(long, global = true, value_enum, default_value_t = Server::Embedded)]
    pub(crate) server: Server,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Server {
    /// SQLite for both; Temporal's dev server, as `marquee up` starts it.
    Embedded,
    /// PostgreSQL for both; Temporal's server 1.32.0, built with Go the first time.
    #[value(name = "1.32.0")]
    Full,
}

impl Server {
    /// What Marquee stands on.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Embedded => "SQLite and Temporal's dev server",
            Self::Full => "PostgreSQL and Temporal 1.32.0",
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// What the parts can do: null workflows, the store alone.
    Limits(Limits),
    /// Reservations per second over HTTP, and how long each takes.
    Accept(Accept),
    /// Whole bookings until they are ticketed, in turns with null workflows of the same shape.
    Book(Book),
    /// Thousands of buyers for the places of one show.
    HotShow(HotShow),
    /// Reads of mypage, and pages that are kept open.
    Look(Look),
    /// The report's own measurement with the real `siege`, and every booking followed to its end.
    ReportSiege(ReportSiege),
    /// How late others hear of events, what an outage of theirs costs, how fast a backlog is sent.
    Leave(Leave),
    /// Processes replaced, killed and exchanged for another release while people book.
    Deploys(Deploys),
    /// What a second worker process adds.
    Scale(Scale),
    /// All of these but the last three, one after the other.
    All,
}

impl Command {
    /// A fleet needs the larger one.
    pub(crate) fn server(&self, place: &Place) -> Server {
        match self {
            Self::Deploys(_)
            | Self::Scale(_)
            | Self::ReportSiege(ReportSiege { fleet: true, .. }) => Server::Full,
            _ => place.server,
        }
    }
}

#[derive(Args)]
pub(crate) struct Limits {
    /// Each limit is measured for this long.
    #[arg(long, default_value_t = 15)]
    pub(crate) secs: u64,
    /// A moment of each limit, for tests.
    #[arg(long)]
    pub(crate) smoke: bool,
}

#[derive(Args)]
pub(crate) struct Accept {
    /// The first rate offered, per second. Each next one is a quarter higher.
    #[arg(long, default_value_t = 200.0)]
    pub(crate) from: f64,
    /// The highest rate offered.
    #[arg(long, default_value_t = 6000.0)]
    pub(crate) to: f64,
    /// Each rate is offered for this long.
    #[arg(long, default_value_t = 8)]
    pub(crate) secs: u64,
    /// Which form of the call.
    #[arg(long, value_enum, default_value_t = Form::Full)]
    pub(crate) form: Form,
    /// Temporal cannot be reached, so that the store answers alone.
    #[arg(long)]
    pub(crate) without_temporal: bool,
    /// The generator's connections.
    #[arg(long, default_value_t = 128)]
    pub(crate) connections: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Showtime, grade and party; the customer goes on by himself.
    Full,
    /// The report's call: a movie by its name, carried through by a plan.
    Report,
}

#[derive(Args)]
pub(crate) struct Book {
    /// Bookings, and null workflows, in each round.
    #[arg(long, default_value_t = 600)]
    pub(crate) count: usize,
    /// Rounds of null workflows and bookings in turns.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// So many are under way at any time, as in the report's siege.
    #[arg(long, default_value_t = 100)]
    pub(crate) outstanding: usize,
    /// How fast the payment company answers.
    #[arg(long, value_enum, default_values_t = [Gateway::Instant, Gateway::Slow])]
    pub(crate) gateway: Vec<Gateway>,
    /// Instead: so many bookings in a row, with the memory of all processes on the way.
    #[arg(long, value_name = "BOOKINGS")]
    pub(crate) memory: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Gateway {
    /// At once.
    Instant,
    /// Approvals take 400 to 620 ms, as in the report.
    Slow,
}

#[derive(Args)]
pub(crate) struct HotShow {
    #[arg(long, default_value_t = 2000)]
    pub(crate) buyers: usize,
    #[arg(long, default_value_t = 200)]
    pub(crate) places: usize,
    /// All buyers come within this time.
    #[arg(long, default_value_t = 2000)]
    pub(crate) within_millis: u64,
    /// The generator's connections.
    #[arg(long, default_value_t = 256)]
    pub(crate) connections: usize,
}

#[derive(Args)]
pub(crate) struct Look {
    /// Each rate is held for this long.
    #[arg(long, default_value_t = 10)]
    pub(crate) secs: u64,
    /// The generator's connections.
    #[arg(long, default_value_t = 32)]
    pub(crate) connections: usize,
    /// Those who watch one seat map.
    #[arg(long, default_value_t = 1000)]
    pub(crate) viewers: usize,
}

#[derive(Args)]
pub(crate) struct Leave {
    /// Bookings per second.
    #[arg(long, default_value_t = 10.0)]
    pub(crate) rate: f64,
    /// The delays are measured for this long.
    #[arg(long, default_value_t = 60)]
    pub(crate) secs: u64,
    /// Kafka, the message company and an endpoint are away for this long; 0: never.
    #[arg(long, default_value_t = 300)]
    pub(crate) outage_secs: u64,
    /// Events that wait for the broker; 0: not measured.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) backlog: usize,
}

#[derive(Args)]
pub(crate) struct Deploys {
    /// Bookings per second; each customer looks at mypage as well.
    #[arg(long, default_value_t = 8.0)]
    pub(crate) rate: f64,
    /// Bookings that stand open across each change.
    #[arg(long, default_value_t = 300)]
    pub(crate) open: usize,
    /// Another release with a changed workflow, as `tests/upgrade/build` makes it.
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) next: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Scale {
    /// Calls to the payment company at a time, of each worker.
    #[arg(long, default_value_t = 4)]
    pub(crate) calls: usize,
    /// Bookings for each worker.
    #[arg(long, default_value_t = 200)]
    pub(crate) count: usize,
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
}

#[derive(Args)]
pub(crate) struct ReportSiege {
    /// Against two APIs and two workers, on PostgreSQL and Temporal 1.32.0.
    #[arg(long)]
    pub(crate) fleet: bool,
    /// How the payment company is.
    #[arg(long, value_enum, default_values_t = [Case::Healthy, Case::Overloaded, Case::Down])]
    pub(crate) case: Vec<Case>,
    /// The siege lasts this long.
    #[arg(long, default_value_t = 60)]
    pub(crate) raw_secs: u64,
    /// Bookings of the siege are waited for this long; those that are not done then stand in line.
    #[arg(long, default_value_t = 600)]
    pub(crate) drain_secs: u64,
    /// Then bookings come at this pace, per second, which the company can serve.
    #[arg(long, default_value_t = 15.0)]
    pub(crate) rate: f64,
    #[arg(long, default_value_t = 60)]
    pub(crate) paced_secs: u64,
    /// So many calls at a time the company takes: the report's thread pool.
    #[arg(long, default_value_t = 10)]
    pub(crate) calls: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    /// Approvals take 400 to 620 ms, as in the report.
    Healthy,
    /// Every second call takes 0.7 to 2.5 s, and every fifth is turned away.
    Overloaded,
    /// Away for 10 s of every 20.
    Down,
}

impl Case {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Overloaded => "overloaded",
            Self::Down => "down",
        }
    }
}
