//! `carillon connections`: the numbers that send.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::access::Access;
use super::error::CommandError;
use super::print;

const EXAMPLES: &str = "\
Example, connection.json:
  { \"name\": \"Shop\", \"kind\": \"whatsapp_cloud\", \"phone_number_id\": \"1234567890\",
    \"waba_id\": \"9876543210\", \"access_token\": \"EAAG…\", \"app_secret\": \"…\",
    \"verify_token\": \"a word of your own\" }

Meta is asked what the number can do; GET /openapi.json tells what else may be set.
Tokens and secrets are stored sealed and never shown again.";

/// Lists and makes connections: the numbers that send.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConnectionsArgs {
    #[command(flatten)]
    access: Access,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// All connections.
    List,
    /// Make a connection from a JSON file.
    Create {
        /// The file, or `-` for the standard input.
        file: PathBuf,
    },
}

pub(crate) async fn run(args: ConnectionsArgs, json: bool) -> Result<(), CommandError> {
    let client = args.access.client()?;
    match args.command {
        Command::List => {
            let connections = client.list("/v1/connections").await?;
            if json {
                return print::json(&connections);
            }
            let columns = [
                ("ID", "id"),
                ("NAME", "name"),
                ("NUMBER", "phone_number_id"),
                ("PORTFOLIO", "portfolio"),
                ("A SECOND", "throughput_mps"),
                ("IN 24 HOURS", "messaging_limit"),
            ];
            print::table(&connections, &columns)
        }
        Command::Create { file } => {
            let settings = super::read_json(&file)?;
            let made: Value = client.post("/v1/connections", Some(&settings)).await?;
            if json {
                return print::json(&made);
            }
            print::line("Made. Paste the webhook's address and token into Meta's dashboard.")?;
            print::fields(&made)
        }
    }
}
