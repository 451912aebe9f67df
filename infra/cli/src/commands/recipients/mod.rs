//! `carillon recipients`.

mod bulk;
mod export;
mod import;
mod named;
mod verbs;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::client::Request;
use crate::error::CommandError;
use crate::output::Column;
use crate::session::Session;
use bulk::BulkArgs;
use import::ImportArgs;
use named::{OfCampaign, OneRecipient};
use verbs::Verb;

const EXAMPLES: &str = "\
Examples:
  carillon recipients import contacts.csv --campaign cmp_…
  carillon recipients list --campaign cmp_… --status failed --status unconfirmed
  carillon recipients get +573001234567 --campaign cmp_…
  carillon recipients close +573001234567 --campaign cmp_…
  carillon recipients export --campaign cmp_… -o results.csv
  carillon recipients bulk skip --status pending --campaign cmp_… --dry-run

A recipient is named by the contact's id (ctc_…), phone number or business-scoped user id.

Status: pending, sending, unconfirmed (the provider's answer was lost), sent, failed, delivered,
read, replied, closed, skipped, cancelled.";

const COLUMNS: [Column; 7] = [
    ("CONTACT", "contact_id"),
    ("ADDRESS", "address"),
    ("STATUS", "status"),
    ("SENT", "sent_at"),
    ("READ", "read_at"),
    ("SKIPPED FOR", "skip_reason"),
    ("FAILURE", "failure_reason"),
];

/// Imports, shows and exports the recipients of a campaign.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RecipientsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List recipients.
    List {
        #[command(flatten)]
        of: OfCampaign,
        /// Only recipients with this status. Repeat for several.
        #[arg(long)]
        status: Vec<String>,
        /// Show at most this number of recipients [default: all].
        #[arg(long, value_name = "N", value_parser = super::limit)]
        limit: Option<usize>,
    },
    /// Show one recipient.
    Get(OneRecipient),
    /// Import recipients from a CSV file of any size. Importing a file again adds no duplicates.
    Import(ImportArgs),
    /// Download all recipients and their status as CSV.
    Export {
        #[command(flatten)]
        of: OfCampaign,
        /// The file to write. Default: the standard output.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Send to an unconfirmed recipient again. It may have got the message already.
    Retry(OneRecipient),
    /// Close a recipient that was sent to: the lead is settled.
    Close(OneRecipient),
    /// Skip a pending recipient: no message is sent to it.
    Skip(OneRecipient),
    /// Close, retry or skip all recipients with a status.
    Bulk(BulkArgs),
}

pub(crate) async fn run(args: RecipientsArgs, session: &Session) -> Result<(), CommandError> {
    match args.command {
        Command::List { of, status, limit } => {
            let request = Request::get(&of.recipients()).query("status", &status);
            session.list(request, limit, &COLUMNS).await
        }
        Command::Get(one) => session.show(&one.path(&session.client).await?).await,
        Command::Import(args) => import::run(session, &args).await,
        Command::Export { of, output } => {
            export::run(&session.client, &of.csv(), output.as_deref()).await
        }
        Command::Retry(one) => verbs::act(session, &one, Verb::Retry).await,
        Command::Close(one) => verbs::act(session, &one, Verb::Close).await,
        Command::Skip(one) => verbs::act(session, &one, Verb::Skip).await,
        Command::Bulk(args) => bulk::run(session, args).await,
    }
}
