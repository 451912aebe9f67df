use std::path::PathBuf;

use carillon::campaign::MAX_DAILY_SEND_LIMIT;
use clap::Args;

use super::contacts::MAX_CONTACTS;

const EXAMPLES: &str = "\
Examples:
  carillon demo                                  1,000 contacts, 250 a day: four days
  carillon demo --contacts 5000 --daily-limit 1000
  carillon demo --json | jq .report
  carillon demo --keep ./demo && carillon serve --data ./demo

All messages go to the simulator in this process. The exit code is 1 if the report
differs from the simulator's log.";

/// Runs a campaign from a CSV file to its report: imports contacts, sends a number of
/// messages each day, simulates reads and replies, and compares the report with the
/// simulator's log. The clock jumps from event to event.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArgs {
    /// Number of contacts.
    #[arg(long, default_value_t = 1000, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=MAX_CONTACTS))]
    pub(super) contacts: u32,

    /// Daily send limit.
    #[arg(long, default_value_t = 250, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_DAILY_SEND_LIMIT)))]
    pub(super) daily_limit: u32,

    /// Seed of the simulator's outcomes and delays.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,

    /// Keep the data in this folder, which must be empty or new.
    #[arg(long, value_name = "DIR")]
    pub(super) keep: Option<PathBuf>,
}
