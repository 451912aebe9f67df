//! `carillon`, the program: everything on one machine, the demonstration, the
//! simulator, and a client of any Carillon.

mod client;
mod commands;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    commands::run(commands::Cli::parse().or_serve()).await
}
