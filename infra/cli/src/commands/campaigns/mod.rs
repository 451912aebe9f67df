//! `carillon campaigns`.

mod detailed_report;
mod import;
mod path;
mod results;
mod watch;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::Value;

use super::access::Access;
use crate::client::Client;
use crate::error::CommandError;
use crate::{json_file, output};
use path::campaign_path;

const EXAMPLES: &str = "\
Examples:
  carillon campaigns create campaign.json
  carillon campaigns import cmp_… contacts.csv
  carillon campaigns start cmp_…
  carillon campaigns watch cmp_…

Example of campaign.json (GET /openapi.json describes all fields):
  { \"name\": \"Spring offer\", \"connection_id\": \"con_…\",
    \"message\": { \"type\": \"template\", \"template\": { \"name\": \"spring_offer\", \"language\": \"es\",
      \"components\": [{ \"type\": \"body\",
        \"parameters\": [{ \"type\": \"text\", \"text\": \"{first_name}\" }] }] } },
    \"daily_send_limit\": 250, \"speed\": \"fast\", \"timezone\": \"America/Bogota\",
    \"send_window\": { \"from\": \"09:00\", \"to\": \"18:00\" }, \"default_country\": \"CO\" }";

/// Creates, imports, starts and watches campaigns, on this machine or on AWS.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CampaignsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List all campaigns.
    List,
    /// Show a campaign's settings and status.
    Show(CampaignId),
    /// Create a campaign from a JSON file.
    Create {
        /// The file, or `-` for the standard input.
        file: PathBuf,
    },
    /// Import recipients from a CSV file. Importing a file again adds no duplicates.
    Import {
        /// ID of the campaign.
        id: String,
        /// The file, or `-` for the standard input. Its header must contain a column
        /// `phone`.
        file: PathBuf,
    },
    /// Start a campaign, now or at its scheduled start.
    Start(CampaignId),
    /// Pause a campaign.
    Pause(CampaignId),
    /// Resume a paused or halted campaign.
    Resume(CampaignId),
    /// Cancel a campaign. Recipients that were not sent to are cancelled.
    Cancel(CampaignId),
    /// Show the report until the campaign ends. Exit code 0: it ended; 1: it is halted.
    Watch(CampaignId),
    /// Show the report: messages sent, received, read, replied to.
    Report(CampaignId),
    /// Download all recipients and their status as CSV.
    Results {
        /// ID of the campaign.
        id: String,
        /// The file to write. Default: the standard output.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct CampaignId {
    /// ID of the campaign.
    id: String,
}

pub(crate) async fn run(
    args: CampaignsArgs,
    access: &Access,
    json: bool,
) -> Result<(), CommandError> {
    let client = access.client()?;
    match args.command {
        Command::List => list(&client, json).await,
        Command::Show(CampaignId { id }) => show(&client, &id, json).await,
        Command::Create { file } => create(&client, &file, json).await,
        Command::Import { id, file } => import::run(&client, &id, &file, json).await,
        Command::Start(CampaignId { id }) => act(&client, &id, "start", json).await,
        Command::Pause(CampaignId { id }) => act(&client, &id, "pause", json).await,
        Command::Resume(CampaignId { id }) => act(&client, &id, "resume", json).await,
        Command::Cancel(CampaignId { id }) => act(&client, &id, "cancel", json).await,
        Command::Watch(CampaignId { id }) => watch::run(&client, &id, json).await,
        Command::Report(CampaignId { id }) => detailed_report::run(&client, &id, json).await,
        Command::Results { id, output } => results::run(&client, &id, output.as_deref()).await,
    }
}

async fn list(client: &Client, json: bool) -> Result<(), CommandError> {
    let campaigns = client.list("/v1/campaigns").await?;
    if json {
        return output::json(&campaigns);
    }
    if campaigns.is_empty() {
        return output::line(
            "No campaigns. To create one: carillon campaigns create campaign.json",
        );
    }
    output::table(
        &campaigns,
        &[
            ("ID", "id"),
            ("NAME", "name"),
            ("STATUS", "status"),
            ("DAILY LIMIT", "daily_send_limit"),
            ("SPEED", "speed"),
            ("PRIORITY", "priority"),
            ("CREATED", "created_at"),
        ],
    )
}

async fn show(client: &Client, id: &str, json: bool) -> Result<(), CommandError> {
    let campaign: Value = client.get(&campaign_path(id, "")).await?;
    if json { output::json(&campaign) } else { output::fields(&campaign) }
}

async fn create(client: &Client, file: &Path, json: bool) -> Result<(), CommandError> {
    let request = json_file::read_or_stdin(file)?;
    let campaign: Value = client.post("/v1/campaigns", Some(&request)).await?;
    if json {
        return output::json(&campaign);
    }
    let id = campaign["id"].as_str().unwrap_or_default();
    output::line(&format!("Created {id}. Next: carillon campaigns import {id} contacts.csv"))
}

async fn act(client: &Client, id: &str, action: &str, json: bool) -> Result<(), CommandError> {
    let path = campaign_path(id, &format!("/{action}"));
    let campaign: Value = client.post(&path, None).await?;
    if json {
        return output::json(&campaign);
    }
    for warning in campaign["warnings"].as_array().into_iter().flatten() {
        let text = warning["text"].as_str().unwrap_or_default();
        output::line(&format!("Warning: {text}"))?;
    }
    let status = campaign["status"].as_str().unwrap_or_default();
    output::line(&format!("The campaign is {status}."))
}
