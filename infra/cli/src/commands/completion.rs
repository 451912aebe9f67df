//! `carillon completion`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use crate::error::CommandError;
use crate::output;

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

pub(crate) fn run(args: &CompletionArgs) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "carillon", &mut script);
    output::line(String::from_utf8_lossy(&script).trim_end())
}
