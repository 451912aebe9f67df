//! `carillon queues`: what waits to be sent, and what could not be handled.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::access::Access;
use super::error::CommandError;
use super::print;

const EXAMPLES: &str = "\
Examples:
  carillon queues list
  carillon queues redrive    once the cause of the failures is gone";

/// Shows the queues, and brings back what could not be handled.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct QueuesArgs {
    #[command(flatten)]
    access: Access,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// How full the queues are, and why messages failed.
    List,
    /// Put the batches whose messages failed on the queue again; nobody is sent to
    /// twice by that.
    Redrive,
}

pub(crate) async fn run(args: QueuesArgs, json: bool) -> Result<(), CommandError> {
    let client = args.access.client()?;
    match args.command {
        Command::List => {
            let queues = client.list("/v1/queues").await?;
            if json {
                return print::json(&queues);
            }
            let columns = [
                ("QUEUE", "name"),
                ("WAITING", "waiting"),
                ("IN FLIGHT", "in_flight"),
                ("FAILED", "failed"),
            ];
            print::table(&queues, &columns)?;
            let failures = queues.iter().filter_map(|queue| queue["failures"].as_array()).flatten();
            for failure in failures {
                let reason = failure["reason"].as_str().unwrap_or("the function crashed");
                print::line(&format!("failed: {reason}"))?;
            }
            Ok(())
        }
        Command::Redrive => {
            let outcome: Value = client.post("/v1/queues/sends/redrive", None).await?;
            if json {
                return print::json(&outcome);
            }
            let count = |name: &str| outcome[name].as_u64().unwrap_or(0);
            print::line(&format!(
                "{} batches are on the queue again, {} were done already, {} messages were dropped.",
                count("redriven"),
                count("done_already"),
                count("dropped"),
            ))
        }
    }
}
