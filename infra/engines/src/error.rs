//! Errors of the engines.

use std::io;
use std::path::PathBuf;

use dynoxide::DynoxideError;

/// Why an engine could not start or could not do an operation.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Other engines, in this or another process, have the folder open.
    #[error("the data folder {} is in use by another Carillon process", folder.display())]
    InUse {
        /// The data folder.
        folder: PathBuf,
    },
    /// The folder cannot be created, or its lock file cannot be opened.
    #[error("the data folder {} cannot be used", folder.display())]
    Folder {
        /// The data folder.
        folder: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The engine could not bind a loopback port or spawn its thread.
    #[error("the {engine} engine cannot start")]
    Start {
        /// `dynamodb` or `sqs`.
        engine: &'static str,
        /// The operating system's error.
        source: io::Error,
    },
    /// The DynamoDB engine returned an error.
    #[error("the DynamoDB engine failed")]
    Table(#[from] DynoxideError),
    /// SQLite could not read or write the table file.
    #[error("the table file cannot be read or written")]
    File(#[from] rusqlite::Error),
    /// A stream record could not be serialized as JSON.
    #[error("a stream record cannot be serialized as JSON")]
    Record(#[from] serde_json::Error),
    /// The table does not exist, or its stream is not enabled.
    #[error("the table {table} does not exist or has no stream")]
    NoStream {
        /// The table's name.
        table: String,
    },
    /// The value is not a sequence number of a stream.
    #[error("{number:?} is not a sequence number")]
    SequenceNumber {
        /// The value.
        number: String,
    },
}
