//! `carillon recipients export`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::client::{ApiPath, Client};
use crate::error::CommandError;

/// Downloads the recipients to `output` or the standard output. The file gets its name
/// when the download is complete.
pub(super) async fn run(
    client: &Client,
    path: &ApiPath,
    output: Option<&Path>,
) -> Result<(), CommandError> {
    let Some(output) = output else {
        return download(client, path, &mut io::stdout()).await?.map_err(CommandError::Output);
    };
    let partial = partial_path(output);
    let mut file = File::create(&partial).map_err(CommandError::file(&partial))?;
    download(client, path, &mut file).await?.map_err(CommandError::file(&partial))?;
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
    path: &ApiPath,
    output: &mut impl Write,
) -> Result<io::Result<()>, CommandError> {
    let mut download = client.download(path).await?;
    while let Some(chunk) = download.chunk().await? {
        if let Err(error) = output.write_all(&chunk) {
            let is_closed = error.kind() == io::ErrorKind::BrokenPipe;
            return Ok(if is_closed { Ok(()) } else { Err(error) });
        }
    }
    Ok(output.flush())
}
