//! `carillon queues`.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::access::Access;
use crate::client::Client;
use crate::error::CommandError;
use crate::output;

const EXAMPLES: &str = "\
Examples:
  carillon queues list
  carillon queues redrive    after the cause of the failures is fixed";

/// Shows the queues and redrives dead letters.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct QueuesArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the queues' message counts and the reasons of dead letters.
    List,
    /// Enqueue the batches of dead letters again. Redriving never sends a message twice.
    Redrive,
}

pub(crate) async fn run(args: QueuesArgs, access: &Access, json: bool) -> Result<(), CommandError> {
    let client = access.client()?;
    match args.command {
        Command::List => list(&client, json).await,
        Command::Redrive => redrive(&client, json).await,
    }
}

async fn list(client: &Client, json: bool) -> Result<(), CommandError> {
    let queues = client.list("/v1/queues").await?;
    if json {
        return output::json(&queues);
    }
    let columns = [
        ("QUEUE", "name"),
        ("WAITING", "waiting"),
        ("IN FLIGHT", "in_flight"),
        ("DEAD LETTERS", "dead_letters"),
    ];
    output::table(&queues, &columns)?;
    let first = queues.iter().filter_map(|queue| queue["first_dead_letters"].as_array());
    for dead_letter in first.flatten() {
        let reason = dead_letter["reason"].as_str().unwrap_or("the function crashed");
        output::line(&format!("dead letter: {reason}"))?;
    }
    Ok(())
}

async fn redrive(client: &Client, json: bool) -> Result<(), CommandError> {
    let outcome: Value = client.post("/v1/queues/sends/redrive", None).await?;
    if json {
        return output::json(&outcome);
    }
    let count = |name: &str| outcome[name].as_u64().unwrap_or(0);
    output::line(&format!(
        "{} batches redriven, {} already done, {} messages deleted.",
        count("redriven"),
        count("done_already"),
        count("dropped"),
    ))
}
