//! `carillon keys`: API keys.

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::{Value, json};

use super::access::Access;
use super::error::CommandError;
use super::print;

const EXAMPLES: &str = "\
Examples:
  carillon keys create reporting --scope read
  carillon keys list";

/// Lists and makes API keys.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct KeysArgs {
    #[command(flatten)]
    access: Access,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// All keys, without the keys themselves.
    List,
    /// Make a key. It is shown once.
    Create {
        /// What it is called.
        name: String,
        /// What it allows; a higher scope includes the lower ones.
        #[arg(long = "scope", required = true, value_enum)]
        scopes: Vec<Scope>,
    },
}

/// What a key allows.
#[derive(Debug, Clone, Copy, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
enum Scope {
    /// Look at everything but secrets.
    Read,
    /// Make and run campaigns, import recipients, change contacts.
    Write,
    /// Make connections and keys.
    Admin,
}

pub(crate) async fn run(args: KeysArgs, json: bool) -> Result<(), CommandError> {
    let client = args.access.client()?;
    match args.command {
        Command::List => {
            let keys = client.list("/v1/keys").await?;
            if json {
                return print::json(&keys);
            }
            let columns =
                [("ID", "id"), ("NAME", "name"), ("SCOPES", "scopes"), ("MADE", "created_at")];
            print::table(&keys, &columns)
        }
        Command::Create { name, scopes } => {
            let wanted = json!({ "name": name, "scopes": scopes });
            let made: Value = client.post("/v1/keys", Some(&wanted)).await?;
            if json {
                return print::json(&made);
            }
            print::line("It is shown this once; keep it:")?;
            print::line(made["key"].as_str().unwrap_or_default())
        }
    }
}
