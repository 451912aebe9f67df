use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use carillon_host::{DataFolderError, HostError};
use serde_json::json;

use crate::client::ClientError;
use crate::profiles::ProfilesError;
use crate::upload::UploadError;

/// Why a command failed. The messages are shown to the user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Upload(#[from] UploadError),
    #[error(transparent)]
    Host(HostError),
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    #[error(
        "cannot listen on {address}: {source}\nChoose another address with --listen. --listen 127.0.0.1:0 selects a free port."
    )]
    Listen { address: SocketAddr, source: io::Error },
    #[error("cannot start the simulator: {0}")]
    Simulator(#[source] io::Error),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{}: the JSON is invalid: {source}", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    #[error(
        "no API key: run `carillon login`, give --key or set CARILLON_API_KEY, or run the command in the folder that `carillon serve` was started in"
    )]
    NoApiKey,
    #[error(
        "the API key of {origin} belongs to {own}, and is not sent to {url}: give the key of {url} with --key or CARILLON_API_KEY, or `carillon login --url {url}`"
    )]
    OtherAddress { url: String, own: String, origin: String },
    #[error(transparent)]
    Profiles(#[from] ProfilesError),
    /// The arguments do not fit together.
    #[error("{0}")]
    Usage(String),
    #[error("{0}\nNobody can be asked here: give --yes to confirm.")]
    NotConfirmed(String),
    #[error("not confirmed: nothing was changed")]
    Declined,
    #[error("cannot read the input: {0}")]
    Input(#[source] io::Error),
    #[error("the job has {status}{detail}")]
    Job { status: String, detail: String },
    #[error("{0}")]
    Problems(String),
    #[error("{} already contains a table; --keep requires an empty folder", .0.display())]
    NotEmpty(PathBuf),
    #[error("{} contains no table; give the folder of `carillon serve --data`", .0.display())]
    NoTable(PathBuf),
    #[error("no contact has this address")]
    NoContact,
    #[error(
        "{}: {erased} of its addresses are of erased contacts, and only their hash is left. It can be looked up only where the address key is the same: import with --address-key-file into a Carillon that has no contacts yet.\nNothing was imported.",
        path.display()
    )]
    ErasedAddresses { path: PathBuf, erased: u64 },
    #[error("--secrets-prefix is missing: it is the stack's output SecretsPrefix")]
    NoSecretsPrefix,
    #[error("{}: line {line}: {reason}\nNothing was imported.", path.display())]
    ExportFile { path: PathBuf, line: u64, reason: String },
    #[error(
        "the transfer failed: {0}\nItems that were imported stay. Run the same command again to continue."
    )]
    Transfer(#[source] Box<dyn Error + Send + Sync>),
    #[error("the campaign is halted: {0}")]
    Halted(String),
    #[error("the campaign is still {status} after {days} days")]
    NotCompleted { status: String, days: u32 },
    #[error("{}", .0.join("\n"))]
    FailedChecks(Vec<String>),
    #[error("cannot wait for signals: {0}")]
    Signal(#[source] io::Error),
    #[error("cannot write the output: {0}")]
    Output(#[source] io::Error),
    #[error("nobody reads the output")]
    NobodyReads,
}

impl CommandError {
    /// The error of writing to the standard output.
    pub(crate) fn of_output(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::Output(error),
        }
    }

    /// The exit code of the program.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Client(error) | Self::Upload(UploadError::Client(error)) => error.exit_code(),
            Self::NoContact => 3,
            Self::Usage(_) | Self::NotConfirmed(_) => 2,
            Self::NoApiKey | Self::OtherAddress { .. } => 4,
            Self::NotEmpty(_) => 5,
            Self::Json { .. } | Self::ExportFile { .. } => 6,
            Self::Halted(_) | Self::Job { .. } => 8,
            _ => 1,
        }
    }

    /// The error as one line of JSON: the API's problem unchanged, or the message.
    pub(crate) fn document(&self) -> String {
        let problem = match self {
            Self::Client(error) | Self::Upload(UploadError::Client(error)) => error.document(),
            _ => None,
        };
        problem.map_or_else(
            || json!({ "detail": self.with_causes(), "exit_code": self.exit_code() }).to_string(),
            str::to_owned,
        )
    }

    /// The error of an operation on the file `path`.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.to_owned(), source }
    }

    pub(crate) fn transfer(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Transfer(Box::new(error))
    }

    /// The message, followed by those of its causes that it does not contain.
    pub(crate) fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut next = self.source();
        while let Some(source) = next {
            let cause = source.to_string();
            if !text.contains(&cause) {
                text = format!("{text}: {cause}");
            }
            next = source.source();
        }
        text
    }
}

impl From<HostError> for CommandError {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Listen { address, source } => Self::Listen { address, source },
            HostError::Engine(_) | HostError::Function(_) => Self::Host(error),
        }
    }
}
