//! `carillon connections`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::Value;

use super::access::Access;
use crate::client::Client;
use crate::error::CommandError;
use crate::{json_file, output};

const EXAMPLES: &str = "\
Example of connection.json:
  { \"name\": \"Shop\",
    \"provider\": { \"type\": \"whatsapp_cloud\", \"whatsapp_cloud\":
      { \"phone_number_id\": \"1234567890\", \"waba_id\": \"9876543210\" } },
    \"credentials\": { \"access_token\": \"EAAG…\", \"app_secret\": \"…\",
      \"verify_token\": \"any text of your choice\" } }

Carillon asks Meta for the number's limits. GET /openapi.json describes all fields.
Tokens and secrets are stored encrypted and never shown again.";

/// Lists and creates connections, the numbers that send.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConnectionsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List all connections.
    List,
    /// Create a connection from a JSON file.
    Create {
        /// The file, or `-` for the standard input.
        file: PathBuf,
    },
}

pub(crate) async fn run(
    args: ConnectionsArgs,
    access: &Access,
    json: bool,
) -> Result<(), CommandError> {
    let client = access.client()?;
    match args.command {
        Command::List => list(&client, json).await,
        Command::Create { file } => create(&client, &file, json).await,
    }
}

async fn list(client: &Client, json: bool) -> Result<(), CommandError> {
    let connections = client.list("/v1/connections").await?;
    if json {
        return output::json(&connections);
    }
    let columns = [
        ("ID", "id"),
        ("NAME", "name"),
        ("PROVIDER", "provider.type"),
        ("QUOTA GROUP", "quota_group"),
        ("MSG/S", "effective_throughput_mps"),
        ("24H LIMIT", "effective_quota_limit"),
    ];
    output::table(&connections, &columns)
}

async fn create(client: &Client, file: &Path, json: bool) -> Result<(), CommandError> {
    let request = json_file::read_or_stdin(file)?;
    let created: Value = client.post("/v1/connections", Some(&request)).await?;
    if json {
        return output::json(&created);
    }
    output::line("Created. Enter the webhook URL and the verify token in Meta's App Dashboard.")?;
    output::fields(&created)
}
