//! `carillon keys`.

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::{Value, json};

use super::access::Access;
use crate::client::Client;
use crate::error::CommandError;
use crate::output;

const EXAMPLES: &str = "\
Examples:
  carillon keys create reporting --scope read
  carillon keys list";

/// Lists and creates API keys.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List all keys, without their secret part.
    List,
    /// Create a key. It is shown only once.
    Create {
        /// Name of the key.
        name: String,
        /// A scope of the key; give the flag once for each. No scope includes another one.
        #[arg(long = "scope", required = true, value_enum)]
        scopes: Vec<Scope>,
    },
}

#[derive(Debug, Clone, Copy, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
enum Scope {
    /// Look at everything except keys.
    Read,
    /// Make, change and run campaigns; send test messages; upload files.
    Send,
    /// Add recipients and contacts, merge and split contacts, put people on the blacklist.
    People,
    /// Erase people and take them off the blacklist.
    Erase,
    /// Change connections and templates, redrive queues.
    Settings,
    /// Manage keys.
    Admin,
}

pub(crate) async fn run(args: KeysArgs, access: &Access, json: bool) -> Result<(), CommandError> {
    let client = access.client()?;
    match args.command {
        Command::List => list(&client, json).await,
        Command::Create { name, scopes } => create(&client, &name, &scopes, json).await,
    }
}

async fn list(client: &Client, json: bool) -> Result<(), CommandError> {
    let keys = client.list("/v1/keys").await?;
    if json {
        return output::json(&keys);
    }
    let columns = [("ID", "id"), ("NAME", "name"), ("SCOPES", "scopes"), ("CREATED", "created_at")];
    output::table(&keys, &columns)
}

async fn create(
    client: &Client,
    name: &str,
    scopes: &[Scope],
    json: bool,
) -> Result<(), CommandError> {
    let request = json!({ "name": name, "scopes": scopes });
    let created: Value = client.post("/v1/keys", Some(&request)).await?;
    if json {
        return output::json(&created);
    }
    output::line("Store this key now. It is not shown again.")?;
    output::line(created["key"].as_str().unwrap_or_default())
}
