//! The commands, one file or folder each.

mod access;
mod campaigns;
mod connections;
mod contacts;
mod demo;
mod keys;
mod queues;
mod serve;
mod simulator;
mod transfer;

use std::process::ExitCode;

use carillon::telemetry;
use clap::{Parser, Subcommand};

use crate::error::CommandError;

const EXAMPLES: &str = "\
Examples:
  carillon                                  run all of Carillon on this machine
  carillon demo                             run a campaign of 1,000 contacts, 250 a day
  carillon campaigns create campaign.json   create a campaign
  carillon campaigns import ID contacts.csv
  carillon campaigns start ID
  carillon campaigns watch ID
  carillon campaigns results ID -o results.csv

`carillon COMMAND --help` describes a command.

Exit codes: 0 success, 1 failure, 2 wrong usage, 3 not found, 4 not allowed, 5 conflict,
6 invalid, 7 unreachable or throttled, 8 halted.";

/// Sends WhatsApp campaigns from this machine or from your own AWS account.
///
/// Without a command it runs all of Carillon on this machine, as `carillon serve` does.
#[derive(Debug, Parser)]
#[command(name = "carillon", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    access: access::Access,

    /// Print JSON instead of text.
    #[arg(long, global = true)]
    json: bool,

    /// Filter of the log on the standard error, such as `info` or `carillon=debug`.
    #[arg(long, global = true, env = "CARILLON_LOG", value_name = "FILTER")]
    log_filter: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run all of Carillon on this machine: the API, the functions, the table and the queues.
    Serve(serve::ServeArgs),
    /// Run a complete campaign against the simulator, days in seconds.
    Demo(demo::DemoArgs),
    /// Run the WhatsApp simulator alone.
    Simulator(simulator::SimulatorArgs),
    /// Create, import, start and watch campaigns.
    Campaigns(campaigns::CampaignsArgs),
    /// List and create connections, the numbers that send.
    Connections(connections::ConnectionsArgs),
    /// Show, block and erase single contacts.
    Contacts(contacts::ContactsArgs),
    /// List and create API keys.
    Keys(keys::KeysArgs),
    /// Show the queues and redrive dead letters.
    Queues(queues::QueuesArgs),
    /// Export all data to a file.
    Export(transfer::ExportArgs),
    /// Import an exported file, on this machine or on AWS.
    Import(transfer::ImportArgs),
}

impl Cli {
    /// The command line with `serve` if no command was given.
    pub(crate) fn or_serve(self) -> Self {
        if self.command.is_some() {
            return self;
        }
        let Self { command, .. } = Self::parse_from(["carillon", "serve"]);
        Self { command, ..self }
    }
}

/// Runs the command. Exit code 0: success; 2 (by clap): invalid arguments; others: the error's,
/// which is written to the standard error.
pub(crate) async fn run(cli: Cli) -> ExitCode {
    let Some(command) = cli.command else { return ExitCode::from(2) };
    telemetry::init_plain(cli.log_filter.as_deref().unwrap_or(command.default_log_filter()));
    match Box::pin(command.run(&cli.access, cli.json)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("carillon: {}", error.with_causes());
            ExitCode::from(error.exit_code())
        }
    }
}

impl Command {
    fn default_log_filter(&self) -> &'static str {
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

    async fn run(self, access: &access::Access, json: bool) -> Result<(), CommandError> {
        match self {
            Self::Serve(args) => serve::run(args, json).await,
            Self::Demo(args) => Box::pin(demo::run(args, json)).await,
            Self::Simulator(args) => simulator::run(args, json).await,
            Self::Campaigns(args) => campaigns::run(args, access, json).await,
            Self::Connections(args) => connections::run(args, access, json).await,
            Self::Contacts(args) => contacts::run(args, access, json).await,
            Self::Keys(args) => keys::run(args, access, json).await,
            Self::Queues(args) => queues::run(args, access, json).await,
            Self::Export(args) => transfer::export(args, json).await,
            Self::Import(args) => transfer::import(args, json).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_command_serve_runs() {
        let cli = Cli::parse_from(["carillon"]).or_serve();
        assert!(matches!(cli.command, Some(Command::Serve(_))));
    }
}
