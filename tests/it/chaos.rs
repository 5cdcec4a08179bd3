//! One seed of chaos (`tools/chaos`): faults of eight kinds strike while people book, and when all
//! has healed every booking has ended right.

use crate::app::{MARQUEE, tools_dir};
use chaos::config::Config;
use chaos::seed::{Round, play};
use clap::Parser;
use std::ffi::OsString;

const SEED: u64 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_of_chaos_harms_no_booking() {
    let mut words = ["chaos", "--bookings", "60", "--load-secs", "25", "--marquee", MARQUEE]
        .map(OsString::from)
        .to_vec();
    words.extend(["--tools-dir".into(), tools_dir().into()]);
    let round = Round::of(&Config::parse_from(words), SEED).expect("a round");
    let outcome = play(&round).await.expect("it can be played");
    println!("{}", outcome.line());
    assert_eq!(outcome.violations, 0, "{}\n{}", outcome.line(), outcome.stories.join("\n"));
    assert!(outcome.faults.iter().filter(|fault| fault.struck > 0).count() >= 5, "{outcome:?}");
}
