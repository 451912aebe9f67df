//! The program `carillon`: runs all of Carillon on one machine, a demo or the
//! simulator, and is a client of the HTTP API of any Carillon.

mod access;
mod ask;
mod body;
mod client;
mod commands;
mod error;
mod json_file;
mod output;
mod person;
mod printable;
mod profiles;
mod progress;
mod report;
mod session;
mod signals;
mod simulator_config;
mod upload;
mod when;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    commands::run(commands::Cli::parse().or_serve()).await
}
