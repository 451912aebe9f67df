//! `carillon completion`.

use std::io;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;

const EXAMPLES: &str = "\
Examples:
  carillon completion bash > ~/.local/share/bash-completion/completions/carillon
  carillon completion zsh > ~/.zfunc/_carillon
  carillon completion fish > ~/.config/fish/completions/carillon.fish";

/// Prints a script with which a shell completes commands and flags.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompletionArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &CompletionArgs) {
    clap_complete::generate(args.shell, &mut Cli::command(), "carillon", &mut io::stdout());
}
