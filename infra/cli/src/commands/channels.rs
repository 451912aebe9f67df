//! `carillon channels`.

use clap::{Args, Subcommand};

use crate::client::ApiPath;
use crate::error::CommandError;
use crate::output::Column;
use crate::session::Session;

const EXAMPLES: &str = "\
Examples:
  carillon channels list
  carillon channels list --json      all capabilities of each provider";

const COLUMNS: [Column; 5] = [
    ("PROVIDER", "name"),
    ("REACHES", "capabilities.addresses"),
    ("SENDS", "capabilities.contents"),
    ("REPORTS", "capabilities.statuses"),
    ("MAX MSG/S", "capabilities.throughput.max_mps"),
];

/// Lists the providers and what they can do.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ChannelsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the providers.
    List,
}

pub(crate) async fn run(args: ChannelsArgs, session: &Session) -> Result<(), CommandError> {
    match args.command {
        Command::List => session.list_all(&ApiPath::new("channels"), &COLUMNS).await,
    }
}
