//! `carillon data export` and `carillon data import`: all data of one Carillon to a file and
//! into another, on one machine or on AWS.

mod export;
mod export_file;
mod import;
mod location;

use clap::{Args, Subcommand};

use crate::error::CommandError;
use export::ExportArgs;
use import::ImportArgs;

const EXAMPLES: &str = "\
Examples:
  carillon data export --data ./.carillon backup.jsonl
  carillon data import --data ./new --address-key-file address-key \\
                       --secrets-key-file secrets-key backup.jsonl

These commands read and write the table, not the API. The file contains personal data.";

/// Moves all data of a Carillon to another one, or to a backup.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DataArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Export all data to a file.
    Export(ExportArgs),
    /// Import an exported file, on this machine or on AWS.
    Import(ImportArgs),
}

pub(crate) async fn run(args: DataArgs, json: bool) -> Result<(), CommandError> {
    match args.command {
        Command::Export(args) => export::run(args, json).await,
        Command::Import(args) => Box::pin(import::run(args, json)).await,
    }
}
