//! `carillon campaigns results`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::path;
use crate::client::Client;
use crate::commands::error::CommandError;

/// Writes everyone and what became of them. A file appears under its name only
/// when it is whole.
pub(super) async fn run(
    client: &Client,
    id: &str,
    output: Option<&Path>,
) -> Result<(), CommandError> {
    let Some(output) = output else {
        return copy(client, id, &mut io::stdout()).await?.map_err(CommandError::Output);
    };
    let unfinished = unfinished(output);
    let mut file = File::create(&unfinished).map_err(CommandError::file(&unfinished))?;
    copy(client, id, &mut file).await?.map_err(CommandError::file(&unfinished))?;
    fs::rename(&unfinished, output).map_err(CommandError::file(output))
}

fn unfinished(output: &Path) -> PathBuf {
    let mut name = OsString::from(output);
    name.push(".part");
    name.into()
}

/// Copies the download: the API's errors without, the output's within.
async fn copy(
    client: &Client,
    id: &str,
    output: &mut impl Write,
) -> Result<io::Result<()>, CommandError> {
    let mut download = client.download(&path(id, "/recipients.csv")).await?;
    while let Some(piece) = download.piece().await? {
        if let Err(error) = output.write_all(&piece) {
            let is_closed = error.kind() == io::ErrorKind::BrokenPipe;
            return Ok(if is_closed { Ok(()) } else { Err(error) });
        }
    }
    Ok(output.flush())
}
