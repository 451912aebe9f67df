//! `carillon queues`.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::client::{ApiPath, Request, Segment};
use crate::error::CommandError;
use crate::output::{self, Column};
use crate::session::{Session, items};

const EXAMPLES: &str = "\
Examples:
  carillon queues list
  carillon queues redrive    after the cause of the failures is fixed";

const COLUMNS: [Column; 4] = [
    ("QUEUE", "name"),
    ("WAITING", "waiting"),
    ("IN FLIGHT", "in_flight"),
    ("DEAD LETTERS", "dead_letters"),
];

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
    Redrive {
        /// Name of the queue. All queues have the same dead letters.
        #[arg(default_value = "sends")]
        queue: Segment,
    },
}

pub(crate) async fn run(args: QueuesArgs, session: &Session) -> Result<(), CommandError> {
    match args.command {
        Command::List => list(session).await,
        Command::Redrive { queue } => redrive(session, &queue).await,
    }
}

async fn list(session: &Session) -> Result<(), CommandError> {
    let answer = session.client.send(&Request::get(&ApiPath::new("queues"))).await?;
    session.print(&answer, |queues| {
        output::table(items(queues), &COLUMNS)?;
        let first = items(queues).iter().filter_map(|queue| queue["first_dead_letters"].as_array());
        first.flatten().try_for_each(|dead_letter| {
            let reason = dead_letter["reason"].as_str().unwrap_or("the function crashed");
            output::line(&format!("dead letter: {reason}"))
        })
    })
}

async fn redrive(session: &Session, queue: &Segment) -> Result<(), CommandError> {
    let request = Request::post(&ApiPath::of("queues", queue).then("redrive")).json(json!({}));
    session.print(&session.client.send(&request).await?, |outcome| {
        let count = |name: &str| output::text(&outcome[name]);
        output::line(&format!(
            "{} batches redriven, {} already done, {} messages deleted.",
            count("redriven"),
            count("done_already"),
            count("dropped"),
        ))
    })
}
