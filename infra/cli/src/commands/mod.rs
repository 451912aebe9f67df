//! The commands, a file each.

mod access;
mod campaigns;
mod connections;
mod contacts;
mod demo;
mod error;
mod funnel;
mod keys;
mod print;
mod queues;
mod serve;
mod signals;
mod simulator;
mod terminal;
mod transfer;

use std::io::{Read, stdin};
use std::path::Path;
use std::process::ExitCode;

use carillon::telemetry;
use clap::{Parser, Subcommand};

use error::CommandError;

const EXAMPLES: &str = "\
Examples:
  carillon                                  start everything on this machine
  carillon demo                             watch 1,000 contacts, 250 a day
  carillon campaigns create campaign.json   make a campaign
  carillon campaigns import ID contacts.csv
  carillon campaigns start ID
  carillon campaigns watch ID
  carillon campaigns results ID -o results.csv

`carillon COMMAND --help` tells more about each.";

/// WhatsApp campaigns from your own machine or your own AWS account.
///
/// Without a command it starts everything on this machine, as `carillon serve`.
#[derive(Debug, Parser)]
#[command(name = "carillon", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    /// Print JSON for scripts instead of text for people.
    #[arg(long, global = true)]
    json: bool,

    /// What is logged on the standard error, such as `info` or `carillon=debug`.
    #[arg(long, global = true, env = "CARILLON_LOG", value_name = "FILTER")]
    log_filter: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start everything on this machine: the API, the engines, the clock.
    Serve(serve::ServeArgs),
    /// Run a whole campaign before your eyes, days in seconds.
    Demo(demo::DemoArgs),
    /// Run the WhatsApp simulator alone.
    Simulator(simulator::SimulatorArgs),
    /// Make, fill, run and watch campaigns.
    Campaigns(campaigns::CampaignsArgs),
    /// List and make connections: the numbers that send.
    Connections(connections::ConnectionsArgs),
    /// Show, block and erase single people.
    Contacts(contacts::ContactsArgs),
    /// List and make API keys.
    Keys(keys::KeysArgs),
    /// Show what waits to be sent, and bring back what failed.
    Queues(queues::QueuesArgs),
    /// Write all data to a file, to move it elsewhere.
    Export(transfer::ExportArgs),
    /// Read such a file into another Carillon, on one machine or on AWS.
    Import(transfer::ImportArgs),
}

impl Cli {
    /// What was asked for; `serve` with its defaults and its environment when
    /// nothing was.
    pub(crate) fn or_serve(self) -> Self {
        if self.command.is_some() {
            return self;
        }
        let Self { command, .. } = Self::parse_from(["carillon", "serve"]);
        Self { command, ..self }
    }
}

/// Runs what was asked for. 0: done; 1: it failed, and the standard error says
/// why; 2 (from clap): it was not understood.
pub(crate) async fn run(cli: Cli) -> ExitCode {
    let Some(command) = cli.command else { return ExitCode::from(2) };
    telemetry::init_plain(cli.log_filter.as_deref().unwrap_or(command.log_filter()));
    match Box::pin(command.run(cli.json)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("carillon: {}", error::in_full(&error));
            ExitCode::FAILURE
        }
    }
}

impl Command {
    /// What is logged unless told otherwise: a server tells what it does, the
    /// others what goes wrong.
    fn log_filter(&self) -> &'static str {
        match self {
            Self::Serve(_) => "warn,carillon=info",
            Self::Simulator(_) => "warn",
            Self::Demo(_)
            | Self::Campaigns(_)
            | Self::Connections(_)
            | Self::Contacts(_)
            | Self::Keys(_)
            | Self::Queues(_)
            | Self::Export(_)
            | Self::Import(_) => "error",
        }
    }

    async fn run(self, json: bool) -> Result<(), CommandError> {
        match self {
            Self::Serve(args) => serve::run(args, json).await,
            Self::Demo(args) => Box::pin(demo::run(args, json)).await,
            Self::Simulator(args) => simulator::run(args, json).await,
            Self::Campaigns(args) => campaigns::run(args, json).await,
            Self::Connections(args) => connections::run(args, json).await,
            Self::Contacts(args) => contacts::run(args, json).await,
            Self::Keys(args) => keys::run(args, json).await,
            Self::Queues(args) => queues::run(args, json).await,
            Self::Export(args) => transfer::export(args, json).await,
            Self::Import(args) => transfer::import(args, json).await,
        }
    }
}

/// Reads a JSON file, or the standard input for `-`.
fn read_json(file: &Path) -> Result<serde_json::Value, CommandError> {
    let mut text = String::new();
    if file == Path::new("-") {
        stdin().read_to_string(&mut text).map_err(CommandError::file(file))?;
    } else {
        text = std::fs::read_to_string(file).map_err(CommandError::file(file))?;
    }
    serde_json::from_str(&text)
        .map_err(|source| CommandError::Json { path: file.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_fit_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_command_it_serves() {
        let cli = Cli::parse_from(["carillon"]).or_serve();
        assert!(matches!(cli.command, Some(Command::Serve(_))));
    }
}
