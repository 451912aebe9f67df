//! `carillon campaigns`.

mod id;
mod message;
mod plan;
mod report;
mod settings;
mod test_send;
mod verbs;
mod watch;

use std::path::PathBuf;

use carillon::time::Timestamp;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::body::Body;
use crate::client::{ApiPath, Request};
use crate::error::CommandError;
use crate::output::{self, Column};
use crate::session::Session;
use crate::when;
use id::CampaignId;
use settings::Settings;
use test_send::TestArgs;
use verbs::StartArgs;

const EXAMPLES: &str = "\
Examples:
  carillon campaigns create --name Spring --connection con_… --template spring_offer \\
      --language es --param first_name --daily-limit 250
  carillon campaigns create campaign.json --name 'Spring, second try'
  carillon recipients import contacts.csv --campaign cmp_…
  carillon campaigns plan cmp_…
  carillon campaigns test cmp_… --to +573001234567 --var first_name=Ana
  carillon campaigns start cmp_… --at '2026-12-01 09:00' --expect-recipients 1000
  carillon campaigns watch cmp_…
  carillon campaigns update cmp_… --daily-limit 500 --clear scheduled_end

Example of campaign.json (`carillon api GET /openapi.json` describes all members):
  { \"name\": \"Spring offer\", \"connection_id\": \"con_…\",
    \"message\": { \"type\": \"template\", \"template\": { \"name\": \"spring_offer\", \"language\": \"es\",
      \"components\": [{ \"type\": \"body\",
        \"parameters\": [{ \"type\": \"text\", \"text\": \"{first_name}\" }] }] } },
    \"daily_send_limit\": 250, \"speed\": \"fast\", \"timezone\": \"America/Bogota\",
    \"send_window\": { \"from\": \"09:00\", \"to\": \"18:00\" }, \"default_country\": \"CO\" }

A time is local (`2026-12-01 09:00`) or RFC 3339 (2026-12-01T14:00:00Z).";

const COLUMNS: [Column; 7] = [
    ("ID", "id"),
    ("NAME", "name"),
    ("STATUS", "status"),
    ("DAILY LIMIT", "daily_send_limit"),
    ("SPEED", "speed"),
    ("PRIORITY", "priority"),
    ("CREATED", "created_at"),
];

const COUNT_COLUMNS: [Column; 9] = [
    ("ID", "id"),
    ("NAME", "name"),
    ("STATUS", "status"),
    ("RECIPIENTS", "counts.recipients"),
    ("SENT", "counts.sent"),
    ("READ", "counts.read"),
    ("REPLIED", "counts.replied"),
    ("FAILED", "counts.failed"),
    ("CREATED", "created_at"),
];

const DAY_COLUMNS: [Column; 6] = [
    ("DAY", "date"),
    ("SENT", "sent"),
    ("RECEIVED", "received"),
    ("READ", "read"),
    ("REPLIED", "replied"),
    ("FAILED", "failed"),
];

const BATCH_COLUMNS: [Column; 8] = [
    ("DAY", "date"),
    ("NUMBER", "number"),
    ("SPEED", "lane"),
    ("STATUS", "status"),
    ("SIZE", "size"),
    ("USED", "used"),
    ("CREATED", "created_at"),
    ("CLOSED FOR", "close_reason"),
];

/// Creates, changes, starts and watches campaigns.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CampaignsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List campaigns, the newest first.
    List(ListArgs),
    /// Show a campaign's settings and status.
    Get(CampaignId),
    /// Create a campaign from flags, from a JSON file, or from a file with flags that override it.
    Create {
        /// JSON file, or `-` for the standard input.
        file: Option<PathBuf>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Change settings of a campaign. What is not given stays as it is.
    Update {
        #[command(flatten)]
        of: CampaignId,
        /// JSON merge patch, or `-` for the standard input. Flags override it.
        file: Option<PathBuf>,
        #[command(flatten)]
        settings: Settings,
        /// Member to clear, such as `scheduled_end`. Repeat for several.
        #[arg(long, value_name = "FIELD")]
        clear: Vec<String>,
    },
    /// Delete a draft that was never given recipients.
    Delete(CampaignId),
    /// Copy a campaign's settings to a new draft without recipients.
    Duplicate {
        #[command(flatten)]
        of: CampaignId,
        /// Name of the copy. Default: made from the campaign's name.
        #[arg(long)]
        name: Option<String>,
    },
    /// Show what a campaign will do: the messages of each day, the cost, what it waits for.
    Plan(CampaignId),
    /// Start a campaign, now or at its scheduled start.
    Start(StartArgs),
    /// Pause a campaign. Messages in flight are still sent.
    Pause(CampaignId),
    /// Resume a paused or halted campaign.
    Resume {
        #[command(flatten)]
        of: CampaignId,
        /// Do not check the message again first.
        #[arg(long)]
        no_check: bool,
    },
    /// Cancel a campaign. Recipients that were not sent to are cancelled.
    Cancel(CampaignId),
    /// Send the campaign's message to one address now. It does not count in the report.
    Test(TestArgs),
    /// Show the report until the campaign ends. Exit code 0: it ended; 8: it is halted.
    Watch(CampaignId),
    /// Show the report: messages sent, received, read, replied to.
    Report(CampaignId),
    /// Show the counts of each day.
    Analytics(CampaignId),
    /// List the batches: at most 250 recipients of one day each.
    Batches(CampaignId),
    /// List what happened to a campaign, the oldest first.
    History(CampaignId),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only campaigns with this status: draft, scheduled, active, paused, halted, completed or
    /// cancelled. Repeat for several.
    #[arg(long)]
    status: Vec<String>,
    /// Only campaigns that were created after this time.
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    since: Option<Timestamp>,
    /// Show the counts of recipients.
    #[arg(long)]
    counts: bool,
    /// Show at most this number of campaigns [default: all].
    #[arg(long, value_name = "N", value_parser = super::limit)]
    limit: Option<usize>,
}

pub(crate) async fn run(args: CampaignsArgs, session: &Session) -> Result<(), CommandError> {
    match args.command {
        Command::List(args) => list(session, args).await,
        Command::Get(of) => session.show(&of.path()).await,
        Command::Create { file, settings } => {
            let mut body = Body::of_file(file.as_deref())?;
            settings.apply(&mut body);
            create(session, Request::post(&ApiPath::new("campaigns")).json(body.into_value())).await
        }
        Command::Update { of, file, settings, clear } => {
            let mut body = Body::of_file(file.as_deref())?;
            settings.apply(&mut body);
            // The parts of one template do not fit another one.
            if body.has("message.template.name") && !body.has("message.template.components") {
                body.clear(&["message.template.components".to_owned()]);
            }
            body.clear(&clear);
            let request = Request::patch(&of.path(), body.into_changes()?);
            session.print(&session.change(&of.path(), request).await?, output::fields)
        }
        Command::Delete(of) => session.delete(&of.path(), "the campaign").await,
        Command::Duplicate { of, name } => {
            let mut body = Body::default();
            body.set("name", name);
            create(session, Request::post(&of.path().then("duplicate")).json(body.into_value()))
                .await
        }
        Command::Plan(of) => plan::run(session, &of.path()).await,
        Command::Start(args) => verbs::start(session, args).await,
        Command::Pause(of) => verbs::act(session, &of, "pause", json!({})).await,
        Command::Resume { of, no_check } => {
            verbs::act(session, &of, "resume", json!({ "check": !no_check })).await
        }
        Command::Cancel(of) => verbs::cancel(session, &of).await,
        Command::Test(args) => test_send::run(session, args).await,
        Command::Watch(of) => watch::run(session, &of.path()).await,
        Command::Report(of) => report::run(session, &of.path()).await,
        Command::Analytics(of) => {
            session.list_all(&of.path().then("analytics"), &DAY_COLUMNS).await
        }
        Command::Batches(of) => {
            session.list(Request::get(&of.path().then("batches")), None, &BATCH_COLUMNS).await
        }
        Command::History(of) => {
            let request = Request::get(&of.path().then("history"));
            session.list(request, None, &super::events::COLUMNS).await
        }
    }
}

async fn list(session: &Session, args: ListArgs) -> Result<(), CommandError> {
    let request = Request::get(&ApiPath::new("campaigns"))
        .query("status", &args.status)
        .query("created_after", args.since.map(when::rfc3339))
        .query("include", args.counts.then_some("counts"));
    let columns: &[Column] = if args.counts { &COUNT_COLUMNS } else { &COLUMNS };
    session.list(request, args.limit, columns).await
}

async fn create(session: &Session, request: Request) -> Result<(), CommandError> {
    let created = session.client.send(&request).await?;
    session.print(&created, |campaign| {
        let id = campaign["id"].as_str().unwrap_or_default();
        output::line(&format!(
            "Created {id}. Next: carillon recipients import contacts.csv --campaign {id}"
        ))
    })
}
