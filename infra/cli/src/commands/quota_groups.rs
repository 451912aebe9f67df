//! `carillon quota-groups`.

use clap::{Args, Subcommand};

use crate::client::{ApiPath, Request, Segment};
use crate::error::CommandError;
use crate::output::Column;
use crate::session::Session;

const EXAMPLES: &str = "\
Examples:
  carillon quota-groups list
  carillon quota-groups get 900000000000001

RESERVED counts the unique contacts of the last 24 hours. NEXT FREE is when a reservation expires.";

/// The columns of a quota group, in the overview too.
pub(super) const COLUMNS: [Column; 6] = [
    ("QUOTA GROUP", "name"),
    ("24H LIMIT", "limit"),
    ("RESERVED", "reserved"),
    ("FREE", "free"),
    ("NEXT FREE", "next_free_at"),
    ("CONNECTIONS", "connection_ids"),
];

/// Shows the rolling limits of 24 hours that connections share.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct QuotaGroupsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the quota groups.
    List,
    /// Show a quota group.
    Get {
        /// Name of the quota group.
        name: Segment,
    },
}

pub(crate) async fn run(args: QuotaGroupsArgs, session: &Session) -> Result<(), CommandError> {
    match args.command {
        Command::List => {
            session.list(Request::get(&ApiPath::new("quota-groups")), None, &COLUMNS).await
        }
        Command::Get { name } => session.show(&ApiPath::of("quota-groups", &name)).await,
    }
}
