//! The program `carillon`: runs all of Carillon on one machine, a demo or the
//! simulator, and is a client of the HTTP API of any Carillon.

mod client;
mod commands;
mod error;
mod json_file;
mod output;
mod progress;
mod report;
mod signals;
mod simulator_config;
mod upload;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    commands::run(commands::Cli::parse().or_serve()).await
}
