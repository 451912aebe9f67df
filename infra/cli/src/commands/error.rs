use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use carillon_host::{HomeError, HostError};

use crate::client::ClientError;

/// Why a command failed, in words for the person who gave it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The API refused, or was not there.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Carillon can't run here.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The data folder can't be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The address can't be had.
    #[error(
        "can't listen on {address}: {source}\nChoose another address with --listen, such as --listen 127.0.0.1:0 for any free port."
    )]
    Listen { address: SocketAddr, source: io::Error },
    /// The simulator can't start.
    #[error("the simulator can't start: {0}")]
    Simulator(#[source] io::Error),
    /// A file can't be read or written.
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// A file is not the JSON it should be.
    #[error("{}: not the JSON that is expected here: {source}", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    /// There is no key to show the API.
    #[error(
        "no API key: give --key, set CARILLON_API_KEY, or run this where {} is",
        Path::new(super::access::KEPT_KEY).display()
    )]
    NoKey,
    /// A record can't be part of a CSV file that makes sense.
    #[error("line {line}: this record is longer than 1 MB; is a quotation mark left open?")]
    EndlessRecord { line: u64 },
    /// The demonstration wants a folder of its own.
    #[error("{} holds a table already; --keep wants an empty folder", .0.display())]
    NotEmpty(PathBuf),
    /// There is nothing to export.
    #[error("{} holds no table; give the folder that `carillon serve --data` was given", .0.display())]
    NoTable(PathBuf),
    /// It isn't said where secrets go.
    #[error("--secrets-prefix says where the secrets go: the stack's output SecretsPrefix")]
    NoPrefix,
    /// A line of an export.
    #[error("{}: line {line} {what}\nNothing of the file was imported.", path.display())]
    Line { path: PathBuf, line: u64, what: String },
    /// What an export or import met.
    #[error("it ended early: {0}\nWhat was imported so far stays; the same command goes on.")]
    Transfer(#[source] Box<dyn Error + Send + Sync>),
    /// The campaign stopped by itself.
    #[error("the campaign is halted: {0}")]
    Halted(String),
    /// The demonstration's days are over and the campaign isn't.
    #[error("the campaign is still {status} after {days} days")]
    Overdue { status: String, days: u32 },
    /// The report and the simulator's log differ.
    #[error("{}", .0.join("\n"))]
    Disagreement(Vec<String>),
    /// The terminal or the pipe is gone.
    #[error("can't write the output: {0}")]
    Output(#[source] io::Error),
}

impl CommandError {
    /// What went wrong with a file.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.to_owned(), source }
    }
}

/// An error and what led to it, each once.
pub(crate) fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let cause = source.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        next = source.source();
    }
    text
}
