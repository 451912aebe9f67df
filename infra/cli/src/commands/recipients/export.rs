//! `carillon recipients export`.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
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
    let mut file = own_file(&partial).map_err(CommandError::file(&partial))?;
    let done = download(client, path, &mut file).await;
    match done.and_then(|written| written.map_err(CommandError::file(&partial))) {
        Ok(()) => fs::rename(&partial, output).map_err(CommandError::file(output)),
        Err(error) => {
            // Half a file of people is left to nobody.
            let _ = fs::remove_file(&partial);
            Err(error)
        }
    }
}

/// A new file that only its owner may read: it has people's numbers.
fn own_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
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
