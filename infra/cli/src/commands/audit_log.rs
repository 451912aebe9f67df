//! `carillon audit-log`.

use carillon::time::Timestamp;
use clap::{Args, Subcommand};

use crate::client::{ApiPath, Request, Segment};
use crate::error::CommandError;
use crate::output::Column;
use crate::session::Session;
use crate::when;

const EXAMPLES: &str = "\
Examples:
  carillon audit-log list --subject ctc_…
  carillon audit-log list --key-id key_… --since 2026-12-01
  carillon audit-log list --operation getContact --limit 100";

const COLUMNS: [Column; 5] = [
    ("ID", "id"),
    ("FIRST", "first_at"),
    ("KEY", "key_name"),
    ("OPERATION", "operation"),
    ("OF", "subject"),
];

/// Shows which key saw or changed what. Needs a key with the scope admin.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AuditLogArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List records, the newest first.
    List {
        /// Only what this key did.
        #[arg(long, value_name = "ID")]
        key_id: Option<String>,
        /// Only what concerns this resource, such as ctc_….
        #[arg(long, value_name = "ID")]
        subject: Option<String>,
        /// Only this operation of the API, such as getContact.
        #[arg(long, value_name = "NAME")]
        operation: Option<String>,
        /// Only what happened after this time.
        #[arg(long, value_name = "TIME", value_parser = when::parse)]
        since: Option<Timestamp>,
        /// Show at most this number of records [default: all].
        #[arg(long, value_name = "N", value_parser = super::limit)]
        limit: Option<usize>,
    },
    /// Show a record.
    Get {
        /// ID of the record.
        id: Segment,
    },
}

pub(crate) async fn run(args: AuditLogArgs, session: &Session) -> Result<(), CommandError> {
    let log = ApiPath::new("audit-log");
    match args.command {
        Command::List { key_id, subject, operation, since, limit } => {
            let request = Request::get(&log)
                .query("key_id", key_id)
                .query("subject", subject)
                .query("operation", operation)
                .query("created_after", since.map(when::rfc3339));
            session.list(request, limit, &COLUMNS).await
        }
        Command::Get { id } => session.show(&log.item(&id)).await,
    }
}
