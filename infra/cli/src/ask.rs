//! Questions to the user, on the standard error.

use std::io::{self, IsTerminal, stderr, stdin};

use console::Term;
use secrecy::SecretString;

use crate::error::CommandError;

/// Asks before something that cannot be undone. `yes` (the flag `--yes`) answers; where nobody
/// can be asked, it is refused.
pub(crate) fn confirm(question: &str, yes: bool) -> Result<(), CommandError> {
    if yes {
        return Ok(());
    }
    if !is_terminal() {
        return Err(CommandError::NotConfirmed(question.to_owned()));
    }
    let answer = line(&format!("{question} [y/N] "))?;
    if matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(CommandError::Declined)
}

/// Whether somebody can be asked.
pub(crate) fn is_terminal() -> bool {
    stdin().is_terminal() && stderr().is_terminal()
}

/// Asks for a line of text.
pub(crate) fn line(prompt: &str) -> Result<String, CommandError> {
    let terminal = Term::stderr();
    terminal.write_str(prompt).map_err(CommandError::Input)?;
    let answer = terminal.read_line().map_err(CommandError::Input)?;
    Ok(answer.trim().to_owned())
}

/// Asks for a secret, which is not shown. Without a terminal it is the next line of the
/// standard input.
pub(crate) fn secret(name: &str) -> Result<SecretString, CommandError> {
    let text = if is_terminal() {
        let terminal = Term::stderr();
        terminal.write_str(&format!("{name} (not shown): ")).map_err(CommandError::Input)?;
        terminal.read_secure_line().map_err(CommandError::Input)?
    } else {
        let mut text = String::new();
        stdin().read_line(&mut text).map_err(CommandError::Input)?;
        text
    };
    let text = text.trim();
    if text.is_empty() {
        let missing = format!("{name} is missing: give it on the standard input");
        return Err(CommandError::Input(io::Error::new(io::ErrorKind::UnexpectedEof, missing)));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_terminal_only_the_flag_confirms() {
        // Tests have no terminal on the standard input, or none that is read.
        assert!(confirm("Delete it?", true).is_ok());
        if !is_terminal() {
            let refused = confirm("Delete it?", false).unwrap_err();
            assert_eq!(refused.exit_code(), 2);
            assert!(refused.to_string().contains("--yes"), "{refused}");
        }
    }
}
