use std::fs;
use std::io::{self, stdin};
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::CommandError;

/// Reads a JSON file.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, CommandError> {
    let text = fs::read_to_string(path).map_err(CommandError::file(path))?;
    parse(&text, path)
}

/// Reads a JSON file, or the standard input if `path` is `-`.
pub(crate) fn read_or_stdin<T: DeserializeOwned>(path: &Path) -> Result<T, CommandError> {
    if path != Path::new("-") {
        return read(path);
    }
    let text = io::read_to_string(stdin()).map_err(CommandError::file(path))?;
    parse(&text, path)
}

fn parse<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, CommandError> {
    serde_json::from_str(text)
        .map_err(|source| CommandError::Json { path: path.to_owned(), source })
}
