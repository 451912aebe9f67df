//! `carillon campaigns`: campaigns over the API.

mod import;
mod records;
mod results;
pub(crate) mod upload;
mod watch;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::Value;

use super::access::Access;
use super::error::CommandError;
use super::funnel::Funnel;
use super::print;
use crate::client::Client;

const EXAMPLES: &str = "\
Examples:
  carillon campaigns create campaign.json
  carillon campaigns import cmp_… contacts.csv
  carillon campaigns start cmp_…
  carillon campaigns watch cmp_…

campaign.json, in short (GET /openapi.json tells all):
  { \"name\": \"Spring offer\", \"connection_id\": \"con_…\",
    \"message\": { \"template\": { \"name\": \"spring_offer\", \"language\": \"es\",
      \"components\": [{ \"type\": \"body\",
        \"parameters\": [{ \"type\": \"text\", \"text\": \"{first_name}\" }] }] } },
    \"daily_send_limit\": 250, \"speed\": \"fast\", \"timezone\": \"America/Bogota\",
    \"send_window\": { \"from\": \"09:00\", \"to\": \"18:00\" }, \"default_country\": \"CO\" }";

/// Makes, fills, runs and watches campaigns, on this machine or on AWS.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CampaignsArgs {
    #[command(flatten)]
    access: Access,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// All campaigns.
    List,
    /// One campaign: what was set and where it stands.
    Show(One),
    /// Make a campaign from a JSON file.
    Create {
        /// The file, or `-` for the standard input.
        file: PathBuf,
    },
    /// Add recipients from a CSV file; doing it again adds nobody twice.
    Import {
        /// The campaign's id.
        id: String,
        /// The file, or `-` for the standard input. Its first line names the
        /// columns; one of them is `phone`.
        file: PathBuf,
    },
    /// Start sending, now or at its scheduled start.
    Start(One),
    /// Hold it.
    Pause(One),
    /// Go on with one that is paused or halted.
    Resume(One),
    /// Call it off; who was not written to stays unwritten.
    Cancel(One),
    /// Look on until it ends. 0: it did; 1: it is halted and wants someone.
    Watch(One),
    /// The report: how many were sent, received, read, replied.
    Report(One),
    /// Everyone and what became of them, as CSV.
    Results {
        /// The campaign's id.
        id: String,
        /// Where to write it; the standard output by default.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct One {
    /// The campaign's id.
    id: String,
}

pub(crate) async fn run(args: CampaignsArgs, json: bool) -> Result<(), CommandError> {
    let client = args.access.client()?;
    match args.command {
        Command::List => list(&client, json).await,
        Command::Show(One { id }) => show(&client.get(&path(&id, "")).await?, json),
        Command::Create { file } => create(&client, &file, json).await,
        Command::Import { id, file } => import::run(&client, &id, &file, json).await,
        Command::Start(One { id }) => act(&client, &id, "start", json).await,
        Command::Pause(One { id }) => act(&client, &id, "pause", json).await,
        Command::Resume(One { id }) => act(&client, &id, "resume", json).await,
        Command::Cancel(One { id }) => act(&client, &id, "cancel", json).await,
        Command::Watch(One { id }) => watch::run(&client, &id, json).await,
        Command::Report(One { id }) => report(&client, &id, json).await,
        Command::Results { id, output } => results::run(&client, &id, output.as_deref()).await,
    }
}

/// A campaign's path, or one below it. An id is letters, digits, `_` and `-`;
/// what is none finds nothing.
fn path(id: &str, below: &str) -> String {
    let id: String =
        id.chars().filter(|c| c.is_ascii_alphanumeric() || "_-".contains(*c)).collect();
    format!("/v1/campaigns/{id}{below}")
}

async fn list(client: &Client, json: bool) -> Result<(), CommandError> {
    let campaigns = client.list("/v1/campaigns").await?;
    if json {
        return print::json(&campaigns);
    }
    if campaigns.is_empty() {
        return print::line("No campaigns yet: carillon campaigns create campaign.json");
    }
    print::table(
        &campaigns,
        &[
            ("ID", "id"),
            ("NAME", "name"),
            ("STATUS", "status"),
            ("A DAY", "daily_send_limit"),
            ("SPEED", "speed"),
            ("PRIORITY", "priority"),
            ("MADE", "created_at"),
        ],
    )
}

fn show(campaign: &Value, json: bool) -> Result<(), CommandError> {
    if json { print::json(campaign) } else { print::fields(campaign) }
}

async fn create(client: &Client, file: &Path, json: bool) -> Result<(), CommandError> {
    let settings = super::read_json(file)?;
    let campaign: Value = client.post("/v1/campaigns", Some(&settings)).await?;
    if json {
        return print::json(&campaign);
    }
    let id = campaign["id"].as_str().unwrap_or_default();
    print::line(&format!("Made {id}. Next: carillon campaigns import {id} contacts.csv"))
}

async fn act(client: &Client, id: &str, verb: &str, json: bool) -> Result<(), CommandError> {
    let campaign: Value = client.post(&path(id, &format!("/{verb}")), None).await?;
    if json {
        return print::json(&campaign);
    }
    let status = campaign["status"].as_str().unwrap_or_default();
    print::line(&format!("The campaign is {status}."))
}

async fn report(client: &Client, id: &str, json: bool) -> Result<(), CommandError> {
    let report: Value = client.get(&path(id, "/report")).await?;
    if json {
        return print::json(&report);
    }
    let funnel: Funnel = client.get(&path(id, "/report")).await?;
    print::line(&funnel.chart())?;
    for (title, name) in [("left out", "skipped_for"), ("failed with", "failed_with")] {
        for (reason, count) in report[name].as_object().into_iter().flatten() {
            print::line(&format!("{title} {reason}: {count}"))?;
        }
    }
    let halted = funnel.halted_for.map(|reason| format!(": {reason}")).unwrap_or_default();
    print::line(&format!("The campaign is {}{halted}.", funnel.status))
}
