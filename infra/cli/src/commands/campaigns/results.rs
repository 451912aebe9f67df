//! `carillon campaigns results`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::path::campaign_path;
use crate::client::Client;
use crate::error::CommandError;

/// Downloads the results to `output` or the standard output. The file gets its name
/// when the download is complete.
pub(super) async fn run(
    client: &Client,
    id: &str,
    output: Option<&Path>,
) -> Result<(), CommandError> {
    let Some(output) = output else {
        return download(client, id, &mut io::stdout()).await?.map_err(CommandError::Output);
    };
    let partial = partial_path(output);
    let mut file = File::create(&partial).map_err(CommandError::file(&partial))?;
    download(client, id, &mut file).await?.map_err(CommandError::file(&partial))?;
    fs::rename(&partial, output).map_err(CommandError::file(output))
}

fn partial_path(output: &Path) -> PathBuf {
    let mut name = OsString::from(output);
    name.push(".part");
    name.into()
}

/// The outer error is the API's, the inner one is the output's. A closed pipe is not an
/// error.
async fn download(
    client: &Client,
    id: &str,
    output: &mut impl Write,
) -> Result<io::Result<()>, CommandError> {
    let mut download = client.download(&campaign_path(id, "/recipients.csv")).await?;
    while let Some(chunk) = download.chunk().await? {
        if let Err(error) = output.write_all(&chunk) {
            let is_closed = error.kind() == io::ErrorKind::BrokenPipe;
            return Ok(if is_closed { Ok(()) } else { Err(error) });
        }
    }
    Ok(output.flush())
}
